//! Following the record, for threads.

use std::time::Duration;

use super::call::{Call, LOOK_UP, ended};
use crate::error::Result;
use crate::life::Mortal;
use crate::shared::{self, WatchEvent};

/// [`crate::Watch`] for threads; as an iterator it ends with the first error.
///
/// A forked child gets [`ErrorKind::Closed`](crate::ErrorKind::Closed) from a watch that it inherits
/// and begins one of its own: two that read one watch would each miss what the other saw.
pub struct Watch {
    state: Mortal<State>,
    next_revision: u64,
    /// As an iterator it has given its first error.
    over: bool,
}

enum State {
    Resting(Box<shared::Watch>),
    Waiting(Call<(Box<shared::Watch>, Result<WatchEvent>)>),
    Ended,
}

impl Watch {
    pub(super) fn new(watch: shared::Watch) -> Watch {
        Watch {
            next_revision: watch.next_revision(),
            state: Mortal::new(State::Resting(Box::new(watch))),
            over: false,
        }
    }

    /// Waits at most `patience` for the next event; `None` if there is none yet. Nothing is lost
    /// by giving up and asking again.
    pub fn next_within(&mut self, patience: Duration) -> Option<Result<WatchEvent>> {
        if let Err(inherited) = self.state.life().check("this watch") {
            return Some(Err(inherited));
        }
        let state = self.state.get_mut()?;
        let mut call = match std::mem::replace(state, State::Ended) {
            State::Waiting(call) => call,
            State::Resting(mut watch) => {
                let spawned = Call::spawn(async move {
                    let event = watch.next().await;
                    Ok((watch, event))
                });
                match spawned {
                    Ok(call) => call,
                    Err(error) => return Some(Err(error)),
                }
            }
            State::Ended => return Some(Err(ended())),
        };
        match call.wait_for(patience) {
            None => {
                *state = State::Waiting(call);
                None
            }
            Some(Ok((watch, event))) => {
                self.next_revision = watch.next_revision();
                *state = State::Resting(watch);
                Some(event)
            }
            Some(Err(error)) => Some(Err(error)),
        }
    }

    /// As [`crate::Watch::next_revision`].
    pub fn next_revision(&self) -> u64 {
        self.next_revision
    }
}

impl Iterator for Watch {
    type Item = Result<WatchEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over || matches!(self.state.get(), Some(State::Ended)) {
            return None;
        }
        let event = loop {
            if let Some(event) = self.next_within(LOOK_UP) {
                break event;
            }
        };
        self.over = event.is_err();
        Some(event)
    }
}
