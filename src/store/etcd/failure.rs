//! What an error of the etcd client means: the message, the transaction's outcome, the member's health.

use std::error::Error as StdError;
use std::io;
use std::iter::successors;
use std::time::Duration;

use etcd_client::Error as ClientError;
use tonic::{Code, ConnectError};

use super::tls;
use crate::config::Address;
use crate::error::{Error, ErrorKind};
use crate::store::{Failure, Outcome};

/// Why an attempt at a member failed.
#[derive(Clone, Debug)]
pub(super) struct Cause {
    what: What,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// No answer in time.
    Silent,
    /// The connection broke, for a reason that is not known.
    Broken,
    /// The answer does not tell whether the request was carried out.
    Obscure,
    /// The answer is larger than we accept.
    TooLarge,
    /// The server wants TLS, but we connected without it.
    WantsTls,
    /// This machine could not start a thread, and the request never left it.
    NoThread,
    /// The request never left this machine, or this member does not serve such requests.
    NotServed,
    /// Server and client do not trust each other; nothing but the handshake was exchanged.
    Untrusted(ErrorKind),
    /// The member is overloaded.
    Busy,
    /// The space quota is used up. A member may say so after it has applied the transaction.
    Full,
    /// The server requires a user, and we sent none.
    WantsAUser,
    /// The history was compacted. Only a watch learns up to which revision.
    Compacted(Option<u64>),
    /// The server refused the request.
    Refused(ErrorKind),
}

impl Cause {
    fn of(what: What, message: impl Into<String>) -> Cause {
        Cause {
            what,
            message: message.into(),
        }
    }

    /// Removes `secret` from the message: the server knows it and may have repeated it.
    pub(super) fn without(mut self, secret: &str) -> Cause {
        if !secret.is_empty() {
            self.message = self.message.replace(secret, "…");
        }
        self
    }

    pub(super) fn silent(after: Duration) -> Cause {
        Cause::of(What::Silent, format!("no answer within {after:?}"))
    }

    /// Appends to the message what else was found out about the server.
    pub(super) fn and(mut self, found: &str) -> Cause {
        self.message = format!("{}; {found}", self.message);
        self
    }

    /// This machine could not start a thread to look up a name.
    pub(super) fn no_thread(error: &io::Error) -> Cause {
        let message = format!("no thread can be started to look its name up: {error}");
        Cause::of(What::NoThread, message)
    }

    /// An answer that can't be true; `why` names the contradiction.
    pub(super) fn senseless(why: &str) -> Cause {
        let message = format!("its answer makes no sense: {why}. Is it etcd that answers there?");
        Cause::of(What::Obscure, message)
    }

    pub(super) fn too_large(why: &str) -> Cause {
        let message = format!(
            "the answer is too large: {why}. A clock's keys are a few hundred bytes: see what lies under \
             its key (LAMPORT_KEY) and below"
        );
        Cause::of(What::TooLarge, message)
    }

    /// A watch ended without a reason, or with one that explains nothing.
    pub(super) fn broken_watch(why: &str) -> Cause {
        Cause::of(What::Obscure, format!("the watch broke: {why}"))
    }

    /// A watch was to begin at a revision that is no longer kept.
    pub(super) fn compacted(kept_from: u64) -> Cause {
        let message = format!("the store was compacted before revision {kept_from}");
        Cause::of(What::Compacted(Some(kept_from)), message)
    }

    pub(super) fn untrusted(kind: ErrorKind, message: String) -> Cause {
        Cause::of(What::Untrusted(kind), message)
    }

    pub(super) fn wants_tls() -> Cause {
        let message = "the server wants TLS: set LAMPORT_TLS_CA to the certificate of the CA that \
                       signed its certificate";
        Cause::of(What::WantsTls, message)
    }

    /// The server had no users when we connected, and now requires one. A new connection sends ours.
    pub(super) fn users_were_switched_on() -> Cause {
        Cause::of(What::NotServed, "etcd's users were switched on")
    }

    /// The request never left this machine.
    pub(super) fn not_connected(why: &str) -> Cause {
        Cause::of(What::NotServed, format!("can't connect: {why}"))
    }

