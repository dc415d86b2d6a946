//! Recorded histories and logs, in the format of their files: each is read or refused, then judged. A second,
//! naive check tests every pair of calls for what the promises forbid.
#![no_main]

use std::time::Duration;

use lamport_clock::ErrorKind;
use lamport_clock_fuzz::assert_refusal;
use lamport_trace::{Action, Call, History, Log, Options, Outcome, check};
use libfuzzer_sys::fuzz_target;

/// The line between a history and its log.
const LOG: &[u8] = b"\nlog\n";

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.windows(LOG.len()).position(|window| window == LOG);
    let (calls, log) = match at {
        Some(at) => (&bytes[..at], Some(&bytes[at + LOG.len()..])),
        None => (bytes, None),
    };
    let mut history = History::default();
    if let Err(error) = history.read("history", calls) {
        return assert_refusal(&error, ErrorKind::InvalidArgument);
    }
    let log = match log.map(|log| Log::read("log", log)).transpose() {
        Ok(log) => log,
        Err(error) => return assert_refusal(&error, ErrorKind::InvalidArgument),
    };
    let options = Options {
        whole: calls.len() % 2 == 0,
        deadline: Some(Duration::from_nanos(7)),
    };
    let verdict = check(&history, log.as_ref(), &options);

    assert_eq!(verdict.is_good(), verdict.first_violation().is_none());
    assert!(!verdict.to_string().is_empty());
    serde_json::to_string(&verdict).expect("JSON");
    let calls = parsed(calls);
    if verdict.is_good() {
        assert_apart_and_in_order(&calls);
    }
    // The verdict is the same for a history from a file and for one from a recorder.
    let mut pushed = History::default();
    for call in calls {
        pushed.push(call).expect("it was read");
    }
    let again = check(&pushed, log.as_ref(), &options);
    assert_eq!(again.is_good(), verdict.is_good(), "{again}\n{verdict}");
    assert_eq!(again.acknowledged, verdict.acknowledged);
});

/// The calls. Checks that the text of each call parses to the same call.
fn parsed(bytes: &[u8]) -> Vec<Call> {
    let calls: Vec<Call> = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect();
    for call in &calls {
        let text = serde_json::to_string(call).unwrap();
        assert_eq!(serde_json::from_str::<Call>(&text).unwrap(), *call);
    }
    calls
}

fn assert_apart_and_in_order(calls: &[Call]) {
    let updates = calls.iter().filter(|call| {
        call.operation != Action::Read
            && call.outcome == Some(Outcome::Ok)
            && call.instance.is_some()
    });
    let times = |call: &Call| {
        let last = call.value.expect("an update that is ok has a value");
        (call.first.unwrap_or(last), last)
    };
    let updates: Vec<&Call> = updates.collect();
    for (i, a) in updates.iter().enumerate() {
        let (first, last) = times(a);
        for b in &updates[i + 1..] {
            let (other_first, other_last) = times(b);
            assert!(last < other_first || other_last < first, "{a:?}\n{b:?}");
            let (before, after) = match a.returned < Some(b.called) {
                true => (last, other_first),
                false if b.returned < Some(a.called) => (other_last, first),
                false => continue,
            };
            assert!(before < after, "{a:?}\n{b:?}");
        }
    }
}
