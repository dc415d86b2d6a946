//! When to fold what was taken: off the way of any update.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::RuntimeFlavor;
use tokio::time::sleep;

use super::backoff::Backoff;
use super::carrier::Carrier;
use super::{Inner, Session, real_timestamp};
use crate::protocol::{At, Fold, Snapshot};

/// How long after an update it is looked whether the process rests: soon, and less often while it goes
/// on calling.
const REST: Duration = Duration::from_millis(5);
const LONGEST_REST: Duration = Duration::from_millis(160);
/// After two seconds of that it folds all the same.
const MOST_RESTS: usize = 16;

/// After an update: sees to it that what it took is folded.
pub(super) fn when_due(session: &Session) {
    let inner = &session.inner;
    let due = inner.protocol().fold_due();
    let Some(due) = due else { return };
    // Not the deadline of the handle that was used: a fold has the clock's own.
    let session = session.within(inner.timeout);
    match due {
        Fold::InACrowd => {
            tokio::spawn(async move {
                fold_known(&session, [Fold::InACrowd, Fold::AtRest]).await;
            });
        }
        // One task looks after all takes until the process rests.
        Fold::AtRest if inner.resting.swap(true, Ordering::AcqRel) => {}
        Fold::AtRest => {
            let taker = session.carrier.clone();
            let resting = Resting(session.inner.clone());
            keeper(&session).spawn(|session| at_rest(session, taker, resting));
        }
    }
}

/// Where to fold at rest: on a runtime that is driven although its callers have gone.
fn keeper(session: &Session) -> Session {
    let flavor = session.carrier.runtime.runtime_flavor();
    let own = session.inner.carriers.own();
    match (flavor, own) {
        (RuntimeFlavor::CurrentThread, Ok(carrier)) => Session {
            carrier,
            ..session.clone()
        },
        _ => session.clone(),
    }
}

/// Folds at once, whatever others do.
pub(super) async fn at_the_end(session: &Session) {
    fold_known(session, [Fold::AtRest, Fold::InACrowd]).await;
}

/// Folds what was seen last.
async fn fold_known(session: &Session, forms: [Fold; 2]) {
    let seen = session.inner.protocol().snapshot().cloned();
    if let Some(seen) = seen {
        fold(session, forms, seen).await;
    }
}

/// That a task looks after what was taken. It may end early, with its runtime.
struct Resting(Arc<Inner>);

impl Drop for Resting {
    fn drop(&mut self) {
        self.0.resting.store(false, Ordering::Release);
    }
}

async fn at_rest(session: Session, taker: Arc<Carrier>, resting: Resting) {
    let inner = &session.inner;
    let mut rest = Backoff::new(REST, LONGEST_REST);
    // A runtime that fell asleep in the midst of a call is busy for ever.
    for _ in 0..MOST_RESTS {
        sleep(rest.pause()).await;
        if taker.queue.is_idle() || *inner.closed.borrow() {
            break;
        }
    }
    drop(resting);
    // A closed clock folds as it closes.
    if *inner.closed.borrow() {
        return;
    }
    let sole = inner.protocol().sole_take();
    let seen = match sole {
        Some(seen) => seen,
        None => {
            let looked = look(&session, At::Anywhere).await;
            // A member that is so late as not to know of our own take can't say who folds it.
            let is_late = |seen: &Arc<Snapshot>| inner.protocol().is_before_our_take(seen);
            let looked = match looked.filter(|seen| !is_late(seen)) {
                Some(seen) => Some(seen),
                None => look(&session, At::Now).await,
            };
            // The next take will be folded, or the next update writes the record itself.
            let Some(seen) = looked else { return };
            seen
        }
    };
    fold(&session, [Fold::AtRest; 2], seen).await;
}

async fn look(session: &Session, at: At) -> Option<Arc<Snapshot>> {
    let keys = session.inner.protocol().keys().clone();
    let deadline = session.deadline();
    let reply = session.read_once(&keys.all(), at, deadline).await.ok()?;
    Some(Arc::new(Snapshot::of(&keys, &reply)))
}

/// One attempt, and another with what its answer showed: a legacy writer may have come in between.
async fn fold(session: &Session, forms: [Fold; 2], mut seen: Arc<Snapshot>) {
    let inner = &session.inner;
    let deadline = session.deadline();
    for form in forms {
        let question = inner.protocol().fold(form, &seen, real_timestamp());
        let Some(question) = question else {
            continue;
        };
        let Ok(reply) = session.send(question.transaction(), deadline).await else {
            return;
        };
        inner.protocol().handle_fold(&question, &reply);
        let newest = inner.protocol().snapshot().cloned();
        match newest.filter(|_| !reply.succeeded) {
            Some(newest) => seen = newest,
            None => return,
        }
    }
}
