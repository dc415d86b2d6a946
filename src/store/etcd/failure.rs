//! What an error of the etcd client means: for the person, for the transaction, for the member.

use std::error::Error as StdError;
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
    kind: ErrorKind,
    outcome: Outcome,
    retry: bool,
    members_fault: bool,
    lasting: bool,
    broken: bool,
    wants_a_user: bool,
    kept_from: Option<u64>,
    message: String,
}

impl Cause {
    /// It gave no answer in this time.
    pub(super) fn silent(after: Duration) -> Cause {
        Cause {
            kind: ErrorKind::Timeout,
            ..Cause::unknown(format!("no answer within {after:?}"))
        }
    }

    /// A watch ended without a word, or with one that explains nothing.
    pub(super) fn broken_watch(why: &str) -> Cause {
        Cause::unknown(format!("the watch broke: {why}"))
    }

    /// A watch from a revision that is gone.
    pub(super) fn compacted(kept_from: u64) -> Cause {
        Cause {
            kept_from: Some(kept_from),
            ..Cause::refusal(
                ErrorKind::Compacted,
                format!("the store was compacted before revision {kept_from}"),
            )
        }
    }

    /// The server said no.
    pub(super) fn refusal(kind: ErrorKind, message: String) -> Cause {
        Cause {
            kind,
            outcome: Outcome::NotApplied,
            retry: false,
            members_fault: false,
            lasting: false,
            broken: false,
            wants_a_user: false,
            kept_from: None,
            message,
        }
    }

    /// Server and client do not trust each other; nothing but the handshake was exchanged.
    pub(super) fn untrusted(kind: ErrorKind, message: String) -> Cause {
        Cause {
            kind,
            lasting: true,
            ..Cause::not_connected(message)
        }
    }

    /// The server wants TLS, and was spoken to without.
    pub(super) fn wants_tls() -> Cause {
        Cause {
            lasting: true,
            ..Cause::unknown(
                "the server wants TLS: set LAMPORT_TLS_CA to the certificate of the CA that signed \
                 its certificate"
                    .to_owned(),
            )
        }
    }

    /// It was asked without a user, and wants one now; a new connection brings ours.
    pub(super) fn users_were_switched_on() -> Cause {
        Cause::not_connected("etcd's users were switched on".to_owned())
    }

    /// Whether another member may do better.
    pub(super) fn is_the_members_fault(&self) -> bool {
        self.members_fault
    }

    /// Whether the same member will fail the same way until somebody changes something.
    pub(super) fn is_lasting(&self) -> bool {
        self.lasting
    }

    /// Whether the connection broke for a reason that is not known.
    pub(super) fn is_a_broken_connection(&self) -> bool {
        self.broken
    }

    /// Whether the server was told no user, and wants to know one.
    pub(super) fn wants_a_user(&self) -> bool {
        self.wants_a_user
    }

    /// The failure for the caller, with the place where it happened.
    pub(super) fn at(&self, address: &Address) -> Failure {
        Failure {
            error: Error::new(self.kind, format!("etcd at {address}: {}", self.message)),
            outcome: self.outcome,
            retry: self.retry,
            kept_from: self.kept_from,
        }
    }

    fn unknown(message: String) -> Cause {
        Cause {
            kind: ErrorKind::Unavailable,
            outcome: Outcome::Unknown,
            retry: true,
            members_fault: true,
            lasting: false,
            broken: false,
            wants_a_user: false,
            kept_from: None,
            message,
        }
    }

    /// The request never left this machine.
    pub(super) fn not_connected(message: String) -> Cause {
        Cause {
            outcome: Outcome::NotApplied,
            ..Cause::unknown(message)
        }
    }
}

impl From<ClientError> for Cause {
    fn from(error: ClientError) -> Cause {
        match &error {
            ClientError::GRpcStatus(status) => from_status(status),
            ClientError::TransportError(inner) => from_chain(inner),
            ClientError::InvalidArgs(_) | ClientError::InvalidUri(_) => {
                Cause::refusal(ErrorKind::InvalidArgument, error.to_string())
            }
            _ => Cause::unknown(error.to_string()),
        }
    }
}

