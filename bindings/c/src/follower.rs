//! Following the record by a callback.

use std::ffi::c_void;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};

use lamport_clock::blocking::{self, Closer};
use lamport_clock::fork::Generation;
use lamport_clock_host as host;

use crate::border;
use crate::clock::Clock;
use crate::error::ErrorObject;
use crate::event::Event;
use crate::status::Status;
use crate::watch;

/// The function that a follower calls for each event. `event` lives as long as the call; `context` is the
/// pointer that lamport_clock_follow() was given.
///
/// It is called on a thread of the follower's own, one event at a time and in order. It may block (the events
/// wait meanwhile), and it may call every function of this library, lamport_follower_stop() and
/// lamport_follower_free() of its own follower included. It must return: no longjmp() and no exception may
/// leave it.
pub type FollowCallback = Option<unsafe extern "C" fn(event: *const Event, context: *mut c_void)>;

/// A watch that calls a function of yours. lamport_clock_follow() gives it, and lamport_follower_free() takes
/// it back.
pub struct Follower {
    closer: Closer,
    thread: Mutex<Option<JoinHandle<()>>>,
    id: ThreadId,
    /// The fork generation of the process in which the thread runs.
    generation: Generation,
}

/// Follows the record as lamport_clock_watch() with this `from` does, and calls `callback` with `context` for
/// each event. The calls come from a thread of the follower's own that has all signals blocked.
///
/// The first call may come before this function has returned. If the watch ends by itself (the clock is
/// closed or freed, the store refuses), the last call gets LAMPORT_EVENT_ENDED. The object behind `context`
/// must live until the follower is stopped; the library does nothing with it. On success `*follower` is
/// yours.
///
/// A follower stays with its process: in a forked child it calls no function, and the child must free it.
/// Stop a follower before the end of the program destroys what `callback` uses.
///
/// Blocks as lamport_clock_watch() does. Errors: those of lamport_clock_watch().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_follow(
    clock: Option<&Clock>,
    from: u64,
    callback: FollowCallback,
    context: *mut c_void,
    follower: *mut *mut Follower,
    error: *mut *mut ErrorObject,
) -> Status {
    let begun = |this: &Clock| {
        let callback = callback.ok_or_else(|| ErrorObject::null("callback"))?;
        let watch = watch::begin(this, from)?;
        let closer = watch.closer();
        let listener = Listener { callback, context };
        let thread = host::spawn("lamport-follow", move || follow(watch, listener))?;
        Ok(Follower {
            closer,
            id: thread.thread().id(),
            thread: Mutex::new(Some(thread)),
            generation: Generation::of_process(),
        })
    };
    // SAFETY: the header's contract.
    unsafe { border::made_by(clock, follower, error, begun) }
}

/// Stops a follower: once this has returned, its callback is not under way and is not called again. If the
/// callback itself stops its follower, this returns at once, and that call of the callback is the last. A
/// second stop does nothing.
///
/// Blocks until a callback that is under way has returned. So hold no lock that the callback waits for, and
/// let no two callbacks stop each other.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_follower_stop(
    follower: Option<&Follower>,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, || border::lent(follower).map(Follower::stop)) }
}

/// Stops a follower as lamport_follower_stop() does, which blocks, and frees it. The follower's own callback
/// may call this. A forked child calls this for the followers that it inherits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_follower_free(follower: *mut Follower) {
    let end = |follower: Box<Follower>| {
        follower.stop();
        if !follower.generation.is_current() {
            // Its thread exists only in the parent.
            std::mem::forget(follower);
        }
    };
    // SAFETY: the header's contract: it came from us and is freed once.
    unsafe { border::given_back(follower, end) }
}

impl Follower {
    fn stop(&self) {
        if !self.generation.is_current() {
            return;
        }
        self.closer.close();
        if thread::current().id() == self.id {
            return;
        }
        // The lock is held until the thread has ended, so that a concurrent stop waits as well.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // The thread returns nothing, and a panic has ended it all the same: the result does not matter.
            let _ = thread.join();
        }
    }
}

struct Listener {
    callback: unsafe extern "C" fn(*const Event, *mut c_void),
    context: *mut c_void,
}

// SAFETY: `context` is passed on unchanged and never dereferenced. The header requires of the caller that the
// callback may use it on the follower's thread.
unsafe impl Send for Listener {}

fn follow(watch: blocking::Watch, listener: Listener) {
    let Listener { callback, context } = listener;
    let closer = watch.closer();
    for next in watch {
        let event = next.map_or_else(Event::ended, Event::of);
        // Once the follower is stopped, no call of the callback may begin.
        if closer.is_closed() {
            return;
        }
        // SAFETY: the header's contract for callbacks; the event lives as long as the call.
        unsafe { callback(&event, context) };
    }
}
