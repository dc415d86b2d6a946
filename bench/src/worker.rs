//! One of many processes: this program, started again as `worker`.
//!
//! It connects, says that it is ready, waits for the common signal (a line), updates for the given
//! time, and answers with what it did. It lives until its input ends, so that what it folds at rest
//! is measured too.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use lamport_clock::SharedClock;
use serde::{Deserialize, Serialize};

use crate::load::{Turns, config};
use crate::naive::Naive;
use crate::{Failure, stats};

/// What a process is to do.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(crate) way: Way,
    /// Where the members are, the process's own in front, parted by commas.
    pub(crate) members: String,
    pub(crate) key: String,
    pub(crate) process: String,
    /// For how long.
    pub(crate) seconds: f64,
    /// The pause after an update in seconds, drawn evenly from half to one and a half of it, as the
    /// library's own background draws it; 0: a closed loop.
    pub(crate) pause: f64,
    /// At most so many local events before each update.
    pub(crate) ticks: u64,
    /// Whether to say which value was handed out when.
    pub(crate) tell: bool,
}

/// Whose way a process takes.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Way {
    Ours,
    /// Compare-and-swap, retried at once.
    Naive,
    /// One unconditional put of its value: nothing that shares a record can be faster.
    Put,
    /// Our transaction without our library: nothing that counts in etcd can be faster.
    Take,
}

/// What one process did.
#[derive(Serialize, Deserialize)]
pub(crate) struct Done {
    /// Updates that ended within the time.
    pub(crate) in_time: u64,
    /// Milliseconds of each update, also of the last one, which may end later.
    pub(crate) latencies: Vec<f64>,
    /// The most transactions that one update took, by the library's own count.
    pub(crate) most_round_trips: u32,
    /// Each value and when it was handed out (Unix seconds), if asked to tell.
    pub(crate) handed_out: Vec<(u64, f64)>,
}

enum Clock {
    Ours(SharedClock),
    Naive(Box<Naive>),
    Put(Box<Naive>),
    Take(Box<Naive>),
}

impl Clock {
    async fn connect(order: &Order) -> Result<Clock, Failure> {
        let (members, key, process) = (&order.members, &order.key, &order.process);
        if order.way == Way::Ours {
            let config = config(&format!("etcd://{members}{key}"), process)?;
            return Ok(Clock::Ours(SharedClock::connect(config).await?));
        }
        let member = members.split(',').next().unwrap_or(members);
        let naive = Box::new(Naive::connect(member, key, process).await?);
        Ok(match order.way {
            Way::Put => Clock::Put(naive),
            Way::Take => Clock::Take(naive),
            _ => Clock::Naive(naive),
        })
    }

    fn tick(&self, times: u64) -> Result<(), Failure> {
        if let Clock::Ours(clock) = self {
            for _ in 0..times {
                clock.tick()?;
            }
        }
        Ok(())
    }

    /// The value taken, and in how many round trips.
    async fn update(&mut self) -> Result<(u64, u32), Failure> {
        match self {
            Clock::Ours(clock) => {
                let update = clock.update().await?;
                Ok((update.value.get(), update.round_trips))
            }
            Clock::Naive(naive) => Ok((0, naive.compare_and_swap().await?)),
            Clock::Put(naive) => naive.put().await.map(|()| (0, 1)),
            Clock::Take(naive) => naive.take().await.map(|()| (0, 1)),
        }
    }
}

/// `worker ORDER`, in JSON.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let [order] = arguments else {
        return Err("a worker takes one order".into());
    };
    let order: Order = serde_json::from_str(order)?;
    // One thread: hundreds of processes share few cores.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut clock = runtime.block_on(Clock::connect(&order))?;
    say(&"ready")?;
    let mut signal = String::new();
    std::io::stdin().lock().read_line(&mut signal)?;
    say(&runtime.block_on(follow(&order, &mut clock))?)?;
    std::io::stdin().lock().read_line(&mut signal)?;
    Ok(())
}

async fn follow(order: &Order, clock: &mut Clock) -> Result<Done, Failure> {
    let paused = order.pause > 0.0;
    let mut turns = Turns::until(Instant::now() + Duration::from_secs_f64(order.seconds));
    if paused {
        turns.pause(order.pause * random()).await;
    }
    let mut done = Done {
        in_time: 0,
        latencies: Vec::new(),
        most_round_trips: 0,
        handed_out: Vec::new(),
    };
    while turns.go_on() {
        if order.ticks > 0 {
            let ticks = (random() * (order.ticks + 1) as f64) as u64;
            clock.tick(ticks)?;
        }
        let (value, round_trips) = clock.update().await?;
        turns.done();
        done.most_round_trips = done.most_round_trips.max(round_trips);
        done.in_time += u64::from(turns.go_on());
        if order.tell {
            done.handed_out.push((value, stats::unix_seconds()));
        }
        if paused {
            turns.pause(order.pause * (0.5 + random())).await;
        }
    }
    done.latencies = turns.latencies;
    Ok(done)
}

/// From 0 up to and without 1.
fn random() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

fn say(what: &impl Serialize) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(what)?)?;
    out.flush()?;
    Ok(())
}
