//! Generations: they tell which inherited values a forked child may use, and which values a process may
//! still use after its descriptors were closed.
//!
//! A child has its parent's memory but not its threads. A lock that a parent's thread held stays locked
//! for ever, no thread runs the parent's tasks, and a socket is the parent's. So each value that holds
//! such things belongs to one generation: the process that made it. The child does not use such a value,
//! wait for it or drop it, but makes its own at first use. The fork itself only counts.
//!
//! What the child uses all the same:
//! - memory: the C libraries make `malloc` usable in a child, and atomics keep their values;
//! - random numbers: they come from the kernel at each call, so a child never draws its parent's;
//! - values that our dependencies make once for the process (`ring`, `tracing`): threads race to make them,
//!   and none waits. One exception lasts some nanoseconds: the first TLS connection sets a lock of `rustls`;
//! - the environment: this library never writes it, so its lock is always open to readers. Nor does this
//!   library print;
//! - the resolver of names: it runs on a thread of its own, and a deadline does not wait for it.
//!
//! A program that closes all descriptors that it does not know (daemons do, at their start) closes those
//! of the library's runtime. Other files soon get their numbers, and waking the runtime would write into
//! one of these files. So this ends a generation too: nothing of the old runtime is woken, waited for or
//! dropped, and the next call finds another runtime. To notice it, every call first looks at a `Sentinel`.
//! Values in plain memory belong to the process ([`Generation::of_process`]) and live on.

use std::fmt;
#[cfg(unix)]
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use once_cell::race::OnceBox;

use crate::error::{Error, ErrorKind, Result};

/// The upper 32 bits count forks, the lower 32 bits lost runtimes.
static COUNT: AtomicU64 = AtomicU64::new(0);

const FORK: u64 = 1 << 32;

/// Tells the library that this process is the child of a fork. Call it from the hook that
/// `pthread_atfork` runs in a child: it only counts, so it is allowed there.
///
/// After this call a child goes on with every [`blocking`](crate::blocking) clock as a process of its own.
/// Without it (plain Rust has no such hook) calls in a child give [`ErrorKind::Closed`], and the
/// local clock repeats its parent's stamps.
pub fn count_fork() {
    COUNT.fetch_add(FORK, Relaxed);
}

/// How many forks lie between the first process of a program and this one, and how many runtimes of
/// the library were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    count: u64,
    /// A mask: a change in these bits of the count ends this generation.
    ends_by: u64,
}

impl Generation {
    /// The generation of this process's present runtime: for values that depend on threads or descriptors.
    #[inline]
    pub fn current() -> Generation {
        Generation {
            // Relaxed: a forked child has one thread, and each call first checks whether its runtime is lost.
            count: COUNT.load(Relaxed),
            ends_by: u64::MAX,
        }
    }

    /// The generation of this process, which lasts until a fork: for values in plain memory.
    #[inline]
    pub fn of_process() -> Generation {
        Generation::current().process()
    }

    fn process(self) -> Generation {
        let ends_by = !(FORK - 1);
        Generation {
            count: self.count & ends_by,
            ends_by,
        }
    }

    /// Whether this generation has not ended.
    #[inline]
    pub fn is_current(self) -> bool {
        COUNT.load(Relaxed) & self.ends_by == self.count
    }

    /// [`ErrorKind::Closed`] if this generation has ended: `what` belongs to the parent, or has lost its
    /// descriptors.
    pub fn check(self, what: &str) -> Result<()> {
        if self.is_current() {
            return Ok(());
        }
        let why = match self.process().is_current() {
            true => {
                "lost its connections, since this process closed descriptors that it had not opened: \
                 make one anew, and make clocks after such descriptors are closed"
            }
            false => {
                "belongs to the process that this one was forked from: make one in this process"
            }
        };
        Err(Error::new(ErrorKind::Closed, format!("{what} {why}")))
    }

    /// Ends this generation. It ends once, even if several threads find its runtime lost.
    pub(crate) fn end(self) {
        let _ = COUNT.compare_exchange(self.count, self.count + 1, Relaxed, Relaxed);
    }
}

/// A descriptor that only the library knows. Once it is closed or has become another file's, so have the
/// runtime's descriptors, which were opened right after it.
#[cfg(unix)]
pub(crate) struct Sentinel {
    /// One end of a pipe, since each pipe has an inode of its own.
    end: File,
    /// Device and inode.
    identity: (u64, u64),
}

static SENTINELS: PerGeneration<OnceBox<Sentinel>> = PerGeneration::new();

