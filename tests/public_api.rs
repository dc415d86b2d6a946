//! What users of the crate can name, with all features: a line for each name, in docs/api/rust.txt.
//!
//! It is read from the sources, since the compiler's own list (rustdoc's JSON) is for nightly compilers
//! and changes with each. What a macro writes would be missed; the library has none that do.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[path = "public_api/lines.rs"]
mod lines;
#[path = "public_api/names.rs"]
mod names;

use names::Crate;

const LIST: &str = "docs/api/rust.txt";

#[test]
fn the_public_api_is_the_one_that_is_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let api = Crate::read(&root.join("src/lib.rs")).public_api();
    #[expect(
        clippy::disallowed_methods,
        reason = "an order to this test, no setting"
    )]
    let update = std::env::var_os("LAMPORT_UPDATE_API").is_some();
    if update {
        let lines: String = api.iter().map(|line| format!("{line}\n")).collect();
        fs::write(root.join(LIST), lines).unwrap();
    }
    let listed = fs::read_to_string(root.join(LIST)).unwrap();
    let listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
    let gone = listed.difference(&api).map(|line| format!("- {line}\n"));
    let new = api.difference(&listed).map(|line| format!("+ {line}\n"));
    let difference: String = gone.chain(new).collect();
    assert!(
        difference.is_empty(),
        "the public API is not what {LIST} says:\n{difference}\
         If users should see that, say it in CHANGELOG.md and take it into the list:\n\
         LAMPORT_UPDATE_API=1 cargo test --package lamport-clock --test public_api"
    );
}

#[test]
fn the_first_page_names_every_type() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = fs::read_to_string(root.join("src/lib.rs")).unwrap();
    let page = source.lines().filter(|line| line.starts_with("//!"));
    let page: String = page.collect();
    let mut seen = 0;
    for line in fs::read_to_string(root.join(LIST)).unwrap().lines() {
        let (path, item) = line.split_once(": ").unwrap();
        let name = path.strip_prefix("lamport_clock::").unwrap();
        let is_type = ["pub struct ", "pub enum ", "pub trait ", "pub type "]
            .iter()
            .any(|kind| {
                item.trim_start_matches("#[non_exhaustive] ")
                    .starts_with(kind)
            });
        // The module is one entry: few need its types, and they need all of them.
        if is_type && !name.starts_with("protocol::") {
            seen += 1;
            assert!(
                page.contains(&format!("[`{name}`]")),
                "src/lib.rs does not list {name}"
            );
        }
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn the_list_knows_what_users_do() {
    let source = r"
        mod inner;
        mod values { #[derive(Clone)] pub struct Time(u64); }
        pub mod other { pub use crate::inner::Clock as Renamed; pub(crate) struct Private; }
        pub use inner::{Clock, Kind};
        pub use values::Time;
        #[doc(hidden)]
        pub fn hidden() {}
        struct Alone;
        impl Alone { pub fn nobody(&self) {} }
    ";
    let inner = r#"
        use super::values::Time as Moment;
        /// A clock.
        pub struct Clock { /// Its time.
            pub time: Moment, secret: u8 }
        impl Clock {
            pub const NAME: &'static str = "clock";
            pub async fn update<T: Into<Moment>>(&self, count: u64) -> Option<T> { None }
            #[doc(hidden)]
            pub fn for_tests(&self) {}
            fn own(&self) {}
        }
        impl From<u64> for Moment { fn from(time: u64) -> Moment { todo!() } }
        #[non_exhaustive]
        pub enum Kind { One, Two(u64), Three { at: u64 } }
        pub trait Unseen {}
    "#;
    let mut krate = Crate::default();
    krate.add(&[], syn::parse_file(source).unwrap().items);
    let inner = syn::parse_file(inner).unwrap().items;
    krate.add(&["inner".to_owned()], inner);
    let expected = [
        "Clock: pub async fn update<T: Into<Moment>>(&self, count: u64) -> Option<T>",
        "Clock: pub const NAME: &'static str",
        "Clock: pub struct Clock, private fields",
        "Clock: pub time: Moment",
        "Kind: #[non_exhaustive] pub enum Kind",
        "Kind: One",
        "Kind: Three { at: u64 }",
        "Kind: Two(u64)",
        "Time: impl Clone",
        "Time: impl From<u64> for Moment",
        "Time: pub struct Time, private fields",
        "other: pub mod other",
        "other::Renamed: the same as lamport_clock::Clock",
    ];
    let expected: BTreeSet<_> = expected
        .iter()
        .map(|line| format!("lamport_clock::{line}"))
        .collect();
    assert_eq!(krate.public_api(), expected);
}