    /// The error's kind; the transaction's outcome, `NotApplied` only if that is certain; and whether it is
    /// the member's fault, so that another member may do better.
    fn means(&self) -> (ErrorKind, Outcome, bool) {
        match self.what {
            What::Silent => (ErrorKind::Timeout, Outcome::Unknown, true),
            What::Broken | What::Obscure | What::TooLarge | What::WantsTls => {
                (ErrorKind::Unavailable, Outcome::Unknown, true)
            }
            What::NotServed => (ErrorKind::Unavailable, Outcome::NotApplied, true),
            What::NoThread => (ErrorKind::Internal, Outcome::NotApplied, true),
            What::Untrusted(kind) => (kind, Outcome::NotApplied, true),
            What::Busy => (ErrorKind::Unavailable, Outcome::NotApplied, false),
            What::Full => (ErrorKind::NoSpace, Outcome::Unknown, false),
            What::WantsAUser => (ErrorKind::Denied, Outcome::NotApplied, false),
            What::Compacted(_) => (ErrorKind::Compacted, Outcome::NotApplied, false),
            What::Refused(kind) => (kind, Outcome::NotApplied, false),
        }
    }

    /// Whether another member may do better.
    pub(super) fn is_the_members_fault(&self) -> bool {
        self.means().2
    }

    /// Whether the same member will fail the same way until somebody changes something.
    pub(super) fn is_lasting(&self) -> bool {
        matches!(
            self.what,
            What::TooLarge | What::WantsTls | What::Untrusted(_)
        )
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.what == What::TooLarge
    }

    pub(super) fn is_a_denial(&self) -> bool {
        self.what == What::Refused(ErrorKind::Denied)
    }

    pub(super) fn is_a_broken_connection(&self) -> bool {
        self.what == What::Broken
    }

    pub(super) fn is_silence(&self) -> bool {
        self.what == What::Silent
    }

    pub(super) fn wants_a_user(&self) -> bool {
        self.what == What::WantsAUser
    }

    /// The failure for the caller, with the place where it happened.
    pub(super) fn at(&self, address: &Address) -> Failure {
        let (kind, outcome, members_fault) = self.means();
        Failure {
            error: Error::new(kind, format!("etcd at {address}: {}", self.message)),
            outcome,
            // A busy member may serve the next attempt itself.
            retry: members_fault || self.what == What::Busy,
            kept_from: match self.what {
                What::Compacted(kept_from) => kept_from,
                _ => None,
            },
        }
    }
}

impl From<ClientError> for Cause {
    fn from(error: ClientError) -> Cause {
        match &error {
            ClientError::GRpcStatus(status) => from_status(status),
            ClientError::TransportError(inner) => from_chain(inner),
            ClientError::InvalidArgs(_) | ClientError::InvalidUri(_) => {
                Cause::of(What::Refused(ErrorKind::InvalidArgument), error.to_string())
            }
            _ => Cause::of(What::Obscure, error.to_string()),
        }
    }
}

/// Errors of the transport have the same text whether or not the request was carried out. So their text
/// decides only the advice, save where something is too large.
fn from_status(status: &tonic::Status) -> Cause {
    let says = status.message();
    if status.code() == Code::OutOfRange && says.contains("message length too large") {
        return Cause::too_large(says);
    }
    if says.contains("larger than max") {
        return Cause::of(TOO_LARGE_FOR_IT, format!("{says}{LET_IT_TAKE_MORE}"));
    }
    // Only the etcd server uses these prefixes; other texts come from the transport on our side.
    if !says.contains("etcdserver:") && !says.contains("auth:") {
        return match status.code() {
            Code::Unimplemented if !says.contains(NO_STATUS) => Cause::of(
                What::Obscure,
                format!("something answers there that speaks gRPC, but it is no etcd: {says}"),
            ),
            _ if says.contains(NO_STATUS) || says.starts_with("protocol error:") => {
                speaks_no_grpc(says)
            }
            _ => from_chain(status),
        };
    }
    // The client asked for a new token, but etcd's users are switched off. A new connection needs none.
    if says.contains(NO_USERS) {
        return Cause::of(What::NotServed, says);
    }
    let means = |(code, part, ..): &&(Code, &str, What, &str)| {
        *code == status.code() && says.contains(part)
    };
    match REFUSALS.iter().find(means) {
        Some((_, _, what, advice)) => Cause::of(*what, format!("{says}{advice}")),
        None => Cause::of(What::Obscure, says),
    }
}

