//! One member of the cluster: its client, and whether it is set aside.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use etcd_client::{Channel, Client, KvClient};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::{Instant, timeout};
use tonic::transport::Endpoint;

use super::connection::Options;
use super::failure::{Cause, says_that_there_are_no_users};
use super::tls;
use crate::config::Address;
use crate::error::Result;

/// One member.
pub(super) struct Member {
    address: Address,
    endpoint: Endpoint,
    options: Options,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Made at first use and after a failure of the connection.
    client: Option<Client>,
    /// The client bears no user, though we have one: the server knew of none when it connected.
    anonymous: bool,
    /// Under way to the next client, and since when.
    connecting: Option<(Connecting, Instant)>,
    set_aside: Option<SetAside>,
    /// When the oldest of the attempts was made that no answer has followed since.
    unanswered_since: Option<Instant>,
    /// When it was last found well after it had been set aside, and how long the pause was then.
    found_well: Option<(Instant, Duration)>,
    /// It has answered at some time.
    known: bool,
}

/// The client, and whether it is anonymous.
type Connecting = Shared<BoxFuture<'static, Result<(Client, bool), Cause>>>;

struct SetAside {
    why: String,
    /// It will fail the same way until somebody changes something.
    lasting: bool,
    since: Instant,
    next_probe: Instant,
    pause: Duration,
}

/// The first probe of a member that was set aside comes after this time, the later ones ever later.
const FIRST_PROBE: Duration = Duration::from_millis(500);
const LAST_PROBE: Duration = Duration::from_secs(5);
/// The longest pause between probes of a member that fails again whenever one finds it well.
const LONGEST_ABSENCE: Duration = Duration::from_secs(60);
/// A probe that takes longer has failed.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);
/// The most that an answer may hold. The keys of a clock are a few hundred bytes each, and none is larger
/// than what etcd lets one write in one request: one and a half megabytes.
const LARGEST_ANSWER: usize = 4 << 20;
/// An authentication that takes longer is lost, and begun anew.
const AUTHENTICATION: Duration = Duration::from_secs(5);

