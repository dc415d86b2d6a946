//! A running watch on one member.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{EventType, GetOptions, WatchOptions, WatchResponse, WatchStream};
use tokio::time::{Instant, timeout_at};

use super::failure::{Cause, of_cancelled_watch};
use super::member::Member;
use super::translate;
use crate::error::Result;
use crate::protocol::{Change, KeyRange};
use crate::store::{Changes, StoreFuture};

pub(super) struct Following {
    member: Arc<Member>,
    stream: WatchStream,
    /// When it last said something, and whether it was asked since: kept here, since a caller may
    /// drop [`next`](Changes::next) and call it again as often as it likes.
    heard: Instant,
    asked: bool,
}

/// After so long without a word the member is asked for one, and given as long again.
///
/// A stopped or unreachable member keeps the stream open and silent for ever.
const SILENCE: Duration = Duration::from_secs(2);

impl Following {
    /// Watches `range` from revision `from` on; returns once the member has confirmed.
    pub(super) async fn begin(
        member: &Arc<Member>,
        range: &KeyRange,
        from: u64,
    ) -> Result<Following, Cause> {
        let mut options = WatchOptions::new().with_start_revision(translate::signed(from));
        if let Some(end) = translate::end(range) {
            options = options.with_range(end);
        }
        // A watch that catches up gets up to a thousand revisions in one message, far more than the
        // 4 MB that a client takes by default; refused once, it would be refused for ever.
        let mut client = member.client().await?;
        // An expired token is told to a watch as "permission denied", past the client's renewal of
        // tokens. A read renews it, or is denied for a real reason.
        let read = GetOptions::new().with_serializable().with_count_only();
        client.get(range.start.clone(), Some(read)).await?;
        let mut client = client.watch_client().max_decoding_message_size(usize::MAX);
        let mut following = Following {
            heard: Instant::now(),
            asked: false,
            stream: client.watch(range.start.clone(), Some(options)).await?,
            member: member.clone(),
        };
        let confirmation = following.receive().await?;
        debug_assert!(confirmation.created());
        Ok(following)
    }

    async fn receive(&mut self) -> Result<WatchResponse, Cause> {
        let response = self.stream.message().await?;
        let response =
            response.ok_or_else(|| Cause::broken_watch("the member ended the stream"))?;
        if response.compact_revision() > 0 {
            return Err(Cause::compacted(translate::unsigned(
                response.compact_revision(),
            )));
        }
        if response.canceled() {
            return Err(of_cancelled_watch(response.cancel_reason()));
        }
        Ok(response)
    }

    /// The next response that bears events.
    async fn changes(&mut self) -> Result<Vec<Change>, Cause> {
        loop {
            let patience = if self.asked { SILENCE * 2 } else { SILENCE };
            match timeout_at(self.heard + patience, self.receive()).await {
                Ok(response) => {
                    self.heard = Instant::now();
                    self.asked = false;
                    let changes = by_revision(&response?);
                    if !changes.is_empty() {
                        return Ok(changes);
                    }
                }
                Err(_) if self.asked => return Err(Cause::silent(SILENCE * 2)),
                Err(_) => {
                    self.asked = true;
                    // Time in which nobody called is not the member's silence.
                    self.heard = Instant::now() - SILENCE;
                    self.stream.request_progress().await?;
                }
            }
        }
    }
}

impl Changes for Following {
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

/// etcd sends the events of one revision together and in order.
fn by_revision(response: &WatchResponse) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for event in response.events() {
        let Some(found) = event.kv() else {
            continue;
        };
        let entry = translate::entry(found);
        let revision = entry.mod_revision;
        let state = match event.event_type() {
            EventType::Put => Some(entry),
            EventType::Delete => None,
        };
        let key = (found.key().to_vec(), state);
        match changes
            .last_mut()
            .filter(|change| change.revision == revision)
        {
            Some(change) => change.keys.push(key),
            None => changes.push(Change {
                revision,
                keys: vec![key],
            }),
        }
    }
    changes
}
