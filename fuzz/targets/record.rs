//! The shared record: the text of another program is read by the rules of the deployed format, or refused.
#![no_main]

use lamport_clock::{ErrorKind, Record, Time};
use lamport_clock_fuzz::assert_refusal;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let read = Record::parse(bytes);
    match &read {
        Ok(record) => {
            assert!(record.value <= Time::MAX);
            let again = Record::parse(&record.to_json()).expect("our own text");
            assert_eq!(again, *record);
        }
        Err(error) => assert_refusal(error, ErrorKind::Corrupt),
    }
    // A plain JSON parser agrees with ours, with one exception: of two fields with the same name it takes the
    // last, and ours refuses both.
    let Ok(plain) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    let value = plain
        .as_object()
        .and_then(|fields| fields.get("value")?.as_u64())
        .filter(|value| *value <= Time::MAX.get());
    match (read, value) {
        (Ok(record), value) => assert_eq!(Some(record.value.get()), value),
        (Err(_), None) => {}
        (Err(error), Some(_)) => {
            let source = std::error::Error::source(&error).expect("why it was refused");
            assert!(source.to_string().contains("duplicate field"), "{source}");
        }
    }
});
