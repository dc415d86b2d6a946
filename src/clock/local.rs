//! The local clock of one process.

use super::line::{Line, Message, Trail};
use super::stamp::{Instance, ProcessId, Stamp};
use super::time::Time;
use crate::error::{Error, ErrorKind, Result};
use crate::sync::{AtomicU64, Mutex, Ordering, lock};

/// A Lamport clock in memory: no I/O, shared by all threads of the process. An event needs no lock unless
/// it is a message that arrives or a line that is written.
///
/// The two rules of Lamport 1978 ("Time, Clocks, and the Ordering of Events in a Distributed
/// System", IR1 and IR2): every event moves the clock on by one, and a message that arrives moves
/// it past the message's own time first.
///
/// ```
/// use lamport_clock::{Instance, LocalClock, ProcessId};
/// let a = LocalClock::new(ProcessId::new("a")?, Instance::new(1));
/// let b = LocalClock::new(ProcessId::new("b")?, Instance::new(2));
/// let sent = a.tick()?;
/// let received = b.receive(&sent)?;
/// assert!(sent < received);
/// # Ok::<(), lamport_clock::Error>(())
/// ```
#[derive(Debug)]
pub struct LocalClock {
    time: Apart<AtomicU64>,
    process: ProcessId,
    instance: Instance,
    max_jump: u64,
    /// The newest known time of the shared clock; `None` if there is no shared clock.
    shared: Option<AtomicU64>,
    /// How many messages were refused.
    refused: AtomicU64,
    /// Locked while a message or a line gets its time. So a line names all messages that arrived after the
    /// line before and before itself. The child of a fork must not lock its parent's trail.
    trail: Apart<Mutex<Trail>>,
}

impl LocalClock {
    /// How far ahead a message may lie by default: 2^32.
    ///
    /// Far enough for a peer that has ticked ten thousand times a second for days without sharing its time.
    /// Near enough that a stray number (a wall clock, `u64::MAX`) is refused, and that it takes two million
    /// false messages to use up the range.
    pub const MAX_JUMP: u64 = 1 << 32;

    /// A clock at 0 for one instance of `process`.
    pub fn new(process: ProcessId, instance: Instance) -> LocalClock {
        LocalClock {
            time: Apart(AtomicU64::new(0)),
            process,
            instance,
            max_jump: LocalClock::MAX_JUMP,
            shared: None,
            refused: AtomicU64::new(0),
            trail: Apart(Mutex::new(Trail::default())),
        }
    }

    /// The same clock with another bound on jumps (logical time).
    ///
    /// ```
    /// use lamport_clock::{Instance, LocalClock, ProcessId, Time};
    /// let clock = LocalClock::new(ProcessId::new("a")?, Instance::new(1)).with_max_jump(100);
    /// assert!(clock.receive(Time::new(101)?).is_err());
    /// assert_eq!((clock.now(), clock.refused()), (Time::ZERO, 1));
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn with_max_jump(mut self, max_jump: u64) -> LocalClock {
        self.max_jump = max_jump;
        self
    }

    /// The same clock as the local part of a shared one. The jump bound of messages then starts from the
    /// newest shared time that the clock [knows](LocalClock::learn), 0 at first, and not from its own time.
    /// So messages alone, however many, never pull the clock further than the bound, and what it received
    /// can always be shared.
    #[doc(hidden)]
    pub fn of_a_shared_clock(mut self) -> LocalClock {
        self.shared = Some(AtomicU64::new(0));
        self
    }

    /// A local event or a send: time + 1. [`ErrorKind::Exhausted`] past [`Time::MAX`].
    #[inline]
    pub fn tick(&self) -> Result<Stamp> {
        // Not `map`: built in a closure, the stamp is copied once more, which costs as much as the
        // addition itself.
        let time = self.advance()?;
        Ok(self.stamp(time))
    }

