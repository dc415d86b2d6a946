//! Reads that are wrong, planted in a good history.

use lamport_clock::Instance;
use lamport_trace::{Action, Call, Kind, Options, Outcome, check};

use super::planted::{At, entry_of, found, is_read, revision, some_call, value, writes};

#[test]
fn a_stale_read() {
    found(Kind::StaleRead, &Options::default(), |world, random| {
        let read = some_call(world, random, |call| {
            call.revision > Some(1) && !writes(call)
        })?;
        let called = world.calls[read].called;
        let newest = (0..world.calls.len())
            .filter(|&i| {
                world.calls[i].returned < Some(called) && world.calls[i].revision.is_some()
            })
            .max_by_key(|&i| world.calls[i].revision)?;
        let newest = world.calls[newest].revision;
        let entry = (0..world.log.len()).rfind(|&i| Some(revision(world, i)) < newest)?;
        world.calls[read].revision = Some(revision(world, entry));
        world.calls[read].value = Some(value(world, entry));
        Some(vec![At::Call(read)])
    });
}

#[test]
fn a_read_of_what_comes_later() {
    found(Kind::EarlyRead, &Options::default(), |world, random| {
        // Not before every process has called for the first time.
        let read = some_call(world, random, |call| is_read(call) && call.called > 100)?;
        let returned = world.calls[read].returned;
        // No read that came after it may look stale.
        world
            .calls
            .retain(|call| !is_read(call) || call.returned <= returned);
        let read = world
            .calls
            .iter()
            .position(|call| call.returned == returned)?;
        let later = (0..world.calls.len())
            .filter(|&i| writes(&world.calls[i]) && Some(world.calls[i].called) > returned)
            .min_by_key(|&i| world.calls[i].called)?;
        world.calls[read].value = world.calls[later].value;
        world.calls[read].revision = world.calls[later].revision;
        Some(vec![At::Call(read), At::Call(later)])
    });
}

#[test]
fn a_read_of_what_never_was() {
    found(Kind::PhantomRead, &Options::default(), |world, _| {
        // One that is not stale besides: the range that it looks into was taken while it was read.
        let (read, reserved) = (0..world.calls.len())
            .filter(|&i| is_read(&world.calls[i]))
            .find_map(|read| {
                let call = &world.calls[read];
                let same = |other: &Call| other.revision == call.revision;
                let reserved = world
                    .calls
                    .iter()
                    .position(|other| writes(other) && same(other) && other.first < other.value)?;
                let seen = |other: &Call| same(other) && other.returned < Some(call.called);
                (!world.calls.iter().any(seen)).then_some((read, reserved))
            })?;
        world.calls[read].value = world.calls[read].value.map(|value| value - 1);
        let without_log = check(&world.history(), None, &Options::default());
        let first = without_log.first_violation().unwrap();
        assert_eq!(first.kind, Kind::PhantomRead, "{first}");
        Some(vec![At::Call(read), At::Entry(entry_of(world, reserved))])
    });
}

#[test]
fn a_read_of_what_the_clock_stood_at_between_no_two_updates() {
    found(Kind::PhantomRead, &Options::default(), |world, random| {
        // At a revision that gave times up, more than what was taken right after it.
        let gap =
            (1..world.log.len()).find(|&i| revision(world, i) > revision(world, i - 1) + 1)?;
        let at = revision(world, gap) - 1;
        world.calls.retain(|call| !is_read(call));
        let mut read = Call::begun("p9", Some(Instance::new(99)), Action::Read, 0);
        read.returned = Some(u64::MAX);
        read.outcome = Some(Outcome::Ok);
        (read.value, read.revision) = (Some(value(world, gap) - 1), Some(at));
        let between = value(world, gap - 1)..value(world, gap);
        world.calls.push(read);
        assert_eq!(
            world.verdict().is_good(),
            between.contains(&(between.end - 1))
        );
        let wrong = [between.start - 1, between.end];
        let call = world.calls.len() - 1;
        world.calls[call].value = Some(*random.pick(&wrong));
        Some(vec![At::Call(call)])
    });
}
