//! Helpers of the targets. Each target feeds one parser, or one state machine, with bytes, and asserts all of
//! its promises, not only that it does not crash.

use lamport_clock::{Error, ErrorKind};

/// Takes the place of a password: no message may show it.
pub const SECRET: &str = "swordfish9041";

/// A refusal names the kind that is promised, fits on a screen, and shows no secret.
pub fn assert_refusal(error: &Error, kind: ErrorKind) {
    assert_eq!(error.kind(), kind, "{error}");
    assert_message(&error.to_string(), 1_500);
}

/// A message of one line, not longer than `longest` bytes, without the secret.
pub fn assert_message(message: &str, longest: usize) {
    assert!(!message.is_empty(), "an empty message");
    assert!(
        message.len() <= longest,
        "{} bytes: {message}",
        message.len()
    );
    assert!(!message.contains(char::is_control), "{message:?}");
    assert!(!message.contains(SECRET), "{message}");
}
