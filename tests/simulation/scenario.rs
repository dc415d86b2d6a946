//! One simulation: what happens in it follows from its seed alone.

mod world;

use std::fmt::Write;

use lamport_trace::Call;

use super::process::Habits;
use super::random::Random;
use super::server::Loss;
use world::World;

/// What there is of everything.
#[derive(Clone, Debug)]
struct Scenario {
    processes: u64,
    lives: u64,
    faults: u64,
    legacy_writers: u64,
    garbage: bool,
    /// Somebody deletes the record, and nothing else.
    record_deleted: bool,
    compaction: bool,
    cuts: bool,
    watches: bool,
    /// The store loses times that were handed out, and somebody repairs it.
    loss: Option<Loss>,
    /// Somebody who knows of nothing uses what is left of the store, before it is repaired.
    newcomer: bool,
    habits: Habits,
}

/// What a test looks into.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum About {
    Faults,
    /// Faults, and several updates of one process under way at once.
    Pipelining,
    Losses,
}

/// What one simulation came to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Came {
    pub(crate) calls: usize,
    pub(crate) acknowledged: usize,
    pub(crate) unknown: usize,
    pub(crate) reads: usize,
    /// Losses that every process knew of.
    pub(crate) losses: usize,
    /// Everything that was recorded, as text.
    pub(crate) history: String,
}

/// A promise was broken.
#[derive(Debug, PartialEq)]
pub(crate) struct Broken {
    pub(crate) what: String,
    pub(crate) history: String,
    pub(crate) log: String,
}

fn as_text(calls: &[Call]) -> String {
    let mut text = String::new();
    for call in calls {
        writeln!(text, "{}", serde_json::to_string(call).unwrap()).unwrap();
    }
    text
}

impl Scenario {
    fn draw(random: &mut Random, about: About) -> Scenario {
        let losses = [
            Loss::Snapshot,
            Loss::Snapshot,
            Loss::AnotherCluster,
            Loss::Base,
            Loss::Taken,
            Loss::BaseAndTaken,
            Loss::RecordAndBase,
            Loss::Weights,
            Loss::Everything,
        ];
        let losing = about == About::Losses;
        let wide = match about {
            About::Faults => false,
            About::Pipelining => true,
            About::Losses => random.below(3) == 0,
        };
        let quiet = about == About::Faults && random.below(8) == 0;
        let harm = !losing && !quiet;
        let loss = losing.then(|| *random.pick(&losses));
        // Weights are there while others keep taking, and there has to be much to be lost.
        let busy = loss == Some(Loss::Weights) || random.below(8) == 0;
        Scenario {
            processes: match loss {
                // Else there is no moment at which all know of all.
                Some(Loss::Weights) => 1 + random.below(2),
                _ => 1 + random.below(5),
            },
            lives: if harm { 1 + random.below(3) } else { 1 },
            faults: if quiet {
                0
            } else {
                *random.pick(&[0, 5, 20, 60])
            },
            legacy_writers: if harm { random.below(4) / 2 } else { 0 },
            garbage: harm && random.below(5) == 0,
            record_deleted: harm && random.below(5) == 0,
            compaction: random.below(4) == 0,
            cuts: !quiet && random.below(3) == 0,
            watches: random.below(2) == 0,
            loss,
            newcomer: random.below(2) == 0,
            habits: Habits {
                // They must still be at it when the store loses something, and when it is repaired.
                calls: match (losing, busy) {
                    (true, true) => 100,
                    (true, false) => 15,
                    (false, true) => 20,
                    (false, false) => 4,
                },
                busy,
                quiet,
                wide,
                repaired: losing,
            },
        }
    }
}

/// Runs the simulation of this seed; the error says which promise was broken, and how.
pub(crate) fn run(seed: u64, about: About) -> Result<Came, Broken> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let mut random = Random::new(seed);
    let scenario = Scenario::draw(&mut random, about);
    // Made inside, where time is virtual.
    runtime.block_on(async {
        let world = World::new(&scenario, random);
        let (recorder, server) = (world.recorder.clone(), world.server.clone());
        world.run(&scenario).await.map_err(|what| Broken {
            what: format!("{scenario:?}\n{what}"),
            history: recorder.with_calls(as_text),
            log: server.log(scenario.loss.is_some()),
        })
    })
}
