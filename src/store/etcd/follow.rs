//! A running watch on one member.

use std::sync::Arc;
use std::time::Duration;

use etcd_client::{EventType, WatchOptions, WatchResponse, WatchStream};
use tokio::time::timeout;

use super::failure::{Cause, of_cancelled_watch};
use super::member::Member;
use super::translate;
use crate::error::Result;
use crate::logic::transaction::KeyRange;
use crate::store::{Change, Changes, StoreFuture};

pub(super) struct Following {
    member: Arc<Member>,
    stream: WatchStream,
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
        let mut client = member.client().await?;
        let mut following = Following {
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
        let mut asked = false;
        loop {
            match timeout(SILENCE, self.receive()).await {
                Ok(response) => {
                    asked = false;
                    let changes = by_revision(&response?);
                    if !changes.is_empty() {
                        return Ok(changes);
                    }
                }
                Err(_) if asked => return Err(Cause::silent(SILENCE * 2)),
                Err(_) => {
                    self.stream.request_progress().await?;
                    asked = true;
                }
            }
        }
    }
}

impl Changes for Following {
    fn next(&mut self) -> StoreFuture<'_, Vec<Change>> {
        Box::pin(async move {
            self.changes().await.map_err(|cause| {
                let failure = cause.at(self.member.address());
                if cause.is_the_members_fault() {
                    self.member.set_aside(failure.error.to_string());
                }
                failure
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
