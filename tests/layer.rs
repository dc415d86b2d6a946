//! Events of `tracing` as lines of a log that name their causes.

#![cfg(all(feature = "tracing-subscriber", feature = "blocking"))]

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use lamport_clock::blocking::SharedClock;
use lamport_clock::{JsonLayer, Stamp, Time};
use serde_json::{Value, json};
use tracing::subscriber::with_default;
use tracing_subscriber::layer::SubscriberExt;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Kept {
    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written of these events.
fn written(clock: &SharedClock, events: impl FnOnce()) -> Vec<Value> {
    let (kept, clock) = (Kept::default(), clock.clone());
    let writer = kept.clone();
    let layer = JsonLayer::new(move || clock.log(), move || writer.clone());
    with_default(tracing_subscriber::registry().with(layer), events);
    kept.lines()
}

#[test]
fn a_line_has_what_the_event_says_its_stamp_and_its_causes() {
    let clock = SharedClock::memory("api").unwrap();
    let message: Stamp = "40@billing;instance=000000000000000b".parse().unwrap();
    let lines = written(&clock, || {
        tracing::info!("started");
        clock.receive(&message).unwrap();
        let error = io::Error::other("no tea");
        tracing::warn!(
            target: "shop",
            lamport_kind = "send",
            lamport_lane = 7,
            item = "tea\npot",
            left = -1,
            cost = 0.5,
            none = f64::NAN,
            ready = false,
            error = &error as &dyn std::error::Error,
            list = ?[1, 2],
            "out of {}",
            "tea"
        );
    });
    let instance = clock.instance();
    let [first, second] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!(first["message"], "started");
    assert_eq!(first["lamport"], "1@api");
    assert_eq!(first["lamport_after"], json!([]));
    assert!(first.get("fields").is_none());
    assert!(first["timestamp"].as_f64().unwrap() > 1e9);
    let mut second = second.clone();
    second.as_object_mut().unwrap().remove("timestamp");
    assert_eq!(
        second,
        json!({
            "level": "WARN",
            "target": "shop",
            "message": "out of tea",
            "fields": {
                "item": "tea\npot",
                "left": -1,
                "cost": 0.5,
                "none": null,
                "ready": false,
                "error": "no tea",
                "list": "[1, 2]",
            },
            "lamport": "42@api",
            "lamport_time": 42,
            "lamport_process": "api",
            "lamport_instance": instance.to_string(),
            "lamport_after": [format!("1@api;instance={instance}"), format!("{message:#};at=41")],
            "lamport_kind": "send",
            "lamport_lane": 7,
        })
    );
}

#[test]
fn a_line_is_no_update_whatever_the_event_says() {
    let clock = SharedClock::memory("api").unwrap();
    let lines = written(&clock, || tracing::info!(lamport_kind = "update", "taken"));
    assert!(lines[0].get("lamport_kind").is_none());
    assert_eq!(lines[0]["fields"], json!({"lamport_kind": "update"}));
}

#[test]
fn an_event_without_a_time_is_written_all_the_same() {
    let clock = lamport_clock::Config::memory("api").unwrap();
    let clock = SharedClock::open(&clock.with_max_jump(u64::MAX)).unwrap();
    clock
        .advance_past(Time::new(Time::MAX.get() - 1).unwrap())
        .unwrap();
    let lines = written(&clock, || tracing::info!("late"));
    assert_eq!(lines[0]["message"], "late");
    assert!(lines[0].get("lamport").is_none());
}
