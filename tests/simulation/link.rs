//! A process's way to the store, and what happens on it.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lamport_clock::Error;
use lamport_clock::protocol::{At, Change, KeyRange, Operation, Reply, Transaction};
use lamport_clock::store::{Changes, Failure, Outcome, Store, StoreFuture};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, sleep_until};

use super::random::Random;
use super::server::{Server, milliseconds, unavailable, was_folded};

pub(crate) struct Link {
    server: Arc<Server>,
    weather: Arc<Weather>,
    random: Mutex<Random>,
    cut: Mutex<Option<Cut>>,
}

/// How bad it is at present, for everybody.
pub(crate) struct Weather {
    /// Of a thousand transactions, how many meet each kind of fault.
    pub(crate) faults: u64,
    pub(crate) calm: AtomicBool,
}

/// Nothing passes at present.
#[derive(Clone, Copy)]
pub(crate) enum Cut {
    Refused,
    Silent,
}

/// What one life of a process has of the link. When it crashes nothing it does reaches the store any
/// more, save what is on its way.
pub(crate) struct Life {
    link: Arc<Link>,
    crashed: AtomicBool,
    tally: Mutex<Tally>,
}

/// The transactions of a life that updates and creates consist of.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    /// Those whose answer was lost.
    pub(crate) lost: u32,
    pub(crate) creates: u32,
    /// Updates that a fold came before.
    pub(crate) folded: u32,
}

/// What is asked of the store.
enum Question {
    Transact(Transaction),
    Read(KeyRange, At),
}

/// What a store says that will not be asked again.
pub(crate) const NO: &str = "a clear no";

/// What becomes of a transaction: when it is carried out, if ever, and what its sender hears.
struct Plan {
    applied: Option<Duration>,
    heard: Heard,
    after: Duration,
    /// How many revisions behind a member is that is asked for what it has.
    behind: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Heard {
    Reply,
    Unknown,
    NotSent,
    Refused,
    Nothing,
}

impl Weather {
    pub(crate) fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }
}

impl Link {
    pub(crate) fn new(server: &Arc<Server>, weather: &Arc<Weather>, random: Random) -> Link {
        Link {
            server: server.clone(),
            weather: weather.clone(),
            random: Mutex::new(random),
            cut: Mutex::new(None),
        }
    }

    pub(crate) fn cut(&self, cut: Option<Cut>) {
        *self.cut.lock().unwrap() = cut;
    }

    fn plan(&self) -> Plan {
        let mut random = self.random.lock().unwrap();
        let random = &mut *random;
        let there = milliseconds(random.below(4));
        let back = milliseconds(random.below(4));
        let behind = *random.pick(&[0, 0, 1, 5]);
        let plan = |applied, heard, after| Plan {
            applied,
            heard,
            after,
            behind,
        };
        if self.weather.is_calm() {
            return plan(Some(there), Heard::Reply, back);
        }
        match *self.cut.lock().unwrap() {
            Some(Cut::Refused) => return plan(None, Heard::NotSent, back),
            Some(Cut::Silent) => return plan(None, Heard::Nothing, back),
            None => {}
        }
        let faults = self.weather.faults;
        match random.below(1_000).checked_div(faults) {
            Some(0) => plan(None, Heard::NotSent, back),
            Some(1) => plan(None, Heard::Unknown, back),
            // Carried out, and the reply is lost.
            Some(2) => plan(Some(there), Heard::Unknown, back),
            // Carried out long after its sender was told that nobody knows.
            Some(3) => plan(Some(late(random)), Heard::Unknown, back),
            Some(4) => plan(Some(late(random)), Heard::Nothing, back),
            Some(5) => plan(None, Heard::Nothing, back),
            // Slow on one way or on both; its sender may have gone meanwhile.
            Some(6) => plan(Some(slow(random)), Heard::Reply, slow(random)),
            Some(7) if random.below(4) == 0 => plan(None, Heard::Refused, back),
            _ => plan(Some(there), Heard::Reply, back),
        }
    }
}

fn slow(random: &mut Random) -> Duration {
    milliseconds(random.below(10) * random.below(200))
}

fn late(random: &mut Random) -> Duration {
    milliseconds(random.below(20) * random.below(1_000))
}

/// On the wire, a transaction is carried out whether or not somebody still waits for it.
async fn travel(
    server: Arc<Server>,
    question: Question,
    plan: Plan,
    answer: oneshot::Sender<Result<Reply, Failure>>,
) {
    let epoch = server.epoch();
    let lost = || Failure::unknown(unavailable("no answer"));
    let said = |heard| match heard {
        Heard::NotSent => Failure::not_sent(unavailable("refused")),
        Heard::Refused => Failure::answered(unavailable(NO)),
        _ => lost(),
    };
    let mut answer = Some(answer);
    if plan.heard != Heard::Reply && plan.heard != Heard::Nothing {
        sleep(plan.after).await;
        let _ = answer.take().unwrap().send(Err(said(plan.heard)));
    }
    let Some(applied) = plan.applied else {
        if plan.heard == Heard::Nothing {
            // Longer than any deadline.
            sleep(milliseconds(60_000)).await;
        }
        return;
    };
    sleep(applied).await;
    // Where the store was exchanged, so was whoever it was on the way to.
    let result = if server.epoch() == epoch {
        match &question {
            Question::Transact(transaction) => server.apply(transaction).map_err(Failure::answered),
            Question::Read(range, at) => server.read(range, *at, plan.behind),
        }
    } else {
        Err(lost())
    };
    match plan.heard {
        Heard::Reply => sleep(plan.after).await,
        Heard::Nothing => sleep(milliseconds(60_000)).await,
        _ => return,
    }
    let result = result.and_then(|reply| match server.epoch() == epoch {
        true => Ok(reply),
        false => Err(lost()),
    });
    if let Some(answer) = answer {
        let _ = answer.send(result);
    }
}

