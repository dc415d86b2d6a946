//! The protocol with any number of updates of one process under way at once, each call by itself: what
//! the library's driver does not do, and the protocol allows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use lamport_clock::protocol::{At, Fold, Keys, Protocol, Snapshot, Step};
use lamport_clock::store::{Failure, Outcome, Store};
use lamport_clock::{
    Config, Error, ErrorKind, Instance, LocalClock, Observed, ProcessId, Reservation,
};
use tokio::time::{sleep, timeout};

use super::link::Life;
use super::random::Random;
use super::server::{milliseconds, unavailable};

pub(crate) struct Wide {
    pub(crate) local: LocalClock,
    life: Arc<Life>,
    protocol: Mutex<Protocol>,
    timeout: Duration,
    closed: AtomicBool,
    random: Mutex<Random>,
}

impl Wide {
    pub(crate) fn new(
        life: &Arc<Life>,
        name: &str,
        timeout: Duration,
        random: &mut Random,
    ) -> Arc<Wide> {
        let process = ProcessId::new(name).unwrap();
        let instance = Instance::new(random.next().max(1));
        let keys = Keys::new(Config::DEFAULT_KEY);
        let protocol = Protocol::new(keys, process.clone(), instance, 1 << 32);
        Arc::new(Wide {
            local: LocalClock::new(process, instance),
            life: life.clone(),
            protocol: Mutex::new(protocol),
            timeout,
            closed: AtomicBool::new(false),
            random: Mutex::new(random.fork()),
        })
    }

    fn protocol(&self) -> MutexGuard<'_, Protocol> {
        self.protocol.lock().unwrap()
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// In a task of its own: a caller that gives up leaves it under way.
    pub(crate) async fn reserve(self: &Arc<Wide>, count: u64) -> Result<Reservation, Error> {
        let clock = self.clone();
        let carried = tokio::spawn(async move {
            let carried = timeout(clock.timeout, clock.carry(count)).await;
            let times = carried.unwrap_or_else(|_| Err(late()))?;
            clock.local.raise(times.last);
            clock.clone().fold_when_due();
            Ok(times)
        });
        carried.await.expect("it does not panic")
    }

    async fn carry(&self, count: u64) -> Result<Reservation, Error> {
        let local = self.local.advance()?;
        let mut call = self.protocol().begin(local, count);
        loop {
            if self.closed.load(Ordering::Relaxed) {
                return Err(Error::new(ErrorKind::Closed, "closed"));
            }
            let step = self.protocol().poll(&mut call, 1.5);
            let transaction = match step {
                Step::Done(times) => return Ok(times),
                Step::Failed(error) => return Err(error),
                Step::Look => {
                    self.look().await?;
                    continue;
                }
                Step::Send(transaction) => transaction,
            };
            match self.life.transact(&transaction, self.timeout).await {
                Ok(reply) => self.protocol().handle_reply(&mut call, &reply),
                Err(failure) => {
                    match failure.outcome {
                        Outcome::NotApplied => self.protocol().handle_refused(&mut call),
                        Outcome::Unknown => self.protocol().handle_lost(&mut call),
                    }
                    pause(failure).await?;
                }
            }
        }
    }

    async fn look(&self) -> Result<Arc<Snapshot>, Error> {
        loop {
            let (asked, range) = {
                let protocol = self.protocol();
                (protocol.known(), protocol.keys().all())
            };
            match self.life.read(&range, At::Now, self.timeout).await {
                Ok(reply) => return self.protocol().handle_look(asked, &reply, true),
                Err(failure) => pause(failure).await?,
            }
        }
    }

    pub(crate) async fn read(&self) -> Result<Option<Observed>, Error> {
        let look = async {
            let snapshot = self.look().await?;
            snapshot.record()?;
            snapshot.clock()?;
            Ok(snapshot.newest())
        };
        timeout(self.timeout, look)
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    fn fold_when_due(self: Arc<Wide>) {
        if self.protocol().fold_due().is_none() {
            return;
        }
        // More often than the library folds in a crowd: every moment has to be a right one.
        let soon = {
            let mut random = self.random.lock().unwrap();
            (random.below(3) == 0).then(|| random.below(5))
        };
        tokio::spawn(async move {
            if let Some(soon) = soon {
                sleep(milliseconds(soon)).await;
                let seen = self.protocol().snapshot().cloned();
                self.fold(Fold::InACrowd, seen).await;
            }
            sleep(milliseconds(5)).await;
            let keys = self.protocol().keys().clone();
            let look = self.life.read(&keys.all(), At::Now, self.timeout).await;
            let seen = look.ok().map(|reply| Arc::new(Snapshot::of(&keys, &reply)));
            self.fold(Fold::AtRest, seen).await;
        });
    }

    /// As the library: once more, if it was not a later take that came between.
    async fn fold(&self, mut form: Fold, mut seen: Option<Arc<Snapshot>>) {
        for _ in 0..2 {
            let fold = |seen| self.protocol().fold(form, &seen, 1.5);
            let Some(question) = seen.and_then(fold) else {
                return;
            };
            let sent = self
                .life
                .transact(question.transaction(), self.timeout)
                .await;
            let Ok(reply) = sent else { return };
            self.protocol().handle_fold(&question, &reply);
            if reply.succeeded {
                return;
            }
            (form, seen) = (Fold::AtRest, self.protocol().snapshot().cloned());
        }
    }
}

async fn pause(failure: Failure) -> Result<(), Error> {
    if !failure.retry {
        return Err(failure.error);
    }
    sleep(milliseconds(20)).await;
    Ok(())
}

fn late() -> Error {
    unavailable("out of time")
}
