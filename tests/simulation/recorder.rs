//! What the callers of a simulation saw.

use std::sync::Mutex;

use lamport_clock::{Error, ErrorKind, Instance, Observed, Reservation, Time};
use lamport_trace::{Action, Call, Outcome};
use tokio::time::Instant;

pub(crate) struct Recorder {
    began: Instant,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    newest: u64,
    calls: Vec<Call>,
    /// Broken promises that no history shows.
    broken: Vec<String>,
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder {
            began: Instant::now(),
            notes: Mutex::default(),
        }
    }
}

impl Recorder {
    /// Virtual time in nanoseconds, and no moment twice: what happens at one instant happens in some
    /// order.
    pub(crate) fn now(&self) -> u64 {
        let mut notes = self.notes.lock().unwrap();
        let elapsed = self.began.elapsed().as_nanos() as u64;
        notes.newest = elapsed.max(notes.newest + 1);
        notes.newest
    }

    /// Written down at once: whoever is dropped in the middle of it never returned.
    pub(crate) fn begin(&self, process: &str, instance: Instance, action: Action) -> Call {
        let call = Call::begun(process, Some(instance), action, self.now());
        self.notes.lock().unwrap().calls.push(call.clone());
        call
    }

    pub(crate) fn updated(&self, mut call: Call, result: &Result<Reservation, Error>) {
        match result {
            Ok(times) => {
                call.outcome = Some(Outcome::Ok);
                call.first = Some(times.first.get());
                call.value = Some(times.last.get());
                let previous = times.previous.as_ref();
                call.previous = Some(previous.map(|holder| holder.value.get()));
                call.regressed = times.regressed.map(Time::get);
                call.revision = Some(times.revision);
                call.round_trips = Some(times.round_trips);
            }
            Err(error) => fail(&mut call, error),
        }
        self.push(call);
    }

    pub(crate) fn read(&self, mut call: Call, result: &Result<Option<Observed>, Error>) {
        match result {
            Ok(observed) => {
                call.outcome = Some(Outcome::Ok);
                call.value = observed.as_ref().map(|observed| observed.value.get());
                call.revision = observed.as_ref().map(|observed| observed.revision);
            }
            Err(error) => fail(&mut call, error),
        }
        self.push(call);
    }

    fn push(&self, mut call: Call) {
        call.returned = Some(self.now());
        self.notes.lock().unwrap().calls.push(call);
    }

    pub(crate) fn broken(&self, what: String) {
        self.notes.lock().unwrap().broken.push(what);
    }

    pub(crate) fn with_calls<T>(&self, look: impl FnOnce(&[Call]) -> T) -> T {
        look(&self.notes.lock().unwrap().calls)
    }

    pub(crate) fn broken_first(&self) -> Option<String> {
        self.notes.lock().unwrap().broken.first().cloned()
    }
}

fn fail(call: &mut Call, error: &Error) {
    call.outcome = Some(match error.kind() {
        ErrorKind::InvalidArgument | ErrorKind::Overloaded => Outcome::Failed,
        _ => Outcome::Unknown,
    });
    call.error = Some(error.to_string());
    call.kind = Some(error.kind().name().to_owned());
}
