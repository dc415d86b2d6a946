//! What a forked child may touch of what it inherits, counted in generations.
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

use std::sync::atomic::{AtomicU32, Ordering};

use once_cell::race::OnceBox;

use crate::error::{Error, ErrorKind, Result};

static FORKS: AtomicU32 = AtomicU32::new(0);

/// Tells the library that this process is the child of a fork. For the hook that runs in a child,
/// `pthread_atfork`: it only counts, so it is allowed there.
///
/// With it a child goes on with every [`blocking`](crate::blocking) clock as a process of its own.
/// Without it (plain Rust has no such hook) calls in a child give [`ErrorKind::Closed`], and the
/// local clock repeats its parent's stamps.
pub fn count_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// How many forks lie between the first process of a program and this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation(u32);

impl Generation {
    /// That of the process that runs now.
    #[inline]
    pub fn current() -> Generation {
        // Relaxed: the count changes while there is one thread.
        Generation(FORKS.load(Ordering::Relaxed))
    }

    /// Whether no fork lies between then and now.
    #[inline]
    pub fn is_current(self) -> bool {
        self == Generation::current()
    }

    /// [`ErrorKind::Closed`] if `what` was made by the parent and stays there.
    pub fn check(self, what: &str) -> Result<()> {
        if self.is_current() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Closed,
            format!(
                "{what} belongs to the process that this one was forked from: make one in this \
                 process"
            ),
        ))
    }
}

/// A value of one generation. A later one neither gets at it nor drops it.
#[derive(Debug)]
pub(crate) struct OfGeneration<T> {
    generation: Generation,
    /// `None` only while it is dropped.
    value: Option<T>,
}

impl<T> OfGeneration<T> {
    pub(crate) fn new(value: T) -> OfGeneration<T> {
        OfGeneration {
            generation: Generation::current(),
            value: Some(value),
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        if self.generation.is_current() {
            self.value.as_ref()
        } else {
            None
        }
    }

    /// The value in a child too: for what needs no lock.
    pub(crate) fn inherited(&self) -> Option<&T> {
        self.value.as_ref()
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.value.as_mut().filter(|_| self.generation.is_current())
    }

    pub(crate) fn generation(&self) -> Generation {
        self.generation
    }
}

impl<T: Clone> Clone for OfGeneration<T> {
    fn clone(&self) -> OfGeneration<T> {
        OfGeneration {
            generation: self.generation,
            value: self.value.clone(),
        }
    }
}

impl<T> Drop for OfGeneration<T> {
    fn drop(&mut self) {
        if !self.generation.is_current() {
            std::mem::forget(self.value.take());
        }
    }
}

/// A value of which each generation has its own, made at first use.
///
/// Not behind a lock, which another thread may hold when the process forks: a chain, in which a
/// child passes its ancestors by. `T` may hold a lock, since that is this generation's alone.
pub(crate) struct PerGeneration<T>(OnceBox<Link<T>>);

struct Link<T> {
    value: OfGeneration<T>,
    later: PerGeneration<T>,
}

impl<T> PerGeneration<T> {
    pub(crate) const fn new() -> PerGeneration<T> {
        PerGeneration(OnceBox::new())
    }

    /// The values of the generations so far, the oldest first: for what needs no lock.
    pub(crate) fn inherited(&self) -> impl Iterator<Item = &T> {
        std::iter::successors(self.0.get(), |link| link.later.0.get())
            .filter_map(|link| link.value.inherited())
    }

    /// The value of this generation, if it was made.
    pub(crate) fn made(&self) -> Option<&T> {
        std::iter::successors(self.0.get(), |link| link.later.0.get())
            .find_map(|link| link.value.get())
    }
}

impl<T: Default> PerGeneration<T> {
    /// The value of this generation.
    pub(crate) fn get(&self) -> &T {
        let mut place = self;
        loop {
            // Of two that get here at once one drops what it made, which is still empty.
            let link = place.0.get_or_init(|| {
                Box::new(Link {
                    value: OfGeneration::new(T::default()),
                    later: PerGeneration::new(),
                })
            });
            match link.value.get() {
                Some(value) => return value,
                None => place = &link.later,
            }
        }
    }
}
