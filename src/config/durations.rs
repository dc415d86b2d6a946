//! Durations as people write them, and which of them are deadlines.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::excerpt::quote;

/// Parses a duration as people write it: `2s`, `500ms`, `1.5s`, `1m`, or a bare number of seconds; at
/// most a day.
///
/// ```
/// use lamport_clock::parse_duration;
/// assert_eq!(parse_duration("500ms")?.as_millis(), 500);
/// assert_eq!(parse_duration("1.5")?, parse_duration("1.5s")?);
/// assert!(parse_duration("2h").is_err());
/// # Ok::<(), lamport_clock::Error>(())
/// ```
pub fn parse_duration(text: &str) -> Result<Duration> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        _ => f64::NAN,
    };
    let seconds = number
        .parse()
        .map_or(f64::NAN, |number: f64| number * scale);
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if duration <= DAY => Ok(duration),
        _ => Err(Error::invalid(format!(
            "{} is not a duration: it takes 2s, 500ms or 1m, at most a day",
            quote(text)
        ))),
    }
}

/// Parses a deadline: a duration from 1 ms to a day.
pub(super) fn parse_deadline(text: &str) -> Result<Duration> {
    checked_deadline(parse_duration(text)?, &quote(text))
}

/// Refuses a deadline outside 1 ms to a day.
pub(crate) fn check_timeout(timeout: Duration) -> Result<Duration> {
    checked_deadline(timeout, &format!("{timeout:?}"))
}

fn checked_deadline(timeout: Duration, shown: &str) -> Result<Duration> {
    match (Duration::from_millis(1)..=DAY).contains(&timeout) {
        true => Ok(timeout),
        false => Err(Error::invalid(format!(
            "{shown} is no deadline: it takes 1ms to a day"
        ))),
    }
}

/// The longest duration accepted: far longer than any wait here, and far below the limit of `Duration`.
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::super::{Config, Settings};
    use super::*;

    #[test]
    fn durations_parse() {
        for (text, millis) in [
            ("2s", 2_000),
            ("500ms", 500),
            ("1.5", 1_500),
            ("1m", 60_000),
            ("0s", 0),
        ] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(millis));
        }
        for text in [
            "", "s", "1h", "1 s", "-1s", "1e3s", "1..2s", "nan", "9999999s",
        ] {
            assert!(parse_duration(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_duration_is_read_to_the_nanosecond() {
        for duration in [
            Duration::from_millis(1),
            Duration::from_nanos(1_000_001),
            Duration::from_nanos(1_234_567_891),
            Duration::new(86_399, 999_999_999),
            Duration::from_secs(86_400),
        ] {
            let mut settings = Settings::from([("store", "memory:")]);
            settings.set("timeout", duration);
            let config = Config::resolve(&settings, &|_| None).unwrap();
            assert_eq!(config.timeout(), duration);
        }
    }
}
