//! Stores that have lost times, for real: a snapshot restored, another cluster behind the address,
//! keys deleted, no space left; and `lamport repair`.

use lamport_clock::{ErrorKind, SharedClock, WatchEvent};
use serde_json::json;

#[path = "support/command.rs"]
mod command;
#[path = "../../tests/support/mod.rs"]
mod support;

use command::{Ended, lamport};
use support::{Etcd, Setup};

async fn clock(etcd: &Etcd, process: &str) -> SharedClock {
    SharedClock::connect(etcd.config(process)).await.unwrap()
}

/// So many updates; the last one's value.
async fn updates(clock: &SharedClock, count: usize) -> u64 {
    let mut last = 0;
    for _ in 0..count {
        last = clock.update().await.unwrap().value.get();
    }
    last
}

/// What it says when the store has lost times.
async fn refusal(clock: &SharedClock) -> String {
    let error = clock.update().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Regressed, "{error}");
    error.to_string()
}

fn repair(etcd: &Etcd, arguments: &[&str]) -> Ended {
    let store = etcd.uri();
    let connection = ["repair", "--store", &store, "--node", "operator"];
    command::run(&[&connection[..], arguments].concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_snapshot_is_refused_until_it_is_repaired() {
    let mut etcd = Etcd::start(1);
    let clock = clock(&etcd, "a").await;
    let mut watch = clock.watch().await.unwrap();
    updates(&clock, 5).await;
    let snapshot = etcd.save_snapshot();
    let last = updates(&clock, 5).await;

    etcd.restore(&snapshot);
    // Not once, and not by asking again.
    for _ in 0..3 {
        let message = refusal(&clock).await;
        let way_out = format!("lamport repair --at-least {last}");
        assert!(message.contains(&way_out), "{message}");
    }
    let error = clock.read().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Regressed);
    let error = loop {
        match watch.next().await {
            Ok(WatchEvent::Updated(_) | WatchEvent::Interrupted(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Regressed);

    // From the store itself nothing is to be seen, and nothing is done unasked.
    let ended = repair(&etcd, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    assert!(ended.lines.join(" ").contains("nothing to repair here"));
    let ended = repair(&etcd, &["--at-least", &last.to_string()]);
    assert_eq!(ended.code, Some(2), "no terminal to ask at");
    assert!(ended.complaint().contains("--yes"), "{}", ended.complaint());
    let dry = &repair(&etcd, &["--at-least", &last.to_string(), "--json"]).objects()[0];
    assert_eq!(
        (&dry["to"], &dry["repaired"]),
        (&json!(last + 1), &json!(null))
    );
    refusal(&clock).await;

    // Too short, and then right.
    let ended = repair(&etcd, &["--at-least", &(last - 1).to_string(), "--yes"]);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    refusal(&clock).await;
    let ended = repair(&etcd, &["--at-least", &last.to_string(), "--yes", "--json"]);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    let repaired = ended.objects()[0]["to"].as_u64().unwrap();
    assert!(repaired > last);
    assert!(updates(&clock, 1).await > repaired);

    let history = clock.history(10).await.unwrap();
    let trace: Vec<_> = history
        .updates
        .iter()
        .filter(|update| update.process == "repair:operator")
        .map(|update| update.value.get())
        .collect();
    assert_eq!(trace, [last, repaired]);
}

#[tokio::test]
async fn another_cluster_behind_the_address_is_refused() {
    let mut etcd = Etcd::start(1);
    let clock = clock(&etcd, "a").await;
    let last = updates(&clock, 3).await;
    etcd.replace_by_another();
    // Its numbers have passed what we know.
    let other = SharedClock::connect(etcd.config("b")).await.unwrap();
    let others = updates(&other, 10).await;
    assert!(others > last);
    for _ in 0..3 {
        let message = refusal(&clock).await;
        assert!(message.contains("of cluster"), "{message}");
    }
    // Those who know of nothing else go on there.
    assert!(updates(&other, 10).await > others);
    refusal(&clock).await;
    let ended = repair(&etcd, &["--at-least", &last.to_string(), "--yes"]);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    let mine = updates(&clock, 1).await;
    assert!(updates(&other, 1).await > mine);
}

#[tokio::test]
async fn one_who_knows_of_lost_times_is_enough_for_nobody_to_take_them_again() {
    let mut etcd = Etcd::start(1);
    let clock = clock(&etcd, "a").await;
    let last = updates(&clock, 3).await;
    etcd.replace_by_another();
    refusal(&clock).await;
    // What it left in the empty store tells all others.
    let other = SharedClock::connect(etcd.config("b")).await.unwrap();
    let message = refusal(&other).await;
    assert!(message.contains("/lamport_clock/base is gone"), "{message}");
    let ended = repair(&etcd, &["--at-least", &last.to_string(), "--yes"]);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    let mine = updates(&clock, 1).await;
    assert!(mine > last && updates(&other, 1).await > mine);
}

#[tokio::test]
async fn a_deleted_record_is_no_loss_and_is_written_again() {
    let etcd = Etcd::start(1);
    let clock = clock(&etcd, "a").await;
    let last = updates(&clock, 3).await;
    etcd.control(&["del", "/lamport_clock"]);
    assert_eq!(clock.read().await.unwrap().unwrap().value.get(), last);
    assert_eq!(updates(&clock, 1).await, last + 2);
    let written = etcd.control(&["get", "/lamport_clock", "--print-value-only"]);
    assert!(
        written.contains(&format!("\"value\":{}", last + 2)),
        "{written}"
    );
}

#[tokio::test]
async fn a_deleted_base_is_refused_and_repaired_from_what_lies_beside_it() {
    let etcd = Etcd::start(1);
    let clock = clock(&etcd, "a").await;
    let last = updates(&clock, 3).await;
    etcd.control(&["del", "/lamport_clock/base"]);
    let message = refusal(&clock).await;
    assert!(message.contains("/lamport_clock/base is gone"), "{message}");
    let object = repair(&etcd, &["--json"]).objects().remove(0);
    assert_eq!(
        (&object["value"], &object["clock"]),
        (&json!(last), &json!(null))
    );
    let ended = repair(&etcd, &["--yes"]);
    let said = ended.lines.join("\n");
    for part in ["can't be told", "is gone", "repaired", "repair:operator"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(updates(&clock, 1).await > last + 1);
}

#[tokio::test]
async fn deleted_takes_are_refused_and_repaired() {
    for keys in [
        &["/lamport_clock/taken"][..],
        &["/lamport_clock", "--prefix"],
    ] {
        let etcd = Etcd::start(1);
        let clock = clock(&etcd, "a").await;
        let last = updates(&clock, 3).await;
        etcd.control(&[&["del"], keys].concat());
        for _ in 0..2 {
            refusal(&clock).await;
        }
        let ended = repair(&etcd, &["--at-least", &last.to_string(), "--yes"]);
        assert_eq!(ended.code, Some(0), "{}", ended.complaint());
        assert!(updates(&clock, 1).await > last + 1);
    }
}

#[tokio::test]
async fn a_record_from_far_ahead_is_explained_and_both_ways_on_work() {
    let etcd = Etcd::start(1);
    let clock = clock(&etcd, "a").await;
    let last = updates(&clock, 3).await;
    let far = last + (1 << 33);
    let lie = || {
        let record = format!(r#"{{"value": {far}, "process_id": "liar"}}"#);
        etcd.control(&["put", "/lamport_clock", &record]);
    };
    lie();
    let error = clock.update().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooFarAhead, "{error}");
    let ended = repair(&etcd, &[]);
    let said = ended.lines.join("\n") + &ended.complaint();
    for part in [
        &*far.to_string(),
        "liar",
        "etcdctl del /lamport_clock)",
        "--yes",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // One way: the record was a lie. It is taken away, and the clock goes on.
    etcd.control(&["del", "/lamport_clock"]);
    let went_on = updates(&clock, 1).await;
    assert!(went_on > last && went_on < last + 10, "{went_on}");
    // The other: it is accepted.
    lie();
    assert_eq!(repair(&etcd, &["--yes"]).code, Some(0));
    assert_eq!(updates(&clock, 1).await, far + 2);
}

#[tokio::test]
async fn a_clock_that_was_pulled_far_ahead_is_explained() {
    let etcd = Etcd::start(1);
    let record = format!(r#"{{"value": {}, "process_id": "old"}}"#, 1_u64 << 49);
    etcd.control(&["put", "/lamport_clock", &record]);
    // A clock joins at any value.
    assert_eq!(updates(&clock(&etcd, "a").await, 1).await, (1 << 49) + 1);
    let ended = repair(&etcd, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    let said = ended.lines.join("\n");
    for part in ["6 % of all times", "Accept it", "begin anew", "LAMPORT_KEY"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[tokio::test]
async fn where_no_time_is_left_the_ways_on_are_told() {
    let etcd = Etcd::start(1);
    let record = format!(
        r#"{{"value": {}, "process_id": "liar"}}"#,
        (1_u64 << 53) - 1
    );
    etcd.control(&["put", "/lamport_clock", &record]);
    let clock = clock(&etcd, "a").await;
    let error = clock.update().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exhausted, "{error}");
    let ended = repair(&etcd, &[]);
    assert_eq!(ended.code, Some(1));
    for part in [
        "no time is left",
        "etcdctl del /lamport_clock)",
        "LAMPORT_KEY",
    ] {
        assert!(
            ended.complaint().contains(part),
            "{part}: {}",
            ended.complaint()
        );
    }
    etcd.control(&["del", "/lamport_clock"]);
    assert_eq!(updates(&clock, 1).await, 3);
}

#[tokio::test]
async fn a_repair_does_not_write_over_what_was_written_meanwhile() {
    let etcd = Etcd::start(1);
    let clock = clock(&etcd, "a").await;
    let last = clock.update().await.unwrap().value;
    let plan = clock.plan_repair(last).await.unwrap();
    let newer = updates(&clock, 1).await;
    let error = clock.repair(&plan).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("look at it again"), "{error}");
    assert_eq!(clock.read().await.unwrap().unwrap().value.get(), newer);
}

#[tokio::test]
async fn a_full_store_names_the_three_steps_and_they_help() {
    let etcd = Etcd::start_with(
        1,
        Setup {
            arguments: vec!["--quota-backend-bytes=200000".to_owned()],
            ..Setup::default()
        },
    );
    let clock = clock(&etcd, "a").await;
    let last = updates(&clock, 2).await;
    let filler = "x".repeat(100_000);
    // Its own answer is an error too, once there is no room.
    while etcd.try_control(&["put", "/filler", &filler]).is_ok() {}
    let error = loop {
        if let Err(error) = clock.update().await {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}");
    for step in ["etcdctl compact", "etcdctl defrag", "etcdctl alarm disarm"] {
        assert!(error.to_string().contains(step), "{step}: {error}");
    }
    // Looking is still allowed.
    assert!(clock.read().await.unwrap().unwrap().value.get() >= last);

    let revision = etcd.revision(0).to_string();
    etcd.control(&["compact", &revision, "--physical"]);
    etcd.control(&["defrag"]);
    etcd.control(&["alarm", "disarm"]);
    assert!(updates(&clock, 1).await > last);
}

#[test]
fn help_says_what_repair_does() {
    let ended = command::Running::start(&mut lamport(&["repair", "--help"])).finish();
    let said = ended.lines.join(" ");
    for part in ["--at-least", "--yes", "never moves it back"] {
        assert!(said.contains(part), "{said}");
    }
}