    /// A message with this stamp or time arrived: max(local, message) + 1. The next [`Line`] names it, if
    /// it has a stamp and is of another instance.
    ///
    /// [`ErrorKind::TooFarAhead`] if the message lies ahead of this clock and past the jump bound. The
    /// bound starts from the newest known shared time, or from this clock's own time if it has no store.
    /// [`ErrorKind::Exhausted`] past [`Time::MAX`]. After either error the clock is unchanged.
    #[inline]
    pub fn receive<'a>(&self, message: impl Into<Message<'a>>) -> Result<Stamp> {
        let time = self.advance_past(message)?;
        Ok(self.stamp(time))
    }

    /// An event that is written down: time + 1, with its causes. [`ErrorKind::Exhausted`] past
    /// [`Time::MAX`].
    ///
    /// The lines of a clock are one chain, whichever threads write them: each names the line before. The
    /// first line after a message's arrival names that message.
    ///
    /// ```
    /// use lamport_clock::{Instance, LocalClock, ProcessId};
    /// let clock = LocalClock::new(ProcessId::new("api")?, Instance::new(1));
    /// println!("started {}", clock.log()?); // started 1@api <-
    /// assert_eq!(clock.log()?.to_string(), "2@api <1@api");
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn log(&self) -> Result<Line> {
        let mut trail = lock(&self.trail.0);
        let stamp = self.tick()?;
        Ok(trail.written(stamp))
    }

    /// Where the clock stands. Reading it changes nothing and is no event.
    #[inline]
    pub fn now(&self) -> Time {
        Time::saturating(self.time.0.load(Ordering::Acquire))
    }

    /// [`tick`](LocalClock::tick) for callers that need the time alone.
    #[inline]
    pub fn advance(&self) -> Result<Time> {
        // One `fetch_add`, as cheap as a shared counter can be. Once the range is used up the
        // counter runs on unseen: 2^64 is 2^63 failed ticks away.
        let before = self.time.0.fetch_add(1, Ordering::AcqRel);
        Time::saturating(before).after(1)
    }

    /// [`receive`](LocalClock::receive) for callers that need the time alone.
    pub fn advance_past<'a>(&self, message: impl Into<Message<'a>>) -> Result<Time> {
        let message = message.into();
        let sent = match message {
            // A message of our own is no new cause: the line before stands for what came before the
            // message.
            Message::Stamp(sent) if self.is_own(sent) => return self.move_past(sent.time),
            Message::Stamp(sent) => Some(sent.clone()),
            Message::Time(_) => None,
        };
        let mut trail = lock(&self.trail.0);
        let time = self.move_past(message.time())?;
        trail.arrived(sent, time);
        Ok(time)
    }

    #[inline]
    fn move_past(&self, message: Time) -> Result<Time> {
        let mut local = self.time.0.load(Ordering::Relaxed);
        loop {
            self.check_message(message, Time::saturating(local))?;
            let next = Time::saturating(local).max(message).after(1)?;
            match self.time.0.compare_exchange_weak(
                local,
                next.get(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            ) {
                Ok(_) => return Ok(next),
                Err(newer) => local = newer,
            }
        }
    }

    /// Moves the clock to `time` if it is behind, whatever the jump bound. Use it for times that the shared
    /// clock handed out to this process. It is no event of its own.
    pub fn raise(&self, time: Time) {
        self.time.0.fetch_max(time.get(), Ordering::AcqRel);
        self.learn(time);
    }

    /// Begins at `stood`, where the clock stood that this one continues. The first line names it as a
    /// cause.
    #[doc(hidden)]
    pub fn go_on_from(&self, stood: Stamp) {
        self.raise(stood.time);
        if stood.time > Time::ZERO {
            lock(&self.trail.0).follows(stood);
        }
    }

    /// Notes that the shared clock was seen at `time`. The jump bound of messages starts from the newest
    /// such time. The local clock stays where it is.
    #[doc(hidden)]
    pub fn learn(&self, time: Time) {
        if let Some(shared) = &self.shared {
            shared.fetch_max(time.get(), Ordering::Relaxed);
        }
    }

    /// How many messages this clock has refused for lying too far ahead.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// The process that this clock belongs to.
    pub fn process(&self) -> &ProcessId {
        &self.process
    }

    /// The instance of the process that this clock belongs to.
    pub fn instance(&self) -> Instance {
        self.instance
    }

    fn is_own(&self, stamp: &Stamp) -> bool {
        stamp.instance == self.instance && stamp.process == self.process
    }

    #[inline]
    fn check_message(&self, message: Time, local: Time) -> Result<()> {
        if message <= local {
            return Ok(());
        }
        let (known, name) = match &self.shared {
            Some(shared) => (shared.load(Ordering::Relaxed), "the shared clock"),
            None => (local.get(), "this clock"),
        };
        let known = Time::saturating(known);
        check_jump(message, "the message", known, name, self.max_jump).inspect_err(|_| {
            self.refused.fetch_add(1, Ordering::Relaxed);
        })
    }

    #[inline]
    pub(crate) fn stamp(&self, time: Time) -> Stamp {
        Stamp {
            time,
            process: self.process.clone(),
            instance: self.instance,
        }
    }
}

