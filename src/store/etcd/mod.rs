//! etcd as a store. Only this folder uses the crate `etcd_client`.
//!
//! Each member has its own client, and this module chooses the member: a client over several endpoints
//! picks one at random, keeps picking dead ones, and hangs on a stopped one. The preferred member is
//! the first one given (the process's own node). A member that fails is set aside until a status
//! request, sent in the background, finds it with a leader again.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use etcd_client::KvClient;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use self::connection::Options;
use self::failure::Cause;
use self::follow::EtcdChanges;
use self::member::Member;
use self::patience::{LEAST_PATIENCE, Patience};
use super::{Changes, Failure, Server, Store, StoreFuture};
use crate::config::Address;
use crate::config::Config;
use crate::error::{Error, ErrorKind, Result};
use crate::events::Event;
use crate::protocol::{At, KeyRange, Reply, Transaction};

mod connection;
mod failure;
mod follow;
mod member;
mod patience;
mod tls;
mod translate;

/// A store in etcd.
pub struct EtcdStore {
    /// The preferred member first.
    members: Vec<Arc<Member>>,
    plaintext: bool,
    /// Whether we connect as a user of etcd.
    user: bool,
    patience: Mutex<Patience>,
    /// The member used last.
    current: Mutex<usize>,
}

impl EtcdStore {
    /// A store on these members, the preferred one first. Nothing is sent yet.
    pub fn new(endpoints: &[Address], config: &Config) -> Result<EtcdStore> {
        if endpoints.is_empty() {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "an etcd store needs at least one endpoint",
            ));
        }
        config.refuse_exposed_password(endpoints)?;
        let options = Options::new(config)?;
        let members = endpoints
            .iter()
            .map(|address| Member::new(address, &options));
        let (plaintext, user) = (config.tls.is_none(), config.credentials.is_some());
        Ok(EtcdStore::of(
            members.collect::<Result<_>>()?,
            plaintext,
            user,
        ))
    }

    fn of(members: Vec<Member>, plaintext: bool, user: bool) -> EtcdStore {
        EtcdStore {
            patience: Mutex::new(Patience::with(members.len())),
            members: members.into_iter().map(Arc::new).collect(),
            plaintext,
            user,
            current: Mutex::new(0),
        }
    }

    /// The first member that is not set aside; if all are, the one that failed longest ago.
    fn choose(&self) -> Arc<Member> {
        let mut best: Option<(usize, Instant)> = None;
        let mut chosen = None;
        for (i, member) in self.members.iter().enumerate() {
            match member.set_aside_since() {
                None => {
                    chosen = chosen.or(Some(i));
                }
                Some(since) => {
                    if chosen.is_none() {
                        // This member is preferred to the one that we will use now: see whether it is back.
                        Member::probe_if_due(member);
                    }
                    if best.is_none_or(|(_, oldest)| since < oldest) {
                        best = Some((i, since));
                    }
                }
            }
        }
        let chosen = chosen.or(best.map(|(i, _)| i)).unwrap_or(0);
        let before = std::mem::replace(&mut *lock(&self.current), chosen);
        let member = &self.members[chosen];
        if before != chosen {
            let from = self.members[before].address();
            Event::Failover { from }.tell(member.address());
        }
        member.clone()
    }

    /// One attempt at one member, within a time limit.
    async fn attempt<T>(
        &self,
        within: Duration,
        work: impl AsyncFnOnce(&Arc<Member>) -> Result<T, Cause>,
    ) -> Result<T, Failure> {
        let member = self.choose();
        let patience = lock(&self.patience).length().min(within);
        let began = Instant::now();
        let cause = match timeout(patience, work(&member)).await {
            Ok(Ok(answer)) => {
                lock(&self.patience).answered(began.elapsed());
                member.answered();
                return Ok(answer);
            }
            Ok(Err(cause)) => member.reconsider(cause),
            Err(_) => {
                if patience < within {
                    lock(&self.patience).ran_out(patience);
                } else if member.silent_since(began) < lock(&self.patience).length() {
                    // The caller's deadline cut the attempt short, which says nothing about the
                    // member's pace or health. Its connection may be almost established.
                    let failure = Cause::silent(patience).at(member.address());
                    return Err(match member.failure() {
                        Some(why) => Failure {
                            error: Error::new(failure.error.kind(), why),
                            ..failure
                        },
                        None => failure,
                    });
                }
                Cause::silent(patience)
            }
        };
        let left = within.saturating_sub(began.elapsed());
        let cause = self.look_closer(cause, &member, left).await;
        let failure = cause.at(member.address());
        if cause.is_the_members_fault() {
            member.set_aside(&cause);
        }
        Err(Failure {
            error: self.with_the_others(failure.error),
            ..failure
        })
    }

    /// Forbids a retry once every member has failed with a lasting error.
    fn spare_the_members(&self, failure: Failure) -> Failure {
        let nobody_changes = self.members.iter().all(|member| member.fails_lastingly());
        Failure {
            retry: failure.retry && !nobody_changes,
            ..failure
        }
    }

    /// Finds out more about a member that never answered: it may want TLS, or may not be etcd.
    async fn look_closer(&self, cause: Cause, member: &Member, within: Duration) -> Cause {
        let broken = cause.is_a_broken_connection();
        if !(broken || cause.is_silence()) {
            return cause;
        }
        // A new connection may have had to look up the member's name again. That takes a thread, and perhaps
        // none could be started.
        if let Err(cause) = member.check_lookup() {
            return cause;
        }
        if member.is_known() {
            return cause;
        }
        let address = member.address();
        let within = within.min(LEAST_PATIENCE);
        if broken {
            let wants_tls = timeout(within, tls::is_spoken_at(address));
            match self.plaintext && wants_tls.await == Ok(true) {
                true => Cause::wants_tls(),
                false => cause.and("it never answered before: is it etcd that listens there?"),
            }
        } else if self.members.len() > 1 {
            // A longer look would delay the attempts at the other members.
            cause
        } else {
            match timeout(within, TcpStream::connect(address.to_string())).await {
                Ok(Ok(_)) => cause.and("connections are taken there, and nothing is said on them"),
                _ => cause,
            }
        }
    }

    /// An error that names the failure of each member, if all are set aside.
    fn with_the_others(&self, error: Error) -> Error {
        let failures: Vec<String> = self.members.iter().filter_map(|m| m.failure()).collect();
        if self.members.len() == 1 || failures.len() < self.members.len() {
            return error;
        }
        Error::with_source(
            error.kind(),
            format!("no etcd member serves: {}", failures.join("; ")),
            error,
        )
    }
}

