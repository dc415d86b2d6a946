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
    /// Made at first use, and again after a failure of the connection.
    client: Option<Client>,
    /// Whether the client has no user although we have one: the server had no users when it connected.
    anonymous: bool,
    /// The making of the next client, and when it began.
    connecting: Option<(Connecting, Instant)>,
    set_aside: Option<SetAside>,
    /// When the first attempt after the last answer began, if it went unanswered.
    unanswered_since: Option<Instant>,
    /// When the member was last found well after it was set aside, and the pause between probes then.
    found_well: Option<(Instant, Duration)>,
    /// Whether the member has ever answered.
    known: bool,
}

/// The client, and whether it is anonymous.
type Connecting = Shared<BoxFuture<'static, Result<(Client, bool), Cause>>>;

struct SetAside {
    why: String,
    /// Whether the member will fail the same way until somebody changes something.
    lasting: bool,
    since: Instant,
    next_probe: Instant,
    pause: Duration,
}

/// The pause before the first probe of a member that was set aside; it grows with each further probe.
const FIRST_PROBE: Duration = Duration::from_millis(500);
const LAST_PROBE: Duration = Duration::from_secs(5);
/// The longest pause between probes of a member that fails again each time a probe has found it well.
const LONGEST_ABSENCE: Duration = Duration::from_secs(60);
/// A probe that takes longer has failed.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);
/// The largest answer accepted, in bytes. The keys of a clock are a few hundred bytes each, and none is
/// larger than a request that etcd accepts: one and a half megabytes.
const LARGEST_ANSWER: usize = 4 << 20;
/// An authentication that takes longer counts as lost; the next caller begins a new one.
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

    /// The same member with a fresh state, not connected yet.
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

    /// Checks that this machine can start a thread to look up the member's name: without one the transport
    /// panics. An IP address needs no lookup.
    pub(super) fn check_lookup(&self) -> Result<(), Cause> {
        let host = self.address.host();
        if host.starts_with('[') || host.parse::<Ipv4Addr>().is_ok() {
            return Ok(());
        }
        let thread = thread::Builder::new().spawn(|| {});
        thread.map(drop).map_err(|error| Cause::no_thread(&error))
    }

    /// The client for transactions and reads. It is cheaper to copy than the whole client.
    pub(super) async fn kv(&self) -> Result<KvClient, Cause> {
        let client = self.state().client.as_ref().map(Client::kv_client);
        let client = match client {
            Some(client) => client,
            None => self.client().await?.kv_client(),
        };
        Ok(client.max_decoding_message_size(LARGEST_ANSWER))
    }

    /// The client of this member. It connects with its first request, except that a user is
    /// authenticated here.
    ///
    /// An authentication is kept when its caller gives up, and the next caller waits for the same one. It
    /// costs the server almost a tenth of a second of a processor, answered or not. A crowd of callers that
    /// gave up and began anew would keep the server busy for ever, and never be served.
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

    /// The callers that wait for this future drive it. While none waits it pauses, and is not dropped.
    fn connect(&self) -> Connecting {
        let (endpoint, options) = (self.endpoint.clone(), self.options.clone());
        let connecting = async move {
            // Not `Client::connect`: its channel chooses among endpoints at each request. Here there is only
            // one endpoint, and the choice takes 7 % of what a request costs.
            let channel = Channel::Tonic(endpoint.connect_lazy());
            match Client::from_channel(channel.clone(), Some(options.own)).await {
                // A password may be configured before etcd's users are switched on. Clocks need no
                // restart when users are switched on or off.
                Err(error) if says_that_there_are_no_users(&error) => {
                    let client = Client::from_channel(channel, Some(options.anonymous)).await?;
                    Ok((client, true))
                }
                result => Ok((result?, false)),
            }
        };
        connecting.boxed().shared()
    }

    /// If the server wants a user and this client has none, a new connection may send ours. Else the cause
    /// stays the same, without our password.
    pub(super) fn reconsider(&self, cause: Cause) -> Cause {
        let cause = self.discreet(cause);
        if cause.wants_a_user() && self.state().anonymous {
            return Cause::users_were_switched_on();
        }
        cause
    }

    /// Removes our password from the cause: the server may have repeated it.
    pub(super) fn discreet(&self, cause: Cause) -> Cause {
        match &self.options.password {
            Some(password) => cause.without(password.expose()),
            None => cause,
        }
    }

    /// Records an answer: the member is no longer set aside or silent.
    pub(super) fn answered(&self) {
        let mut state = self.state();
        if let Some(aside) = state.set_aside.take() {
            state.found_well = Some((Instant::now(), aside.pause));
        }
        state.unanswered_since = None;
        state.known = true;
    }

    /// Whether the member has ever answered.
    pub(super) fn is_known(&self) -> bool {
        self.state().known
    }

    /// Records an unanswered attempt that began at `attempt`. Returns how long the member has been silent.
    pub(super) fn silent_since(&self, attempt: Instant) -> Duration {
        self.state()
            .unanswered_since
            .get_or_insert(attempt)
            .elapsed()
    }

    /// Sets the member aside because of `cause`: others are asked until this one is found well.
    pub(super) fn set_aside(&self, cause: &Cause) {
        let why = cause.at(&self.address).error.to_string();
        let now = Instant::now();
        let mut state = self.state();
        // The next try gets a fresh connection: this one may be dead, or its runtime gone.
        state.client = None;
        state.unanswered_since = None;
        // A member that fails again as soon as it is found well is probed ever more rarely.
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

    /// Why the member is set aside; `None` if it is not.
    pub(super) fn failure(&self) -> Option<String> {
        self.state()
            .set_aside
            .as_ref()
            .map(|aside| aside.why.clone())
    }

    /// Whether the member is set aside because of a lasting failure.
    pub(super) fn fails_lastingly(&self) -> bool {
        self.state()
            .set_aside
            .as_ref()
            .is_some_and(|aside| aside.lasting)
    }

    /// Asks in the background whether the member is well again, if a probe is due. No task runs all the
    /// time: a member is probed only while calls look for one.
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
                // Some versions show the status to root alone. A denial still means that the member is well:
                // one that follows no leader reports that first.
                Ok(Err(cause)) if !cause.is_the_members_fault() => member.answered(),
                _ => member.state().client = None,
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Draws from one half to three halves of `pause`: clocks that lost a member together must not all come
/// back together.
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
        // The server takes connections, and never answers.
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
