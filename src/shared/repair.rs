//! Moving the clock forward by hand.

use super::{Condition, Inner, Observed, real_timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::logic::time::Time;
use crate::logic::trace::Trace;

pub(super) async fn condition(inner: &Inner, at_least: Time) -> Result<Condition> {
    let asked = inner.exchange().known();
    let look = inner.exchange().look_transaction();
    let reply = inner.transact(&look, inner.deadline()).await?;
    inner.exchange().condition(asked, &reply, at_least)
}

pub(super) async fn repair(inner: &Inner, condition: &Condition) -> Result<Observed> {
    let deadline = inner.deadline();
    let repair = inner
        .exchange()
        .repair_transaction(condition, real_timestamp())?;
    // Repeated freely, as a read is: it is written once at most, since it compares what it overwrites.
    let reply = inner.transact(&repair, deadline).await?;
    // Read back: its first attempt may have been carried out, and its answer lost.
    let look = inner.exchange().look_transaction();
    let found = inner.transact(&look, deadline).await?;
    if !reply.succeeded && !inner.exchange().is_repaired(condition, &found) {
        return Err(Error::new(
            ErrorKind::Unavailable,
            "somebody wrote to the clock while it was being repaired, and nothing was changed: look \
             at it again",
        ));
    }
    Trace::of(&inner.keys, found.gets.iter().flatten())
        .updates(&inner.keys)?
        .into_iter()
        .rfind(|update| update.value >= condition.to)
        .ok_or_else(|| Error::new(ErrorKind::Internal, "the repair left no record"))
}
