//! What a library owes the process it lives in: its signals stay its own, and a forked child is
//! told the truth.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::border::Failure;
use crate::status::Status;

/// Which process this is, counted in forks: a child has another number than its parent.
///
/// A thread does not survive a fork, so what the parent started is dead in the child, and a lock
/// that some thread held is held for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life(u32);

impl Life {
    pub(crate) fn current() -> Life {
        Life(FORKS.load(Ordering::Relaxed))
    }

    /// Called before the library starts its first thread. An error in the child of a process in
    /// which it had done so already.
    pub(crate) fn begin() -> Result<Life, Failure> {
        // Not a `Once`: forked while it runs, it would hang in the child. To register twice does no
        // harm, the child then counts two forks.
        if !REGISTERED.load(Ordering::Acquire) {
            // SAFETY: the handler does nothing but count, which is allowed after a fork.
            let refused = unsafe { libc::pthread_atfork(None, None, Some(count_fork)) };
            if refused != 0 {
                return Err(Failure::new(
                    Status::LAMPORT_STATUS_INTERNAL,
                    format!("forks can't be noticed: pthread_atfork gave error {refused}"),
                ));
            }
            REGISTERED.store(true, Ordering::Release);
        }
        let life = Life::current();
        let first = FIRST.compare_exchange(NEVER, life.0, Ordering::AcqRel, Ordering::Acquire);
        match first {
            Err(first) if first != life.0 => Err(Failure::new(
                Status::LAMPORT_STATUS_CLOSED,
                "this process was forked from one that had opened a clock: in such a child none \
                 can be opened. Fork before the first clock is opened, or call exec",
            )),
            _ => Ok(life),
        }
    }

    pub(crate) fn is_over(self) -> bool {
        self != Life::current()
    }
}

/// Runs `work` with every signal blocked in this thread, so that threads which it starts have them
/// blocked for good.
///
/// A signal to the process is then handled on a thread of the host. And SIGPIPE stays where it
/// belongs: a connection that breaks while we write to it must not end a host that, like most C
/// programs, does not ignore that signal.
pub(crate) fn with_signals_blocked<T>(work: impl FnOnce() -> T) -> T {
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

extern "C" fn count_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

static FORKS: AtomicU32 = AtomicU32::new(0);
static REGISTERED: AtomicBool = AtomicBool::new(false);
/// In which life the first clock was opened.
static FIRST: AtomicU32 = AtomicU32::new(NEVER);
const NEVER: u32 = u32::MAX;