async fn read(client: &mut KvClient, range: &KeyRange, at: At) -> Result<Reply, Cause> {
    let options = translate::options(range, at);
    let response = client.get(range.start.clone(), Some(options)).await?;
    translate::found(response, range, at)
}

/// Reads the first key, then the keys after the gap at the same revision: the keys in the gap are too large.
async fn read_around_the_gap(
    client: &mut KvClient,
    range: &KeyRange,
    at: At,
) -> Result<Reply, Cause> {
    let mut reply = read(client, &KeyRange::key(&range.start), at).await?;
    let at = match at {
        At::Now | At::Anywhere => At::Revision(reply.revision),
        At::Revision(_) => at,
    };
    let rest = KeyRange::new(&*range.rest, &*range.end);
    reply.entries.extend(read(client, &rest, at).await?.entries);
    Ok(reply)
}

impl fmt::Debug for EtcdStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = self.members.iter().map(|member| member.address());
        f.debug_list().entries(members).finish()
    }
}

impl Store for EtcdStore {
    fn transact<'a>(
        &'a self,
        transaction: &'a Transaction,
        within: Duration,
    ) -> StoreFuture<'a, Reply> {
        Box::pin(async move {
            let attempt = self.attempt(within, async |member: &Arc<Member>| {
                let mut client = member.kv().await?;
                let response = client.txn(translate::request(transaction)).await?;
                translate::reply(response, transaction)
            });
            attempt
                .await
                .map_err(|failure| self.spare_the_members(failure))
        })
    }

    fn read<'a>(&'a self, range: &'a KeyRange, at: At, within: Duration) -> StoreFuture<'a, Reply> {
        Box::pin(async move {
            let attempt = self.attempt(within, async |member: &Arc<Member>| {
                let mut client = member.kv().await?;
                match read(&mut client, range, at).await {
                    // Foreign keys in the gap are too many or too large for one answer.
                    Err(cause) if cause.is_too_large() && range.rest != range.start => {
                        read_around_the_gap(&mut client, range, at).await
                    }
                    result => result,
                }
            });
            attempt
                .await
                .map_err(|failure| self.spare_the_members(failure))
        })
    }

    fn watch(
        &self,
        range: KeyRange,
        from: u64,
        within: Duration,
    ) -> StoreFuture<'_, Box<dyn Changes>> {
        Box::pin(self.attempt(within, async move |member: &Arc<Member>| {
            let following = EtcdChanges::begin(member, &range, from).await?;
            Ok(Box::new(following) as Box<dyn Changes>)
        }))
    }

    fn server(&self, within: Duration) -> StoreFuture<'_, Option<Server>> {
        Box::pin(self.attempt(within, async |member: &Arc<Member>| {
            let status = member.client().await?.status().await;
            let status = status.map_err(|error| match Cause::from(error) {
                cause if cause.is_a_denial() => cause.and(TOLD_TO_ROOT),
                cause => cause,
            })?;
            Ok(Some(Server {
                version: status.version().to_owned(),
                as_user: self.user,
            }))
        }))
    }

    fn location(&self) -> String {
        self.members[*lock(&self.current)].address().to_string()
    }

    fn for_another_runtime(&self) -> Option<Arc<dyn Store>> {
        let members = self.members.iter().map(|member| member.anew());
        let store = EtcdStore::of(members.collect(), self.plaintext, self.user);
        Some(Arc::new(store))
    }

    fn choices(&self) -> usize {
        self.members.len()
    }
}

/// Why a user with all the rights that a clock needs may be denied the server's version.
const TOLD_TO_ROOT: &str = "etcd 3.4.42 and later 3.4, 3.5.28 to 3.5.31 and 3.6.0 to 3.6.11 tell their \
                            version to root alone";

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // These locks guard only numbers, which stay valid when a holder panics.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
