//! The one error type of the library.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::excerpt::escape;

/// What every fallible call of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed: a [kind](ErrorKind) for the program, a message for the person.
///
/// The message says what was tried, where, what came back and what to change. It is one line, and shows
/// invisible characters by their codes: it may quote a server, a file or a name that anybody wrote. A clone
/// is cheap and shares the content: callers whose calls shared one transaction get the same error.
///
/// ```
/// use lamport_clock::{ErrorKind, Stamp};
/// let error = "rubbish".parse::<Stamp>().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidArgument); // for the program
/// assert!(error.to_string().contains("rubbish"));           // for the person
/// ```
#[derive(Clone)]
pub struct Error(Arc<Details>);

struct Details {
    kind: ErrorKind,
    message: String,
    source: Option<Source>,
}

type Source = Box<dyn StdError + Send + Sync>;

impl Error {
    /// An error of `kind` with a message for the person who reads it.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error::made(kind, &message.into(), None)
    }

    /// An error of the most frequent kind, [`ErrorKind::InvalidArgument`].
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::InvalidArgument, message)
    }

    /// As [`new`](Error::new), but keeps the error that caused this one as [`source`](StdError::source).
    pub fn with_source(
        kind: ErrorKind,
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Self {
        Error::made(kind, &message.into(), Some(source.into()))
    }

    /// Makes every error, so that all foreign text in messages, logs and exceptions is escaped.
    fn made(kind: ErrorKind, message: &str, source: Option<Source>) -> Self {
        Error(Arc::new(Details {
            kind,
            message: escape(message).into_owned(),
            source,
        }))
    }

    /// What went wrong, for a program to act on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .finish_non_exhaustive()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}

/// What went wrong. The bindings turn each kind into one Python exception and one C status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument, a variable, a file or a text that does not have the required form. The message
    /// names it and says what is allowed.
    ///
    /// ```
    /// # #[cfg(feature = "blocking")] {
    /// use lamport_clock::{ErrorKind, Stamp};
    /// let error = "42".parse::<Stamp>().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    /// # }
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    InvalidArgument,
    /// `NODE_NAME` is not one of the nodes of the node map, and nothing else says where the store is.
    ///
    /// ```
    /// # #[cfg(feature = "blocking")] {
    /// use lamport_clock::{Config, ErrorKind, Settings};
    /// let nodes = Settings::from([("node", "api"), ("nodes", "a=10.0.0.1,b=10.0.0.2")]);
    /// assert_eq!(Config::load(&nodes).unwrap_err().kind(), ErrorKind::UnknownNode);
    /// # }
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    UnknownNode,
    /// No store could be reached, or none was able to serve (no quorum, no leader). The message has the
    /// cause for each endpoint. The next call tries them all again.
    ///
    /// ```
    /// # #[cfg(feature = "blocking")] {
    /// use lamport_clock::{Config, ErrorKind, blocking::SharedClock};
    /// // Nothing listens there, so it is known at once.
    /// let config = Config::new("api", "etcd://127.0.0.1:1")?;
    /// let error = SharedClock::connect(config).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Unavailable);
    /// # }
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    Unavailable,
    /// The deadline of the call passed without an answer. Nothing was handed out. It is unknown whether the
    /// store was changed; a change does no harm, so call again.
    ///
    /// ```
    /// # #[cfg(feature = "blocking")] {
    /// use lamport_clock::{Config, ErrorKind, blocking::SharedClock};
    /// // A server that is there and says nothing.
    /// let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    /// let store = format!("etcd://{}", silent.local_addr().unwrap());
    /// let clock = SharedClock::open(&Config::new("api", &store)?)?;
    /// let error = clock.within(std::time::Duration::from_millis(20))?.update().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Timeout);
    /// # }
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    Timeout,
    /// The value under a key of the clock can't be read, or a later version of this library wrote it.
    /// Nothing was overwritten. The message shows the value, and says what to do: name another key, delete
    /// this one by hand, or upgrade.
    Corrupt,
    /// The next time would lie past 2^53 - 1. Only a clock under another key has times left.
    ///
    /// ```
    /// # #[cfg(feature = "blocking")] {
    /// use lamport_clock::{ErrorKind, Time};
    /// assert_eq!(Time::MAX.after(1).unwrap_err().kind(), ErrorKind::Exhausted);
    /// # }
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    Exhausted,
    /// A message or a record lies further ahead than the jump bound (`LAMPORT_MAX_JUMP`) allows; the clock
    /// is unchanged. Look for the message's sender, or for the record's writer: `lamport repair` explains it.
    ///
    /// ```
    /// # #[cfg(feature = "blocking")] {
    /// use lamport_clock::{ErrorKind, Time, blocking::SharedClock};
    /// let clock = SharedClock::memory("api")?;
    /// // A wall clock in microseconds is no logical time.
    /// let error = clock.receive(Time::new(1_750_116_944_920_000)?).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TooFarAhead);
    /// assert_eq!(clock.now(), Time::ZERO);
    /// # }
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    TooFarAhead,
    /// A stamp in a message is not signed with a key that this process accepts: see
    /// [`Header`](crate::Header). The clock is unchanged.
    Untrusted,
    /// The store no longer keeps the revisions asked for.
    ///
    /// ```
    /// # #[cfg(feature = "blocking")] {
    /// use lamport_clock::{Config, WatchEvent, blocking::SharedClock, store::MemoryStore};
    /// let store = MemoryStore::named("shop");
    /// let clock = SharedClock::open(&Config::new("api", "memory:shop")?)?;
    /// clock.update()?;
    /// store.compact(clock.update()?.revision);
    /// let mut watch = clock.watch_from(1)?;
    /// // A watch tells what it missed, and goes on with what there is.
    /// assert!(matches!(watch.next().unwrap()?, WatchEvent::Missed { .. }));
    /// # }
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    Compacted,
    /// The store refused for lack of permission or of a valid user: SECURITY.md has the roles that a clock
    /// needs. A role that is granted later counts from the next call on.
    Denied,
    /// The store's space quota is used up. The message has the three steps that make room.
    NoSpace,
    /// The store lost times that were handed out: it was restored or replaced by another one, or keys of
    /// the clock were deleted. No time is handed out until somebody moves the clock forward.
    ///
    /// ```
    /// # #[cfg(feature = "blocking")] {
    /// use lamport_clock::{ErrorKind, blocking::SharedClock};
    /// # let clock = SharedClock::memory("api")?;
    /// match clock.update() {
    ///     Ok(update) => println!("{}", update.value),
    ///     // Not for a program to mend: `lamport repair --at-least N`, with the N of the message.
    ///     Err(error) if error.kind() == ErrorKind::Regressed => panic!("{error}"),
    ///     Err(error) => eprintln!("{error}; the next call may go well"),
    /// }
    /// # }
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    Regressed,
    /// Too many callers wait in this process already. Nothing was sent: call later, or fewer at once.
    Overloaded,
    /// The clock was closed, or the runtime that carries it has ended.
    ///
    /// ```
    /// # #[cfg(feature = "blocking")] {
    /// use lamport_clock::{ErrorKind, blocking::SharedClock};
    /// let clock = SharedClock::memory("api")?;
    /// clock.close();
    /// assert_eq!(clock.update().unwrap_err().kind(), ErrorKind::Closed);
    /// assert!(clock.tick().is_ok()); // the local clock goes on
    /// # }
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    Closed,
    /// A fault of this library or of the machine (no memory, no threads).
    Internal,
}

