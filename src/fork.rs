//! What a forked child may touch of what it inherits, counted in generations; and a process whose
//! descriptors were closed under it, which may touch as little.
//!
//! A child has its parent's memory but not its threads: a lock that one of them held is held for
//! ever, a task is carried by nobody, and a socket is the parent's. So whatever holds such things
//! belongs to one generation: the process that made it. In the child nothing asks it for anything, waits
//! for it or drops it; what the child needs instead it makes anew, when it needs it. At the fork itself
//! nothing is done but counting.
//!
//! What the child uses all the same:
//! - memory: the C libraries make `malloc` usable in a child, and atomics are what they were;
//! - random numbers come from the kernel at each call, so a child never draws its parent's;
//! - in the crates below us what is made once for the process is raced for and waits for nobody
//!   (`ring`, `tracing`), with one exception of some nanoseconds: the first TLS connection sets a
//!   lock of `rustls`;
//! - nothing here prints, and nothing writes the environment, whose lock is then always open to
//!   readers;
//! - the resolver of names runs on a thread that a deadline does without.
//!
//! A program that closes all descriptors that it does not know (daemons do, at their start) closes those
//! of the library's runtime. Their numbers are soon those of other files, and waking the runtime would
//! write into one. So that is the end of a generation too: nothing of the old runtime is woken, waited
//! for or dropped, and the next call finds another one. It is noticed by a `Sentinel`, at which every
//! call looks before it begins. What lives in plain memory is the process's ([`Generation::of_process`])
//! and goes on.

use std::fmt;
#[cfg(unix)]
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use once_cell::race::OnceBox;

use crate::error::{Error, ErrorKind, Result};

/// Forks in the upper half. In the lower one, how often a runtime was lost.
static COUNT: AtomicU64 = AtomicU64::new(0);

const FORK: u64 = 1 << 32;

/// Tells the library that this process is the child of a fork. For the hook that runs in a child,
/// `pthread_atfork`: it only counts, so it is allowed there.
///
/// With it a child goes on with every [`blocking`](crate::blocking) clock as a process of its own.
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
    /// The part of the count that ends it.
    ends_by: u64,
}

impl Generation {
    /// That of the runtime of the process that runs now: for what has to do with threads and descriptors.
    #[inline]
    pub fn current() -> Generation {
        Generation {
            // Relaxed: at a fork there is one thread, and a loss is looked for before each call.
            count: COUNT.load(Relaxed),
            ends_by: u64::MAX,
        }
    }

    /// That of the process that runs now, which lasts until a fork: for what lives in plain memory.
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

    /// Whether it has not ended.
    #[inline]
    pub fn is_current(self) -> bool {
        COUNT.load(Relaxed) & self.ends_by == self.count
    }

    /// [`ErrorKind::Closed`] if `what` was made by the parent and stays there, or has lost its
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

    /// Ends it, once however many threads find that its runtime is lost.
    pub(crate) fn end(self) {
        let _ = COUNT.compare_exchange(self.count, self.count + 1, Relaxed, Relaxed);
    }
}

/// A descriptor that nobody but the library knows: once it is closed or another's, so are those of the
/// runtime that were opened right after it.
#[cfg(unix)]
pub(crate) struct Sentinel {
    /// Of a pipe, since that has an inode of its own.
    end: File,
    /// Device and inode.
    identity: (u64, u64),
}

static SENTINELS: PerGeneration<OnceBox<Sentinel>> = PerGeneration::new();

#[cfg(unix)]
impl Sentinel {
    /// That of this generation, opened now if there is none. It stays open.
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

/// Elsewhere nobody closes what he does not know.
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

/// Ends this generation if its runtime has lost its descriptors. Every call looks before it begins, and
/// whatever may wake the runtime: two hundred nanoseconds.
#[doc(hidden)]
pub fn look() {
    let generation = Generation::current();
    let sentinel = SENTINELS.made().and_then(OnceBox::get);
    if sentinel.is_some_and(Sentinel::is_lost) {
        generation.end();
    }
}

/// A value of one generation. A later one neither gets at it nor drops it.
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

    /// The value in a child too: for what needs no lock.
    pub(crate) fn inherited(&self) -> Option<&T> {
        self.value.as_ref()
    }

    /// The value of an earlier runtime of the same process: for what needs no runtime.
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
        // Its end may wake the runtime.
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
    /// Which one is meant.
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

    /// The same for what lives in plain memory, of which each process has its own.
    pub(crate) const fn of_process() -> PerGeneration<T> {
        PerGeneration::of(Generation::of_process)
    }

    const fn of(which: fn() -> Generation) -> PerGeneration<T> {
        PerGeneration {
            first: OnceBox::new(),
            which,
        }
    }

    /// The values of the generations so far, the oldest first: for what needs no lock.
    pub(crate) fn inherited(&self) -> impl Iterator<Item = &T> {
        self.links().filter_map(|link| link.value.inherited())
    }

    /// Those among them of this process.
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
            // Of two that get here at once one drops what it made, which is still empty.
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
