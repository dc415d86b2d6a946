//! The local clock alone, for a process that may fork.

use std::fmt;

use once_cell::sync::OnceCell;

use crate::clock;
use crate::clock::{Instance, Line, Message, ProcessId, Stamp, Time};
use crate::config::Config;
use crate::error::Result;
use crate::fork::{OfGeneration, PerGeneration};
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
    own: OfGeneration<clock::LocalClock>,
    process: ProcessId,
    children: PerGeneration<OnceCell<clock::LocalClock>>,
    max_jump: u64,
    header: Header,
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
    /// A clock at 0 for the process that `config` names. Of the rest it uses the jump bound and the header.
    pub fn new(config: &Config) -> Result<LocalClock> {
        let clock = clock::LocalClock::new(config.process.clone(), random_instance()?);
        Ok(LocalClock {
            // In a child it is not dropped either: a thread of the parent may have held its lock.
            own: OfGeneration::of_process(clock.with_max_jump(config.max_jump)),
            process: config.process.clone(),
            children: PerGeneration::of_process(),
            max_jump: config.max_jump,
            header: config.header.clone(),
        })
    }

    /// The clock of the process that runs now.
    #[inline]
    fn clock(&self) -> Result<&clock::LocalClock> {
        match self.own.get() {
            Some(clock) => Ok(clock),
            None => self.childs_clock(),
        }
    }

    #[cold]
    fn childs_clock(&self) -> Result<&clock::LocalClock> {
        self.children.get().get_or_try_init(|| {
            let child = clock::LocalClock::new(self.process.clone(), random_instance()?);
            let child = child.with_max_jump(self.max_jump);
            if let Some(stood) = self.stood() {
                child.go_on_from(stood);
            }
            Ok(child)
        })
    }

    /// Where the clock stood of the process that this one was forked from.
    fn stood(&self) -> Option<Stamp> {
        let children = self.children.inherited().filter_map(OnceCell::get);
        let clocks = self.own.inherited().into_iter().chain(children);
        clocks.last().map(|clock| Stamp {
            time: clock.now(),
            process: self.process.clone(),
            instance: clock.instance(),
        })
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

    /// As [`crate::LocalClock::log`]. The first line of a forked child comes after where its parent's
    /// clock stood at the fork.
    pub fn log(&self) -> Result<Line> {
        self.clock()?.log()
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
            // Where the child's clock will begin.
            Err(_) => self.stood().map(|stood| stood.time).unwrap_or_default(),
        }
    }

    /// As [`crate::LocalClock::process`].
    pub fn process(&self) -> &ProcessId {
        &self.process
    }

    /// The instance of the process that this clock belongs to: in a forked child drawn at the first
    /// use, which [`ErrorKind::Internal`](crate::ErrorKind::Internal) says if it fails.
    pub fn instance(&self) -> Result<Instance> {
        self.clock().map(clock::LocalClock::instance)
    }
}
