//! Is the model's server as fast as a real one? Plain puts, so many always in flight.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use lamport_clock::protocol::{Operation, Transaction};

use crate::server::{Arrival, Cost, Nanos, Purpose, Server};

/// One way over the loopback, where the real figures were measured.
pub(crate) const LOOPBACK: Nanos = 50_000;

/// Puts per second with `in_flight` clients that each send the next put when the last is answered.
pub(crate) fn puts_per_second(cost: Cost, in_flight: usize) -> f64 {
    const END: Nanos = 2_000_000_000;
    let mut server = Server::new(cost);
    // When who arrives; `None`: the server is free again.
    let mut queue: BinaryHeap<Reverse<(Nanos, Option<usize>)>> = (0..in_flight)
        .map(|client| Reverse((client as Nanos, Some(client))))
        .collect();
    while let Some(Reverse((now, client))) = queue.pop() {
        if now >= END {
            break;
        }
        if let Some(client) = client {
            let idle = server.arrive(Arrival {
                process: client,
                purpose: Purpose::Attempt(0),
                transaction: put(client).into(),
            });
            if !idle {
                continue;
            }
        }
        if let Some((departures, free)) = server.batch(now) {
            for departure in departures {
                let back = departure.at + 2 * LOOPBACK;
                queue.push(Reverse((back, Some(departure.process))));
            }
            queue.push(Reverse((free, None)));
        }
    }
    server.served.transactions as f64 / (END as f64 / 1e9)
}

fn put(client: usize) -> Transaction {
    let key = format!("/calibration/{client:04}");
    Transaction {
        then: vec![Operation::Put(key.into_bytes(), vec![b'x'; 64])],
        ..Transaction::default()
    }
}
