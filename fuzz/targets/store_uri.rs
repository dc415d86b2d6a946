//! The store's URI: its text parses to the same URI, and a refusal shows no password.
#![no_main]

use std::collections::HashSet;

use lamport_clock::{ErrorKind, StoreUri};
use lamport_clock_fuzz::{SECRET, assert_refusal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // The fuzzer can learn the secret from the comparisons; an input that contains it proves nothing.
    if text.contains(SECRET) {
        return;
    }
    check(text);
    // A password in the place of the first line end.
    check(&text.replacen('\n', &format!("{SECRET}@"), 1));
});

fn check(text: &str) {
    let store = match text.parse::<StoreUri>() {
        Ok(store) => store,
        Err(error) => return assert_refusal(&error, ErrorKind::InvalidArgument),
    };
    assert_eq!(store.to_string().parse::<StoreUri>().unwrap(), store);
    match store {
        StoreUri::Memory { name } => assert_eq!(
            text,
            format!("memory:{}", name.unwrap_or_default()),
            "a name that is not the text"
        ),
        StoreUri::Etcd { endpoints, key } => {
            let distinct: HashSet<_> = endpoints.iter().collect();
            assert!(!endpoints.is_empty() && distinct.len() == endpoints.len());
            if let Some(key) = key {
                assert!(text.ends_with(&key) && key.starts_with('/') && key.len() <= 512);
            }
        }
        other => panic!("{other:?} is a store that this target does not know"),
    }
}
