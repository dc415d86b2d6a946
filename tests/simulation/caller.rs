//! One who calls a process's clock, again and again, and what is checked of each call at once.

use std::sync::Arc;
use std::time::Duration;

use lamport_clock::{Error, ErrorKind, Observed, Reservation, Time};
use lamport_trace::{Action, Call};
use tokio::time::{Instant, sleep, timeout};

use super::{Clock, Present, Process};
use crate::link::NO;
use crate::random::Random;
use crate::server::milliseconds;

pub(super) struct Caller {
    pub(super) process: Arc<Process>,
    pub(super) present: Present,
    /// Nobody else uses this clock.
    pub(super) alone: bool,
    /// Its last call ended well, so that nothing is under way.
    pub(super) settled: bool,
    pub(super) reads: bool,
    /// The newest time that it was given, by a tick or an update: all later ones lie above.
    pub(super) newest: Time,
    pub(super) random: Random,
}

impl Caller {
    pub(super) async fn run(mut self) {
        for _ in 0..self.process.calls {
            let random = &mut self.random;
            sleep(milliseconds(random.below(self.process.rest))).await;
            let process = self.process.clone();
            let _goes_on = process.pause.read().await;
            match self.random.below(20) {
                0..=3 if self.reads => self.read().await,
                4 => {
                    let count = 2 + self.random.below(40);
                    self.update(count).await;
                }
                5 if !self.process.habits.quiet => self.give_up().await,
                6..=8 if !self.process.habits.quiet => self.tick(),
                _ => self.update(1).await,
            }
        }
    }

    fn local(&self) -> Option<Time> {
        (self.alone && self.settled).then(|| self.present.clock.now())
    }

    async fn update(&mut self, count: u64) {
        let result = update(&self.process, &self.present, count, self.local()).await;
        self.settled = result.is_ok();
        if let Ok(times) = result {
            self.given(times.first, times.last);
        }
    }

    async fn read(&mut self) {
        let _ = read(&self.process, &self.present.clock).await;
    }

    /// A call whose caller does not wait for its end.
    async fn give_up(&mut self) {
        let patience = milliseconds(self.random.below(30));
        let call = begin(&self.process, &self.present.clock, Action::Update);
        let result = timeout(patience, self.present.clock.reserve(1)).await;
        if let Ok(result) = result {
            self.process.recorder.updated(call, &result);
            if let Ok(times) = result {
                self.given(times.first, times.last);
            }
        }
        self.settled = false;
    }

    fn tick(&mut self) {
        let time = self.present.clock.tick();
        self.given(time, time);
    }

    fn given(&mut self, first: Time, last: Time) {
        if first <= self.newest {
            let (name, newest) = (&self.process.name, self.newest);
            let what = format!("a caller of {name} was given {first} after {newest}");
            self.process.recorder.broken(what);
        }
        self.newest = last;
    }
}

pub(super) async fn read(process: &Process, clock: &Clock) -> Result<Option<Observed>, Error> {
    let call = begin(process, clock, Action::Read);
    let began = Instant::now();
    let result = clock.read().await;
    in_time(process, &call, began);
    process.recorder.read(call, &result);
    result
}

fn begin(process: &Process, clock: &Clock, action: Action) -> Call {
    process
        .recorder
        .begin(&process.name, clock.instance(), action)
}

pub(super) async fn update(
    process: &Process,
    present: &Present,
    count: u64,
    local: Option<Time>,
) -> Result<Reservation, Error> {
    let action = match count {
        1 => Action::Update,
        _ => Action::Reserve,
    };
    let mut call = begin(process, &present.clock, action);
    call.local = local.map(Time::get);
    let began = Instant::now();
    let tally = present.life.tally();
    let result = present.clock.reserve(count).await;
    in_time(process, &call, began);
    match &result {
        Err(error) => insists(process, error, began),
        Ok(times) => {
            let now = present.life.tally();
            let lost = now.lost - tally.lost + now.creates - tally.creates;
            spares(process, times, lost, now.folded - tally.folded);
        }
    }
    process.recorder.updated(call, &result);
    result
}

/// Two transactions are always enough, save for what was lost and for the creation of the clock; where
/// nobody's local clock is ahead and no fold comes between, one is.
fn spares(process: &Process, times: &Reservation, lost: u32, folded: u32) {
    let enough = match process.habits.quiet {
        true => 1 + folded.min(1),
        false => 2,
    };
    if times.round_trips > enough + lost && !process.habits.repaired {
        process.recorder.broken(format!(
            "more than {enough} transactions, and {lost} that were lost or created the clock: {times:?}"
        ));
    }
}

/// What may pass is tried until the deadline, or until the next attempt would begin after it.
fn insists(process: &Process, error: &Error, began: Instant) {
    let tries = matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout);
    let gave_up = began.elapsed() + LONGEST_PAUSE < process.timeout;
    let told_no = error.to_string().contains(NO);
    if error.kind() == ErrorKind::Internal || (tries && gave_up && !told_no) {
        let what = format!(
            "{} gave up after {:?}: {error}",
            process.name,
            began.elapsed()
        );
        process.recorder.broken(what);
    }
}

/// What `Jitter::around` may draw at most from the pause of this name in src/shared/session.rs.
const LONGEST_PAUSE: Duration = Duration::from_millis(250 * 3 / 2);

/// To the nanosecond: time stands still while something is computed.
fn in_time(process: &Process, call: &Call, began: Instant) {
    let lasted = began.elapsed();
    if lasted > process.timeout {
        let allowed = process.timeout;
        process
            .recorder
            .broken(format!("{call:?} lasted {lasted:?} of {allowed:?}"));
    }
}
