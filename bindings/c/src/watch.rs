//! Following the record by asking for each event.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lamport_clock::blocking::{self, Closer};
use lamport_clock::fork::Generation;
use lamport_clock::{Error, WatchEvent};

use crate::border;
use crate::clock::Clock;
use crate::error::ErrorObject;
use crate::event::Event;
use crate::status::Status;

/// Every update by any process, in order, for a program that asks for the next one. A program that wants a
/// callback uses lamport_clock_follow().
///
/// After the connection breaks, a watch resumes by itself, without losing or repeating an update, for as long
/// as the store keeps the updates of the meantime.
///
/// Any number of threads may use one watch at once; each event goes to one of them. A forked child gets
/// CLOSED from a watch that it inherits, frees it, and begins one of its own. lamport_clock_watch() gives a
/// watch, and lamport_watch_free() takes it back.
pub struct Watch {
    /// `None` while a thread waits for the next event. Other threads wait for their turn.
    resting: Mutex<Option<blocking::Watch>>,
    rests: Condvar,
    closer: Closer,
    next_revision: AtomicU64,
    generation: Generation,
}

/// Follows every update by any process. If `from` is 0, it gives those that are committed after this call has
/// returned; otherwise those from revision `from` on that the store still keeps.
///
/// The watch may outlive the clock's handle, but ends when the clock is closed or freed. On success
/// `*watch` is yours.
///
/// Blocks for a round trip to the store (for none if `from` is not 0), no longer than the deadline. Errors:
/// UNAVAILABLE, TIMEOUT, DENIED, REGRESSED, CLOSED, INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_watch(
    clock: Option<&Clock>,
    from: u64,
    watch: *mut *mut Watch,
    error: *mut *mut ErrorObject,
) -> Status {
    let begun = |this: &Clock| {
        let begun = begin(this, from)?;
        Ok(Watch {
            closer: begun.closer(),
            next_revision: AtomicU64::new(begun.next_revision()),
            resting: Mutex::new(Some(begun)),
            rests: Condvar::new(),
            generation: Generation::current(),
        })
    };
    // SAFETY: the header's contract.
    unsafe { border::made_by(clock, watch, error, begun) }
}

/// Waits at most `timeout_ms` milliseconds for the next event. On success `*event` is yours. If no event came
/// in that time, it is NULL, and the status is OK; nothing is lost, and you may ask again.
///
/// Blocks for the timeout, whatever the deadline of the clock; with 0 it only looks whether an event is
/// ready. Errors: CLOSED (the watch or its clock was closed, or the watch belongs to the process that this
/// one was forked from); INTERNAL; and DENIED, REGRESSED and the like, where going on is pointless until
/// somebody mends the store. A watch returns REGRESSED also after a repair: begin a new watch then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_watch_next(
    watch: Option<&Watch>,
    timeout_ms: u32,
    event: *mut *mut Event,
    error: *mut *mut ErrorObject,
) -> Status {
    let patience = Duration::from_millis(timeout_ms.into());
    let next = |this: &Watch| Ok(this.next(patience)?.map(Event::of));
    // SAFETY: the header's contract.
    unsafe { border::made_by(watch, event, error, next) }
}

/// The revision from which a new watch would go on where this one stands. A program that saves it misses
/// nothing. Updates that were served by one transaction share a revision: if this watch has given only some
/// of them, the new one gives those again.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_watch_next_revision(watch: Option<&Watch>) -> u64 {
    border::look(watch, 0, |this| this.next_revision.load(Ordering::Acquire))
}

/// Closes the watch: later calls of lamport_watch_next() return CLOSED, and threads that wait in one return
/// CLOSED at once. A second close does nothing. The handle stays valid until it is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_watch_close(
    watch: Option<&Watch>,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    unsafe {
        border::guarded(error, || {
            border::lent(watch).map(|this| this.closer.close())
        })
    }
}

/// Frees a watch, closed or not. A forked child frees the watches that it inherits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_watch_free(watch: *mut Watch) {
    let end = |watch: Box<Watch>| {
        if !watch.generation.is_current() {
            // Its lock may be held for ever, by a thread that exists only in the parent.
            std::mem::forget(watch);
        }
    };
    // SAFETY: the header's contract: it came from us and is freed once.
    unsafe { border::given_back(watch, end) }
}

/// Begins the core's watch, for a [`Watch`] and for a follower.
pub(crate) fn begin(clock: &Clock, from: u64) -> Result<blocking::Watch, Error> {
    match from {
        0 => clock.shared.watch(),
        from => clock.shared.watch_from(from),
    }
}

impl Watch {
    fn next(&self, patience: Duration) -> Result<Option<WatchEvent>, Error> {
        // Checked before locking: the thread that held the lock may exist only in the parent.
        self.generation.check("this watch")?;
        // A closed watch gives CLOSED even if another thread still reads from it and this one does not wait
        // for its turn.
        self.closer.check()?;
        let began = Instant::now();
        let turn = self.turn(patience);
        let left = patience.saturating_sub(began.elapsed());
        let next = turn.and_then(|mut turn| turn.watch.as_mut()?.next_within(left));
        next.transpose()
    }

    /// Waits until no other thread reads from the watch; `None` if that takes longer than `patience`.
    fn turn(&self, patience: Duration) -> Option<Turn<'_>> {
        let busy = |resting: &mut Option<_>| resting.is_none();
        let waited = self.rests.wait_timeout_while(self.lock(), patience, busy);
        let watch = Some(waited.unwrap_or_else(PoisonError::into_inner).0.take()?);
        Some(Turn { watch, of: self })
    }

    fn lock(&self) -> MutexGuard<'_, Option<blocking::Watch>> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The watch, held by the one thread that reads from it. Dropping this puts the watch back.
struct Turn<'a> {
    /// `None` only while this is dropped.
    watch: Option<blocking::Watch>,
    of: &'a Watch,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.take() {
            let reached = watch.next_revision();
            self.of.next_revision.store(reached, Ordering::Release);
            *self.of.lock() = Some(watch);
        }
        self.of.rests.notify_one();
    }
}
