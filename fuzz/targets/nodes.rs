//! The node map: the text of a map parses to the same map, the own node comes first, and no node is lost.
#![no_main]

use std::collections::HashSet;

use lamport_clock::{Address, ErrorKind, Nodes};
use lamport_clock_fuzz::{SECRET, assert_refusal};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // The fuzzer can learn the secret from the comparisons; an input that contains it proves nothing.
    if text.contains(SECRET) {
        return;
    }
    check(text);
    // A password in the place of the first line end.
    check(&text.replacen('\n', &format!(":{SECRET}@"), 1));
    match text.parse::<Address>() {
        Ok(address) => {
            assert_eq!(address.to_string().parse::<Address>().unwrap(), address);
            assert!(address.port() > 0 && !address.host().is_empty());
        }
        Err(error) => assert_refusal(&error, ErrorKind::InvalidArgument),
    }
});

fn check(text: &str) {
    let nodes = match text.parse::<Nodes>() {
        Ok(nodes) => nodes,
        Err(error) => return assert_refusal(&error, ErrorKind::InvalidArgument),
    };
    assert_eq!(nodes.to_string().parse::<Nodes>().unwrap(), nodes);
    let names: HashSet<_> = nodes.iter().map(|node| &node.name).collect();
    assert_eq!(names.len(), nodes.iter().count());
    assert_eq!(names.len(), text.split(',').count());
    for node in nodes.iter() {
        let addresses = nodes.own_first(node.name.as_str()).unwrap();
        assert_eq!(addresses.first(), Some(&node.address));
        assert_eq!(addresses.len(), names.len());
    }
    let unknown = nodes.find("a name with spaces").unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::UnknownNode);
}
