//! The local clock alone, for a process that may fork.

use std::fmt;

use once_cell::sync::OnceCell;

use crate::clock;
use crate::clock::{Instance, ProcessId, Stamp, Time};
use crate::config::Config;
use crate::error::Result;
use crate::fork::{Generation, PerGeneration};
use crate::header::Header;
use crate::shared::random_instance;

/// A [`crate::LocalClock`] of one process, without any store: no I/O, no thread.
///
/// In a forked child its time goes on from where the parent's stood, as plain memory does. Its
/// [`instance`](LocalClock::instance) is the child's own, so that parent and child never make the
/// same stamp.
///
/// ```
/// use lamport_clock::{Config, Stamp, blocking::LocalClock};
/// let clock = LocalClock::new(&Config::memory("api")?)?;
/// let sent = clock.tick()?;
/// assert_eq!(sent.to_string(), "1@api");
/// assert!(clock.receive(&"57@billing".parse::<Stamp>()?)? > sent);
/// # Ok::<(), lamport_clock::Error>(())
/// ```
pub struct LocalClock {
    clock: clock::LocalClock,
    generation: Generation,
    children: PerGeneration<OnceCell<Instance>>,
    header: Header,
}

impl fmt::Debug for LocalClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.clock.fmt(f)
    }
}

impl LocalClock {
    /// A clock at 0 for the process that `config` names. Of the rest it uses the jump bound and the header.
    pub fn new(config: &Config) -> Result<LocalClock> {
        let clock = clock::LocalClock::new(config.process.clone(), random_instance()?);
        Ok(LocalClock {
            clock: clock.with_max_jump(config.max_jump),
            generation: Generation::of_process(),
            children: PerGeneration::of_process(),
            header: config.header.clone(),
        })
    }

    /// As [`crate::LocalClock::tick`].
    pub fn tick(&self) -> Result<Stamp> {
        let instance = self.instance()?;
        Ok(self.stamp(self.advance()?, instance))
    }

    /// As [`crate::LocalClock::receive`].
    pub fn receive(&self, message: impl Into<Time>) -> Result<Stamp> {
        let instance = self.instance()?;
        Ok(self.stamp(self.advance_past(message.into())?, instance))
    }

    /// How this clock writes stamps into messages, and which ones it believes.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// As [`crate::SharedClock::inject`].
    pub fn inject(&self) -> Result<String> {
        Ok(self.header.write(&self.tick()?))
    }

    /// As [`crate::SharedClock::extract`].
    pub fn extract(&self, header: &str) -> Result<Stamp> {
        self.header.receive(header, |stamp| self.receive(stamp))
    }

    /// As [`crate::LocalClock::advance`].
    #[inline]
    pub fn advance(&self) -> Result<Time> {
        self.clock.advance()
    }

    /// As [`crate::LocalClock::advance_past`].
    #[inline]
    pub fn advance_past(&self, message: Time) -> Result<Time> {
        self.clock.advance_past(message)
    }

    /// As [`crate::LocalClock::now`].
    #[inline]
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// As [`crate::LocalClock::process`].
    pub fn process(&self) -> &ProcessId {
        self.clock.process()
    }

    /// The instance of the process that this clock belongs to: in a forked child drawn at the first
    /// use, which [`ErrorKind::Internal`](crate::ErrorKind::Internal) says if it fails.
    pub fn instance(&self) -> Result<Instance> {
        if self.generation.is_current() {
            return Ok(self.clock.instance());
        }
        let child = self.children.get().get_or_try_init(random_instance)?;
        Ok(*child)
    }

    fn stamp(&self, time: Time, instance: Instance) -> Stamp {
        Stamp {
            time,
            process: self.process().clone(),
            instance,
        }
    }
}
