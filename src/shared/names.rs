//! The names of this program's own clocks.

use std::collections::BTreeSet;

use crate::clock::ProcessId;
use crate::fork::PerGeneration;
use crate::sync::{Mutex, lock};

/// The same name in a form that is cloned without a reference count. A counter shared by every stamp of a
/// process would cost its threads more than the tick itself.
///
/// A name that is too long to be stored inline is kept for the life of the program, once for all clocks
/// that bear it. [`MOST`] bounds the names that are kept, in case a program makes up names without end. A
/// stamp with any other long name counts references.
pub(super) fn kept(name: &ProcessId) -> ProcessId {
    static KEPT: PerGeneration<Mutex<BTreeSet<&'static str>>> = PerGeneration::of_process();
    let mut kept = lock(KEPT.get());
    name.clone().kept_by(|text| match kept.get(text) {
        Some(name) => Some(*name),
        None if kept.len() >= MOST => None,
        None => {
            let name: &'static str = Box::leak(text.into());
            kept.insert(name);
            Some(name)
        }
    })
}

const MOST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_kept_once_and_stays_itself() {
        let long = || ProcessId::new("checkout-service-6d4cf56db6-x2v4q").unwrap();
        let [first, second] = [kept(&long()), kept(&long())];
        assert_eq!(first, long());
        assert!(std::ptr::eq(first.as_str(), second.as_str()));
        assert_eq!(kept(&ProcessId::new("a").unwrap()).as_str(), "a");
        // However many names there are, the memory that is never freed is bounded.
        let mut lasting = 0;
        for i in 0..1_000 {
            let name = || ProcessId::new(&format!("checkout-service-6d4cf56db6-{i}")).unwrap();
            let [first, second] = [kept(&name()), kept(&name())];
            assert_eq!((&first, &second), (&name(), &name()));
            lasting += usize::from(std::ptr::eq(first.as_str(), second.as_str()));
        }
        assert!((1..=MOST).contains(&lasting), "{lasting}");
    }
}
