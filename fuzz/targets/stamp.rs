//! Stamps, one per line: their texts parse to the same stamps, and all of them are in one total order.
#![no_main]

use lamport_clock::{ErrorKind, Instance, ProcessId, Stamp, Time};
use lamport_clock_fuzz::assert_refusal;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut stamps = Vec::new();
    for line in text.split('\n') {
        match line.parse::<Stamp>() {
            Ok(stamp) => {
                assert!(stamp.time <= Time::MAX);
                assert_eq!(format!("{stamp:#}").parse::<Stamp>().unwrap(), stamp);
                let short: Stamp = stamp.to_string().parse().unwrap();
                assert_eq!(short.instance, Instance::UNKNOWN);
                assert_eq!((short.time, &short.process), (stamp.time, &stamp.process));
                stamps.push(stamp);
            }
            Err(error) => assert_refusal(&error, ErrorKind::InvalidArgument),
        }
        parts(line);
    }
    stamps.truncate(8);
    for a in &stamps {
        for b in &stamps {
            let parts = |stamp: &Stamp| {
                let name = stamp.process.as_str().as_bytes().to_vec();
                (stamp.time.get(), name, stamp.instance.get())
            };
            assert_eq!(a.cmp(b), parts(a).cmp(&parts(b)), "{a:#} {b:#}");
            assert_eq!(a == b, parts(a) == parts(b), "{a:#} {b:#}");
        }
    }
});

/// Each part of a stamp is parsed only from the text that it prints; a time may have leading zeros.
fn parts(text: &str) {
    match text.parse::<ProcessId>() {
        Ok(process) => assert_eq!(process.to_string(), text),
        Err(error) => assert_refusal(&error, ErrorKind::InvalidArgument),
    }
    match text.parse::<Instance>() {
        Ok(instance) => assert_eq!(instance.to_string(), text),
        Err(error) => assert_refusal(&error, ErrorKind::InvalidArgument),
    }
    match text.parse::<Time>() {
        Ok(time) => {
            let digits = text.trim_start_matches('0');
            let digits = if digits.is_empty() { "0" } else { digits };
            assert_eq!(time.to_string(), digits);
        }
        Err(error) => assert_refusal(&error, ErrorKind::InvalidArgument),
    }
}
