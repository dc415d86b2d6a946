//! Carries the calls of one runtime: a queue, and a store whose connections live on that runtime.
//!
//! A runtime that a caller brought may fall asleep or end at any moment, with all tasks and connections
//! on it. So calls on another runtime never wait for anything on it. Calls without a runtime are carried
//! on the library's own.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::driver::Caller;
use super::queue::Queue;
use super::runtime;
use crate::error::Result;
use crate::fork;
use crate::store::Store;
use crate::sync::{Mutex, lock};

pub(super) struct Carrier {
    pub(super) runtime: Handle,
    pub(super) store: Arc<dyn Store>,
    pub(super) queue: Queue<Caller>,
}

impl Carrier {
    /// The time by the clock of its runtime.
    pub(super) fn now(&self) -> Instant {
        let _inside = self.runtime.enter();
        Instant::now()
    }
}

/// The carriers of one clock.
pub(super) struct Carriers {
    /// The store of the first carrier. The stores of later carriers are made from it.
    pub(super) store: Arc<dyn Store>,
    /// A runtime to use instead of the library's own.
    pub(super) own: Option<Handle>,
    /// In the order of their last use: the carrier used last is at the end.
    made: Mutex<Vec<Arc<Carrier>>>,
}

/// How many carriers are kept. Most programs have one or two runtimes. A program that makes a runtime for
/// each call leaves carriers of dead runtimes behind.
const KEPT: usize = 8;

impl Carriers {
    pub(super) fn of(store: Arc<dyn Store>) -> Carriers {
        Carriers {
            store,
            own: None,
            made: Mutex::default(),
        }
    }

    /// The carrier of the current runtime, or else of the library's; and the time by that runtime's clock.
    pub(super) fn here(&self) -> Result<(Arc<Carrier>, Instant)> {
        match Handle::try_current() {
            Ok(runtime) => Ok((self.on(runtime), Instant::now())),
            Err(_) => {
                fork::look();
                self.own_now()
            }
        }
    }

    /// The carrier on the library's own runtime, and the time by its clock.
    pub(super) fn own_now(&self) -> Result<(Arc<Carrier>, Instant)> {
        let carrier = self.own()?;
        let now = carrier.now();
        Ok((carrier, now))
    }

    /// The carrier on the library's own runtime, which does not end with a caller's.
    pub(super) fn own(&self) -> Result<Arc<Carrier>> {
        let runtime = match &self.own {
            Some(runtime) => runtime.clone(),
            None => runtime::runtime()?.handle().clone(),
        };
        Ok(self.on(runtime))
    }

    fn on(&self, runtime: Handle) -> Arc<Carrier> {
        let mut made = lock(&self.made);
        let is_here = |carrier: &Arc<Carrier>| carrier.runtime.id() == runtime.id();
        if let Some(found) = made.iter().rposition(is_here) {
            let carrier = made[found].clone();
            // Usually this moves nothing: the carrier is already the last one.
            made[found..].rotate_left(1);
            return carrier;
        }
        let another = match made.is_empty() {
            true => None,
            false => self.store.for_another_runtime(),
        };
        let carrier = Arc::new(Carrier {
            runtime,
            store: another.unwrap_or_else(|| self.store.clone()),
            queue: Queue::new(),
        });
        made.push(carrier.clone());
        if made.len() > KEPT {
            made.remove(0);
        }
        carrier
    }

    /// Where calls go at present, for people.
    pub(super) fn location(&self) -> String {
        let used_last = lock(&self.made).last().map(|carrier| carrier.store.clone());
        used_last.unwrap_or_else(|| self.store.clone()).location()
    }

    pub(super) fn all(&self) -> Vec<Arc<Carrier>> {
        lock(&self.made).clone()
    }
}
