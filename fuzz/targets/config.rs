//! The configuration from arguments, variables and a TOML file, all made of bytes. A second, naive
//! computation tells which source wins.
#![no_main]

use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use lamport_clock::{Config, ErrorKind, LocalClock, Setting, Settings, parse_duration};
use lamport_clock_fuzz::{SECRET, assert_message};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::{Corpus, fuzz_target};
use tempfile::TempDir;

const NODE: usize = 0;
const TIMEOUT: usize = 4;
const MAX_JUMP: usize = 5;
const CONFIG: usize = 6;
/// The settings that name a file. The fuzzer chooses among files of its own: it must not touch others.
const FILES: [usize; 6] = [CONFIG, 7, 8, 9, 11, 13];

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(folder.path().join("secret"), mode).unwrap();
    fs::write(folder.path().join("not-text"), b"\xff\xfe").unwrap();
    fs::write(folder.path().join("empty"), b"").unwrap();
    folder
});

/// The text that one source gives each setting, in the order of [`Setting::ALL`].
type Said = [Option<String>; Setting::ALL.len()];

fuzz_target!(|bytes: &[u8]| -> Corpus {
    // The fuzzer can learn the secret from the comparisons; an input that contains it proves nothing.
    if String::from_utf8_lossy(bytes).contains(SECRET) {
        return Corpus::Reject;
    }
    match check(&mut Unstructured::new(bytes)) {
        Ok(()) => Corpus::Keep,
        Err(_) => Corpus::Reject,
    }
});

fn check(bytes: &mut Unstructured<'_>) -> Result<()> {
    let arguments = said(bytes)?;
    let variables = said(bytes)?;
    // The file is well formed, or any bytes.
    let in_file = if bytes.arbitrary()? {
        let mut said = said(bytes)?;
        said[CONFIG] = None;
        fs::write(path("file"), toml(&said, bytes.arbitrary()?)).unwrap();
        Some(said)
    } else {
        let rest = bytes.bytes(bytes.len())?;
        fs::write(path("file"), rest).unwrap();
        None
    };
    let not_text = variables[NODE].as_deref() == Some("not-text");
    let resolved = Config::resolve(&settings(&arguments), &|name| {
        let at = Setting::ALL
            .iter()
            .position(|setting| setting.variable == name)?;
        if at == NODE && not_text {
            return Some(OsString::from_vec(vec![0xff, b'a']));
        }
        variables[at].clone().map(OsString::from)
    });

    let longest_map = [&arguments, &variables]
        .into_iter()
        .chain(&in_file)
        .filter_map(|said| said[1].as_deref().map(str::len))
        .max();
    let config = match resolved {
        Ok(config) => config,
        Err(error) => {
            let kinds = [ErrorKind::InvalidArgument, ErrorKind::UnknownNode];
            assert!(kinds.contains(&error.kind()), "{error}");
            // The message lists all known nodes, each with its port.
            assert_message(&error.to_string(), 2_000 + 5 * longest_map.unwrap_or(0));
            return Ok(());
        }
    };
    assert!(!not_text, "a variable that is not UTF-8 was taken");
    assert!(!format!("{config:?}").contains(SECRET));
    if let Some(credentials) = config.credentials() {
        assert_eq!(credentials.password.expose(), SECRET);
    }
    let wins = |at: usize| {
        let variable = variables[at].as_ref().filter(|text| !text.is_empty());
        let named = |said: &'_ Said| said[CONFIG].clone().filter(|text| !text.is_empty());
        // An empty argument counts as given. Only an empty variable counts as not set.
        let file = arguments[CONFIG].clone().or_else(|| named(&variables));
        let read = file.is_some_and(|file| file == path("file").to_str().unwrap());
        let in_file = in_file.as_ref().filter(|_| read);
        arguments[at]
            .as_ref()
            .or(variable)
            .or_else(|| in_file.and_then(|said| said[at].as_ref()))
            .cloned()
    };
    if in_file.is_some() {
        if let Some(name) = wins(NODE) {
            assert_eq!(config.process().as_str(), name);
        }
        let timeout =
            wins(TIMEOUT).map_or(Ok(Config::DEFAULT_TIMEOUT), |text| parse_duration(&text));
        assert_eq!(config.timeout(), timeout.unwrap());
        let max_jump = wins(MAX_JUMP).map_or(Ok(LocalClock::MAX_JUMP), |text| text.parse());
        assert_eq!(config.max_jump(), max_jump.unwrap());
    }
    assert!(config.timeout() >= Duration::from_millis(1));
    assert!(config.timeout() <= Duration::from_secs(86_400));
    assert!(config.key().starts_with('/') && config.key().len() <= 512);
    Ok(())
}

/// Some of the settings, each with a text that may be valid.
fn said(bytes: &mut Unstructured<'_>) -> Result<Said> {
    let mut said = Said::default();
    let which: u16 = bytes.arbitrary()?;
    for (at, text) in said.iter_mut().enumerate() {
        if which >> at & 1 == 0 {
            continue;
        }
        *text = Some(if FILES.contains(&at) {
            let name = bytes.choose(&["file", "secret", "not-text", "empty", "absent", "."])?;
            path(name).to_str().unwrap().to_owned()
        } else if bytes.ratio(1, 4)? {
            let right = [
                "mx-nodel",
                "memory:",
                "etcd://[::1]/a",
                "/k",
                "2s",
                "true",
                "7",
                "a=h:1",
            ];
            (*bytes.choose(&right)?).to_owned()
        } else {
            let length = bytes.int_in_range(0..=40)?.min(bytes.len());
            String::from_utf8_lossy(bytes.bytes(length)?).into_owned()
        });
    }
    Ok(said)
}

fn settings(said: &Said) -> Settings {
    let mut settings = Settings::default();
    for (setting, text) in Setting::ALL.iter().zip(said) {
        if let Some(text) = text {
            settings.set(setting.name, &**text);
        }
    }
    settings
}

/// A TOML file that gives these texts, under the names of the file or of the environment.
fn toml(said: &Said, as_variables: bool) -> String {
    let mut file = String::new();
    for (setting, text) in Setting::ALL.iter().zip(said) {
        let Some(text) = text else { continue };
        let name = match as_variables {
            true => setting.variable,
            false => setting.name,
        };
        // A JSON string is a TOML string too, except for DEL.
        let text = serde_json::to_string(text)
            .unwrap()
            .replace('\u{7f}', "\\u007F");
        writeln!(file, "{name} = {text}").unwrap();
    }
    file
}

fn path(name: &str) -> PathBuf {
    FOLDER.path().join(name)
}
