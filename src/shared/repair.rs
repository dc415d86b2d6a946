//! Moving the clock forward by hand.

use super::real_timestamp;
use super::session::Session;
use crate::clock::Time;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::{At, Observed, RepairPlan};

pub(super) async fn plan(session: &Session, at_least: Time) -> Result<RepairPlan> {
    let inner = &session.inner;
    let asked = inner.protocol().known();
    let range = inner.protocol().keys().all();
    let reply = session.read(&range, At::Now).await?;
    inner.protocol().plan_repair(asked, &reply, at_least)
}

pub(super) async fn repair(session: &Session, plan: &RepairPlan) -> Result<Observed> {
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
