//! What one would write without this library: the loops that it is measured against.
//!
//! All of them go through the same client crate, with one connection of their own to one member.

use std::time::{SystemTime, UNIX_EPOCH};

use etcd_client::{Client, Compare, CompareOp, GetOptions, Txn, TxnOp, TxnOpResponse};
use lamport_clock::{Record, Time};

use crate::Failure;

/// One process that shares a record in one of the simple ways.
pub(crate) struct Naive {
    client: Client,
    key: String,
    process: String,
    /// The record as last seen: its revision and its value.
    seen: (i64, u64),
    local: u64,
}

impl Naive {
    pub(crate) async fn connect(member: &str, key: &str, process: &str) -> Result<Naive, Failure> {
        let mut naive = Naive {
            client: Client::connect([member], None).await?,
            key: key.to_owned(),
            process: process.to_owned(),
            seen: (0, 0),
            local: 0,
        };
        // The first look, as the library's `connect` has one.
        naive.look().await?;
        Ok(naive)
    }

    /// Another one on the same connection, for a key that does not exist.
    pub(crate) fn beside(&self, key: &str) -> Naive {
        Naive {
            client: self.client.clone(),
            key: key.to_owned(),
            process: self.process.clone(),
            seen: (0, 0),
            local: 0,
        }
    }

    /// Compare-and-swap, again and again until it succeeds; says how many transactions it took.
    pub(crate) async fn compare_and_swap(&mut self) -> Result<u32, Failure> {
        self.local += 1;
        for round_trips in 1.. {
            if self.attempt().await? {
                return Ok(round_trips);
            }
        }
        unreachable!("an update takes fewer than 2^32 round trips")
    }

    /// One transaction: the record if it is unchanged, else a look at it.
    pub(crate) async fn attempt(&mut self) -> Result<bool, Failure> {
        let (revision, value) = self.seen;
        let new = self.local.max(value) + 1;
        let transaction = Txn::new()
            .when([Compare::mod_revision(
                self.key.as_str(),
                CompareOp::Equal,
                revision,
            )])
            .and_then([TxnOp::put(self.key.as_str(), self.record(new)?, None)])
            .or_else([TxnOp::get(self.key.as_str(), None)]);
        let reply = self.client.txn(transaction).await?;
        if reply.succeeded() {
            let header = reply.header().ok_or("a reply without a header")?;
            self.seen = (header.revision(), new);
            self.local = new;
            return Ok(true);
        }
        for response in reply.op_responses() {
            if let TxnOpResponse::Get(found) = response
                && let Some(pair) = found.kvs().first()
            {
                self.seen = (
                    pair.mod_revision(),
                    Record::parse(pair.value())?.value.get(),
                );
            }
        }
        Ok(false)
    }

    /// What the deployed script does: read, then write over whatever is there by then.
    pub(crate) async fn get_and_put(&mut self) -> Result<(), Failure> {
        self.look().await?;
        self.local += 1;
        self.local = self.local.max(self.seen.1) + 1;
        let record = self.record(self.local)?;
        self.client.put(self.key.as_str(), record, None).await?;
        Ok(())
    }

    /// Writes the next value of its own over whatever is there.
    pub(crate) async fn put(&mut self) -> Result<(), Failure> {
        self.local += 1;
        let record = self.record(self.local)?;
        self.client.put(self.key.as_str(), record, None).await?;
        Ok(())
    }

    /// What an update asks of etcd in a crowd, and nothing around it: no library that counts so can be
    /// faster. It needs a clock, of which it reads all keys.
    pub(crate) async fn take(&mut self) -> Result<(), Failure> {
        self.local += 1;
        let transaction = Txn::new().and_then(self.counted()?);
        self.client.txn(transaction).await?;
        Ok(())
    }

    /// The same of an update that nobody else is in the way of: with its three compares, two puts and
    /// what it would do otherwise.
    pub(crate) async fn guarded(&mut self) -> Result<bool, Failure> {
        self.local += 1;
        let (base, taken) = (format!("{}/base", self.key), self.taken());
        let record = self.record(self.local)?;
        // As large as a base is, all in all.
        let whole = [record.as_slice(), record.as_slice()].concat();
        let written = [(&self.key, self.seen.0), (&base, self.seen.0), (&taken, 0)];
        let unchanged =
            written.map(|(key, at)| Compare::mod_revision(key.as_str(), CompareOp::Equal, at));
        let puts = [
            TxnOp::put(self.key.as_str(), record, None),
            TxnOp::put(base, whole, None),
        ];
        let transaction = Txn::new().when(unchanged).and_then(puts);
        let reply = self
            .client
            .txn(transaction.or_else(self.counted()?))
            .await?;
        let header = reply.header().ok_or("a reply without a header")?;
        self.seen = (header.revision(), self.local);
        Ok(reply.succeeded())
    }

    /// Read the three keys and count one more.
    fn counted(&self) -> Result<[TxnOp; 4], Failure> {
        let (base, taken) = (format!("{}/base", self.key), self.taken());
        let weights = GetOptions::new().with_range(format!("{taken}0"));
        // As large as what an update leaves there.
        let value = [self.record(self.local)?, b" ".repeat(60)].concat();
        Ok([
            TxnOp::get(self.key.as_str(), None),
            TxnOp::get(base, None),
            TxnOp::get(taken.as_str(), Some(weights)),
            TxnOp::put(taken, value, None),
        ])
    }

    fn taken(&self) -> String {
        format!("{}/taken", self.key)
    }

    async fn look(&mut self) -> Result<(), Failure> {
        let reply = self.client.get(self.key.as_str(), None).await?;
        if let Some(pair) = reply.kvs().first() {
            self.seen = (
                pair.mod_revision(),
                Record::parse(pair.value())?.value.get(),
            );
        }
        Ok(())
    }

    fn record(&self, value: u64) -> Result<Vec<u8>, Failure> {
        let record = Record {
            value: Time::new(value)?,
            process_id: self.process.clone(),
            real_timestamp: Some(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64()),
        };
        Ok(record.to_json())
    }
}