impl From<&Stamp> for Time {
    fn from(stamp: &Stamp) -> Time {
        stamp.time
    }
}

/// [`ErrorKind::TooFarAhead`] if `time` is more than `max_jump` ahead of `known`. The error's message
/// names `what` as the owner of `time`, and `whose` as the owner of `known`.
pub(crate) fn check_jump(
    time: Time,
    what: &str,
    known: Time,
    whose: &str,
    max_jump: u64,
) -> Result<()> {
    let ahead = time.ahead_of(known);
    if ahead <= max_jump {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::TooFarAhead,
        format!(
            "{what} is at {time}, {ahead} ahead of {whose} at {known}; at most {max_jump} is allowed \
             (LAMPORT_MAX_JUMP). The clock is unchanged"
        ),
    ))
}

/// Gives a field its own cache line: the fields beside it are read by every thread and never written.
#[derive(Debug)]
#[repr(align(64))]
struct Apart<T>(T);

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> LocalClock {
        LocalClock::new(ProcessId::new("a").unwrap(), Instance::new(1))
    }

    fn time(value: u64) -> Time {
        Time::new(value).unwrap()
    }

    #[test]
    fn follows_lamports_two_rules() {
        let clock = clock();
        assert_eq!(clock.now(), Time::ZERO);
        assert_eq!(clock.tick().unwrap().time, time(1));
        assert_eq!(clock.receive(time(10)).unwrap().time, time(11));
        assert_eq!(clock.receive(time(3)).unwrap().time, time(12));
        assert_eq!(clock.advance().unwrap(), time(13));
        assert_eq!(clock.advance_past(time(20)).unwrap(), time(21));
        assert_eq!(clock.now(), time(21));
    }

    #[test]
    fn a_message_from_far_ahead_changes_nothing() {
        let clock = clock().with_max_jump(100);
        clock.raise(time(5));
        assert_eq!(clock.receive(time(105)).unwrap().time, time(106));
        let error = clock.receive(time(207)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooFarAhead);
        assert!(error.to_string().contains("207"), "{error}");
        assert_eq!(clock.now(), time(106));
    }

    #[test]
    fn messages_alone_never_pull_a_shared_clock_further_than_the_bound() {
        let clock = clock().with_max_jump(100).of_a_shared_clock();
        for message in [100, 100, 99, 101] {
            clock.receive(time(message)).unwrap();
        }
        assert_eq!(clock.now(), time(104));
        // The message is slightly ahead of the local clock, but too far ahead of the shared one.
        let error = clock.receive(time(105)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooFarAhead);
        assert!(
            error.to_string().contains("the shared clock at 0"),
            "{error}"
        );
        assert_eq!((clock.now(), clock.refused()), (time(104), 1));
        // The bound does not limit the clock's own ticks, nor messages that lie below them.
        clock.tick().unwrap();
        assert_eq!(clock.receive(time(105)).unwrap().time, time(106));
        clock.learn(time(50));
        assert_eq!(clock.receive(time(150)).unwrap().time, time(151));
        clock.raise(time(1_000));
        assert_eq!(clock.receive(time(1_100)).unwrap().time, time(1_101));
        assert_eq!(clock.refused(), 1);
    }

    #[test]
    fn the_last_time_is_handed_out_once_and_then_no_more() {
        let clock = clock().with_max_jump(u64::MAX);
        clock.raise(time(Time::MAX.get() - 1));
        assert_eq!(clock.tick().unwrap().time, Time::MAX);
        for _ in 0..3 {
            assert_eq!(clock.tick().unwrap_err().kind(), ErrorKind::Exhausted);
            let error = clock.receive(time(1)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Exhausted);
        }
        assert_eq!(clock.now(), Time::MAX);
    }

    #[test]
    fn threads_never_share_a_time() {
        let clock = clock();
        let mut all: Vec<u64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|thread| {
                    let clock = &clock;
                    scope.spawn(move || {
                        let mut mine = Vec::new();
                        for round in 0..2_000_u64 {
                            let stamp = if (round + thread) % 3 == 0 {
                                clock.receive(time(round * 5)).unwrap()
                            } else {
                                clock.tick().unwrap()
                            };
                            mine.push(stamp.time.get());
                        }
                        assert!(mine.is_sorted(), "a thread saw time go back");
                        mine
                    })
                })
                .collect();
            threads
                .into_iter()
                .flat_map(|t| t.join().unwrap())
                .collect()
        });
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}
