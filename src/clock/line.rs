//! A line of a log as an event that names its causes, as a commit names its parents.

use std::collections::VecDeque;
use std::fmt;

use super::stamp::Stamp;
use super::time::Time;

/// What arrived with a message: its stamp, or a bare time that does not tell the sender.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// The stamp of the sending: the sender, and the time at which it sent the message.
    Stamp(&'a Stamp),
    /// When the message was sent. The next [`Line`] can't name the message, and counts it as dropped.
    Time(Time),
}

impl Message<'_> {
    /// When the message was sent.
    pub fn time(self) -> Time {
        match self {
            Message::Stamp(stamp) => stamp.time,
            Message::Time(time) => time,
        }
    }
}

impl<'a> From<&'a Stamp> for Message<'a> {
    fn from(stamp: &'a Stamp) -> Message<'a> {
        Message::Stamp(stamp)
    }
}

impl From<Time> for Message<'_> {
    fn from(time: Time) -> Self {
        Message::Time(time)
    }
}

/// A message that arrived.
///
/// Text form: `40@billing;at=43`, and with the instance (`{:#}`)
/// `40@billing;instance=00000000000000ff;at=43`. Parsed as a stamp, this text gives the stamp of the
/// message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arrival {
    /// The stamp of the message: who sent it, and when.
    pub sent: Stamp,
    /// When it arrived, by the local clock of its receiver.
    pub at: Time,
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sent.fmt(f)?;
        write!(f, ";at={}", self.at)
    }
}

/// An event that is written down, with its causes: the line before, and the messages that arrived since.
///
/// So each message is an edge between two lines, although no line is written when it arrives. A line that
/// was removed from a log leaves a visible gap. Times that an update learned from the shared clock are no
/// messages.
///
/// Text form: the stamp, then a word for each cause. `<-` means that there is none, and `<+3` that three
/// messages were dropped. `{:#}` adds the instances, so that programs can tell lines apart.
///
/// ```
/// use lamport_clock::{Instance, LocalClock, ProcessId};
/// let api = LocalClock::new(ProcessId::new("api")?, Instance::new(1));
/// let billing = LocalClock::new(ProcessId::new("billing")?, Instance::new(2));
/// assert_eq!(api.log()?.to_string(), "1@api <-");
/// api.receive(&billing.tick()?)?;
/// let line = api.log()?;
/// assert_eq!(line.to_string(), "3@api <1@api <1@billing;at=2");
/// let causes: Vec<String> = line.after().collect();
/// assert_eq!(causes[1], "1@billing;instance=0000000000000002;at=2");
/// # Ok::<(), lamport_clock::Error>(())
/// ```
///
/// For serde (feature `serde`) a line is a map with the keys `lamport`, `lamport_time`, `lamport_process`,
/// `lamport_instance` and `lamport_after`, as in a log line in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// The event.
    pub stamp: Stamp,
    /// The stamp of the line before, of the same instance. In the first line of a forked child: the stamp
    /// at which its parent's clock stood at the fork, written like a message that arrived as the child
    /// began. `None` in the first line of any other instance.
    pub previous: Option<Stamp>,
    /// The newest messages that arrived since the line before, oldest first: at most [`Line::MOST`].
    pub arrivals: Vec<Arrival>,
    /// How many more messages arrived: older ones, and those that did not name their sender.
    pub dropped: u64,
}

impl Line {
    /// The highest number of messages that are remembered for the next line.
    pub const MOST: usize = 16;

