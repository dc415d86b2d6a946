//! A running watch on one member.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::proto::{PbEvent, PbWatchResponse};
use etcd_client::{EventType, GetOptions, WatchOptions, WatchResponse, WatchStream};
use tokio::time::{Instant, timeout_at};

use super::failure::{Cause, of_cancelled_watch};
use super::member::Member;
use super::translate;
use crate::error::Result;
use crate::protocol::{Change, Entry, KeyRange};
use crate::store::{Changes, StoreFuture};

pub(super) struct EtcdChanges {
    member: Arc<Member>,
    stream: WatchStream,
    range: KeyRange,
    /// The next event is of this revision or a later one.
    next: u64,
    /// The newest revision, while more of its events may come in another message.
    unfinished: Option<Change>,
    /// When the member last sent something, and whether it was asked to since. Not kept in the future of
    /// [`next`](Changes::next), which a caller may drop and make again at any time.
    heard: Instant,
    asked: bool,
}

/// After this time without a message the member is asked for one, and has the same time to answer.
///
/// The stream of a stopped or unreachable member stays open and silent for ever.
const SILENCE: Duration = Duration::from_secs(2);

/// The largest message accepted, in bytes: the client reserves as much memory as a message announces. etcd
/// splits what a watch has missed into messages of two megabytes. A single larger value makes a larger
/// message: `--max-request-bytes` bounds values, and etcd's makers advise against more than ten megabytes.
const LARGEST_MESSAGE: usize = 16 << 20;

impl EtcdChanges {
    /// Watches `range` from revision `from` on; returns once the member has confirmed.
    pub(super) async fn begin(
        member: &Arc<Member>,
        range: &KeyRange,
        from: u64,
    ) -> Result<EtcdChanges, Cause> {
        let mut options = WatchOptions::new().with_start_revision(translate::signed(from));
        if let Some(end) = translate::end(range) {
            options = options.with_range(end);
        }
        // Without fragments, a watch that catches up gets up to a thousand revisions in one message.
        options = options.with_fragment();
        let mut client = member.client().await?;
        // etcd answers a watch that has an expired token with "permission denied", and then the client
        // doesn't renew the token. A read renews it, or is denied for a real reason.
        let read = GetOptions::new().with_serializable().with_count_only();
        client.get(range.start.clone(), Some(read)).await?;
        let mut client = client
            .watch_client()
            .max_decoding_message_size(LARGEST_MESSAGE);
        let mut following = EtcdChanges {
            heard: Instant::now(),
            asked: false,
            stream: client.watch(range.start.clone(), Some(options)).await?,
            member: member.clone(),
            range: range.clone(),
            next: from,
            unfinished: None,
        };
        match following.receive().await?.created {
            true => Ok(following),
            false => Err(Cause::senseless("a watch began without a confirmation")),
        }
    }

    async fn receive(&mut self) -> Result<PbWatchResponse, Cause> {
        let response = self.stream.message().await?;
        let WatchResponse(response) =
            response.ok_or_else(|| Cause::broken_watch("the member ended the stream"))?;
        if response.compact_revision != 0 {
            let kept_from = translate::positive(response.compact_revision)?;
            return Err(match kept_from > self.next {
                true => Cause::compacted(kept_from),
                false => Cause::senseless("it compacted nothing that was asked for"),
            });
        }
        if response.canceled {
            return Err(of_cancelled_watch(&response.cancel_reason));
        }
        Ok(response)
    }

    /// Waits for the next changes; asks a silent member for a sign of life.
    async fn changes(&mut self) -> Result<Vec<Change>, Cause> {
        loop {
            let patience = if self.asked { SILENCE * 2 } else { SILENCE };
            match timeout_at(self.heard + patience, self.receive()).await {
                Ok(response) => {
                    self.heard = Instant::now();
                    self.asked = false;
                    let changes = self.by_revision(response?)?;
                    if !changes.is_empty() {
                        return Ok(changes);
                    }
                }
                Err(_) if self.asked => return Err(Cause::silent(SILENCE * 2)),
                Err(_) => {
                    self.asked = true;
                    // Restart the wait: time in which the caller did not poll is not the member's silence.
                    self.heard = Instant::now() - SILENCE;
                    self.stream.request_progress().await?;
                }
            }
        }
    }

    /// Groups events by revision and returns the complete revisions. etcd sends revisions in rising
    /// order. It may split one over several messages, and marks all but the last as fragments.
    fn by_revision(&mut self, response: PbWatchResponse) -> Result<Vec<Change>, Cause> {
        let mut changes = Vec::from_iter(self.unfinished.take());
        let moved = !response.events.is_empty();
        for event in response.events {
            let (key, state) = self.told(event)?;
            // etcd's ranges have no gap, so it also sends the keys that lie in ours.
            if !self.range.contains(&key) {
                continue;
            }
            match changes.last_mut() {
                Some(change) if change.revision == self.next => change.keys.push((key, state)),
                _ => changes.push(Change {
                    revision: self.next,
                    keys: vec![(key, state)],
                }),
            }
        }
        if response.fragment {
            self.unfinished = changes.pop();
            let unfinished = self.unfinished.iter().flat_map(|change| &change.keys);
            let sizes = unfinished.map(|(key, state)| {
                key.len() + state.as_ref().map_or(0, |entry| entry.value.len())
            });
            if sizes.sum::<usize>() > LARGEST_MESSAGE {
                return Err(Cause::too_large("one revision of it has more than 16 MiB"));
            }
        } else if moved {
            self.next += 1;
        }
        Ok(changes)
    }

    /// The key of an event, and the key's new state. Sets `next` to the event's revision.
    fn told(&mut self, event: PbEvent) -> Result<(Vec<u8>, Option<Entry>), Cause> {
        let found = event
            .kv
            .ok_or_else(|| Cause::senseless("an event has no key"))?;
        let revision = translate::positive(found.mod_revision)?;
        if revision < self.next {
            return Err(Cause::senseless("a watch went back"));
        }
        self.next = revision;
        match EventType::try_from(event.r#type) {
            Ok(EventType::Put) => {
                let entry = translate::entry(found, &self.range)?;
                Ok((entry.key.clone(), Some(entry)))
            }
            Ok(EventType::Delete) => Ok((translate::within(found.key, &self.range)?, None)),
            Err(_) => Err(Cause::senseless("an event is neither a put nor a deletion")),
        }
    }
}

impl Changes for EtcdChanges {
    fn next(&mut self) -> StoreFuture<'_, Vec<Change>> {
        Box::pin(async move {
            self.changes().await.map_err(|cause| {
                let cause = self.member.discreet(cause);
                if cause.is_the_members_fault() {
                    self.member.set_aside(&cause);
                }
                cause.at(self.member.address())
            })
        })
    }
}
