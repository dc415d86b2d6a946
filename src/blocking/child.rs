//! A clock that a forked child makes anew at its first use, where its parent's stood.

use once_cell::sync::OnceCell;

use crate::clock::{LocalClock, Stamp};
use crate::error::Result;
use crate::fork::{OfGeneration, PerGeneration};

/// A clock of which each process has its own.
pub(super) struct PerProcess<C> {
    pub(super) own: OfGeneration<C>,
    pub(super) children: PerGeneration<OnceCell<C>>,
    /// The clock, or the local part of it.
    pub(super) local: fn(&C) -> &LocalClock,
}

impl<C> PerProcess<C> {
    /// The clock of the process that runs now, which `make` makes in a child at its first use.
    #[inline]
    pub(super) fn get(&self, make: impl FnOnce() -> Result<C>) -> Result<&C> {
        match self.own.get() {
            Some(clock) => Ok(clock),
            None => self.childs(make),
        }
    }

    #[cold]
    fn childs(&self, make: impl FnOnce() -> Result<C>) -> Result<&C> {
        self.children.get().get_or_try_init(|| {
            let child = make()?;
            if let Some(stood) = self.stood() {
                (self.local)(&child).go_on_from(stood);
            }
            Ok(child)
        })
    }

    /// The clock of this process, if there is one already.
    #[inline]
    pub(super) fn made(&self) -> Option<&C> {
        let child = || self.children.made().and_then(OnceCell::get);
        self.own.get().or_else(child)
    }

    /// The newest clock of this process, whose runtime was lost.
    pub(super) fn lost(&self) -> Option<&C> {
        let children = self.children.of_this_process();
        let child = children.filter_map(OnceCell::get).last();
        child.or_else(|| self.own.of_this_process())
    }

    /// Where the clocks of the processes stood that this one was forked from.
    pub(super) fn stood(&self) -> Option<Stamp> {
        let children = self.children.inherited().filter_map(OnceCell::get);
        let clocks = self.own.inherited().into_iter().chain(children);
        // Of two at one time the later process's, which has begun where the other stood.
        let stood = clocks.map(self.local).max_by_key(|clock| clock.now())?;
        Some(stood.stamp(stood.now()))
    }
}
