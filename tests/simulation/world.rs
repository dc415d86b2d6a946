//! One run of a scenario, from its processes to the verdict.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lamport_clock::{SharedClock, Time, WatchEvent};
use lamport_trace::{Action, Call, History, Log, Options, Outcome, check};
use serde_json::Value;
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::{Came, Scenario, as_text};
use crate::link::{Life, Link, Weather};
use crate::nemesis;
use crate::process::{self, Process};
use crate::random::Random;
use crate::recorder::Recorder;
use crate::server::{Loss, Server, milliseconds};

pub(super) struct World {
    random: Random,
    pub(super) server: Arc<Server>,
    weather: Arc<Weather>,
    pub(super) recorder: Arc<Recorder>,
    links: Vec<Arc<Link>>,
    processes: Vec<Arc<Process>>,
    /// Whoever writes to it pauses all callers.
    pause: Arc<RwLock<()>>,
    watches: Vec<Arc<Mutex<Vec<WatchEvent>>>>,
    losses: usize,
    /// When keys were deleted under what was on its way.
    robbed_at: Option<u64>,
}

impl World {
    pub(super) fn new(scenario: &Scenario, mut random: Random) -> World {
        let server = Arc::new(Server::new());
        let weather = Arc::new(Weather {
            faults: scenario.faults,
            calm: AtomicBool::new(false),
        });
        World {
            links: (0..scenario.processes)
                .map(|_| Arc::new(Link::new(&server, &weather, random.fork())))
                .collect(),
            random,
            server,
            weather,
            recorder: Arc::default(),
            processes: Vec::new(),
            pause: Arc::default(),
            watches: Vec::new(),
            losses: 0,
            robbed_at: None,
        }
    }

    pub(super) async fn run(mut self, scenario: &Scenario) -> Result<Came, String> {
        for (i, link) in self.links.iter().enumerate() {
            let process = Process::new(
                format!("p{i}"),
                link.clone(),
                &self.recorder,
                scenario.habits,
                &self.pause,
                &mut self.random,
            );
            self.processes.push(process);
        }
        let mut nemeses = self.harm(scenario);
        let mut followers = JoinSet::new();
        let mut lives = JoinSet::new();
        for process in &self.processes {
            if scenario.watches && scenario.lives == 1 && !scenario.habits.wide {
                let seen = Arc::default();
                if scenario.loss.is_none() {
                    self.watches.push(Arc::clone(&seen));
                }
                followers.spawn(process.clone().follow(seen));
            }
            let random = self.random.fork();
            lives.spawn(process.clone().live(scenario.lives, random));
        }
        if let Some(loss) = scenario.loss {
            self.lose(loss, scenario.newcomer).await?;
        }
        lives.join_all().await;

        // Everything that is still under way arrives, and nothing more goes wrong.
        self.weather.calm.store(true, Ordering::Relaxed);
        nemeses.join_all().await;
        nemeses = JoinSet::new();
        for link in &self.links {
            link.cut(None);
        }
        sleep(milliseconds(30_000)).await;
        nemesis::mend(&self.server);
        for process in &self.processes {
            nemeses.spawn(process.clone().update_at_last());
        }
        nemeses.join_all().await;
        sleep(milliseconds(30_000)).await;
        followers.shutdown().await;
        self.judge(scenario)
    }

    fn harm(&mut self, scenario: &Scenario) -> JoinSet<()> {
        let mut nemeses = JoinSet::new();
        let (server, weather) = (&self.server, &self.weather);
        let random = &mut self.random;
        for _ in 0..scenario.legacy_writers {
            let writer = nemesis::write_blindly(server.clone(), weather.clone(), random.fork());
            nemeses.spawn(writer);
        }
        if scenario.garbage {
            nemeses.spawn(nemesis::spoil(
                server.clone(),
                weather.clone(),
                random.fork(),
            ));
        }
        if scenario.record_deleted {
            nemeses.spawn(nemesis::delete_record(
                server.clone(),
                weather.clone(),
                random.fork(),
            ));
        }
        if scenario.compaction {
            nemeses.spawn(nemesis::compact(
                server.clone(),
                weather.clone(),
                random.fork(),
            ));
        }
        if scenario.cuts {
            let links = self.links.clone();
            nemeses.spawn(nemesis::cut(links, weather.clone(), random.fork()));
        }
        nemeses
    }

    /// The store loses times of which every process knows, and some time later somebody repairs it.
    async fn lose(&mut self, loss: Loss, newcomer: bool) -> Result<(), String> {
        sleep(milliseconds(self.random.below(300))).await;
        let snapshot = self.server.snapshot();
        let kept = snapshot.revision();
        // Weights are there for a moment at a time.
        let step = milliseconds(if loss == Loss::Weights { 1 } else { 10 });
        let mut waited = Duration::ZERO;
        while !self.everybody_knows(loss, kept) {
            if waited > milliseconds(10_000) {
                // Somebody ended before: then not everybody knows, and nothing is promised.
                return Ok(());
            }
            sleep(step).await;
            waited += step;
        }
        if loss != Loss::Weights {
            sleep(milliseconds(self.random.below(50))).await;
        }
        let pause = self.pause.clone();
        let mut paused = None;
        if loss == Loss::Snapshot {
            paused = Some(pause.write().await);
            self.let_all_know().await;
        }
        let lost_at = self.recorder.now();
        let (epoch, highest) = (self.server.epoch(), self.server.highest());
        self.server.lose(loss, &snapshot);
        drop(paused);
        self.losses += 1;
        self.robbed_at = (self.server.epoch() == epoch).then_some(lost_at);
        if newcomer && loss.leaves_another_clock() {
            // Its times pass all that the others know.
            let newcomer = self.outsider("newcomer");
            let _ = newcomer.reserve(1_000_000).await;
            let _ = newcomer.update().await;
        }
        sleep(milliseconds(self.random.below(20) * self.random.below(300))).await;

        // What was handed out in between was handed out by somebody who knew.
        let from = loss.leaves_times_from(highest);
        let repaired_at = self.recorder.now();
        let between = self.recorder.with_calls(|calls| {
            let answered = |call: &&Call| {
                call.outcome == Some(Outcome::Ok)
                    && call.called > lost_at
                    && call.returned < Some(repaired_at)
                    && call.first.or(call.value.map(|value| value + 1)) < Some(from)
            };
            calls.iter().find(answered).cloned()
        });
        if let Some(call) = between {
            return Err(format!(
                "answered although the store had lost times: {call:?}"
            ));
        }
        self.repair().await
    }

