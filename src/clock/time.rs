//! Logical time: a bounded integer that never wraps.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::quote;

/// A logical time: an integer from 0 to 2^53 - 1.
///
/// The upper end is the largest integer that is exact in every JSON reader (IEEE 754 doubles).
/// Arithmetic is checked: past the end there is [`ErrorKind::Exhausted`], never a wrap.
///
/// ```
/// use lamport_clock::Time;
/// let time: Time = "41".parse()?;
/// assert_eq!(time.after(1)?, Time::new(42)?);
/// assert!(Time::MAX.after(1).is_err() && Time::new(1 << 53).is_err());
/// # Ok::<(), lamport_clock::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    /// Where every clock starts.
    pub const ZERO: Time = Time(0);
    /// The last time there is, 2^53 - 1 = 9007199254740991.
    pub const MAX: Time = Time((1 << 53) - 1);

    /// The time `value`; [`ErrorKind::InvalidArgument`] past [`Time::MAX`].
    pub fn new(value: u64) -> Result<Time> {
        if value > Time::MAX.0 {
            return Err(Error::invalid(format!(
                "{value} is not a logical time: the largest is 2^53 - 1 = {}",
                Time::MAX
            )));
        }
        Ok(Time(value))
    }

    /// The time as a plain number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The time `steps` later; [`ErrorKind::Exhausted`] if that lies past [`Time::MAX`].
    #[inline]
    pub fn after(self, steps: u64) -> Result<Time> {
        match self.0.checked_add(steps) {
            Some(value) if value <= Time::MAX.0 => Ok(Time(value)),
            _ => Err(self.exhausted(steps)),
        }
    }

    /// Kept out of `after`, which every tick calls.
    #[cold]
    fn exhausted(self, steps: u64) -> Error {
        Error::new(
            ErrorKind::Exhausted,
            format!(
                "no time is left: {steps} past {self} lies beyond the last one, {}",
                Time::MAX
            ),
        )
    }

    /// How far this time lies ahead of `other`; 0 if it does not.
    pub const fn ahead_of(self, other: Time) -> u64 {
        self.0.saturating_sub(other.0)
    }

    /// The time `value`, or [`Time::MAX`] if a counter has run past the end.
    pub(crate) const fn saturating(value: u64) -> Time {
        if value > Time::MAX.0 {
            Time::MAX
        } else {
            Time(value)
        }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Time {
    type Err = Error;

    fn from_str(text: &str) -> Result<Time> {
        // `u64::from_str` takes a leading '+', which no writer of ours produces.
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            let why = "it takes a whole number without a sign";
            return Err(is_not(text, "a logical time", why));
        }
        match text.parse() {
            Ok(value) => Time::new(value),
            Err(_) => {
                let why = format!("the largest is {}", Time::MAX);
                Err(is_not(text, "a logical time", &why))
            }
        }
    }
}

impl TryFrom<u64> for Time {
    type Error = Error;

    fn try_from(value: u64) -> Result<Time> {
        Time::new(value)
    }
}

impl From<Time> for u64 {
    fn from(time: Time) -> u64 {
        time.0
    }
}

/// [`ErrorKind::InvalidArgument`] for a text that can't be read.
pub(super) fn is_not(text: &str, what: &str, why: &str) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!("{} is not {what}: {why}", quote(text)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_an_error_not_a_wrap() {
        assert_eq!(Time::MAX.get(), 9_007_199_254_740_991);
        assert_eq!(Time::MAX.after(0).unwrap(), Time::MAX);
        for steps in [1, u64::MAX] {
            let error = Time::MAX.after(steps).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Exhausted);
        }
        assert!(Time::new(1 << 53).is_err());
    }

    #[test]
    fn text_is_digits_only() {
        assert_eq!("42".parse::<Time>().unwrap().get(), 42);
        for text in ["", "+1", "-1", "1.5", " 1", "9007199254740992", "x"] {
            let error = text.parse::<Time>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{text:?}");
        }
    }
}
