//! When to fold takes, without delaying any update.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::RuntimeFlavor;
use tokio::sync::OwnedMutexGuard;
use tokio::time::sleep;

use super::backoff::Backoff;
use super::carrier::Carrier;
use super::runtime::stay_if_lost;
use super::session::Session;
use super::{Inner, real_timestamp};
use crate::protocol::{At, Fold, Snapshot};

/// How long after an update to wait before the first check whether the process rests. The waits get
/// longer while it goes on calling.
const REST: Duration = Duration::from_millis(5);
const LONGEST_REST: Duration = Duration::from_millis(160);
/// Number of such checks. After the last one, after two seconds, it folds even if the process does not rest.
const MOST_RESTS: usize = 16;

/// Called after an update: starts the fold of its takes, if one is due.
pub(super) fn when_due(inner: &Arc<Inner>, carrier: &Arc<Carrier>) {
    let due = inner.protocol().fold_due();
    match due {
        None => {}
        Some(Fold::InACrowd) => {
            let session = begin(inner, carrier);
            tokio::spawn(async move {
                fold_known(&session, [Fold::InACrowd, Fold::AtRest]).await;
            });
        }
        // One task at a time waits for a rest, for the sake of all takes. It may end early, with its runtime.
        Some(Fold::AtRest) => {
            if let Ok(resting) = inner.resting.clone().try_lock_owned() {
                let (inner, taker) = (inner.clone(), carrier.clone());
                let keeper = keeper(&inner, &taker);
                let runtime = keeper.runtime.clone();
                runtime.spawn(at_rest(inner, taker, keeper, resting));
            }
        }
    }
}

/// The carrier of a fold that waits until the process rests. The carrier's runtime must go on running after
/// its callers have gone.
fn keeper(inner: &Inner, taker: &Arc<Carrier>) -> Arc<Carrier> {
    match taker.runtime.runtime_flavor() {
        RuntimeFlavor::CurrentThread => inner.carriers.own().unwrap_or_else(|_| taker.clone()),
        _ => taker.clone(),
    }
}

/// A fold has the deadline of the clock, whatever deadline the call before it had.
fn begin(inner: &Arc<Inner>, carrier: &Arc<Carrier>) -> Session {
    Session {
        inner: inner.clone(),
        carrier: carrier.clone(),
        deadline: carrier.now() + inner.timeout,
        timeout: inner.timeout,
    }
}

/// Folds at once, whatever other processes do.
pub(super) async fn at_the_end(session: &Session) {
    fold_known(session, [Fold::AtRest, Fold::InACrowd]).await;
}

/// Folds what the newest snapshot shows.
async fn fold_known(session: &Session, forms: [Fold; 2]) {
    let seen = session.inner.protocol().snapshot().cloned();
    if let Some(seen) = seen {
        fold(session, forms, seen).await;
    }
}

async fn at_rest(
    inner: Arc<Inner>,
    taker: Arc<Carrier>,
    keeper: Arc<Carrier>,
    resting: OwnedMutexGuard<()>,
) {
    stay_if_lost();
    let mut rest = Backoff::new(REST, LONGEST_REST);
    // Bounded, because a runtime that fell asleep during a call looks busy for ever.
    for _ in 0..MOST_RESTS {
        sleep(rest.pause()).await;
        if taker.queue.is_idle() || *inner.closed.borrow() {
            break;
        }
    }
    drop(resting);
    // Closing a clock folds by itself.
    if *inner.closed.borrow() {
        return;
    }
    let mut seen = inner.protocol().sole_take();
    for at in [At::Anywhere, At::Now] {
        // A member that lags behind our own take can't show which process has to fold it.
        let is_late = |seen: &Arc<Snapshot>| inner.protocol().is_before_our_take(seen);
        if seen.as_ref().is_none_or(is_late) {
            seen = look(&begin(&inner, &keeper), at).await;
        }
    }
    // Without a snapshot, nothing is folded now: a later take will be, or the next update writes the record.
    if let Some(seen) = seen {
        fold(&begin(&inner, &keeper), [Fold::AtRest; 2], seen).await;
    }
}

async fn look(session: &Session, at: At) -> Option<Arc<Snapshot>> {
    let keys = session.inner.protocol().keys().clone();
    let reply = session.read_once(&keys.all(), at).await.ok()?;
    Some(Arc::new(Snapshot::of(&keys, &reply)))
}

/// Makes one attempt. If it fails, makes another from the state that the answer showed: a legacy writer
/// may have written in between.
async fn fold(session: &Session, forms: [Fold; 2], mut seen: Arc<Snapshot>) {
    let inner = &session.inner;
    for form in forms {
        let question = inner.protocol().fold(form, &seen, real_timestamp());
        let Some(question) = question else {
            continue;
        };
        let Ok(reply) = session.send(question.transaction()).await else {
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
