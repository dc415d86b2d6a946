//! A process with its callers, life after life.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lamport_clock::check::{Action, Call};
use lamport_clock::{
    Config, Error, ErrorKind, Instance, Reservation, SharedClock, Time, WatchEvent,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::link::{Link, NO};
use super::random::Random;
use super::recorder::Recorder;
use super::server::milliseconds;

pub(crate) struct Process {
    name: String,
    link: Arc<Link>,
    recorder: Arc<Recorder>,
    timeout: Duration,
    callers: u64,
    /// Of each caller, in each life.
    calls: u64,
    /// The rest between two calls is shorter than so many milliseconds.
    rest: u64,
    clock: Mutex<SharedClock>,
}

impl Process {
    pub(crate) fn new(
        name: String,
        link: Arc<Link>,
        recorder: &Arc<Recorder>,
        calls: u64,
        random: &mut Random,
    ) -> Arc<Process> {
        let timeout = milliseconds(*random.pick(&[300, 1_000, 5_000]));
        let clock = clock(&name, &link, timeout, random);
        Arc::new(Process {
            callers: 1 + random.below(3),
            calls: calls + random.below(10),
            rest: *random.pick(&[1, 10, 100, 1_000]),
            recorder: recorder.clone(),
            clock: Mutex::new(clock),
            timeout,
            name,
            link,
        })
    }

    pub(crate) fn clock(&self) -> SharedClock {
        self.clock.lock().unwrap().clone()
    }

    /// So many lives: each but the last is ended early, by a `close` or by a crash.
    pub(crate) async fn live(self: Arc<Process>, lives: u64, mut random: Random) {
        for life in 1..=lives {
            let clock = self.clock();
            let mut callers = JoinSet::new();
            for caller in 0..self.callers {
                let own = Caller {
                    process: self.clone(),
                    clock: clock.clone(),
                    alone: self.callers == 1,
                    settled: true,
                    reads: caller == 0,
                    newest: Time::ZERO,
                    random: random.fork(),
                };
                callers.spawn(own.run());
            }
            if life == lives {
                callers.join_all().await;
                return;
            }
            sleep(milliseconds(random.below(20) * random.below(400))).await;
            if random.below(2) == 0 {
                clock.close();
                callers.join_all().await;
            } else {
                // What it was in the middle of never returned.
                callers.shutdown().await;
            }
            *self.clock.lock().unwrap() =
                self::clock(&self.name, &self.link, self.timeout, &mut random);
        }
    }

    /// One update, which must succeed: all is well again.
    pub(crate) async fn update_at_last(self: Arc<Process>) {
        let clock = self.clock();
        if let Err(error) = update(&self, &clock, 1, None).await {
            let name = &self.name;
            self.recorder
                .broken(format!("{name} gets no update when all is well: {error}"));
        }
    }

    /// Follows the record from the beginning: every update once, in order.
    pub(crate) async fn follow(self: Arc<Process>, seen: Arc<Mutex<Vec<WatchEvent>>>) {
        let mut from = 1;
        loop {
            let mut watch = self.clock().watch_from(from).await.unwrap();
            while let Ok(event) = watch.next().await {
                seen.lock().unwrap().push(event);
            }
            // The store said no, once; what it told of before is not told of again.
            from = watch.next_revision();
            sleep(milliseconds(100)).await;
        }
    }
}

pub(crate) fn clock(
    name: &str,
    link: &Arc<Link>,
    timeout: Duration,
    random: &mut Random,
) -> SharedClock {
    let config = Config::memory(name).unwrap().with_timeout(timeout);
    let instance = Instance::new(random.next().max(1));
    SharedClock::with_instance(link.clone(), &config, instance)
}

struct Caller {
    process: Arc<Process>,
    clock: SharedClock,
    /// Nobody else uses this clock.
    alone: bool,
    /// Its last call ended well, so that nothing is under way.
    settled: bool,
    reads: bool,
    /// The newest time that it was given, by a tick or an update: all later ones lie above.
    newest: Time,
    random: Random,
}

impl Caller {
    async fn run(mut self) {
        for _ in 0..self.process.calls {
            let random = &mut self.random;
            sleep(milliseconds(random.below(self.process.rest))).await;
            match self.random.below(20) {
                0..=3 if self.reads => self.read().await,
                4 => {
                    let count = 2 + self.random.below(40);
                    self.update(count).await;
                }
                5 => self.give_up().await,
                6..=8 => self.tick(),
                _ => self.update(1).await,
            }
        }
    }

    fn local(&self) -> Option<Time> {
        (self.alone && self.settled).then(|| self.clock.now())
    }

    async fn update(&mut self, count: u64) {
        let result = update(&self.process, &self.clock, count, self.local()).await;
        self.settled = result.is_ok();
        if let Ok(times) = result {
            self.given(times.first, times.last);
        }
    }

    async fn read(&mut self) {
        let (process, clock) = (&self.process, &self.clock);
        let call = begin(process, clock, Action::Read);
        let began = Instant::now();
        let result = clock.read().await;
        in_time(process, &call, began);
        process.recorder.read(call, &result);
    }

    /// A call whose caller does not wait for its end.
    async fn give_up(&mut self) {
        let patience = milliseconds(self.random.below(30));
        let call = begin(&self.process, &self.clock, Action::Update);
        let result = timeout(patience, self.clock.reserve(1)).await;
        if let Ok(result) = result {
            self.process.recorder.updated(call, &result);
            if let Ok(times) = result {
                self.given(times.first, times.last);
            }
        }
        self.settled = false;
    }

    fn tick(&mut self) {
        let time = self.clock.tick().unwrap().time;
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

fn begin(process: &Process, clock: &SharedClock, action: Action) -> Call {
    process
        .recorder
        .begin(&process.name, clock.instance(), action)
}

async fn update(
    process: &Process,
    clock: &SharedClock,
    count: u64,
    local: Option<Time>,
) -> Result<Reservation, Error> {
    let action = match count {
        1 => Action::Update,
        _ => Action::Reserve,
    };
    let mut call = begin(process, clock, action);
    call.local = local.map(Time::get);
    let began = Instant::now();
    let result = clock.reserve(count).await;
    in_time(process, &call, began);
    if let Err(error) = &result {
        insists(process, error, began);
    }
    process.recorder.updated(call, &result);
    result
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

/// As in the driver.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

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
