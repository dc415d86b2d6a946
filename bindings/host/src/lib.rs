//! What a library owes the process it lives in: its signals stay its own, its children learn that they
//! are children, and a thread that is cancelled ends outside of the library. The C library and the
//! Python module share it.

use std::mem::MaybeUninit;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};

use lamport_clock::{Error, ErrorKind, blocking, fork};

/// Settles the library in this process: call it before the first clock is made.
///
/// From now on the core is told of every fork, by whatever code of the process; and the library's
/// threads, whichever call starts them, have every signal blocked. A signal to the process is then
/// handled on a thread of the host. And SIGPIPE stays where it belongs: a connection that breaks
/// while we write to it must not end a host that, like most C programs, does not ignore that signal.
pub fn settle() -> Result<(), Error> {
    let this = process::id();
    let settled = loop {
        match SETTLED.load(Ordering::Acquire) {
            settled if settled == this => return Ok(()),
            // Another thread of this process is at it. Not a `Once`: forked while that runs, it would hang
            // in the child, whose number is another one.
            settled if settled == !this => thread::yield_now(),
            settled => {
                let mine =
                    SETTLED.compare_exchange(settled, !this, Ordering::AcqRel, Ordering::Acquire);
                if mine.is_ok() {
                    break settled;
                }
            }
        }
    };
    // A fork that was past its hooks in one thread while another registered ours: this is its child,
    // with what that other thread had begun in the parent.
    if settled != 0 {
        fork::count_fork();
    }
    blocking::start_threads_inside(with_signals_blocked);
    // SAFETY: the handler does nothing but count and ask for the process's number, which is allowed
    // after a fork. To register it twice does no harm, the child then counts two forks.
    let refused = unsafe { libc::pthread_atfork(None, None, Some(count_fork)) };
    if refused != 0 {
        SETTLED.store(0, Ordering::Release);
        let message = format!("forks can't be noticed: pthread_atfork gave error {refused}");
        return Err(Error::new(ErrorKind::Internal, message));
    }
    SETTLED.store(this, Ordering::Release);
    Ok(())
}

/// The number of the process that the library is settled in, its complement while that is done; 0
/// before.
static SETTLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_fork() {
    fork::count_fork();
    SETTLED.store(process::id(), Ordering::Release);
}

/// A thread of the library's that calls code of the host's, with every signal blocked in it likewise.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    let _restored = signals_blocked();
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map_err(|error| {
        let message = format!("the thread '{name}' can't be started: {error}");
        Error::new(ErrorKind::Internal, message)
    })
}

/// Does something that may block, in which `pthread_cancel` does not end this thread: it would take
/// frames of ours away, and with them the process. What it asks for happens at the next point of
/// cancellation after this.
#[inline]
pub fn uncancelled<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(not(target_os = "android"))]
    let _restored = {
        let mut before = 0;
        // SAFETY: `before` is a place of this function, and the state is one of two that there are.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &mut before) };
        // SAFETY: a state that it gave itself.
        OnDrop(move || unsafe { pthread_setcancelstate(before, ptr::null_mut()) })
    };
    work()
}

// Not in the crate libc.
#[cfg(not(target_os = "android"))]
unsafe extern "C" {
    fn pthread_setcancelstate(state: libc::c_int, before: *mut libc::c_int) -> libc::c_int;
}

#[cfg(not(target_os = "android"))]
const PTHREAD_CANCEL_DISABLE: libc::c_int = if cfg!(target_vendor = "apple") { 0 } else { 1 };

/// Threads that `work` starts have every signal blocked for good; this one has not, afterwards.
fn with_signals_blocked(work: &mut dyn FnMut()) {
    let _restored = signals_blocked();
    work();
}

/// Blocks every signal in this thread until the value is dropped; threads that it starts meanwhile keep
/// them blocked.
fn signals_blocked() -> OnDrop<impl FnMut() -> libc::c_int> {
    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: `sigfillset` initialises `all`. `pthread_sigmask` fails for an unknown first argument
    // only, so `before` is initialised too.
    let before = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        before.assume_init()
    };
    // SAFETY: a set that `pthread_sigmask` filled.
    OnDrop(move || unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, ptr::null_mut()) })
}

/// Restores what was before, also where the work in between panics.
struct OnDrop<F: FnMut() -> libc::c_int>(F);

impl<F: FnMut() -> libc::c_int> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