    /// The causes, as `lamport_after` lists them in JSON: stamps in their long form, the line before first.
    /// If messages were dropped, the last text is their number, such as `+3`.
    pub fn after(&self) -> impl Iterator<Item = String> + '_ {
        let previous = self.previous.iter().map(|stamp| match self.began() {
            Some(at) => format!("{stamp:#};at={at}"),
            None => format!("{stamp:#}"),
        });
        let arrivals = self.arrivals.iter().map(|arrival| format!("{arrival:#}"));
        let dropped = (self.dropped > 0).then(|| format!("+{}", self.dropped));
        previous.chain(arrivals).chain(dropped)
    }

    /// When the instance began, if this is the first line of a forked child. All that the child did came
    /// after the fork, also what it did before this line.
    fn began(&self) -> Option<u64> {
        let parent = self.previous.as_ref()?;
        (parent.instance != self.stamp.instance).then(|| parent.time.get() + 1)
    }

    /// Drops the oldest message, for writers with little room. Returns whether there was one.
    ///
    /// ```
    /// # use lamport_clock::{Instance, LocalClock, ProcessId, Stamp};
    /// let api = LocalClock::new(ProcessId::new("api")?, Instance::new(1));
    /// api.receive(&"7@billing".parse::<Stamp>()?)?;
    /// let mut line = api.log()?;
    /// assert!(line.drop_oldest() && !line.drop_oldest());
    /// assert_eq!(line.to_string(), "9@api <+1");
    /// # Ok::<(), lamport_clock::Error>(())
    /// ```
    pub fn drop_oldest(&mut self) -> bool {
        if self.arrivals.is_empty() {
            return false;
        }
        self.arrivals.remove(0);
        self.dropped += 1;
        true
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stamp.fmt(f)?;
        if let Some(previous) = &self.previous {
            f.write_str(" <")?;
            previous.fmt(f)?;
            if let Some(at) = self.began() {
                write!(f, ";at={at}")?;
            }
        }
        for arrival in &self.arrivals {
            f.write_str(" <")?;
            arrival.fmt(f)?;
        }
        match self.dropped {
            0 if self.previous.is_none() && self.arrivals.is_empty() => f.write_str(" <-"),
            0 => Ok(()),
            dropped => write!(f, " <+{dropped}"),
        }
    }
}

/// The causes that the next line will name.
#[derive(Debug, Default)]
pub(super) struct Trail {
    previous: Option<Stamp>,
    arrivals: VecDeque<Arrival>,
    dropped: u64,
}

impl Trail {
    /// Notes that a message arrived. `sent` is `None` if the sender is not known.
    pub(super) fn arrived(&mut self, sent: Option<Stamp>, at: Time) {
        let Some(sent) = sent else {
            self.dropped += 1;
            return;
        };
        if self.arrivals.len() == Line::MOST {
            self.arrivals.pop_front();
            self.dropped += 1;
        }
        self.arrivals.push_back(Arrival { sent, at });
    }

    /// Makes the line with this stamp, and remembers the stamp for the line after it.
    pub(super) fn written(&mut self, stamp: Stamp) -> Line {
        Line {
            previous: self.previous.replace(stamp.clone()),
            arrivals: std::mem::take(&mut self.arrivals).into(),
            dropped: std::mem::take(&mut self.dropped),
            stamp,
        }
    }

    /// Has the first line name `stamp` as the line before.
    pub(super) fn follows(&mut self, stamp: Stamp) {
        self.previous = Some(stamp);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Instance, LocalClock, ProcessId};
    use super::*;

    fn clock() -> LocalClock {
        LocalClock::new(ProcessId::new("api").unwrap(), Instance::new(255))
    }

    fn sent(time: u64) -> Stamp {
        let text = format!("{time}@billing;instance=000000000000000b");
        text.parse().unwrap()
    }

    fn after(line: &Line) -> Vec<String> {
        line.after().collect()
    }

