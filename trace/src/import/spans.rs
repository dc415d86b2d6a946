//! Spans without stamps. A span counts as one event, its beginning. Within one instance of a service, the
//! spans are ordered by its own wall clock. A span's parent and the spans that it links to come before it,
//! wherever they are. Times are given here, as by a Lamport clock: one more than the largest before.

use std::collections::{HashMap, VecDeque};

use lamport_clock::{Instance, Stamp, Time};
use serde_json::json;

use super::otlp::Span;
use crate::export::process;

/// The name of a service, and that of its instance.
pub(super) type Service = (String, String);

/// A span and its place in the order.
struct Placed {
    span: Span,
    service: Service,
    /// The span before it in its instance.
    previous: Option<usize>,
    causes: Vec<usize>,
    /// The spans that follow it directly, in its own instance and elsewhere.
    next: Vec<usize>,
    /// How many of the spans before it have no time yet.
    waits: usize,
    time: Option<u64>,
}

pub(super) fn lines(spans: Vec<(Service, Span)>, lines: &mut Vec<u8>) {
    let mut placed = placed(spans);
    let mut ready: VecDeque<usize> = (0..placed.len())
        .filter(|&i| placed[i].waits == 0)
        .collect();
    // If causes form a cycle, wall clocks are wrong. Then the earliest span begins, without its causes.
    let mut stuck = 0..placed.len();
    while let Some(i) = ready.pop_front().or_else(|| stuck.next()) {
        if placed[i].time.is_some() {
            continue;
        }
        let before = |i: &usize| placed[*i].time;
        let newest = placed[i].previous.iter().chain(&placed[i].causes);
        placed[i].time = Some(newest.filter_map(before).max().unwrap_or(0) + 1);
        write(&placed, i, lines);
        for next in std::mem::take(&mut placed[i].next) {
            placed[next].waits = placed[next].waits.saturating_sub(1);
            if placed[next].waits == 0 {
                ready.push_back(next);
            }
        }
    }
}

/// Sorts the spans by their own wall clocks, and finds the spans that come before each.
fn placed(mut spans: Vec<(Service, Span)>) -> Vec<Placed> {
    spans.sort_by_key(|(_, span)| span.start_time_unix_nano.0);
    let mut by_id: HashMap<(String, String), usize> = HashMap::new();
    let mut newest: HashMap<Service, usize> = HashMap::new();
    let mut placed: Vec<Placed> = Vec::with_capacity(spans.len());
    for (i, (service, span)) in spans.into_iter().enumerate() {
        let id = (span.trace_id.clone(), span.span_id.clone());
        by_id.entry(id).or_insert(i);
        let previous = newest.insert(service.clone(), i);
        if let Some(previous) = previous {
            placed[previous].next.push(i);
        }
        placed.push(Placed {
            span,
            service,
            previous,
            causes: Vec::new(),
            next: Vec::new(),
            waits: usize::from(previous.is_some()),
            time: None,
        });
    }
    for i in 0..placed.len() {
        let Placed { span, service, .. } = &placed[i];
        let parent = (&span.trace_id, &span.parent_span_id);
        let links = span
            .links
            .iter()
            .map(|link| (&link.trace_id, &link.span_id));
        let causes = [parent].into_iter().chain(links);
        let causes = causes.filter_map(|(trace, span)| by_id.get(&(trace.clone(), span.clone())));
        // Within one instance its own wall clock gives the order.
        let causes = causes
            .copied()
            .filter(|&cause| placed[cause].service != *service);
        let mut causes: Vec<usize> = causes.collect();
        causes.sort_unstable();
        causes.dedup();
        for &cause in &causes {
            placed[cause].next.push(i);
        }
        placed[i].waits += causes.len();
        placed[i].causes = causes;
    }
    placed
}

fn write(placed: &[Placed], i: usize, lines: &mut Vec<u8>) {
    let stamp = |i: usize| {
        let Placed { service, time, .. } = &placed[i];
        let name = match service.0.as_str() {
            "" => "unknown_service",
            name => name,
        };
        Some(Stamp {
            time: Time::new((*time)?).ok()?,
            process: process(name),
            instance: instance(&service.1),
        })
    };
    let Some(own) = stamp(i) else { return };
    let Placed { span, .. } = &placed[i];
    let causes = placed[i].previous.iter().chain(&placed[i].causes);
    let causes = causes.filter_map(|&cause| stamp(cause));
    let mut after: Vec<String> = causes.map(|cause| format!("{cause:#}")).collect();
    if after.len() < placed[i].causes.len() + usize::from(placed[i].previous.is_some()) {
        after.push("+1".to_owned());
    }
    let mut record = json!({
        "lamport": own.to_string(), "lamport_instance": own.instance.to_string(),
        "lamport_after": after, "message": span.name,
    });
    if span.start_time_unix_nano.0 > 0 {
        record["timestamp"] = span.start_time_unix_nano.0.to_string().into();
    }
    super::put(lines, &record);
}

/// An instance for a name of any form: sixteen digits by FNV-1a.
fn instance(name: &str) -> Instance {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Instance::new(hash.max(1))
}
