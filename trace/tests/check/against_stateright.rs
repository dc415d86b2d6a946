//! The checker against a general one, on histories small enough for it to try every order.

use lamport_clock::Instance;
use lamport_trace::{Action, Call, Outcome};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

use super::random::Random;
use super::world::World;

/// The clock of the specification: an update returns times above the present one, a read that one.
#[derive(Clone, Debug)]
struct Spec(u64);

#[derive(Clone, Debug)]
enum Op {
    /// Takes the times from the first to the second.
    Update(u64, u64),
    Read,
}

impl SequentialSpec for Spec {
    type Op = Op;
    type Ret = u64;

    fn invoke(&mut self, op: &Op) -> u64 {
        match *op {
            // A call that never returned wrote these times. Where they do not fit, nothing fits
            // after them.
            Op::Update(first, last) => self.0 = if first > self.0 { last } else { u64::MAX },
            Op::Read => {}
        }
        self.0
    }

    fn is_valid_step(&mut self, op: &Op, returned: &u64) -> bool {
        let fits = match *op {
            Op::Update(first, last) => first > self.0 && last == *returned,
            Op::Read => self.0 == *returned,
        };
        self.invoke(op);
        fits
    }
}

/// One call as both are told of it.
struct Small {
    thread: u64,
    op: Op,
    called: u64,
    /// `None`: it never returned.
    returned: Option<(u64, u64)>,
}

/// Up to nine calls by three threads; the times in the order in which the calls returned, or
/// mostly so.
fn small_history(random: &mut Random) -> Vec<Small> {
    let disorder = random.below(3) * 150;
    let mut calls: Vec<Small> = Vec::new();
    let mut open: [Option<usize>; 3] = [None; 3];
    let mut gone = [false; 3];
    let mut value = 0;
    let wanted = 4 + random.below(6) as usize;
    for now in 0..40 {
        let thread = random.below(3) as usize;
        if gone[thread] {
            continue;
        }
        if let Some(i) = open[thread].take() {
            let mut seen = value;
            if random.in_a_thousand(disorder) {
                seen = (value + random.below(5)).saturating_sub(2);
            }
            if let Op::Update(..) = calls[i].op {
                let first = seen + 1;
                let last = first + random.below(2);
                calls[i].op = Op::Update(first, last);
                seen = last;
                value = value.max(last);
            }
            if random.in_a_thousand(80) && matches!(calls[i].op, Op::Update(..)) {
                gone[thread] = true;
            } else {
                calls[i].returned = Some((now, seen));
            }
        } else if calls.len() < wanted {
            open[thread] = Some(calls.len());
            let op = if random.below(5) < 3 {
                Op::Update(0, 0)
            } else {
                Op::Read
            };
            calls.push(Small {
                thread: thread as u64,
                op,
                called: now,
                returned: None,
            });
        }
    }
    // Those still under way have written nothing: nobody need know of them.
    calls.retain(|call| call.returned.is_some() || matches!(call.op, Op::Update(1.., _)));
    // One that never returned took times that nobody else did, or it was never carried out.
    let meet = |one: &Small, other: &Small| match (&one.op, &other.op) {
        (Op::Update(a, b), Op::Update(c, d)) => a <= d && c <= b,
        _ => false,
    };
    let possible: Vec<bool> = (0..calls.len())
        .map(|i| {
            let others = calls.iter().enumerate().filter(|&(j, _)| j != i);
            calls[i].returned.is_some() || !others.into_iter().any(|(_, o)| meet(&calls[i], o))
        })
        .collect();
    let mut possible = possible.into_iter();
    calls.retain(|_| possible.next().unwrap());
    calls
}

fn stateright_accepts(calls: &[Small]) -> bool {
    let mut events: Vec<(u64, u64, Option<u64>, &Small)> = Vec::new();
    for call in calls {
        events.push((call.called, call.thread, None, call));
        if let Some((returned, value)) = call.returned {
            events.push((returned, call.thread, Some(value), call));
        }
    }
    events.sort_by_key(|event| event.0);
    let mut tester = LinearizabilityTester::new(Spec(0));
    for (_, thread, returned, call) in events {
        let told = match returned {
            None => tester.on_invoke(thread, call.op.clone()),
            Some(value) => tester.on_return(thread, value),
        };
        told.unwrap();
    }
    tester.is_consistent()
}

fn checker_accepts(calls: &[Small]) -> bool {
    let mut world = World {
        calls: Vec::new(),
        log: Vec::new(),
    };
    // The record took the times in their order, by whomever.
    let mut written: Vec<(u64, u64, usize)> = Vec::new();
    for (i, call) in calls.iter().enumerate() {
        // A process of its own: a life that ended in the middle of a call called nothing before.
        let life = Instance::new(i as u64 + 1);
        let action = match call.op {
            Op::Update(first, last) => {
                written.push((first, last, i));
                Action::Reserve
            }
            Op::Read => Action::Read,
        };
        let process = format!("t{}", call.thread);
        let mut told = Call::begun(&process, Some(life), action, call.called);
        if let Some((returned, value)) = call.returned {
            told.returned = Some(returned);
            told.outcome = Some(Outcome::Ok);
            told.value = (value > 0).then_some(value);
            if let Op::Update(first, _) = call.op {
                told.first = Some(first);
            }
        }
        world.calls.push(told);
    }
    written.sort_unstable();
    // A read is told with the revision of the update that it shows, or of one that it does not.
    for call in world
        .calls
        .iter_mut()
        .filter(|call| call.operation == Action::Read)
    {
        let shown = call.value.map(|value| {
            let up_to = written.partition_point(|(first, ..)| *first <= value);
            up_to.max(1) as u64
        });
        call.revision = shown;
    }
    for (revision, (first, last, i)) in written.into_iter().enumerate() {
        let life = Some(Instance::new(i as u64 + 1));
        world.write("t", life, first, last, revision as u64 + 1);
    }
    world.verdict().is_good()
}

#[test]
fn both_agree_on_small_histories() {
    let (mut good, mut bad) = (0, 0);
    for seed in 0..4_000 {
        let calls = small_history(&mut Random::new(seed));
        // Of a clock that nobody used there is nothing to say.
        if calls.iter().all(|call| matches!(call.op, Op::Read)) {
            continue;
        }
        let accepted = stateright_accepts(&calls);
        assert_eq!(checker_accepts(&calls), accepted, "seed {seed}");
        if accepted {
            good += 1;
        } else {
            bad += 1;
        }
    }
    assert!(good > 1_000 && bad > 1_000, "{good} good, {bad} bad");
}
