//! Updates as they are printed: for people or as JSON.

use serde::Serialize;

use super::{Look, Output};
use lamport_clock::excerpt::escape;
use lamport_clock::{Holder, Observed, Time, Update};

/// An update by this process as JSON.
#[derive(Serialize)]
pub(in super::super) struct UpdateObject<'a> {
    value: u64,
    process: &'a str,
    real_timestamp: f64,
    previous: Option<HolderObject<'a>>,
    revision: u64,
    round_trips: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    regressed: Option<u64>,
}

#[derive(Serialize)]
struct HolderObject<'a> {
    value: u64,
    process: &'a str,
}

impl<'a> From<&'a Update> for UpdateObject<'a> {
    fn from(update: &'a Update) -> UpdateObject<'a> {
        UpdateObject {
            value: update.value.get(),
            process: update.process.as_str(),
            real_timestamp: update.real_timestamp,
            previous: update.previous.as_ref().map(|holder| HolderObject {
                value: holder.value.get(),
                process: &holder.process,
            }),
            revision: update.revision,
            round_trips: update.round_trips,
            regressed: update.regressed.map(Time::get),
        }
    }
}

/// An update by anyone as JSON; all `null` where there is none yet.
#[derive(Serialize, Default)]
pub(in super::super) struct ObservedObject<'a> {
    value: Option<u64>,
    /// The first time that the update took; below `value` if it took several.
    first: Option<u64>,
    process: Option<&'a str>,
    instance: Option<String>,
    real_timestamp: Option<f64>,
    revision: Option<u64>,
}

impl<'a> From<&'a Observed> for ObservedObject<'a> {
    fn from(observed: &'a Observed) -> ObservedObject<'a> {
        ObservedObject {
            value: Some(observed.value.get()),
            first: Some(observed.first.get()),
            process: Some(&observed.process),
            instance: observed.instance.map(|instance| instance.to_string()),
            real_timestamp: observed.real_timestamp,
            revision: Some(observed.revision),
        }
    }
}

/// An update by anyone for people: `    42  mx-nodel    2025-06-16 23:15:44.920 UTC  revision 7`.
pub(in super::super) fn observed_line(output: &Output, observed: &Observed) -> String {
    let times = if observed.first < observed.value {
        format!("{}..{}", observed.first, observed.value)
    } else {
        observed.value.to_string()
    };
    format!(
        "{}  {:<12}  {}",
        output.paint(Look::Bold, format_args!("{times:>8}")),
        escape(&observed.process),
        output.paint(
            Look::Faint,
            format_args!(
                "{}  revision {}",
                observed
                    .real_timestamp
                    .map_or_else(|| "(no wall time)".to_owned(), wall_time),
                observed.revision
            )
        ),
    )
}

/// The holder of the time before, in words: `after 41@mx-nodel2`.
pub(in super::super) fn after(previous: Option<&Holder>) -> String {
    match previous {
        Some(holder) => format!("after {}@{}", holder.value, escape(&holder.process)),
        None => "the first record".to_owned(),
    }
}

/// Unix seconds as `2025-06-16 23:15:44.920 UTC`.
fn wall_time(seconds: f64) -> String {
    // Only the years 1970 to 9999 are shown as dates. A writer may have put any number into the record.
    if !(0.0..253_402_300_800.0).contains(&seconds) {
        return format!("{seconds} s");
    }
    let milliseconds = (seconds * 1_000.0) as u64;
    let (seconds, milliseconds) = (milliseconds / 1_000, milliseconds % 1_000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}.{milliseconds:03} UTC",
        second / 3_600,
        second / 60 % 60,
        second % 60,
    )
}

/// The Gregorian date that is `days` days after 1970-01-01.
///
/// Days are counted from 1 March of the year 0, so that a leap day is the last day of its year. 400 such
/// years always have 146,097 days.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, wrapped) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + wrapped, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_times_are_dates() {
        for (seconds, text) in [
            (0.0, "1970-01-01 00:00:00.000 UTC"),
            (951_782_400.0, "2000-02-29 00:00:00.000 UTC"),
            (1_709_251_199.5, "2024-02-29 23:59:59.500 UTC"),
            (1_750_116_944.92, "2025-06-16 23:35:44.920 UTC"),
            (4_107_542_400.0, "2100-03-01 00:00:00.000 UTC"),
            (-1.0, "-1 s"),
        ] {
            assert_eq!(wall_time(seconds), text);
        }
    }
}
