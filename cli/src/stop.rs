//! Signals that ask the command to end: SIGINT (Ctrl-C), SIGTERM, SIGHUP.

use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::Ending;
use lamport_clock::blocking::{Call, SharedClock};
use lamport_clock::{Config, Error, ErrorKind};

/// Whether the command was asked to end.
pub(super) struct Stop {
    requested: Mutex<bool>,
    changed: Condvar,
}

/// How often a wait for a call checks for a signal.
const GLANCE: Duration = Duration::from_millis(20);

/// How long the command may take to end after a second signal: as long as a call may take by default.
const LAST_WAIT: Duration = Duration::from_secs(5);

impl Stop {
    /// Listens for signals from now on. A process has only one handler for a signal. Inside Python, this
    /// one replaces the interpreter's handler, which could act only after the command.
    pub(super) fn listen() -> Result<&'static Stop, Ending> {
        static STOP: Stop = Stop {
            requested: Mutex::new(false),
            changed: Condvar::new(),
        };
        static INSTALLED: OnceLock<Result<(), String>> = OnceLock::new();
        *STOP.lock() = false;
        let installed = INSTALLED
            .get_or_init(|| ctrlc::set_handler(|| STOP.request()).map_err(|e| e.to_string()));
        match installed {
            Ok(()) => Ok(&STOP),
            Err(error) => Err(Ending::Failed(Error::new(
                ErrorKind::Internal,
                format!("no handler for signals can be set: {error}"),
            ))),
        }
    }

    pub(super) fn requested(&self) -> bool {
        *self.lock()
    }

    /// Rests for `duration`, or until a signal asks the command to end, and returns whether one has.
    pub(super) fn rest(&self, duration: Duration) -> bool {
        let waited = self
            .changed
            .wait_timeout_while(self.lock(), duration, |requested| !*requested);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits for the end of a call or for a signal. The call itself is bounded.
    pub(super) fn outcome<T: Send + 'static>(&self, mut call: Call<T>) -> Result<T, Ending> {
        loop {
            if self.requested() {
                return Err(Ending::Interrupted);
            }
            if let Some(result) = call.wait_for(GLANCE) {
                return result.map_err(Ending::Failed);
            }
        }
    }

    /// The command has ended. A second signal need not end the process any more.
    pub(super) fn ended(&self) {
        *self.lock() = false;
        self.changed.notify_all();
    }

    /// A clock whose store has answered.
    pub(super) fn connect(&self, config: &Config) -> Result<SharedClock, Ending> {
        let clock = SharedClock::open(config).map_err(Ending::Failed)?;
        self.outcome(clock.begin(|clock| async move { clock.first_look().await })?)?;
        Ok(clock)
    }

    fn request(&self) {
        let mut requested = self.lock();
        if !*requested {
            *requested = true;
            self.changed.notify_all();
            return;
        }
        // A second signal. The command is about to end, unless something blocks it, for instance output
        // that nobody reads.
        let waited = self
            .changed
            .wait_timeout_while(requested, LAST_WAIT, |requested| *requested);
        if *waited.unwrap_or_else(PoisonError::into_inner).0 {
            std::process::exit(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
