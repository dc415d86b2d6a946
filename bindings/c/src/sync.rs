//! Updates in the background.

use std::ffi::c_char;
use std::time::Duration;

use lamport_clock::{ErrorKind, SyncStats, Time};

use crate::border;
use crate::clock::Clock;
use crate::error::{ErrorObject, lamport_error_message, lamport_error_status};
use crate::status::Status;

/// What the updates in the background have come to, and what the clock has counted beside them, at one
/// moment.
/// Yours: free it with lamport_stats_free().
#[derive(Debug)]
pub struct Stats {
    stats: SyncStats,
    last_error: Option<ErrorObject>,
}

/// Starts to update the clock every `interval_ms` milliseconds in the background, a little sooner or
/// later, the first time at once: so that its local clock stays near the others', and they learn of
/// it. 10 to 86400000 (a day); 0: 2000, as the deployed script does.
///
/// An update that fails is counted, and the next one comes later, until one succeeds. To start again
/// with the same interval does nothing, with another one it begins anew. It ends with
/// lamport_clock_stop(), and when the clock is closed or freed. In a forked child nothing runs until
/// the child starts it.
///
/// The library's thread does the work. Errors: INVALID_ARGUMENT (interval_ms), CLOSED, INTERNAL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_start(
    clock: Option<&Clock>,
    interval_ms: u64,
    error: *mut *mut ErrorObject,
) -> Status {
    // 0: as the deployed script does.
    let interval = if interval_ms == 0 { 2_000 } else { interval_ms };
    let interval = Duration::from_millis(interval);
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, || Ok(border::lent(clock)?.shared.start(interval)?)) }
}

/// Stops the updates in the background: once this has returned none begins, and one that is under way
/// is given up. To stop again does nothing; to start again goes on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lamport_clock_stop(
    clock: Option<&Clock>,
    error: *mut *mut ErrorObject,
) -> Status {
    // SAFETY: the header's contract.
    unsafe { border::guarded(error, || border::lent(clock).map(|this| this.shared.stop())) }
}

/// What the updates in the background have come to, over the whole life of the clock, however often
/// they were started and stopped, and what it has counted beside them (a forked child counts its own).
/// On success `*stats` is yours.
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

/// Whether updates go on: 1 if they do, else 0.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_running(stats: Option<&Stats>) -> i32 {
    border::look(stats, 0, |this| i32::from(this.stats.running))
}

/// For how long they have gone on, in milliseconds; 0 if they don't.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_running_for_ms(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| milliseconds(this.stats.running_for))
}

/// The interval that was asked for last, in milliseconds; 0 if none was.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_interval_ms(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| milliseconds(this.stats.interval))
}

/// How many updates succeeded.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_updates(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| this.stats.updates)
}

/// How many failed.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_failures(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| this.stats.failures)
}

/// How many failed with this status; 0 for one that no update fails with.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_failures_with(stats: Option<&Stats>, status: i32) -> u64 {
    border::look(stats, 0, |this| {
        let mut kinds = ErrorKind::all().iter().copied();
        let kind = kinds.find(|kind| Status::of(*kind) as i32 == status);
        kind.map_or(0, |kind| this.stats.failures_of(kind))
    })
}

/// How many failed since one succeeded last: 0 while all is well.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_failing(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| this.stats.failing)
}

/// The newest time that an update of the background took; 0 before the first.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_last_value(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| this.stats.last_value.map_or(0, Time::get))
}

/// How long ago that was, in milliseconds; 0 before the first.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_since_update_ms(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| milliseconds(this.stats.since_update))
}

/// Why the newest one that failed did; it stays when all is well again. LAMPORT_STATUS_OK if none
/// did.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_last_status(stats: Option<&Stats>) -> Status {
    lamport_error_status(border::look(stats, None, |this| this.last_error.as_ref()))
}

/// The same for people; "" if none failed.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_last_message(stats: Option<&Stats>) -> *const c_char {
    lamport_error_message(border::look(stats, None, |this| this.last_error.as_ref()))
}

/// How many messages the clock refused since they lay further ahead than its max_jump allows
/// (TOO_FAR_AHEAD), whether or not anything runs in the background.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_refused(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| this.stats.refused)
}

/// How many folds the clock carried out (docs/PROTOCOL.md), after whichever updates of its.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_folds(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| this.stats.folds)
}

/// How many transactions the updates took that succeeded.
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

/// How long all updates that succeeded took together, in microseconds.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_update_time_us(stats: Option<&Stats>) -> u64 {
    border::look(stats, 0, |this| whole(this.stats.update_time.as_micros()))
}

/// How many updates succeeded and took no longer than so many microseconds; counted by 500, 1000, 2500,
/// 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000 and 5000000, the last of these that `us`
/// reaches; 0 below all of them.
#[unsafe(no_mangle)]
pub extern "C" fn lamport_stats_updates_within_us(stats: Option<&Stats>, us: u64) -> u64 {
    let within = Duration::from_micros(us);
    border::look(stats, 0, |this| this.stats.updates_within(within))
}

/// Frees what lamport_clock_stats() gave.
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