impl ErrorKind {
    /// Every kind, in a fixed order: the bindings' tables are checked against it.
    pub const fn all() -> &'static [ErrorKind] {
        &[
            ErrorKind::InvalidArgument,
            ErrorKind::UnknownNode,
            ErrorKind::Unavailable,
            ErrorKind::Timeout,
            ErrorKind::Corrupt,
            ErrorKind::Exhausted,
            ErrorKind::TooFarAhead,
            ErrorKind::Untrusted,
            ErrorKind::Compacted,
            ErrorKind::Denied,
            ErrorKind::NoSpace,
            ErrorKind::Regressed,
            ErrorKind::Overloaded,
            ErrorKind::Closed,
            ErrorKind::Internal,
        ]
    }

    /// The kind's name in JSON output and in logs.
    ///
    /// ```
    /// assert_eq!(lamport_clock::ErrorKind::UnknownNode.name(), "unknown_node");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            ErrorKind::InvalidArgument => "invalid_argument",
            ErrorKind::UnknownNode => "unknown_node",
            ErrorKind::Unavailable => "unavailable",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Corrupt => "corrupt",
            ErrorKind::Exhausted => "exhausted",
            ErrorKind::TooFarAhead => "too_far_ahead",
            ErrorKind::Untrusted => "untrusted",
            ErrorKind::Compacted => "compacted",
            ErrorKind::Denied => "denied",
            ErrorKind::NoSpace => "no_space",
            ErrorKind::Regressed => "regressed",
            ErrorKind::Overloaded => "overloaded",
            ErrorKind::Closed => "closed",
            ErrorKind::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_all_are_listed() {
        let names: std::collections::HashSet<_> =
            ErrorKind::all().iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), ErrorKind::all().len());
    }

    #[test]
    fn a_message_is_one_line_of_what_can_be_seen() {
        let foreign = "no\r\nlamport: fine\u{1b}[2J\u{9b}31m\u{202e}";
        let shown = r"no\r\nlamport: fine\u{1b}[2J\u{9b}31m\u{202e}";
        let io = std::io::Error::other("boom");
        for error in [
            Error::new(ErrorKind::Unavailable, foreign),
            Error::with_source(ErrorKind::Unavailable, foreign, io),
        ] {
            assert_eq!(error.to_string(), shown);
        }
    }

    #[test]
    fn keeps_its_source() {
        let io = std::io::Error::other("boom");
        let error = Error::with_source(ErrorKind::Unavailable, "no answer", io);
        assert_eq!(error.source().unwrap().to_string(), "boom");
        assert_eq!(error.clone().kind(), ErrorKind::Unavailable);
    }
}