    /// The takes of those who are refused after a loss fill the hole again, so that those go on who knew
    /// of less: here nobody does.
    async fn let_all_know(&self) {
        for process in &self.processes {
            // What was given up on may still be on its way.
            while process.look().await.map(Time::get) < Some(self.server.highest()) {
                sleep(milliseconds(10)).await;
            }
        }
    }

    /// Whether each process was answered with something that the loss takes.
    fn everybody_knows(&self, loss: Loss, revision: u64) -> bool {
        let least = match loss {
            // As in `let_all_know`.
            Loss::Weights if self.server.clock_after(loss).is_none() => return false,
            Loss::Weights => self.server.highest(),
            _ => 1,
        };
        self.recorder.with_calls(|calls| {
            self.processes.iter().all(|process| {
                let instance = Some(process.clock().instance());
                calls.iter().any(|call| {
                    call.outcome == Some(Outcome::Ok)
                        && call.instance == instance
                        && call.revision > Some(revision)
                        && call.value >= Some(least)
                })
            })
        })
    }

    /// A clock of somebody who is in no history.
    fn outsider(&mut self, name: &str) -> SharedClock {
        let life = Life::new(&self.links[0]);
        process::clock(name, &life, milliseconds(5_000), &mut self.random)
    }

    async fn repair(&mut self) -> Result<(), String> {
        let operator = self.outsider("operator");
        for _ in 0..1_000 {
            let highest = Time::new(self.server.highest()).unwrap();
            if let Ok(plan) = operator.plan_repair(highest).await
                && operator.repair(&plan).await.is_ok()
            {
                return Ok(());
            }
            sleep(milliseconds(50)).await;
        }
        Err("it can't be repaired".to_owned())
    }

    fn judge(&self, scenario: &Scenario) -> Result<Came, String> {
        let broken = self
            .recorder
            .broken_first()
            .or_else(|| self.server.broken());
        if let Some(broken) = broken {
            return Err(broken);
        }
        if let Some(unrest) = self.server.unrest() {
            return Err(format!(
                "at rest the record is late, or keys are left:\n{unrest}"
            ));
        }
        let mut calls = self.recorder.with_calls(<[Call]>::to_vec);
        let text = self.server.log(scenario.loss.is_some());
        if scenario.loss.is_some() {
            // The revisions of an exchanged store begin anew.
            calls.iter_mut().for_each(|call| call.revision = None);
        }
        if let Some(robbed_at) = self.robbed_at {
            // A read that was sent before its process knew, and arrived after, shows what it found.
            let across = |call: &&mut Call| {
                call.operation == Action::Read
                    && call.called < robbed_at
                    && call.returned > Some(robbed_at)
            };
            for call in calls.iter_mut().filter(across) {
                call.outcome = Some(Outcome::Unknown);
            }
        }
        let mut came = Came {
            losses: self.losses,
            history: as_text(&calls),
            ..Came::default()
        };
        let mut history = History::default();
        history.read("history", came.history.as_bytes()).unwrap();
        let log = Log::read("log", text.as_bytes()).unwrap();
        let verdict = check(&history, Some(&log), &Options::default());
        if !verdict.is_good() {
            return Err(verdict.to_string());
        }
        came.calls = verdict.acknowledged + verdict.failed + verdict.unknown + verdict.reads;
        came.acknowledged = verdict.acknowledged;
        came.unknown = verdict.unknown;
        came.reads = verdict.reads;
        for seen in &self.watches {
            compare_watch(&seen.lock().unwrap(), &text)?;
        }
        Ok(came)
    }
}

/// A watch tells of every update, once and in order, save those that it says it missed.
fn compare_watch(seen: &[WatchEvent], log: &str) -> Result<(), String> {
    let mut missed = Vec::new();
    let mut told = Vec::new();
    for event in seen {
        match event {
            WatchEvent::Updated(update) => told.push((update.revision, update.value.get())),
            WatchEvent::Missed { from, until } => missed.push(*from..*until),
            _ => {}
        }
    }
    let written = log.lines().filter_map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        Some((line["revision"].as_u64()?, line["value"].as_u64()?))
    });
    let expected: Vec<_> = written
        .filter(|(revision, _)| !missed.iter().any(|missed| missed.contains(revision)))
        .collect();
    // What it was told of before that was compacted away is no harm.
    told.retain(|(revision, _)| !missed.iter().any(|missed| missed.contains(revision)));
    if told != expected {
        let at = told.iter().zip(&expected).position(|(a, b)| a != b);
        let at = at.unwrap_or(told.len().min(expected.len()));
        let (told, expected) = (told.get(at), expected.get(at));
        return Err(format!(
            "a watch told of {told:?} where the log has {expected:?}"
        ));
    }
    Ok(())
}
