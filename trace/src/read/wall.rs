//! Wall clock times as loggers write them.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::events::NO_WALL;

/// A wall clock time, and the precision with which it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wall {
    /// Nanoseconds since 1970.
    pub(crate) at: i64,
    /// Nanoseconds.
    pub(crate) step: u64,
}

const SECOND: u64 = 1_000_000_000;

/// The date and time at the beginning of `text`, and what follows it. The form is RFC 3339, also with a
/// blank instead of `T`, with a comma instead of the dot, or without a zone (UTC then).
pub(super) fn leading(text: &[u8]) -> Option<(Wall, &[u8])> {
    let digits = |from: usize, until: usize| {
        let mut number = 0_i16;
        for byte in text.get(from..until)? {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            number = number * 10 + i16::from(digit);
        }
        Some(number)
    };
    let is = |at: usize, any: &[u8]| text.get(at).is_some_and(|byte| any.contains(byte));
    if !(is(4, b"-/") && is(7, b"-/") && is(10, b"T t") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (mut rest, mut nanosecond, mut step) = (text.get(19..)?, 0, SECOND);
    if let [b'.' | b',', fraction @ ..] = rest {
        let mut count = 0;
        while let Some(digit @ b'0'..=b'9') = fraction.get(count) {
            if step > 1 {
                step /= 10;
                nanosecond += u64::from(digit - b'0') * step;
            }
            count += 1;
        }
        rest = &fraction[count..];
    }
    let mut zone = 0;
    match rest {
        [b'Z' | b'z', after @ ..] => rest = after,
        [sign @ (b'+' | b'-'), after @ ..] => {
            let pair = |at: usize| match after.get(at..at + 2)? {
                [a @ b'0'..=b'9', b @ b'0'..=b'9'] => {
                    Some(i64::from(a - b'0') * 10 + i64::from(b - b'0'))
                }
                _ => None,
            };
            if let Some(hours) = pair(0) {
                let colon = usize::from(after.get(2) == Some(&b':'));
                let minutes = pair(2 + colon);
                zone = (hours * 60 + minutes.unwrap_or(0)) * 60;
                if *sign == b'-' {
                    zone = -zone;
                }
                rest = &after[if minutes.is_some() { 4 + colon } else { 2 }..];
            }
        }
        _ => {}
    }
    let byte = |from: usize| digits(from, from + 2)?.try_into().ok();
    // A leap second counts as the last second of its minute.
    let second = byte(17).map(|second: i8| second.min(59))?;
    let civil = DateTime::new(
        digits(0, 4)?,
        byte(5)?,
        byte(8)?,
        byte(11)?,
        byte(14)?,
        second,
        0,
    )
    .ok()?;
    let seconds = TimeZone::UTC.to_timestamp(civil).ok()?.as_second() - zone;
    let at = seconds
        .checked_mul(SECOND as i64)?
        .checked_add(nanosecond as i64)?;
    Some((Wall { at, step }, rest))
}

/// The time that a whole text gives: in a form that [`leading`] reads, or as a number.
pub(super) fn whole(text: &str) -> Option<Wall> {
    if let Some((wall, rest)) = leading(text.as_bytes()) {
        return rest.trim_ascii().is_empty().then_some(wall);
    }
    match text.parse() {
        Ok(number) => of_number(number),
        Err(_) => of_float(text.parse().ok()?),
    }
}

/// A number of seconds, milliseconds, microseconds or nanoseconds since 1970. The unit is the one that
/// gives the date nearest to today.
pub(super) fn of_number(number: u64) -> Option<Wall> {
    let step = match number {
        0..100_000_000_000 => SECOND,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        _ => 1,
    };
    let at = number.checked_mul(step)?.try_into().ok()?;
    (at != NO_WALL).then_some(Wall { at, step })
}

/// A number with a fraction, of seconds or milliseconds since 1970. A 64-bit float of today's seconds is
/// exact to a microsecond, and no more.
pub(super) fn of_float(number: f64) -> Option<Wall> {
    let seconds = if number < 1e11 { number } else { number / 1e3 };
    if !(0.0..9e9).contains(&seconds) {
        return None;
    }
    let at = (seconds * 1e6).round() as i64 * 1_000;
    Some(Wall { at, step: 1_000 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_forms_are_one_moment() {
        let at = 1_764_331_200_123_000_000;
        for (text, step, rest) in [
            ("2025-11-28T12:00:00.123Z", 1_000_000, ""),
            ("2025-11-28T12:00:00.123456789Z ", 1, " "),
            ("2025-11-28 12:00:00,123 INFO", 1_000_000, " INFO"),
            ("2025-11-28T13:00:00.123000+01:00 x", 1_000, " x"),
            ("2025-11-28T06:30:00.123000-0530", 1_000, ""),
            ("2025/11/28 12:00:00.123", 1_000_000, ""),
        ] {
            let (wall, after) = leading(text.as_bytes()).unwrap();
            assert_eq!(
                (wall.at / 1_000_000 * 1_000_000, wall.step),
                (at, step),
                "{text}"
            );
            assert_eq!(after, rest.as_bytes());
        }
        for number in [
            "1764331200.123",
            "1764331200123",
            "1764331200123000",
            "1764331200123000000",
        ] {
            assert_eq!(whole(number).unwrap().at, at, "{number}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "2025-11-28",
            "2025-13-28T12:00:00Z",
            "2025-11-28T12:00:61.x",
            "x",
            "-1",
            "1e400",
        ] {
            if let Some(wall) = whole(text) {
                panic!("{text}: {wall:?}");
            }
        }
        assert_eq!(whole("99999999999999999999"), None);
        // A year that 64 bits of nanoseconds can't count.
        assert_eq!(whole("2300-01-01T00:00:00Z"), None);
    }
}