#[cfg(unix)]
impl Sentinel {
    /// The sentinel of this generation, opened now if there is none. It stays open.
    pub(crate) fn posted() -> io::Result<&'static Sentinel> {
        SENTINELS.get().get_or_try_init(|| {
            let (end, _) = io::pipe()?;
            let end = File::from(std::os::fd::OwnedFd::from(end));
            let identity = Sentinel::identity(&end)?;
            Ok(Box::new(Sentinel { end, identity }))
        })
    }

    pub(crate) fn is_lost(&self) -> bool {
        Sentinel::identity(&self.end).ok() != Some(self.identity)
    }

    fn identity(end: &File) -> io::Result<(u64, u64)> {
        use std::os::unix::fs::MetadataExt;

        let metadata = end.metadata()?;
        Ok((metadata.dev(), metadata.ino()))
    }
}

/// On systems other than Unix, programs do not close descriptors that they do not know.
#[cfg(not(unix))]
pub(crate) struct Sentinel;

#[cfg(not(unix))]
impl Sentinel {
    pub(crate) fn posted() -> io::Result<&'static Sentinel> {
        Ok(&Sentinel)
    }

    pub(crate) fn is_lost(&self) -> bool {
        false
    }
}

/// Ends this generation if its runtime has lost its descriptors. Runs before every call, and before all
/// else that may wake the runtime; takes two hundred nanoseconds.
#[doc(hidden)]
pub fn look() {
    let generation = Generation::current();
    let sentinel = SENTINELS.made().and_then(OnceBox::get);
    if sentinel.is_some_and(Sentinel::is_lost) {
        generation.end();
    }
}

/// A value of one generation. In a later generation `get` hides it, and it is never dropped.
#[derive(Clone, Debug)]
pub(crate) struct OfGeneration<T> {
    generation: Generation,
    /// `None` only while it is dropped.
    value: Option<T>,
}

impl<T> OfGeneration<T> {
    pub(crate) fn new(value: T) -> OfGeneration<T> {
        OfGeneration::of(Generation::current(), value)
    }

    /// A value that lives in plain memory, and so as long as the process.
    pub(crate) fn of_process(value: T) -> OfGeneration<T> {
        OfGeneration::of(Generation::of_process(), value)
    }

    fn of(generation: Generation, value: T) -> OfGeneration<T> {
        OfGeneration {
            generation,
            value: Some(value),
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| self.generation.is_current())
    }

    /// The value, in a forked child too. Only for uses that need no lock.
    pub(crate) fn inherited(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// The value, also after the loss of its runtime in this process. Only for uses that need no runtime.
    pub(crate) fn of_this_process(&self) -> Option<&T> {
        self.inherited()
            .filter(|_| self.generation.process().is_current())
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.value.as_mut().filter(|_| self.generation.is_current())
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }
}

impl<T> Drop for OfGeneration<T> {
    fn drop(&mut self) {
        // Dropping the value may wake the runtime.
        look();
        if !self.generation.is_current() {
            std::mem::forget(self.value.take());
        }
    }
}

/// A value of which each generation has its own, made at first use.
///
/// Not behind a lock, which another thread may hold when the process forks, but in a chain: a child
/// skips its ancestors' values. `T` may hold a lock, since that is this generation's alone.
pub(crate) struct PerGeneration<T> {
    first: OnceBox<Link<T>>,
    /// The generation that counts: that of the runtime or that of the process.
    which: fn() -> Generation,
}

struct Link<T> {
    value: OfGeneration<T>,
    later: PerGeneration<T>,
}

impl<T> PerGeneration<T> {
    pub(crate) const fn new() -> PerGeneration<T> {
        PerGeneration::of(Generation::current)
    }

    /// For values in plain memory: each process has its own.
    pub(crate) const fn of_process() -> PerGeneration<T> {
        PerGeneration::of(Generation::of_process)
    }

    const fn of(which: fn() -> Generation) -> PerGeneration<T> {
        PerGeneration {
            first: OnceBox::new(),
            which,
        }
    }

    /// The values of all generations so far, the oldest first. Only for uses that need no lock.
    pub(crate) fn inherited(&self) -> impl Iterator<Item = &T> {
        self.links().filter_map(|link| link.value.inherited())
    }

    /// The values made in this process, the oldest first. Only for uses that need no runtime.
    pub(crate) fn of_this_process(&self) -> impl Iterator<Item = &T> {
        self.links().filter_map(|link| link.value.of_this_process())
    }

    /// The value of this generation, if it was made.
    pub(crate) fn made(&self) -> Option<&T> {
        self.links().find_map(|link| link.value.get())
    }

    fn links(&self) -> impl Iterator<Item = &Link<T>> {
        std::iter::successors(self.first.get(), |link| link.later.first.get())
    }
}

impl<T: Default> PerGeneration<T> {
    /// The value of this generation.
    pub(crate) fn get(&self) -> &T {
        let mut place = self;
        loop {
            // If two threads get here at once, one of them drops the link it made, which is still empty.
            let link = place.first.get_or_init(|| {
                Box::new(Link {
                    value: OfGeneration::of((self.which)(), T::default()),
                    later: PerGeneration::of(self.which),
                })
            });
            match link.value.get() {
                Some(value) => return value,
                None => place = &link.later,
            }
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for PerGeneration<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.inherited()).finish()
    }
}
