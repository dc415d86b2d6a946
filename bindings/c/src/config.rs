//! Settings that are given one by one.

use std::ffi::c_char;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lamport_clock::Config;
use lamport_clock_host as host;

use crate::border;
use crate::error::ErrorObject;
use crate::status::Status;

/// Settings of a clock, by their names in the library's table.
///
/// "node", "nodes", "store", "key", "timeout", "max_jump", "config", "tls_ca", "tls_cert", "tls_key", "user",
/// "password_file", "allow_plaintext", "header_key_file": docs/CONFIGURATION.md describes each. Settings that
/// are not given come from the environment.
#[derive(Debug, Default)]
pub struct Settings(Mutex<lamport_clock::Settings>);

impl Settings {
    pub(crate) fn load(&self) -> Result<Config, ErrorObject> {
        // The lock is not held while files are read: a child that is forked meanwhile would find it locked.
        let given = self.given().clone();
        load(&given)
    }

    fn given(&self) -> MutexGuard<'_, lamport_clock::Settings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Loads a configuration from settings. From the first call on, the core counts the forks of this process.
pub(crate) fn load(settings: &lamport_clock::Settings) -> Result<Config, ErrorObject> {
    host::settle()?;
    Ok(Config::load(settings)?)
}

/// Loads a configuration from the arguments of a function that makes a clock.
///
/// # Safety
/// `store` and `process` follow the header's contract.
pub(crate) unsafe fn of(
    store: *const c_char,
    process: *const c_char,
    timeout_ms: u32,
) -> Result<Config, ErrorObject> {
    let mut settings = lamport_clock::Settings::default();
    for (setting, text, name) in [("store", store, "store"), ("node", process, "process")] {
        // SAFETY: the contract of this function.
        if let Some(text) = unsafe { border::optional_text(text, name)? } {
            settings.set(setting, text);
        }
    }
    if timeout_ms > 0 {
        settings.set("timeout", Duration::from_millis(timeout_ms.into()));
    }
    load(&settings)
}

/// Makes settings, of which none is given yet: free them with lamport_config_free(). Never NULL.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_config_new() -> *mut Settings {
    Box::into_raw(Box::default())
}

/// Gives the setting `name` the text `value`, in place of any earlier text. If `value` is NULL, the setting
/// counts as not given. An unknown name, or a value that the setting does not accept, is reported only when a
/// clock is made.
///
/// Errors: INVALID_UTF8.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_config_set(
    config: Option<&Settings>,
    name: *const c_char,
    value: *const c_char,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    unsafe {
        border::guarded(error, || {
            let config = border::lent(config)?;
            let name = border::text(name, "name")?;
            match border::optional_text(value, "value")? {
                Some(value) => config.given().set(name, value),
                None => config.given().remove(name),
            }
            Ok(())
        })
    }
}

/// Frees settings. Clocks that were made from them go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_config_free(config: *mut Settings) {
    // SAFETY: the header's contract: it came from us and is freed once.
    unsafe { border::given_back(config, drop) }
}
