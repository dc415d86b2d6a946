//! The local clock in Rust, on one thread and on several.

use std::hint::black_box;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lamport_clock::{Instance, LocalClock, ProcessId, SharedClock, Time};

use crate::report::{Report, Target};
use crate::{Failure, Options};

/// Alone on its cache line, as the clock's own counter is.
#[repr(align(64))]
struct Bare(AtomicU64);

/// What is compared: a name, and a measurement of so many threads with so many calls each (ns a
/// call, all threads together).
struct Subject<'a> {
    name: &'static str,
    run: Box<dyn Fn(usize, u64) -> f64 + 'a>,
}

impl<'a> Subject<'a> {
    /// Each `call` is compiled into a loop of its own.
    fn new(name: &'static str, call: impl Fn() + Sync + 'a) -> Subject<'a> {
        Subject {
            name,
            run: Box::new(move |threads, calls| timed(threads, calls, &call)),
        }
    }
}

pub(crate) fn measure(options: &Options, report: &mut Report) -> Result<(), Failure> {
    report.section(
        "local",
        "1. Local clock, Rust (ns a call, all threads together)",
    );
    let bare = Bare(AtomicU64::new(0));
    let clock = LocalClock::new(ProcessId::new("bench-node")?, Instance::new(1));
    // As Kubernetes names its pods: longer than a stamp can hold in place.
    let long = SharedClock::memory("checkout-service-6d4cf56db6-x2v4q")?;
    let received = LocalClock::new(ProcessId::new("bench-node")?, Instance::new(2));
    let message = Time::new(1)?;
    let shared = SharedClock::memory("bench-node")?;
    let hlc = uhlc::HLC::default();
    // Each result is looked at where the call left it: to move it on would be timed too.
    let subjects = [
        Subject::new("fetch_add", || {
            black_box(&bare.0.fetch_add(1, Ordering::AcqRel));
        }),
        Subject::new("tick", || {
            black_box(&clock.tick());
        }),
        Subject::new("SharedClock::tick, long name", || {
            black_box(&long.tick());
        }),
        Subject::new("advance", || {
            black_box(&clock.advance());
        }),
        Subject::new("receive", || {
            black_box(&received.receive(black_box(message)));
        }),
        Subject::new("SharedClock::tick", || {
            black_box(&shared.tick());
        }),
        Subject::new("uhlc new_timestamp", || {
            black_box(&hlc.new_timestamp());
        }),
    ];
    let rounds = if options.quick { 7 } else { 25 };
    for threads in [1, 2, 4] {
        let calls: Vec<u64> = subjects
            .iter()
            .map(|subject| enough(subject, threads))
            .collect();
        let mut results = vec![Vec::new(); subjects.len()];
        for _ in 0..rounds {
            for ((subject, calls), results) in subjects.iter().zip(&calls).zip(&mut results) {
                results.push((subject.run)(threads, *calls));
            }
        }
        let named = |name: &str| format!("{name}, {threads} thr");
        for (subject, results) in subjects.iter().zip(results) {
            report.figure(named(subject.name), "ns", results);
        }
        let at_one = |target| (threads == 1).then_some(target);
        for ours in [
            "tick",
            "SharedClock::tick, long name",
            "advance",
            "receive",
            "SharedClock::tick",
        ] {
            let target = (ours == "tick")
                .then(|| at_one(Target::AtMost(1.3)))
                .flatten();
            let name = named(&format!("{ours} / fetch_add"));
            report.ratio(&name, &named(ours), &named("fetch_add"), target);
        }
        let target = at_one(Target::AtLeast(8.0));
        let hlc = named("uhlc new_timestamp");
        report.ratio(&named("uhlc / tick"), &hlc, &named("tick"), target);
        // How far ahead of uhlc anything can be that adds to a shared counter.
        report.ratio(&named("uhlc / fetch_add"), &hlc, &named("fetch_add"), None);
    }
    Ok(())
}

/// So many calls that a measurement takes about [`LENGTH`].
fn enough(subject: &Subject<'_>, threads: usize) -> u64 {
    const TRIAL: u64 = 50_000;
    (subject.run)(threads, TRIAL);
    let nanoseconds = (subject.run)(threads, TRIAL) * threads as f64;
    ((LENGTH.as_nanos() as f64 / nanoseconds) as u64).max(TRIAL)
}

const LENGTH: Duration = Duration::from_millis(20);

/// From the first thread's beginning to the last one's end.
fn timed(threads: usize, calls: u64, call: &(impl Fn() + Sync)) -> f64 {
    let ready = Barrier::new(threads);
    let spans: Vec<(Instant, Instant)> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    ready.wait();
                    let begin = Instant::now();
                    for _ in 0..calls {
                        call();
                    }
                    (begin, Instant::now())
                })
            })
            .collect();
        let ended = running.into_iter().map(|thread| thread.join());
        ended.map(|span| span.expect("no call panics")).collect()
    });
    let begin = spans.iter().map(|span| span.0).min();
    let end = spans.iter().map(|span| span.1).max();
    let length = end.zip(begin).map(|(end, begin)| end - begin);
    length.unwrap_or_default().as_nanos() as f64 / (calls * threads as u64) as f64
}
