//! Who does harm beside the faults of single transactions.

use std::sync::Arc;

use lamport_clock::Record;
use tokio::time::sleep;

use super::link::{Cut, Link, Weather};
use super::random::Random;
use super::server::{Server, milliseconds};

/// Legacy writers: they read, and some time later write one more, whoever wrote meanwhile.
pub(crate) async fn write_blindly(server: Arc<Server>, weather: Arc<Weather>, mut random: Random) {
    let mut local = 0;
    while !weather.is_calm() {
        let seen = server.record().and_then(|bytes| Record::parse(&bytes).ok());
        sleep(milliseconds(random.below(30))).await;
        local = seen.map_or(0, |record| record.value.get()).max(local) + 1;
        if random.below(5) == 0 {
            // Some of them begin anew.
            local = 1;
        }
        server.put_record(&old_record(local));
        sleep(milliseconds(random.below(2_000))).await;
    }
}

pub(crate) fn old_record(value: u64) -> Vec<u8> {
    format!(r#"{{"value": {value}, "process_id": "old", "real_timestamp": 1.5}}"#).into_bytes()
}

/// What can't be read lies under the record's key, until somebody mends it.
pub(crate) async fn spoil(server: Arc<Server>, weather: Arc<Weather>, mut random: Random) {
    while !weather.is_calm() {
        sleep(milliseconds(random.below(4_000))).await;
        let garbage = *random.pick(&["", "hello", r#"{"value":"x"}"#, r#"{"value":-1}"#, "[7]"]);
        server.put_record(garbage.as_bytes());
        sleep(milliseconds(random.below(1_500))).await;
        mend(&server);
    }
}

/// Somebody writes a record by hand.
pub(crate) fn mend(server: &Server) {
    let readable = server
        .record()
        .is_some_and(|bytes| Record::parse(&bytes).is_ok());
    if !readable {
        server.put_record(&old_record(1));
    }
}

/// An operator who deletes the record alone: nothing is lost by that.
pub(crate) async fn delete_record(server: Arc<Server>, weather: Arc<Weather>, mut random: Random) {
    while !weather.is_calm() {
        sleep(milliseconds(random.below(1_500))).await;
        server.delete_record();
    }
}

pub(crate) async fn compact(server: Arc<Server>, weather: Arc<Weather>, mut random: Random) {
    while !weather.is_calm() {
        sleep(milliseconds(random.below(1_000))).await;
        server.compact(&mut random);
    }
}

/// One process after the other can't reach the store for a while.
pub(crate) async fn cut(links: Vec<Arc<Link>>, weather: Arc<Weather>, mut random: Random) {
    while !weather.is_calm() {
        sleep(milliseconds(random.below(2_000))).await;
        let link = random.pick(&links).clone();
        let cut = *random.pick(&[Cut::Refused, Cut::Silent]);
        link.cut(Some(cut));
        sleep(milliseconds(random.below(10) * random.below(300))).await;
        link.cut(None);
    }
}
