//! A process with its callers, life after life.

mod caller;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use lamport_clock::{
    Config, Error, Instance, Observed, Reservation, SharedClock, Time, WatchEvent,
};
use tokio::runtime::Handle;
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::link::{Life, Link};
use super::random::Random;
use super::recorder::Recorder;
use super::server::milliseconds;
use super::wide::Wide;
use caller::{Caller, read, update};

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
    habits: Habits,
    pause: Arc<RwLock<()>>,
    present: Mutex<Present>,
}

/// How the processes of a scenario behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    /// How many calls each caller makes, at least, in each life.
    pub(crate) calls: u64,
    /// Nobody rests.
    pub(crate) busy: bool,
    /// Nothing happens but updates: each takes one transaction.
    pub(crate) quiet: bool,
    /// Several updates of one process are under way at once.
    pub(crate) wide: bool,
    /// The store is repaired, and what was asked before is asked again.
    pub(crate) repaired: bool,
}

/// The present life of a process.
#[derive(Clone)]
struct Present {
    clock: Clock,
    life: Arc<Life>,
}

/// The clock that the library gives people, or the same protocol with many updates at once.
#[derive(Clone)]
pub(crate) enum Clock {
    Shared(SharedClock),
    Wide(Arc<Wide>),
}

impl Clock {
    pub(crate) async fn reserve(&self, count: u64) -> Result<Reservation, Error> {
        match self {
            Clock::Shared(clock) => clock.reserve(count).await,
            Clock::Wide(clock) => clock.reserve(count).await,
        }
    }

    async fn read(&self) -> Result<Option<Observed>, Error> {
        match self {
            Clock::Shared(clock) => clock.read().await,
            Clock::Wide(clock) => clock.read().await,
        }
    }

    fn tick(&self) -> Time {
        let stamp = match self {
            Clock::Shared(clock) => clock.tick(),
            Clock::Wide(clock) => clock.local.tick(),
        };
        stamp.unwrap().time
    }

    fn now(&self) -> Time {
        match self {
            Clock::Shared(clock) => clock.now(),
            Clock::Wide(clock) => clock.local.now(),
        }
    }

    pub(crate) fn instance(&self) -> Instance {
        match self {
            Clock::Shared(clock) => clock.instance(),
            Clock::Wide(clock) => clock.local.instance(),
        }
    }

    async fn close(&self) {
        match self {
            Clock::Shared(clock) => clock.close().await,
            Clock::Wide(clock) => clock.close(),
        }
    }
}

impl Process {
    pub(crate) fn new(
        name: String,
        link: Arc<Link>,
        recorder: &Arc<Recorder>,
        habits: Habits,
        pause: &Arc<RwLock<()>>,
        random: &mut Random,
    ) -> Arc<Process> {
        let timeout = milliseconds(*random.pick(&[300, 1_000, 5_000]));
        let present = present(&name, &link, timeout, habits, random);
        Arc::new(Process {
            callers: if habits.busy { 3 } else { 1 + random.below(3) },
            calls: habits.calls + random.below(10),
            rest: if habits.busy {
                1
            } else {
                *random.pick(&[1, 10, 100, 1_000])
            },
            recorder: recorder.clone(),
            habits,
            pause: pause.clone(),
            present: Mutex::new(present),
            timeout,
            name,
            link,
        })
    }

    fn present(&self) -> Present {
        self.present.lock().unwrap().clone()
    }

    pub(crate) fn clock(&self) -> Clock {
        self.present().clock
    }

    /// So many lives: each but the last is ended early, by a `close` or by a crash.
    pub(crate) async fn live(self: Arc<Process>, lives: u64, mut random: Random) {
        for life in 1..=lives {
            let present = self.present();
            let mut callers = JoinSet::new();
            for caller in 0..self.callers {
                let own = Caller {
                    process: self.clone(),
                    present: present.clone(),
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
                let began = Instant::now();
                present.clock.close().await;
                if began.elapsed() > self.timeout {
                    let what = format!("closing took {:?}", began.elapsed());
                    self.recorder.broken(what);
                }
                callers.join_all().await;
            } else {
                // What it was in the middle of never returned.
                present.life.crash();
                callers.shutdown().await;
            }
            *self.present.lock().unwrap() = self::present(
                &self.name,
                &self.link,
                self.timeout,
                self.habits,
                &mut random,
            );
        }
    }

    /// The newest time, if it gets to know it.
    pub(crate) async fn look(&self) -> Option<Time> {
        let observed = read(self, &self.clock()).await;
        Some(observed.ok()??.value)
    }

    /// One update, which must succeed: all is well again.
    pub(crate) async fn update_at_last(self: Arc<Process>) {
        let present = self.present();
        if let Err(error) = update(&self, &present, 1, None).await {
            let name = &self.name;
            self.recorder
                .broken(format!("{name} gets no update when all is well: {error}"));
        }
    }

    /// Follows the record from the beginning: every update once, in order.
    pub(crate) async fn follow(self: Arc<Process>, seen: Arc<Mutex<Vec<WatchEvent>>>) {
        let Clock::Shared(clock) = self.clock() else {
            return;
        };
        let mut from = 1;
        loop {
            let mut watch = clock.watch_from(from).await.unwrap();
            while let Ok(event) = watch.next().await {
                seen.lock().unwrap().push(event);
            }
            // The store said no, once; what it told of before is not told of again.
            from = watch.next_revision();
            sleep(milliseconds(100)).await;
        }
    }
}

fn present(
    name: &str,
    link: &Arc<Link>,
    timeout: Duration,
    habits: Habits,
    random: &mut Random,
) -> Present {
    let life = Life::new(link);
    let clock = match habits.wide {
        true => Clock::Wide(Wide::new(&life, name, timeout, random)),
        false => Clock::Shared(clock(name, &life, timeout, random)),
    };
    Present { clock, life }
}

pub(crate) fn clock(
    name: &str,
    life: &Arc<Life>,
    timeout: Duration,
    random: &mut Random,
) -> SharedClock {
    let config = Config::memory(name).unwrap().with_timeout(timeout).unwrap();
    let instance = Instance::new(random.next().max(1));
    SharedClock::with_instance(life.clone(), &config, instance).carried_on(Handle::current())
}
