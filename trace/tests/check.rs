//! The checker: good histories pass, and each broken promise is found where it was planted.

#[path = "check/against_stateright.rs"]
mod against_stateright;
#[path = "check/planted.rs"]
mod planted;
#[path = "check/planted_reads.rs"]
mod planted_reads;
#[path = "../../tests/support/random.rs"]
mod random;
#[path = "check/world.rs"]
mod world;

use lamport_trace::{Action, Call, History, Log, Options, check};
use world::World;

#[test]
fn good_histories_pass() {
    let (mut above, mut below) = (0, 0);
    for seed in 0..200 {
        let world = World::run(seed, 60, 40 * (seed % 2));
        let verdict = world.verdict();
        assert!(verdict.is_good(), "seed {seed}: {verdict}");
        let log = verdict.log.as_ref().unwrap();
        assert!(log.complete && log.unchecked == 0 && log.by_others == 0);
        // Without the log nobody knows of the legacy writers, and reads after them look stale.
        if log.by_legacy_writers == 0 {
            let verdict = check(&world.history(), None, &Options::default());
            assert!(verdict.is_good(), "seed {seed}: {verdict}");
        }
        for call in &world.calls {
            let Some((first, Some(previous))) = call.first.zip(call.previous) else {
                continue;
            };
            let ruled = call.local.map(|local| previous.max(local + 1) + 1);
            above += usize::from(ruled.is_some_and(|ruled| ruled < first));
            below += usize::from(previous >= first);
        }
    }
    // Those that the rule alone does not explain are among them: a local clock that was ahead while
    // others wrote, and a legacy writer's record that came after the call had begun.
    assert!(above > 10 && below > 5, "{above} above, {below} below");
}

#[test]
fn a_history_may_be_long() {
    let world = World::run(1, 200_000, 5);
    let verdict = world.verdict();
    assert!(verdict.is_good(), "{verdict}");
    assert!(verdict.acknowledged > 50_000 && verdict.reads > 20_000 && verdict.unknown > 5_000);
}

#[test]
fn where_the_log_is_not_whole_nothing_is_missing() {
    let world = World::run(3, 60, 0);
    let whole = world.log_text();
    let (start, rest) = whole.split_once('\n').unwrap();
    assert!(start.contains("watching"));
    let entries: Vec<_> = rest.lines().collect();
    let (lost, kept) = entries.split_at(10);
    let newest: serde_json::Value = serde_json::from_str(lost.last().unwrap()).unwrap();
    let until = newest["revision"].as_u64().unwrap() + 1;
    let missed = format!("{start}\n{{\"notice\":\"missed\",\"from\":1,\"until\":{until}}}");
    let compacted = format!("{{\"notice\":\"compacted\",\"before\":{until}}}");
    // `lamport history` may have been cut at its limit, too.
    for beginning in [missed.as_str(), &compacted, ""] {
        let text = [&[beginning], kept].concat().join("\n");
        let log = Log::read("log", text.as_bytes()).unwrap();
        let verdict = check(&world.history(), Some(&log), &Options::default());
        assert!(verdict.is_good(), "{beginning}: {verdict}");
        let log = verdict.log.as_ref().unwrap();
        assert!(!log.complete && log.unchecked > 0, "{beginning}");
        assert!(verdict.to_string().contains("the log is incomplete"));
    }
    // And where it breaks off with an error, what comes later was not looked at.
    let error = r#"{"error":"the store is gone","kind":"unavailable"}"#;
    let text = [&[start], lost, &[error]].concat().join("\n");
    let log = Log::read("log", text.as_bytes()).unwrap();
    let verdict = check(&world.history(), Some(&log), &Options::default());
    assert!(verdict.is_good(), "{verdict}");
}

#[test]
fn a_call_takes_the_place_of_its_first_line() {
    let begun = Call::begun("a", None, Action::Update, 5);
    let mut ended = begun.clone();
    ended.returned = Some(6);
    ended.outcome = Some(lamport_trace::Outcome::Ok);
    ended.value = Some(2);
    let mut history = History::default();
    // Two threads called at the same moment; one of them never returned.
    for call in [&begun, &begun, &ended] {
        history.push(call.clone()).unwrap();
    }
    let verdict = check(&history, None, &Options::default());
    assert_eq!((verdict.acknowledged, verdict.unknown), (1, 1));
}

#[test]
fn numbers_that_no_store_gives_are_refused_or_borne() {
    let mut history = History::default();
    let line = format!(
        r#"{{"process":"a","instance":"0000000000000001","operation":"update","called":1,"returned":2,
        "outcome":"ok","value":9,"previous":3,"local":1,"regressed":{}}}"#,
        u64::MAX
    );
    let error = history
        .read("a", line.replace('\n', "").as_bytes())
        .unwrap_err();
    assert!(error.to_string().contains("no logical time"), "{error}");

    let text = format!(
        "{{\"value\":2,\"revision\":{max}}}\n{{\"notice\":\"unreadable\",\"revision\":{max}}}",
        max = u64::MAX
    );
    let log = Log::read("log", text.as_bytes()).unwrap();
    assert!(check(&history, Some(&log), &Options::default()).is_good());
}