impl Member {
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind) if its certificates or its key can't be used.
    pub(super) fn new(address: &Address, options: &Options) -> Result<Member> {
        let endpoint = options.endpoint(address);
        Ok(Member {
            address: address.clone(),
            endpoint: endpoint.map_err(|error| tls::unusable(&error, address))?,
            options: options.clone(),
            state: Mutex::default(),
        })
    }

    /// The same member, not connected yet.
    pub(super) fn anew(&self) -> Member {
        Member {
            address: self.address.clone(),
            endpoint: self.endpoint.clone(),
            options: self.options.clone(),
            state: Mutex::default(),
        }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// That this machine has a thread in which to look its name up: the transport panics where it has
    /// none. An address needs none.
    pub(super) fn check_lookup(&self) -> Result<(), Cause> {
        let host = self.address.host();
        if host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok() {
            return Ok(());
        }
        let thread = thread::Builder::new().spawn(|| {});
        thread.map(drop).map_err(|error| Cause::no_thread(&error))
    }

    /// What transactions and reads go through: a copy of the whole client costs more than they do.
    pub(super) async fn kv(&self) -> Result<KvClient, Cause> {
        let client = self.state().client.as_ref().map(Client::kv_client);
        let client = match client {
            Some(client) => client,
            None => self.client().await?.kv_client(),
        };
        Ok(client.max_decoding_message_size(LARGEST_ANSWER))
    }

    /// The client of this member. Connecting happens with its first request, save that a user is
    /// authenticated here.
    ///
    /// An authentication outlives the patience of whoever waits for it, and the next one waits for
    /// the same: it costs a server most of a tenth of a second of a processor, answered or not. A
    /// crowd that gave up and began anew would keep the server at it for ever, and be served never.
    pub(super) async fn client(&self) -> Result<Client, Cause> {
        let connecting = {
            let mut state = self.state();
            if let Some(client) = &state.client {
                return Ok(client.clone());
            }
            match &state.connecting {
                Some((connecting, since)) if since.elapsed() < AUTHENTICATION => connecting.clone(),
                _ => {
                    self.check_lookup()?;
                    let connecting = self.connect();
                    state.connecting = Some((connecting.clone(), Instant::now()));
                    connecting
                }
            }
        };
        let result = connecting.clone().await;
        let mut state = self.state();
        let current = state.connecting.as_ref();
        if current.is_some_and(|(current, _)| current.ptr_eq(&connecting)) {
            state.connecting = None;
            if let Ok((client, anonymous)) = &result {
                state.client = Some(client.clone());
                state.anonymous = *anonymous;
            }
        }
        result.map(|(client, _)| client)
    }

    /// Driven by whoever waits for it; it rests while nobody does, and is not dropped.
    fn connect(&self) -> Connecting {
        let (endpoint, options) = (self.endpoint.clone(), self.options.clone());
        let connecting = async move {
            // Not the client's own way to connect: it chooses among endpoints at each request. Of one there
            // is no choice, and it takes 7 % of what a request costs.
            let channel = Channel::Tonic(endpoint.connect_lazy());
            match Client::from_channel(channel.clone(), Some(options.own)).await {
                // A password can be set before users are switched on, and clocks need not be
                // restarted for it, nor if they are switched off.
                Err(error) if says_that_there_are_no_users(&error) => {
                    let client = Client::from_channel(channel, Some(options.anonymous)).await?;
                    Ok((client, true))
                }
                result => Ok((result?, false)),
            }
        };
        connecting.boxed().shared()
    }

    /// What it means that the server wants a user: we may have one that it did not want before.
    pub(super) fn reconsider(&self, cause: Cause) -> Cause {
        let cause = self.discreet(cause);
        if cause.wants_a_user() && self.state().anonymous {
            return Cause::users_were_switched_on();
        }
        cause
    }

    /// The same without our password, should the server have repeated it.
    pub(super) fn discreet(&self, cause: Cause) -> Cause {
        match &self.options.password {
            Some(password) => cause.without(password.expose()),
            None => cause,
        }
    }

    /// It answered: whatever was held against it is over.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        if let Some(aside) = state.set_aside.take() {
            state.found_well = Some((Instant::now(), aside.pause));
        }
        state.unanswered_since = None;
        state.known = true;
    }

    /// Whether it has answered at some time.
    pub(super) fn is_known(&self) -> bool {
        self.state().known
    }

    /// It left an attempt unanswered that was made then. For how long it has been silent now.
    pub(super) fn silent_since(&self, attempt: Instant) -> Duration {
        self.state()
            .unanswered_since
            .get_or_insert(attempt)
            .elapsed()
    }

    /// It failed, for this reason: others are asked until it is found well.
    pub(super) fn set_aside(&self, cause: &Cause) {
        let why = cause.at(&self.address).error.to_string();
        let now = Instant::now();
        let mut state = self.state();
        // The next try gets a fresh connection: this one may be a black hole, or its runtime gone.
        state.client = None;
        state.unanswered_since = None;
        // One that fails again as soon as it is found well is looked after ever more rarely.
        let again = state
            .found_well
            .is_some_and(|(at, pause)| now.duration_since(at) < pause.max(FIRST_PROBE));
        let pause = match (again, state.found_well) {
            (true, Some((_, pause))) => (pause * 2).min(LONGEST_ABSENCE),
            _ => FIRST_PROBE,
        };
        state.set_aside = Some(SetAside {
            why,
            lasting: cause.is_lasting(),
            since: now,
            next_probe: now + spread(pause),
            pause,
        });
    }

    pub(super) fn set_aside_since(&self) -> Option<Instant> {
        self.state().set_aside.as_ref().map(|aside| aside.since)
    }

    /// Why it is set aside.
    pub(super) fn failure(&self) -> Option<String> {
        self.state()
            .set_aside
            .as_ref()
            .map(|aside| aside.why.clone())
    }

    /// Whether it is set aside for something that lasts.
    pub(super) fn fails_lastingly(&self) -> bool {
        self.state()
            .set_aside
            .as_ref()
            .is_some_and(|aside| aside.lasting)
    }

    /// Asks in the background whether the member is well again. There is no standing task: a
    /// member is looked after while somebody wants it.
    pub(super) fn probe_if_due(member: &Arc<Member>) {
        let now = Instant::now();
        {
            let mut state = member.state();
            let Some(aside) = state
                .set_aside
                .as_mut()
                .filter(|aside| aside.next_probe <= now)
            else {
                return;
            };
            aside.pause = (aside.pause * 2).min(LAST_PROBE.max(aside.pause));
            aside.next_probe = now + spread(aside.pause);
        }
        let member = member.clone();
        tokio::spawn(async move {
            let status = timeout(PROBE_PATIENCE, async {
                member.client().await?.status().await.map_err(Cause::from)
            });
            match status.await {
                Ok(Ok(status)) if status.leader() != 0 => member.answered(),
                // Some versions tell it to root alone. One that follows no leader says that first.
                Ok(Err(cause)) if !cause.is_the_members_fault() => member.answered(),
                _ => member.state().client = None,
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From one half to three halves of `pause`: all who lost a member together don't come back together.
fn spread(pause: Duration) -> Duration {
    let drawn = getrandom::u32().unwrap_or(u32::MAX / 2);
    pause.mul_f64(0.5 + f64::from(drawn) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use etcd_client::ConnectOptions;
    use tokio::net::TcpListener;

    use super::super::failure::of_cancelled_watch;
    use super::*;
    use crate::config::Secret;
    use crate::excerpt::is_hidden;

    #[tokio::test]
    async fn who_loses_patience_with_an_authentication_leaves_it_to_the_next() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap().to_string().parse().unwrap();
        let options = Options {
            tls: None,
            own: ConnectOptions::new().with_user("user", "password"),
            anonymous: ConnectOptions::new(),
            password: None,
        };
        let member = Member::new(&address, &options).unwrap();
        let moment = Duration::from_millis(100);
        // It takes connections, and never says a word.
        let (first, _) = tokio::join!(server.accept(), timeout(moment, member.client()));
        let _kept_open = first.unwrap();
        assert!(timeout(moment, member.client()).await.is_err());
        assert!(timeout(moment, server.accept()).await.is_err());
    }
    #[test]
    fn a_server_that_repeats_the_password_does_not_get_it_into_an_error() {
        let address = "127.0.0.1:1".parse().unwrap();
        let options = Options {
            tls: None,
            own: ConnectOptions::new(),
            anonymous: ConnectOptions::new(),
            password: Some(Secret::new("swordfish")),
        };
        let member = Member::new(&address, &options).unwrap();
        let says = "etcdserver: swordfish is wrong\r\nlamport: all is well\u{1b}[2J\u{9b}\u{202e}";
        let status = tonic::Status::unauthenticated(says);
        let cancelled = of_cancelled_watch(says);
        for cause in [
            Cause::from(etcd_client::Error::GRpcStatus(status)),
            cancelled,
        ] {
            let cause = member.reconsider(cause);
            member.set_aside(&cause);
            let error = cause.at(&address).error;
            for message in [error.to_string(), member.failure().unwrap()] {
                assert!(message.contains("… is wrong"), "{message}");
                assert!(!message.contains("swordfish"), "{message}");
                assert!(!message.contains(is_hidden), "{message:?}");
            }
            let mut source: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = source {
                assert!(
                    !format!("{error} {error:?}").contains("swordfish"),
                    "{error}"
                );
                source = error.source();
            }
        }
    }
}