/// What etcd's refusals mean, by their code and a part of their text, and what to do about each. The first
/// row that fits counts.
#[rustfmt::skip]
const REFUSALS: &[(Code, &str, What, &str)] = &[
    (Code::InvalidArgument, "too many operations", What::Refused(ErrorKind::Unavailable),
        ": start etcd with a --max-txn-ops of at least 64 (its default is 128)"),
    (Code::InvalidArgument, "request is too large", TOO_LARGE_FOR_IT, LET_IT_TAKE_MORE),
    (Code::ResourceExhausted, "space exceeded", What::Full,
        ". Three steps set it right: compact the history (etcdctl compact REVISION), give the space back \
         (etcdctl defrag on each member), and lift the alarm (etcdctl alarm disarm)"),
    (Code::ResourceExhausted, "", What::Busy, ""),
    (Code::OutOfRange, "compacted", What::Compacted(None), ""),
    (Code::OutOfRange, "", What::Refused(ErrorKind::InvalidArgument), ""),
    // The client authenticates again after an invalid token, but not after this error.
    (Code::InvalidArgument, "revision of auth store is old", What::NotServed, ""),
    (Code::InvalidArgument, "user name is empty", What::WantsAUser,
        ": etcd wants to know who we are; set LAMPORT_USER and LAMPORT_PASSWORD_FILE"),
    (Code::InvalidArgument, "authentication failed", What::Refused(ErrorKind::Denied), BE_ALLOWED),
    (Code::InvalidArgument, "", What::Refused(ErrorKind::InvalidArgument), ""),
    // A learner serves no transactions, but another member does.
    (Code::FailedPrecondition, "learner", What::NotServed, ""),
    (Code::FailedPrecondition, "", What::Refused(ErrorKind::Denied), BE_ALLOWED),
    (Code::PermissionDenied, "", What::Refused(ErrorKind::Denied), BE_ALLOWED),
    (Code::Unauthenticated, "", What::Refused(ErrorKind::Denied), BE_ALLOWED),
];

const TOO_LARGE_FOR_IT: What = What::Refused(ErrorKind::Unavailable);

const LET_IT_TAKE_MORE: &str = ": start etcd with a larger --max-request-bytes (its default is 1572864), or \
                                make what lies under the clock's key smaller (LAMPORT_KEY)";

const BE_ALLOWED: &str = " (LAMPORT_USER and LAMPORT_PASSWORD_FILE say who we are, and SECURITY.md which role \
                          that user needs)";

/// The transport's message contains this if an answer has no gRPC status.
const NO_STATUS: &str = "grpc-status";

fn speaks_no_grpc(says: &str) -> Cause {
    let message = format!(
        "something answers there, but it does not speak gRPC as etcd does ({says}): is this the address \
         of etcd's clients, port 2379 unless it was told otherwise?"
    );
    Cause::of(What::Broken, message)
}

/// Whether an authentication failed because the server has no users at all.
pub(super) fn says_that_there_are_no_users(error: &ClientError) -> bool {
    matches!(error, ClientError::GRpcStatus(status) if status.message().contains(NO_USERS))
}

const NO_USERS: &str = "authentication is not enabled";

/// An error on our side of the connection. Of its chain, only the innermost error is specific.
fn from_chain(error: &(dyn StdError + 'static)) -> Cause {
    let mut chain = successors(Some(error), |&error| error.source());
    let connecting = chain.any(|error| error.is::<ConnectError>());
    let innermost = tls::innermost(error);
    if let Some(cause) = tls::explain(innermost, connecting) {
        return cause;
    }
    let message = innermost.to_string();
    if connecting {
        return Cause::not_connected(&message);
    }
    // The answer is not HTTP/2, or is malformed.
    if message.contains("connection error detected") || message.contains("frame with invalid size")
    {
        return speaks_no_grpc(&message);
    }
    Cause::of(What::Broken, format!("the connection failed: {message}"))
}

/// What the server's reason for cancelling a watch means.
pub(super) fn of_cancelled_watch(reason: &str) -> Cause {
    if reason.contains("permission denied") || reason.contains("auth token") {
        let message = format!("{reason}{BE_ALLOWED}");
        return Cause::of(What::Refused(ErrorKind::Denied), message);
    }
    Cause::broken_watch(reason)
}