impl Life {
    pub(crate) fn new(link: &Arc<Link>) -> Arc<Life> {
        Arc::new(Life {
            link: link.clone(),
            crashed: AtomicBool::new(false),
            tally: Mutex::default(),
        })
    }

    pub(crate) fn crash(&self) {
        self.crashed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn tally(&self) -> Tally {
        *self.tally.lock().unwrap()
    }

    async fn ask(&self, question: Question) -> Result<Reply, Failure> {
        if self.crashed.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let (answer, answered) = oneshot::channel();
        let (server, plan) = (self.link.server.clone(), self.link.plan());
        tokio::spawn(travel(server, question, plan, answer));
        match answered.await {
            Ok(result) => result,
            Err(_) => Err(Failure::unknown(unavailable("the connection broke"))),
        }
    }
}

fn puts(operations: &[Operation], name: &str) -> bool {
    operations.iter().any(|operation| match operation {
        Operation::Put(key, _) => key.ends_with(name.as_bytes()),
        _ => false,
    })
}

impl Store for Life {
    fn transact<'a>(
        &'a self,
        transaction: &'a Transaction,
        _within: Duration,
    ) -> StoreFuture<'a, Reply> {
        let creates = puts(&transaction.then, "/taken");
        let updates = puts(&transaction.otherwise, "/taken");
        Box::pin(async move {
            self.tally.lock().unwrap().creates += u32::from(creates);
            let result = self.ask(Question::Transact(transaction.clone())).await;
            let mut tally = self.tally.lock().unwrap();
            match &result {
                Err(failure) if failure.outcome == Outcome::Unknown => {
                    tally.lost += u32::from(creates || updates);
                }
                Ok(reply) if updates => tally.folded += u32::from(was_folded(transaction, reply)),
                _ => {}
            }
            drop(tally);
            result
        })
    }

    fn read<'a>(
        &'a self,
        range: &'a KeyRange,
        at: At,
        _within: Duration,
    ) -> StoreFuture<'a, Reply> {
        Box::pin(self.ask(Question::Read(range.clone(), at)))
    }

    fn watch(
        &self,
        range: KeyRange,
        from: u64,
        _within: Duration,
    ) -> StoreFuture<'_, Box<dyn Changes>> {
        Box::pin(async move {
            let calm = self.link.weather.is_calm();
            let cut = self.link.cut.lock().unwrap().is_some();
            let (opens, fate, mut random) = {
                let mut random = self.link.random.lock().unwrap();
                let bad = !calm && random.in_a_thousand(4 * self.link.weather.faults);
                let fate = match random.below(3) {
                    _ if !bad => Fate::Well,
                    0 => Fate::Stale,
                    1 => Fate::Breaks(random.below(5)),
                    _ => Fate::Dies(random.below(5)),
                };
                let opens = calm || !(cut || random.in_a_thousand(self.link.weather.faults));
                (opens, fate, random.fork())
            };
            sleep(milliseconds(random.below(4))).await;
            if !opens {
                return Err(Failure::unknown(unavailable("no watch")));
            }
            let next = match from {
                0 => self.link.server.revision() + 1,
                from => from,
            };
            self.link.server.changes(&range, next)?;
            Ok(Box::new(Following {
                epoch: self.link.server.epoch(),
                server: self.link.server.clone(),
                range,
                next,
                fate,
                random,
                held: None,
            }) as Box<dyn Changes>)
        })
    }

    fn location(&self) -> String {
        "simulated".to_owned()
    }
}

/// A running watch.
struct Following {
    server: Arc<Server>,
    epoch: u64,
    range: KeyRange,
    next: u64,
    fate: Fate,
    random: Random,
    /// What is under way, and when it arrives. Kept here: the future may be dropped, and asked again.
    held: Option<(Instant, Vec<Change>)>,
}

#[derive(Clone, Copy)]
enum Fate {
    Well,
    /// Tells of everything, far too late.
    Stale,
    /// After so many deliveries it breaks, and says so.
    Breaks(u64),
    /// After so many it is silent; that is noticed in the end.
    Dies(u64),
}

impl Changes for Following {
    fn next(&mut self) -> StoreFuture<'_, Vec<Change>> {
        Box::pin(async move {
            loop {
                if let Some((due, _)) = &self.held {
                    // It arrives, whatever became of the store meanwhile.
                    sleep_until(*due).await;
                    let (_, changes) = self.held.take().expect("it was there");
                    if !changes.is_empty() {
                        return Ok(changes);
                    }
                }
                if self.server.epoch() != self.epoch {
                    return Err(broken("the store was restarted"));
                }
                let changed = self.server.changed.notified();
                if self.server.revision() < self.next {
                    changed.await;
                    continue;
                }
                let delay = match &mut self.fate {
                    Fate::Well => self.random.below(3),
                    Fate::Stale => self.random.below(3_000),
                    Fate::Breaks(0) => return Err(broken("the watch broke")),
                    Fate::Dies(0) => {
                        sleep(milliseconds(10_000)).await;
                        return Err(broken("the watch fell silent"));
                    }
                    Fate::Breaks(left) | Fate::Dies(left) => {
                        *left -= 1;
                        1
                    }
                };
                let (newest, changes) = self.server.changes(&self.range, self.next)?;
                self.next = newest + 1;
                self.held = Some((Instant::now() + milliseconds(delay), changes));
            }
        })
    }
}

fn broken(why: &str) -> Failure {
    Failure::unknown(Error::clone(&unavailable(why)))
}
