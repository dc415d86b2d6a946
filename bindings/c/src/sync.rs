//! Updates in the background.

use std::ffi::c_char;
use std::time::Duration;

use lamport_clock::{ErrorKind, SyncStats, Time};

use crate::border;
use crate::clock::Clock;
use crate::error::{ErrorObject, lamport_error_message, lamport_error_status};
use crate::status::Status;

/// The counts of the updates in the background, and the other counts of the clock, at one moment.
/// Yours: free it with lamport_stats_free().
#[derive(Debug)]
pub struct Stats {
    stats: SyncStats,
    last_error: Option<ErrorObject>,
}

/// Starts updates in the background: the first one at once, then one every `interval_ms` milliseconds, a
/// little sooner or later. They keep the local clock near the others', and let the other processes learn of
/// it. `interval_ms` is 10 to 86400000 (a day); 0 means 2000, as in the deployed script.
///
/// An update that fails is counted, and the next ones come later until one succeeds. A second call with the
/// same interval does nothing; with another interval the updates begin anew. They end with
/// lamport_clock_stop(), and when the clock is closed or freed. In a forked child none run until the child
/// starts them.
///
/// The library's thread does the work. Errors: INVALID_ARGUMENT (interval_ms), CLOSED, INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_start(
    clock: Option<&Clock>,
    interval_ms: u64,
    error: *mut *mut ErrorObject,
) -> Status {
    // The interval of the deployed script.
    let interval = if interval_ms == 0 { 2_000 } else { interval_ms };
    let interval = Duration::from_millis(interval);
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, || Ok(border::lent(clock)?.shared.start(interval)?)) }
}

/// Stops the updates in the background: no update begins after this has returned, and one that is under way
/// is abandoned. A second call does nothing. lamport_clock_start() resumes the updates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_stop(
    clock: Option<&Clock>,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, || border::lent(clock).map(|this| this.shared.stop())) }
}

/// Gives the counts of the updates in the background, and the other counts of the clock. They cover the whole
/// life of the clock, however often the updates were started and stopped. A forked child counts its own. On
/// success `*stats` is yours.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_stats(
    clock: Option<&Clock>,
    stats: *mut *mut Stats,
    error: *mut *mut ErrorObject,
) -> Status {
    let counted = |this: &Clock| {
        let stats = this.shared.stats();
        let last_error = stats.last_error.clone().map(ErrorObject::from);
        Ok(Stats { stats, last_error })
    };
    // SAFETY: the header's contract.
    unsafe { border::made_by(clock, stats, error, counted) }
}

/// Whether updates run in the background: 1 if they do, else 0.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_running(stats: Option<&Stats>) -> i32 {
    border::look(stats, 0, |this| i32::from(this.stats.running))
}

/// How long the updates in the background have been running, in milliseconds; 0 if none run.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_running_for_ms(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| milliseconds(this.stats.running_for))
}

/// The interval that was requested last, in milliseconds; 0 if updates were never started.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_interval_ms(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| milliseconds(this.stats.interval))
}

/// Number of updates in the background that succeeded.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_updates(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| this.stats.updates)
}

/// Number of updates in the background that failed.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_failures(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| this.stats.failures)
}

/// Number of updates that failed with this status; 0 for a status that no update fails with.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_failures_with(stats: Option<&Stats>, status: i32) -> u64 {
    border::look(stats, 0, |this| {
        let mut kinds = ErrorKind::all().iter().copied();
        let kind = kinds.find(|kind| Status::of(*kind) as i32 == status);
        kind.map_or(0, |kind| this.stats.failures_of(kind))
    })
}

/// Number of failures since the last success: 0 while all is well.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_failing(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| this.stats.failing)
}

/// The newest logical time that an update in the background took; 0 before the first.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_last_value(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| this.stats.last_value.map_or(0, Time::get))
}

/// How long ago the newest update in the background succeeded, in milliseconds; 0 before the first.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_since_update_ms(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| milliseconds(this.stats.since_update))
}

/// The status of the newest update that failed. It stays after later updates succeed. LAMPORT_STATUS_OK if
/// none failed.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_last_status(stats: Option<&Stats>) -> Status {
    lamport_error_status(border::look(stats, None, |this| this.last_error.as_ref()))
}

/// The error message of the newest update that failed; "" if none failed.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_last_message(stats: Option<&Stats>) -> *const c_char {
    lamport_error_message(border::look(stats, None, |this| this.last_error.as_ref()))
}

/// Number of messages that the clock refused because they lay further ahead than its max_jump allows
/// (TOO_FAR_AHEAD), whether or not anything runs in the background.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_refused(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| this.stats.refused)
}

/// Number of folds that the clock carried out (see docs/PROTOCOL.md), after any of its updates.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_folds(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| this.stats.folds)
}

/// Number of transactions that the successful updates needed.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_round_trips(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| this.stats.round_trips)
}

/// How far the shared clock was ahead of the local one when the newest update reached it, in logical
/// time; 0 before the first.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_distance(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| this.stats.distance.unwrap_or_default())
}

/// Total duration of the successful updates, in microseconds.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_update_time_us(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| whole(this.stats.update_time.as_micros()))
}

/// Number of successful updates that took no longer than the longest of these bounds up to `us`, in
/// microseconds: 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000 and 5000000. 0
/// if `us` is below all of them.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_updates_within_us(stats: Option<&Stats>, us: u64) -> u64 {
    let within = Duration::from_micros(us);
    border::look(stats, 0, |this| this.stats.updates_within(within))
}

/// Frees the statistics that lamport_clock_stats() gave.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_stats_free(stats: *mut Stats) {
    // SAFETY: the header's contract: it came from us and is freed once.
    unsafe { border::given_back(stats, drop) }
}

fn milliseconds(length: Option<Duration>) -> u64 {
    length.map_or(0, |length| whole(length.as_millis()))
}

fn whole(units: u128) -> u64 {
    u64::try_from(units).unwrap_or(u64::MAX)
}
