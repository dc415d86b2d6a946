//! Following the record, by being called.

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

/// What a follower calls for each event. `event` lives as long as the call; `context` is what
/// lamport_clock_follow() was given.
///
/// It is called on a thread of the follower's own, one event at a time and in order. It may block (the
/// events wait meanwhile), and it may call every function of this library, lamport_follower_stop()
/// and lamport_follower_free() of its own follower included. It must return: no longjmp() and no
/// exception out of it.
pub type FollowCallback = Option<unsafe extern "C" fn(event: *const Event, context: *mut c_void)>;

/// A watch that calls you. lamport_clock_follow() gives it, and lamport_follower_free() takes it back.
pub struct Follower {
    closer: Closer,
    thread: Mutex<Option<JoinHandle<()>>>,
    id: ThreadId,
    /// Of the process that has its thread.
    generation: Generation,
}

/// Calls `callback` with `context` for each event of a watch that begins as lamport_clock_watch()
/// with `from` does, on a thread of its own that has all signals blocked.
///
/// The first call may come before this function has returned. If the watch ends by itself (the clock
/// is closed or freed, the store refuses), the last one tells LAMPORT_EVENT_ENDED. What `context`
/// points to must live until the follower is stopped; the library does nothing with it. On success
/// `*follower` is yours.
///
/// A follower stays with its process: in a forked child it calls nobody, and is to be freed. Stop it
/// before the program's end destroys what `callback` uses.
///
/// Blocks as lamport_clock_watch() does, with its errors.
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

/// Stops a follower: once this has returned, its callback is not under way and is not called again.
/// Called from that callback itself it returns at once, and that call is the last. To stop again does
/// nothing.
///
/// Blocks until a call under way has returned, so hold no lock that the callback waits for, and let no
/// two callbacks stop each other.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_follower_stop(
    follower: Option<&Follower>,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, || border::lent(follower).map(Follower::stop)) }
}

/// Stops a follower as lamport_follower_stop() does, which blocks, and frees it. Its own callback may
/// do that, and a forked child does it with those that it inherits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_follower_free(follower: *mut Follower) {
    let end = |follower: Box<Follower>| {
        follower.stop();
        if !follower.generation.is_current() {
            // Its thread stayed in the parent.
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
        // Held until the thread has ended: whoever stops it at the same time waits as well.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            // It catches nothing and has nothing to say: a panic in it ended it all the same.
            let _ = thread.join();
        }
    }
}

struct Listener {
    callback: unsafe extern "C" fn(*const Event, *mut c_void),
    context: *mut c_void,
}

// SAFETY: `context` is handed back as it came and never looked at; that the callback may use it on
// the follower's thread is what the header asks of the caller.
unsafe impl Send for Listener {}

fn follow(watch: blocking::Watch, listener: Listener) {
    let Listener { callback, context } = listener;
    let closer = watch.closer();
    for next in watch {
        let event = next.map_or_else(Event::ended, Event::of);
        // Whoever stopped it has been promised silence.
        if closer.is_closed() {
            return;
        }
        // SAFETY: the header's contract for callbacks; the event lives as long as the call.
        unsafe { callback(&event, context) };
    }
}