/// What is certain is said to be; everything else may or may not have been carried out. Errors of
/// the transport bear the same text in both cases, so the text decides nothing but the advice.
fn from_status(status: &tonic::Status) -> Cause {
    let says = status.message().to_owned();
    // Only the server itself speaks like this; other texts come from the transport on our side.
    if !says.contains("etcdserver:") && !says.contains("auth:") {
        return from_chain(status);
    }
    match status.code() {
        // A member may say so after it has applied the transaction (its own view of the quota).
        Code::ResourceExhausted if says.contains("space exceeded") => Cause {
            outcome: Outcome::Unknown,
            ..Cause::refusal(
                ErrorKind::NoSpace,
                format!(
                    "{says}. Three steps set it right: compact the history (etcdctl compact \
                     REVISION), give the space back (etcdctl defrag on each member), and lift the \
                     alarm (etcdctl alarm disarm)"
                ),
            )
        },
        // A learner serves no transactions, but another member does.
        Code::FailedPrecondition if says.contains("learner") => Cause {
            outcome: Outcome::NotApplied,
            ..Cause::unknown(says)
        },
        Code::ResourceExhausted => Cause {
            retry: true,
            ..Cause::refusal(ErrorKind::Unavailable, says)
        },
        Code::OutOfRange if says.contains("compacted") => {
            Cause::refusal(ErrorKind::Compacted, says)
        }
        // The client authenticates anew for an invalid token, but not for this.
        Code::InvalidArgument if says.contains("revision of auth store is old") => Cause {
            outcome: Outcome::NotApplied,
            ..Cause::unknown(says)
        },
        // The client looked for a new token since nobody knew its old one; a new connection needs none.
        _ if says.contains(NO_USERS) => Cause::not_connected(says),
        Code::InvalidArgument if says.contains("user name is empty") => Cause {
            wants_a_user: true,
            ..Cause::refusal(
                ErrorKind::Denied,
                format!(
                    "{says}: etcd wants to know who we are; set LAMPORT_USER and \
                     LAMPORT_PASSWORD_FILE"
                ),
            )
        },
        Code::InvalidArgument if says.contains("authentication failed") => {
            Cause::refusal(ErrorKind::Denied, denied(&says))
        }
        Code::PermissionDenied | Code::Unauthenticated | Code::FailedPrecondition => {
            Cause::refusal(ErrorKind::Denied, denied(&says))
        }
        Code::InvalidArgument | Code::OutOfRange => {
            Cause::refusal(ErrorKind::InvalidArgument, says)
        }
        _ => Cause::unknown(says),
    }
}

/// Whether a user was refused because the server has none at all.
pub(super) fn says_that_there_are_no_users(error: &ClientError) -> bool {
    let ClientError::GRpcStatus(status) = error else {
        return false;
    };
    status.message().contains(NO_USERS)
}

const NO_USERS: &str = "authentication is not enabled";

fn denied(says: &str) -> String {
    format!(
        "{says} (LAMPORT_USER and LAMPORT_PASSWORD_FILE say who we are, and SECURITY.md which \
         role that user needs)"
    )
}

/// An error on our side of the wire. The innermost cause is the one that says something.
fn from_chain(error: &(dyn StdError + 'static)) -> Cause {
    let mut connecting = false;
    let mut innermost = error;
    let mut next = Some(error);
    while let Some(error) = next {
        connecting |= error.is::<ConnectError>();
        innermost = error;
        next = error.source();
    }
    if let Some(cause) = tls::explain(error, connecting) {
        return cause;
    }
    let message = innermost.to_string();
    if connecting {
        return Cause::not_connected(format!("can't connect: {message}"));
    }
    Cause {
        broken: true,
        ..Cause::unknown(format!("the connection failed: {message}"))
    }
}

/// What a watch's reason for ending means.
pub(super) fn of_cancelled_watch(reason: &str) -> Cause {
    if reason.contains("permission denied") || reason.contains("auth token") {
        return Cause::refusal(ErrorKind::Denied, denied(reason));
    }
    Cause::broken_watch(reason)
}
