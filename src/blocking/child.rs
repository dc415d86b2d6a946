//! A clock that a forked child makes anew at its first use. It goes on from the time of the parent's clock.

use once_cell::sync::OnceCell;

use crate::clock::{LocalClock, Stamp};
use crate::error::Result;
use crate::fork::{OfGeneration, PerGeneration};

/// A clock of which each process has its own.
pub(super) struct PerProcess<C> {
    pub(super) own: OfGeneration<C>,
    pub(super) children: PerGeneration<OnceCell<C>>,
    /// Gives the local clock of a `C`, which may be the `C` itself.
    pub(super) local: fn(&C) -> &LocalClock,
}

impl<C> PerProcess<C> {
    /// The clock of the current process. A forked child makes its own at the first use, with `make`.
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

    /// The newest clock that this process made before its runtime was lost.
    pub(super) fn lost(&self) -> Option<&C> {
        let children = self.children.of_this_process();
        let child = children.filter_map(OnceCell::get).last();
        child.or_else(|| self.own.of_this_process())
    }

    /// The stamp from which a new clock goes on: that of the earlier clock with the highest time.
    pub(super) fn stood(&self) -> Option<Stamp> {
        let children = self.children.inherited().filter_map(OnceCell::get);
        let clocks = self.own.inherited().into_iter().chain(children);
        // On a tie, the later process's clock counts: it went on from the other's stamp.
        let stood = clocks.map(self.local).max_by_key(|clock| clock.now())?;
        Some(stood.stamp(stood.now()))
    }
}
