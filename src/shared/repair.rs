//! Moving the clock forward by hand.

use super::session::Session;
use super::{SharedClock, real_timestamp};
use crate::clock::Time;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{At, Observed, RepairPlan};

impl SharedClock {
    /// What lies in the store, and what [`repair`](SharedClock::repair) would make of it. Changes
    /// nothing.
    ///
    /// `at_least` is the highest time that anybody is known to have been given; an
    /// [`ErrorKind::Regressed`] names it. [`Time::ZERO`] means that no time is known beyond those that
    /// are found.
    ///
    /// ```
    /// # use lamport_clock::{SharedClock, Time};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::memory("api")?;
    /// clock.update().await?;
    /// let plan = clock.plan_repair(Time::ZERO).await?;
    /// assert!(plan.problems.is_empty());
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn plan_repair(&self, at_least: Time) -> Result<RepairPlan> {
        self.carry(move |session| async move { plan_of(&session, at_least).await })
            .await
    }

    /// Moves the clock forward, to [`RepairPlan::to`], after the store has lost times that were handed
    /// out. Processes that knew of them and refused with [`ErrorKind::Regressed`] go on from there.
    ///
    /// The clock only ever moves forward. The repair is written only if nobody wrote since the plan was
    /// made ([`ErrorKind::Unavailable`] otherwise). The history shows it as an update by `repair:` and
    /// this process's name.
    ///
    /// ```
    /// # use lamport_clock::{SharedClock, Time};
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::memory("api")?;
    /// clock.update().await?;
    /// let plan = clock.plan_repair(Time::new(1_000)?).await?;
    /// let repaired = clock.repair(&plan).await?;
    /// assert_eq!((repaired.value, repaired.process.as_str()), (plan.to, "repair:api"));
    /// assert!(clock.update().await?.value.get() > 1_000);
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub async fn repair(&self, plan: &RepairPlan) -> Result<Observed> {
        let plan = plan.clone();
        self.carry(move |session| async move { carry_out(&session, &plan).await })
            .await
    }
}

async fn plan_of(session: &Session, at_least: Time) -> Result<RepairPlan> {
    let inner = &session.inner;
    let asked = inner.protocol().known();
    let range = inner.protocol().keys().all();
    let reply = session.read(&range, At::Now).await?;
    inner.protocol().plan_repair(asked, &reply, at_least)
}

async fn carry_out(session: &Session, plan: &RepairPlan) -> Result<Observed> {
    let inner = &session.inner;
    let real_timestamp = real_timestamp();
    let mut seen = plan.found.clone();
    // One transaction, or two if the key `taken` has to be created first.
    for _ in 0..2 {
        let question = inner.protocol().repair(plan, &seen, real_timestamp)?;
        // The transaction may be repeated freely, like a read: it compares what it overwrites, so it is
        // written at most once.
        let reply = session.transact(question.transaction()).await?;
        // Another process may have written in between. So may our own first attempt, if its answer was lost.
        seen = question.leaves(&reply);
        if let Some(repaired) = inner.protocol().repair_done(plan, &seen) {
            return Ok(repaired);
        }
        if !reply.succeeded {
            break;
        }
    }
    Err(Error::new(
        ErrorKind::Unavailable,
        "somebody wrote to the clock while it was being repaired: look at it again",
    ))
}
