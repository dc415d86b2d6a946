//! What a library must respect in its host process. The host's signals are left to the host's threads. A
//! forked child learns that it is a child. A cancelled thread ends outside of the library. The C library
//! and the Python module share this crate.

use std::mem::MaybeUninit;
use std::process;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};

use lamport_clock::{Error, ErrorKind, blocking, fork};

/// Prepares the library for this process. Call it before the first clock is made.
///
/// From now on the core counts every fork, whichever code of the process forks. All signals are blocked
/// in the library's threads, whichever call starts them, so that a thread of the host handles a signal to
/// the process. This includes SIGPIPE: a connection that breaks while the library writes to it must not
/// end the host, and most C programs don't ignore that signal.
pub fn settle() -> Result<(), Error> {
    let this = process::id();
    let settled = loop {
        match SETTLED.load(Ordering::Acquire) {
            settled if settled == this => return Ok(()),
            // Another thread of this process is settling the library. Not a `Once`: a child forked meanwhile
            // would wait for that `Once` for ever. Here the child has another process number, and goes on.
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
    // Another process settled the library or began to, and this one was not notified of its fork: one
    // thread of the parent was past its fork hooks when another thread registered ours. So this is the
    // child of that fork.
    if settled != 0 {
        fork::count_fork();
    }
    blocking::start_threads_inside(with_signals_blocked);
    // SAFETY: the handler only counts and gets the number of the process, which is allowed after a fork.
    // Registering it twice does no harm: the child then counts two forks.
    let refused = unsafe { libc::pthread_atfork(None, None, Some(count_fork)) };
    if refused != 0 {
        SETTLED.store(0, Ordering::Release);
        let message = format!("forks can't be noticed: pthread_atfork gave error {refused}");
        return Err(Error::new(ErrorKind::Internal, message));
    }
    SETTLED.store(this, Ordering::Release);
    Ok(())
}

/// The number of the process in which the library is settled, or its complement while it is being
/// settled. 0 before that.
static SETTLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count_fork() {
    fork::count_fork();
    SETTLED.store(process::id(), Ordering::Release);
}

/// Starts a thread of the library that calls code of the host. All signals are blocked in it, too.
pub fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    let _restored = signals_blocked();
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(work);
    spawned.map_err(|error| {
        let message = format!("the thread '{name}' can't be started: {error}");
        Error::new(ErrorKind::Internal, message)
    })
}

/// Runs `work`, which may block, and keeps `pthread_cancel` from ending this thread meanwhile: a
/// cancellation would unwind frames of the library, which ends the process. The cancellation then happens
/// at the next cancellation point after `work`.
#[inline]
pub fn uncancelled<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(not(target_os = "android"))]
    let _restored = {
        let mut before = 0;
        // SAFETY: `before` is a local variable, and the state is one of the two that exist.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &mut before) };
        // SAFETY: the call above returned the state `before`.
        OnDrop(move || unsafe { pthread_setcancelstate(before, ptr::null_mut()) })
    };
    work()
}

// The crate libc does not declare this function.
#[cfg(not(target_os = "android"))]
unsafe extern "C" {
    fn pthread_setcancelstate(state: libc::c_int, before: *mut libc::c_int) -> libc::c_int;
}

#[cfg(not(target_os = "android"))]
const PTHREAD_CANCEL_DISABLE: libc::c_int = if cfg!(target_vendor = "apple") { 0 } else { 1 };

/// Threads that `work` starts keep all signals blocked. This thread gets its earlier mask back.
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

/// Calls its function when it is dropped, so that a panic can't skip the restoring.
struct OnDrop<F: FnMut() -> libc::c_int>(F);

impl<F: FnMut() -> libc::c_int> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
