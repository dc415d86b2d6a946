//! One broken promise at a time, planted in a good history: each is found, by its kind and with the
//! lines that show it.

use lamport_clock::Instance;
use lamport_trace::{Action, Call, Kind, Options, Outcome};
use serde_json::json;

use super::random::Random;
use super::world::World;

/// Where a line stands: the call or the entry with this number, from 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum At {
    Call(usize),
    Entry(usize),
}

/// Plants in many histories, and looks for `kind` where `plant` says.
pub(crate) fn found(
    kind: Kind,
    options: &Options,
    plant: impl Fn(&mut World, &mut Random) -> Option<Vec<At>>,
) {
    let mut planted = 0;
    for seed in 0..100 {
        let mut world = World::run(seed, 80, 0);
        assert!(world.verdict_with(options).is_good());
        let Some(lines) = plant(&mut world, &mut Random::new(seed)) else {
            continue;
        };
        planted += 1;
        let verdict = world.verdict_with(options);
        let first = verdict.first_violation();
        let first = first.unwrap_or_else(|| panic!("seed {seed}: {kind} was not found"));
        assert_eq!(first.kind, kind, "seed {seed}: {first}");
        let shown: Vec<At> = first
            .lines
            .iter()
            .map(|line| match &*line.file {
                "history" => At::Call(line.line - 1),
                _ => At::Entry(line.line - 2),
            })
            .collect();
        for line in lines {
            assert!(
                shown.contains(&line),
                "seed {seed}: {line:?} is not shown in {first}"
            );
        }
        for line in &first.lines {
            assert!(first.to_string().contains(&*line.text));
        }
    }
    assert!(planted >= 30, "{planted} were planted");
}

pub(crate) fn writes(call: &Call) -> bool {
    call.operation != Action::Read && call.outcome == Some(Outcome::Ok)
}

pub(crate) fn is_read(call: &Call) -> bool {
    call.operation == Action::Read && call.outcome == Some(Outcome::Ok)
}

/// A random call for which `wanted` holds.
pub(crate) fn some_call(
    world: &World,
    random: &mut Random,
    wanted: impl Fn(&Call) -> bool,
) -> Option<usize> {
    let calls: Vec<usize> = (0..world.calls.len())
        .filter(|&i| wanted(&world.calls[i]))
        .collect();
    (!calls.is_empty()).then(|| *random.pick(&calls))
}

fn some_update(world: &World, random: &mut Random) -> usize {
    some_call(world, random, writes).expect("there are updates")
}

/// The entry of a call.
pub(crate) fn entry_of(world: &World, call: usize) -> usize {
    let revision = world.calls[call].revision.unwrap();
    let at = |entry: &serde_json::Value| entry["revision"] == revision;
    world.log.iter().position(at).unwrap()
}

pub(crate) fn revision(world: &World, entry: usize) -> u64 {
    world.log[entry]["revision"].as_u64().unwrap()
}

/// A time above all, and a revision after all that anybody saw.
fn beyond(world: &World) -> (u64, u64) {
    let seen = world.calls.iter().filter_map(|call| call.revision).max();
    let newest = Some(revision(world, world.log.len() - 1));
    (
        value(world, world.log.len() - 1) + 100,
        seen.max(newest).unwrap() + 1,
    )
}

pub(crate) fn value(world: &World, entry: usize) -> u64 {
    world.log[entry]["value"].as_u64().unwrap()
}

#[test]
fn a_lost_update() {
    found(Kind::Lost, &Options::default(), |world, random| {
        let call = some_update(world, random);
        let entry = entry_of(world, call);
        world.log.remove(entry);
        Some(vec![At::Call(call)])
    });
}

#[test]
fn a_time_handed_out_twice() {
    found(Kind::Repeated, &Options::default(), |world, random| {
        let (one, other) = (some_update(world, random), some_update(world, random));
        if one == other {
            return None;
        }
        let (first, last) = (world.calls[one].first, world.calls[one].value);
        world.calls[other].first = first;
        world.calls[other].value = last;
        Some(vec![At::Call(one), At::Call(other)])
    });
}

#[test]
fn a_time_written_twice() {
    found(Kind::Repeated, &Options::default(), |world, random| {
        let entry = 1 + random.below(world.log.len() as u64 - 1) as usize;
        world.log[entry]["value"] = world.log[entry - 1]["value"].clone();
        world.log[entry]["first"] = world.log[entry - 1]["value"].clone();
        Some(vec![At::Entry(entry - 1), At::Entry(entry)])
    });
}

