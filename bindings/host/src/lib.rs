//! What a library owes the process it lives in: its signals stay its own, and its children learn
//! that they are children. The C library and the Python module share it.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use lamport_clock::{Error, ErrorKind, blocking, life};

/// Tells the core of every fork from now on, by whatever code of the process: call it before the
/// first clock is made.
pub fn follow_forks() -> Result<(), Error> {
    static FOLLOWED: AtomicBool = AtomicBool::new(false);
    // Not a `Once`: forked while it runs, it would hang in the child. To register twice does no
    // harm, the child then counts two forks.
    if FOLLOWED.load(Ordering::Acquire) {
        return Ok(());
    }
    // SAFETY: the handler does nothing but count, which is allowed after a fork.
    let refused = unsafe { libc::pthread_atfork(None, None, Some(count_fork)) };
    if refused != 0 {
        return Err(Error::new(
            ErrorKind::Internal,
            format!("forks can't be noticed: pthread_atfork gave error {refused}"),
        ));
    }
    FOLLOWED.store(true, Ordering::Release);
    Ok(())
}

extern "C" fn count_fork() {
    life::count_fork();
}

/// Starts the library's thread, if it does not run yet in this process, with every signal blocked
/// in it: call it before a call begins.
///
/// A signal to the process is then handled on a thread of the host. And SIGPIPE stays where it
/// belongs: a connection that breaks while we write to it must not end a host that, like most C
/// programs, does not ignore that signal.
pub fn start_thread() -> Result<(), Error> {
    if blocking::is_started() {
        return Ok(());
    }
    with_signals_blocked(blocking::start)
}

/// Threads that `work` starts have every signal blocked for good; this one has not, afterwards.
fn with_signals_blocked<T>(work: impl FnOnce() -> T) -> T {
    struct Restore(libc::sigset_t);
    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: a set that `pthread_sigmask` filled.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, ptr::null_mut()) };
        }
    }

    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: `sigfillset` initialises `all`. `pthread_sigmask` fails for an unknown first argument
    // only, so `before` is initialised too.
    let _restore = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        Restore(before.assume_init())
    };
    work()
}
