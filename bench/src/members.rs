//! What the members say: what they have counted, and what was written under the keys of a clock.
//!
//! Round trips are counted here and not by the library, which might leave some out.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use etcd_client::{Client, EventType, GetOptions, WatchOptions, WatchStream};
use lamport_clock::{Address, Record};
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::Etcd;
use crate::{Failure, stats};

/// What the members have counted since they started, all together.
pub(crate) struct Counts {
    /// Transactions that clients asked for, whatever became of them.
    pub(crate) transactions: f64,
    /// Plain reads.
    pub(crate) reads: f64,
    /// Bytes sent to clients.
    pub(crate) sent: f64,
    /// Bytes in use of one member's database.
    pub(crate) in_use: f64,
}

impl Counts {
    pub(crate) fn of(etcd: &Etcd) -> Result<Counts, Failure> {
        let members = etcd.endpoints();
        let members = members.iter().map(metrics).collect::<Result<Vec<_>, _>>()?;
        let sum = |name: &str| -> f64 { members.iter().map(|text| total(text, name)).sum() };
        Ok(Counts {
            transactions: sum("grpc_server_started_total{grpc_method=\"Txn\""),
            reads: sum("grpc_server_started_total{grpc_method=\"Range\""),
            sent: sum("etcd_network_client_grpc_sent_bytes_total"),
            in_use: members.first().map_or(f64::NAN, |text| {
                total(text, "etcd_mvcc_db_total_size_in_use_in_bytes")
            }),
        })
    }

    /// The difference to `before`.
    pub(crate) fn since(&self, before: &Counts) -> Counts {
        Counts {
            transactions: self.transactions - before.transactions,
            reads: self.reads - before.reads,
            sent: self.sent - before.sent,
            in_use: self.in_use - before.in_use,
        }
    }
}

fn metrics(member: &Address) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(member.to_string())?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// The sum of all lines that begin so.
fn total(metrics: &str, name: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.starts_with(name));
    let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    values.sum()
}

/// The transactions that wrote under the keys of a clock.
#[derive(Default)]
pub(crate) struct Written {
    /// All of them, of updates and folds.
    pub(crate) transactions: u64,
    /// Those that hand out nothing and for which nobody waits: a base with the count 0.
    pub(crate) folds: u64,
}

#[derive(Deserialize)]
struct Base {
    count: u64,
}

impl Written {
    /// Reads the history of the clock under `key` from after the revision `after`.
    pub(crate) async fn read(member: &str, key: &str, after: i64) -> Result<Written, Failure> {
        let mut client = Client::connect([member], None).await?;
        let options = GetOptions::new().with_range(end(key));
        let keys = client.get(key, Some(options)).await?;
        let newest = keys.kvs().iter().map(|found| found.mod_revision()).max();
        let newest = newest.unwrap_or_default();
        let mut written = Written::default();
        if newest <= after {
            return Ok(written);
        }
        let mut stream = follow(&client, key, end(key), after + 1).await?;
        let mut revision = after;
        let base = format!("{key}/base");
        while revision < newest {
            let response = stream.message().await?;
            let response = response.ok_or("the member ended the watch")?;
            for event in response.events() {
                let Some(found) = event.kv() else {
                    continue;
                };
                if found.mod_revision() > revision {
                    revision = found.mod_revision();
                    written.transactions += 1;
                }
                if event.event_type() == EventType::Put && found.key() == base.as_bytes() {
                    let base: Base = serde_json::from_slice(found.value())?;
                    written.folds += u64::from(base.count == 0);
                }
            }
        }
        Ok(written)
    }
}

/// The revision of the store.
pub(crate) async fn revision(member: &str) -> Result<i64, Failure> {
    let mut client = Client::connect([member], None).await?;
    let reply = client.get("/", None).await?;
    Ok(reply.header().ok_or("a reply without a header")?.revision())
}

/// What the record showed, and from when on (Unix seconds): as somebody sees it who watches it.
pub(crate) struct Shown {
    values: watch::Receiver<BTreeMap<u64, f64>>,
    watching: JoinHandle<Result<(), Failure>>,
}

impl Shown {
    /// Watches the record from now on.
    pub(crate) fn watch(runtime: &Handle, record: WatchStream) -> Shown {
        let (sender, values) = watch::channel(BTreeMap::new());
        Shown {
            values,
            watching: runtime.spawn(note(record, sender)),
        }
    }

    /// Waits until it shows `value` or a later one, at most so long.
    pub(crate) async fn wait_for(&mut self, value: u64, most: Duration) {
        let shows = |values: &BTreeMap<u64, f64>| values.range(value..).next().is_some();
        let _ = timeout(most, self.values.wait_for(shows)).await;
    }

    /// Milliseconds from when `value` was handed out to when the record showed it, or a later one.
    pub(crate) fn late(&self, value: u64, handed_out: f64) -> f64 {
        let values = self.values.borrow();
        let first = values.range(value..).next();
        first.map_or(f64::INFINITY, |(_, at)| (at - handed_out).max(0.0) * 1e3)
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

async fn note(
    mut record: WatchStream,
    values: watch::Sender<BTreeMap<u64, f64>>,
) -> Result<(), Failure> {
    while let Some(response) = record.message().await? {
        let now = stats::unix_seconds();
        for event in response.events() {
            let Some(found) = event.kv() else {
                continue;
            };
            let value = Record::parse(found.value())?.value.get();
            values.send_modify(|values| {
                values.entry(value).or_insert(now);
            });
        }
    }
    Ok(())
}

/// Watches the record under `key` from now on.
pub(crate) async fn watch_record(member: &str, key: &str) -> Result<WatchStream, Failure> {
    let client = Client::connect([member], None).await?;
    let mut end = key.as_bytes().to_vec();
    end.push(0);
    follow(&client, key, end, 0).await
}

async fn follow(
    client: &Client,
    key: &str,
    end: Vec<u8>,
    from: i64,
) -> Result<WatchStream, Failure> {
    let options = WatchOptions::new()
        .with_range(end)
        .with_start_revision(from);
    // A watch that catches up gets up to a thousand revisions in one message.
    let mut client = client.watch_client().max_decoding_message_size(usize::MAX);
    let mut stream = client.watch(key, Some(options)).await?;
    let confirmation = stream.message().await?;
    confirmation.ok_or("the member refused a watch")?;
    Ok(stream)
}

/// Past every key of the clock.
fn end(key: &str) -> Vec<u8> {
    format!("{key}/taken0").into_bytes()
}