#[test]
fn a_rollback() {
    found(Kind::Rollback, &Options::default(), |world, random| {
        let entry = 2 + random.below(world.log.len() as u64 - 2) as usize;
        world.log[entry]["value"] = world.log[entry - 2]["value"].clone();
        world.log[entry]["first"] = world.log[entry - 2]["value"].clone();
        Some(vec![At::Entry(entry - 1), At::Entry(entry)])
    });
    // Each update has a revision of its own.
    for back in [0, 1] {
        found(Kind::Rollback, &Options::default(), |world, random| {
            let entry = 1 + random.below(world.log.len() as u64 - 1) as usize;
            world.log[entry]["revision"] = json!(revision(world, entry - 1) - back);
            Some(vec![At::Entry(entry - 1), At::Entry(entry)])
        });
    }
}

#[test]
fn an_order_against_real_time() {
    for (kind, own) in [(Kind::OutOfOrder, false), (Kind::WentBack, true)] {
        found(kind, &Options::default(), |world, random| {
            let last = (0..world.calls.len())
                .filter(|&i| writes(&world.calls[i]))
                .max_by_key(|&i| world.calls[i].value)?;
            let call = some_call(world, random, |call| {
                let same = call.process == world.calls[last].process;
                writes(call) && call.value < world.calls[last].value && same == own
            })?;
            if !own {
                world.calls[call].process = "p9".to_owned();
            }
            world.calls[call].called = u64::MAX - 1;
            world.calls[call].returned = Some(u64::MAX);
            Some(vec![At::Call(call), At::Call(last)])
        });
    }
}

#[test]
fn a_failed_update_that_is_there() {
    found(Kind::Failed, &Options::default(), |world, random| {
        let instance = Some(Instance::new(99));
        let mut call = Call::begun("p9", instance, Action::Update, random.below(100));
        call.returned = Some(200);
        call.outcome = Some(Outcome::Failed);
        world.calls.push(call);
        let (last, revision) = beyond(world);
        world.write("p9", instance, last, last, revision);
        Some(vec![
            At::Call(world.calls.len() - 1),
            At::Entry(world.log.len() - 1),
        ])
    });
}

#[test]
fn an_update_that_is_there_before_it_was_called() {
    found(Kind::Uncalled, &Options::default(), |world, random| {
        // Somebody whose update has not returned becomes somebody who calls only in the end.
        let unknown = |call: &Call| {
            call.operation == Action::Update && call.outcome == Some(Outcome::Unknown)
        };
        some_call(world, random, unknown)?;
        let instance = Instance::new(99);
        let answered: Vec<_> = world.calls.iter().filter(|call| writes(call)).collect();
        let entry = world.log.iter().position(|entry| {
            answered
                .iter()
                .all(|call| entry["revision"] != call.revision.unwrap())
        })?;
        let later = answered
            .iter()
            .any(|call| call.revision > Some(revision(world, entry)));
        if !later {
            return None;
        }
        world.log[entry]["instance"] = json!(instance.to_string());
        let call = Call::begun("p9", Some(instance), Action::Update, u64::MAX);
        world.calls.push(call);
        Some(vec![At::Entry(entry)])
    });
}

#[test]
fn an_update_by_a_stranger() {
    let options = Options {
        whole: true,
        ..Options::default()
    };
    found(Kind::Stranger, &options, |world, _| {
        let (last, revision) = beyond(world);
        world.write("p9", Some(Instance::new(99)), last, last, revision);
        let others = world.verdict().log.unwrap().by_others;
        assert_eq!((others, world.verdict().is_good()), (1, true));
        Some(vec![At::Entry(world.log.len() - 1)])
    });
}

#[test]
fn an_update_that_is_another_ones() {
    found(Kind::Mismatch, &Options::default(), |world, random| {
        let call = some_update(world, random);
        let entry = entry_of(world, call);
        world.log[entry]["instance"] = json!("00000000000000ff");
        Some(vec![At::Call(call), At::Entry(entry)])
    });
}