    #[test]
    fn a_line_names_the_line_before_and_what_arrived_since() {
        let clock = clock();
        clock.tick().unwrap();
        let first = clock.log().unwrap();
        assert_eq!(
            (first.to_string().as_str(), after(&first).len()),
            ("2@api <-", 0)
        );
        clock.receive(&sent(40)).unwrap();
        clock.advance_past(&sent(3)).unwrap();
        let line = clock.log().unwrap();
        assert_eq!(
            line.to_string(),
            "43@api <2@api <40@billing;at=41 <3@billing;at=42"
        );
        assert_eq!(
            after(&line),
            [
                "2@api;instance=00000000000000ff",
                "40@billing;instance=000000000000000b;at=41",
                "3@billing;instance=000000000000000b;at=42",
            ]
        );
        assert_eq!(
            format!("{line:#}"),
            format!(
                "43@api;instance=00000000000000ff <{}",
                after(&line).join(" <")
            )
        );
        for (cause, stamp) in after(&line)[1..].iter().zip([sent(40), sent(3)]) {
            assert_eq!(cause.parse::<Stamp>().unwrap(), stamp);
        }
        assert_eq!(clock.log().unwrap().to_string(), "44@api <43@api");
    }

    #[test]
    fn of_many_messages_the_newest_are_named_and_the_rest_counted() {
        let clock = clock();
        for time in 1..=16 {
            clock.receive(&sent(time)).unwrap();
        }
        let line = clock.log().unwrap();
        assert_eq!((line.arrivals.len(), line.dropped), (16, 0));
        for time in 17..=36 {
            clock.receive(&sent(time)).unwrap();
        }
        let line = clock.log().unwrap();
        let times: Vec<_> = line.arrivals.iter().map(|a| a.sent.time.get()).collect();
        assert_eq!(times, Vec::from_iter(21..=36));
        assert_eq!(after(&line).last().unwrap(), "+4");
        assert!(line.to_string().ends_with(" <+4"));
        assert!(!clock.log().unwrap().to_string().contains('+'));
    }

    #[test]
    fn a_message_without_a_name_makes_a_line_incomplete_and_an_own_one_does_not() {
        let clock = clock();
        clock.receive(Time::new(7).unwrap()).unwrap();
        assert_eq!(clock.log().unwrap().to_string(), "9@api <+1");
        clock.receive(&clock.tick().unwrap()).unwrap();
        // The shared clock's times are no messages.
        clock.raise(Time::new(20).unwrap());
        assert_eq!(clock.log().unwrap().to_string(), "21@api <9@api");
    }

    #[test]
    fn a_childs_first_line_says_that_it_began_after_where_its_parent_stood() {
        let child = clock();
        child.go_on_from(sent(40));
        child.tick().unwrap();
        let line = child.log().unwrap();
        assert_eq!(line.to_string(), "42@api <40@billing;at=41");
        assert_eq!(after(&line), ["40@billing;instance=000000000000000b;at=41"]);
        assert_eq!(child.log().unwrap().to_string(), "43@api <42@api");
    }

    #[test]
    fn a_refused_message_is_no_cause() {
        let clock = clock().with_max_jump(100);
        clock.receive(&sent(500)).unwrap_err();
        assert_eq!(clock.log().unwrap().to_string(), "1@api <-");
    }
    #[test]
    fn threads_write_one_chain_and_name_each_message_once() {
        let clock = clock();
        let lines: Vec<Line> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8_u64)
                .map(|thread| {
                    let clock = &clock;
                    scope.spawn(move || {
                        let mut lines = Vec::new();
                        for round in 0..500 {
                            clock.receive(&sent(1 + thread * 500 + round)).unwrap();
                            clock.tick().unwrap();
                            lines.push(clock.log().unwrap());
                        }
                        lines
                    })
                })
                .collect();
            let lines = threads.into_iter().flat_map(|t| t.join().unwrap());
            lines.collect()
        });
        let mut lines = lines;
        lines.sort_by_key(|line| line.stamp.time);
        let mut messages = Vec::new();
        let mut previous: Option<Stamp> = None;
        for line in lines {
            assert_eq!(line.previous, previous);
            let before = previous.map_or(Time::ZERO, |stamp| stamp.time);
            for arrival in &line.arrivals {
                assert!(before < arrival.at && arrival.at < line.stamp.time);
                messages.push(arrival.sent.time.get());
            }
            assert_eq!(line.dropped, 0);
            previous = Some(line.stamp);
        }
        messages.sort_unstable();
        assert_eq!(messages, Vec::from_iter(1..=4_000));
    }
}
