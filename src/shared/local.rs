//! The methods of a shared clock that use only its local clock, without I/O.

use super::SharedClock;
use crate::clock::{Instance, Line, Message, ProcessId, Stamp, Time};
use crate::error::{Error, ErrorKind, Result};
use crate::events::Event;
use crate::header::Header;

impl SharedClock {
    /// A local event or a send: see [`LocalClock::tick`](crate::LocalClock::tick). No I/O.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// let clock = SharedClock::memory("api")?;
    /// let (first, second) = (clock.tick()?, clock.tick()?);
    /// assert!(first < second);
    /// assert_eq!(second.to_string(), "2@api");
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    #[inline]
    pub fn tick(&self) -> Result<Stamp> {
        self.inner.local.tick()
    }

    /// A message arrived: see [`LocalClock::receive`](crate::LocalClock::receive). No I/O.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// let (api, billing) = (SharedClock::memory("api")?, SharedClock::memory("billing")?);
    /// let sent = api.tick()?;
    /// let received = billing.receive(&sent)?;
    /// assert!(sent < received);
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    #[inline]
    pub fn receive<'a>(&self, message: impl Into<Message<'a>>) -> Result<Stamp> {
        let received = self.inner.local.receive(message);
        received.inspect_err(|error| self.refused(error))
    }

    /// An event that is written down, with its causes: see [`LocalClock::log`](crate::LocalClock::log).
    /// No I/O.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// let (api, billing) = (SharedClock::memory("api")?, SharedClock::memory("billing")?);
    /// api.log()?;
    /// api.extract(&billing.inject()?)?;
    /// assert_eq!(api.log()?.to_string(), "3@api <1@api <1@billing;at=2");
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn log(&self) -> Result<Line> {
        self.inner.local.log()
    }

    /// [`tick`](SharedClock::tick) for callers that need only the time.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// let clock = SharedClock::memory("api")?;
    /// assert_eq!(clock.advance()?.get(), 1);
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    #[inline]
    pub fn advance(&self) -> Result<Time> {
        self.inner.local.advance()
    }

    /// [`receive`](SharedClock::receive) for callers that need only the time.
    ///
    /// ```
    /// # use lamport_clock::{SharedClock, Time};
    /// let clock = SharedClock::memory("api")?;
    /// assert_eq!(clock.advance_past(Time::new(41)?)?.get(), 42);
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    #[inline]
    pub fn advance_past<'a>(&self, message: impl Into<Message<'a>>) -> Result<Time> {
        let advanced = self.inner.local.advance_past(message);
        advanced.inspect_err(|error| self.refused(error))
    }

    #[cold]
    fn refused(&self, error: &Error) {
        if error.kind() == ErrorKind::TooFarAhead {
            Event::Refused(error).tell(self.process());
        }
    }

    /// Call it before a message is sent. [Ticks](SharedClock::tick) and returns the stamp as the value
    /// of the header `lamport` ([`Header::NAME`]), signed if the clock has a key.
    ///
    /// ```
    /// use lamport_clock::SharedClock;
    /// let (api, billing) = (SharedClock::memory("api")?, SharedClock::memory("billing")?);
    /// let header = api.inject()?;
    /// assert_eq!(billing.extract(&header)?.time.get(), 2);
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn inject(&self) -> Result<String> {
        Ok(self.inner.header.write(&self.tick()?))
    }

    /// Call it when a message arrives with this value of the header `lamport`. It
    /// [receives](SharedClock::receive) the stamp in the header. If the value holds several stamps,
    /// separated by commas, each one that the clock accepts is received, the newest last.
    ///
    /// Fails as `receive` does; and with [`ErrorKind::InvalidArgument`] for a text that is no stamp,
    /// [`ErrorKind::Untrusted`] if the clock has a key and the text is not signed with it. A header comes
    /// from outside: an error is worth counting, but no reason to refuse the message.
    ///
    /// ```
    /// use lamport_clock::{ErrorKind, SharedClock};
    /// let clock = SharedClock::memory("api")?;
    /// assert_eq!(clock.extract("41@billing")?.to_string(), "42@api");
    /// let error = clock.extract("yesterday").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn extract(&self, header: &str) -> Result<Stamp> {
        self.inner
            .header
            .receive(header, |stamp| self.receive(stamp))
    }

    /// How this clock writes stamps into messages, and which stamps it trusts.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// let clock = SharedClock::memory("api")?;
    /// assert!(!clock.header().is_signed());
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn header(&self) -> &Header {
        &self.inner.header
    }

    /// The time of the local clock. Changes nothing.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// let clock = SharedClock::memory("api")?;
    /// clock.tick()?;
    /// assert_eq!(clock.now().get(), 1);
    /// assert_eq!(clock.now().get(), 1);
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    #[inline]
    pub fn now(&self) -> Time {
        self.inner.local.now()
    }

    /// The process that this clock belongs to.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// assert_eq!(SharedClock::memory("api")?.process().as_str(), "api");
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn process(&self) -> &ProcessId {
        self.inner.local.process()
    }

    /// The instance of the process that this clock belongs to.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// let (before, after_a_restart) = (SharedClock::memory("api")?, SharedClock::memory("api")?);
    /// assert_ne!(before.instance(), after_a_restart.instance());
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn instance(&self) -> Instance {
        self.inner.local.instance()
    }

    /// Where transactions go at present, for people: `memory:` or the endpoint in use.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// assert_eq!(SharedClock::memory("api")?.location(), "memory:");
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn location(&self) -> String {
        self.inner.carriers.location()
    }

    #[cfg(feature = "blocking")]
    pub(crate) fn local_clock(&self) -> &crate::clock::LocalClock {
        &self.inner.local
    }
}
