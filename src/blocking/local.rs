//! The local clock alone, for a process that may fork.

use std::fmt;

use super::child::PerProcess;
use crate::clock;
use crate::clock::{Instance, Line, Message, ProcessId, Stamp, Time};
use crate::config::Config;
use crate::error::Result;
use crate::fork::{OfGeneration, PerGeneration};
use crate::header::Header;
use crate::shared::random_instance;

/// A [`crate::LocalClock`] of one process, without any store: no I/O, no thread.
///
/// In a forked child its time goes on from the parent's time at the fork. Its
/// [`instance`](LocalClock::instance) is the child's own, so that parent and child never make the same
/// stamp.
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
    config: Config,
    clocks: PerProcess<clock::LocalClock>,
}

impl fmt::Debug for LocalClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.clock() {
            Ok(clock) => clock.fmt(f),
            Err(error) => f.debug_tuple("LocalClock").field(&error).finish(),
        }
    }
}

impl LocalClock {
    /// A clock at time 0 for the process that `config` names. Of its other settings, the jump bound and
    /// the header are used.
    pub fn new(config: &Config) -> Result<LocalClock> {
        Ok(LocalClock {
            // A forked child never drops the parent's clock: a thread of the parent may have held the
            // clock's lock.
            clocks: PerProcess {
                own: OfGeneration::of_process(made(config)?),
                children: PerGeneration::of_process(),
                local: |clock| clock,
            },
            config: config.clone(),
        })
    }

    /// The clock of the process that runs now.
    #[inline]
    fn clock(&self) -> Result<&clock::LocalClock> {
        self.clocks.get(|| made(&self.config))
    }

    /// As [`crate::LocalClock::tick`].
    #[inline]
    pub fn tick(&self) -> Result<Stamp> {
        self.clock()?.tick()
    }

    /// As [`crate::LocalClock::receive`].
    #[inline]
    pub fn receive<'a>(&self, message: impl Into<Message<'a>>) -> Result<Stamp> {
        self.clock()?.receive(message)
    }

    /// As [`crate::LocalClock::log`]. The first line of a forked child comes after the stamp of its
    /// parent's clock at the fork.
    pub fn log(&self) -> Result<Line> {
        self.clock()?.log()
    }

    /// How this clock writes stamps into messages, and which stamps it trusts.
    pub fn header(&self) -> &Header {
        self.config.header()
    }

    /// As [`crate::SharedClock::inject`].
    pub fn inject(&self) -> Result<String> {
        Ok(self.header().write(&self.tick()?))
    }

    /// As [`crate::SharedClock::extract`].
    pub fn extract(&self, header: &str) -> Result<Stamp> {
        self.header().receive(header, |stamp| self.receive(stamp))
    }

    /// As [`crate::LocalClock::advance`].
    #[inline]
    pub fn advance(&self) -> Result<Time> {
        self.clock()?.advance()
    }

    /// As [`crate::LocalClock::advance_past`].
    #[inline]
    pub fn advance_past<'a>(&self, message: impl Into<Message<'a>>) -> Result<Time> {
        self.clock()?.advance_past(message)
    }

    /// As [`crate::LocalClock::now`].
    #[inline]
    pub fn now(&self) -> Time {
        match self.clock() {
            Ok(clock) => clock.now(),
            // The time at which the child's clock will begin.
            Err(_) => {
                let stood = self.clocks.stood();
                stood.map_or(Time::ZERO, |stood| stood.time)
            }
        }
    }

    /// As [`crate::LocalClock::process`].
    pub fn process(&self) -> &ProcessId {
        &self.config.process
    }

    /// The instance of the process that this clock belongs to. A forked child draws its own at the
    /// first use; [`ErrorKind::Internal`](crate::ErrorKind::Internal) if that draw fails.
    pub fn instance(&self) -> Result<Instance> {
        self.clock().map(clock::LocalClock::instance)
    }
}

fn made(config: &Config) -> Result<clock::LocalClock> {
    let clock = clock::LocalClock::new(config.process.clone(), random_instance()?);
    Ok(clock.with_max_jump(config.max_jump))
}
