//! Moving the clock forward by hand.

use super::{Condition, Inner, Observed, history, real_timestamp};
use crate::error::{Error, ErrorKind, Result};
use crate::logic::time::Time;

pub(super) async fn condition(inner: &Inner, at_least: Time) -> Result<Condition> {
    let asked = inner.exchange().known();
    let look = inner.exchange().look_transaction();
    let reply = inner.transact(&look, inner.deadline()).await?;
    inner.exchange().condition(asked, &reply, at_least)
}

pub(super) async fn repair(inner: &Inner, condition: &Condition) -> Result<Observed> {
    let deadline = inner.deadline();
    let real_timestamp = real_timestamp();
    let repair = inner
        .exchange()
        .repair_transaction(condition, real_timestamp)?;
    // Repeated freely, as a read is: it is written once at most, since it compares what it overwrites.
    let reply = inner.transact(&repair, deadline).await?;
    if reply.succeeded {
        return Ok(inner
            .exchange()
            .repaired(condition, real_timestamp, reply.revision));
    }
    // Its first attempt may have been carried out, and its answer lost.
    let look = inner.exchange().look_transaction();
    let found = inner.transact(&look, deadline).await?;
    if !inner.exchange().is_repaired(condition, &found) {
        return Err(Error::new(
            ErrorKind::Unavailable,
            "somebody wrote to the clock while it was being repaired, and nothing was changed: look \
             at it again",
        ));
    }
    let history = history::walk_back(inner, SINCE, deadline).await?;
    let ours = |update: &Observed| update.value == condition.to;
    history.updates.into_iter().find(ours).ok_or_else(|| {
        Error::new(
            ErrorKind::Unavailable,
            format!(
                "the clock was repaired, to {}, and so much was written since that the repair is not \
                 to be found: look at it again",
                condition.to
            ),
        )
    })
}

/// So many updates may come between a repair whose answer is lost and the look for it.
const SINCE: usize = 100;