#[test]
fn a_time_that_is_not_by_the_rule() {
    found(Kind::Rule, &Options::default(), |world, _| {
        // The newest one, so that nothing else is wrong with it.
        let entry = world.log.len() - 1;
        let newest = Some(revision(world, entry));
        let at = |call: &Call| writes(call) && call.revision == newest;
        let call = world.calls.iter().position(at)?;
        if world.calls[call].round_trips != Some(1) {
            return None;
        }
        // Who ran ahead may take more, once others wrote: so he did not.
        let call_mut = &mut world.calls[call];
        if call_mut.previous.flatten() <= call_mut.local {
            return None;
        }
        call_mut.local = Some(0);
        let seen =
            |call: &Call| call.operation == Action::Read && call.value == Some(value(world, entry));
        if world.calls.iter().any(seen) {
            return None;
        }
        for name in ["first", "value"] {
            world.log[entry][name] = json!(world.log[entry][name].as_u64().unwrap() + 1);
        }
        let call_mut = &mut world.calls[call];
        call_mut.first = call_mut.first.map(|first| first + 1);
        call_mut.value = call_mut.value.map(|value| value + 1);
        Some(vec![At::Call(call), At::Entry(entry)])
    });
}

#[test]
fn a_time_below_the_rule_whatever_it_took() {
    found(Kind::Rule, &Options::default(), |world, random| {
        let taken = |call: &Call| writes(call) && call.local.is_some() && call.first > Some(3);
        let call = some_call(world, random, taken)?;
        world.calls[call].round_trips = Some(2);
        // It never was above its own clock.
        world.calls[call].local = world.calls[call].first.map(|first| first - 1);
        Some(vec![At::Call(call), At::Entry(entry_of(world, call))])
    });
}

#[test]
fn a_gap_that_one_transaction_does_not_leave() {
    for (round_trips, is_good) in [(1, false), (2, true)] {
        let mut world = World {
            calls: Vec::new(),
            log: Vec::new(),
        };
        let instance = Some(Instance::new(1));
        for (revision, time) in [(1, 2), (2, 9)] {
            world.write("a", instance, time, time, revision);
        }
        let mut call = Call::begun("a", instance, Action::Update, 1);
        call.returned = Some(2);
        call.outcome = Some(Outcome::Ok);
        (call.value, call.revision, call.local) = (Some(9), Some(2), Some(0));
        (call.previous, call.round_trips) = (Some(Some(5)), Some(round_trips));
        world.calls.push(call);
        let verdict = world.verdict();
        assert_eq!(verdict.is_good(), is_good, "{verdict}");
        if let Some(first) = verdict.first_violation() {
            assert_eq!(first.kind, Kind::Rule, "{first}");
        }
    }
}

#[test]
fn a_time_below_a_legacy_writers_record() {
    for (round_trips, is_good) in [(1, false), (2, true)] {
        let mut world = World {
            calls: Vec::new(),
            log: Vec::new(),
        };
        let instance = Some(Instance::new(1));
        world.write("old", None, 20, 20, 1);
        world.write("a", instance, 9, 9, 2);
        let mut call = Call::begun("a", instance, Action::Update, 1);
        call.returned = Some(2);
        call.outcome = Some(Outcome::Ok);
        (call.value, call.revision, call.local) = (Some(9), Some(2), Some(7));
        (call.previous, call.round_trips) = (Some(Some(20)), Some(round_trips));
        world.calls.push(call.clone());
        let verdict = world.verdict();
        // It may have been written while the call was under way.
        assert_eq!(verdict.is_good(), is_good, "{verdict}");
        if let Some(first) = verdict.first_violation() {
            assert_eq!(first.kind, Kind::Rollback, "{first}");
        }
        // But nobody wrote this.
        world.calls[0].previous = Some(Some(21));
        assert!(!world.verdict().is_good());
    }
}

#[test]
fn a_previous_holder_above_what_was_given() {
    found(Kind::Previous, &Options::default(), |world, random| {
        let call = some_update(world, random);
        world.calls[call].round_trips = Some(2);
        world.calls[call].local = None;
        world.calls[call].previous = Some(world.calls[call].value);
        Some(vec![At::Call(call)])
    });
}

#[test]
fn a_wrong_previous_holder() {
    for wrong in [None, Some(0)] {
        found(Kind::Previous, &Options::default(), |world, random| {
            let call = some_update(world, random);
            if entry_of(world, call) == 0 {
                return None;
            }
            world.calls[call]
                .previous?
                .filter(|previous| *previous > 0)?;
            world.calls[call].previous = Some(wrong);
            Some(vec![At::Call(call), At::Entry(entry_of(world, call))])
        });
    }
}
