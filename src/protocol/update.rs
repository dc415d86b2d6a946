//! The result of an update: one time, or several.

use super::snapshot::Holder;
use crate::clock::{Instance, ProcessId, Stamp, Time};

/// One time of the shared clock.
///
/// ```
/// # use lamport_clock::SharedClock;
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let clock = SharedClock::memory("api")?;
/// assert_eq!(clock.update().await?.previous, None);
/// let update = clock.update().await?;
/// let previous = update.previous.expect("the update before");
/// assert_eq!((previous.value.get(), previous.process.as_str()), (2, "api"));
/// assert_eq!(update.round_trips, 1);
/// # Ok::<(), lamport_clock::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    /// The time. Nobody else has it.
    pub value: Time,
    /// This process.
    pub process: ProcessId,
    /// This instance of it.
    pub instance: Instance,
    /// The holder of the newest time before this one; `None` if there was none.
    pub previous: Option<Holder>,
    /// When it was taken, by this process's wall clock (Unix seconds). Only for people to see.
    pub real_timestamp: f64,
    /// The store's revision of the update.
    pub revision: u64,
    /// How many transactions the update took.
    pub round_trips: u32,
    /// The highest time known, if a writer that does not follow the rule had moved the record back below
    /// it. The update still started above that time.
    pub regressed: Option<Time>,
}

impl Update {
    /// The update as a point in the total order.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::memory("api")?;
    /// assert_eq!(clock.update().await?.stamp().to_string(), "2@api");
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn stamp(&self) -> Stamp {
        Stamp {
            time: self.value,
            process: self.process.clone(),
            instance: self.instance,
        }
    }
}

/// Consecutive times of the shared clock, from `first` through `last`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reservation {
    /// The first time.
    pub first: Time,
    /// The last time.
    pub last: Time,
    /// This process.
    pub process: ProcessId,
    /// This instance of it.
    pub instance: Instance,
    /// See [`Update::previous`].
    pub previous: Option<Holder>,
    /// See [`Update::real_timestamp`].
    pub real_timestamp: f64,
    /// See [`Update::revision`].
    pub revision: u64,
    /// See [`Update::round_trips`].
    pub round_trips: u32,
    /// See [`Update::regressed`].
    pub regressed: Option<Time>,
}

impl Reservation {
    /// How many times the reservation holds.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::memory("api")?;
    /// assert_eq!(clock.reserve(1_000).await?.len(), 1_000);
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    #[allow(clippy::len_without_is_empty, reason = "a reservation is never empty")]
    pub fn len(&self) -> u64 {
        self.last.ahead_of(self.first) + 1
    }

    /// The times, in order.
    ///
    /// ```
    /// # use lamport_clock::SharedClock;
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// let clock = SharedClock::memory("api")?;
    /// let taken = clock.reserve(3).await?;
    /// let times: Vec<_> = taken.times().map(|time| time.get()).collect();
    /// assert_eq!(times, [2, 3, 4]);
    /// # Ok::<(), lamport_clock::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn times(&self) -> <&Reservation as IntoIterator>::IntoIter {
        self.into_iter()
    }
}

/// Iterates over the times, in order.
impl IntoIterator for &Reservation {
    type Item = Time;
    type IntoIter = std::iter::Map<std::ops::RangeInclusive<u64>, fn(u64) -> Time>;

    fn into_iter(self) -> Self::IntoIter {
        (self.first.get()..=self.last.get()).map(Time::saturating)
    }
}

impl From<Reservation> for Update {
    fn from(reservation: Reservation) -> Update {
        Update {
            value: reservation.last,
            process: reservation.process,
            instance: reservation.instance,
            previous: reservation.previous,
            real_timestamp: reservation.real_timestamp,
            revision: reservation.revision,
            round_trips: reservation.round_trips,
            regressed: reservation.regressed,
        }
    }
}
