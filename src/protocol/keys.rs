//! The keys of one shared clock, and the JSON that lies under them.
//!
//! | key | holds |
//! |---|---|
//! | `K` | the [record](super::Record) |
//! | `K/base` | a [`Base`]: up to where the clock was counted, and by whom |
//! | `K/taken` | a [`Taken`]: who took last. Its *version* counts the takes |
//! | `K/taken/NN` | nothing; its version counts 2^NN times for each put |

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::transaction::KeyRange;
use crate::clock::{Instance, Time};
use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::excerpt;

/// The keys of one shared clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Keys {
    /// The record.
    pub record: Vec<u8>,
    /// Up to where the clock was counted.
    pub base: Vec<u8>,
    /// Its version counts what was taken since.
    pub taken: Vec<u8>,
}

impl Keys {
    /// How many weights there are: enough for any number below 2^53.
    pub const WEIGHTS: u32 = 53;

    /// The keys of the clock whose record lies under `record`.
    pub fn new(record: &str) -> Keys {
        Keys {
            record: record.into(),
            base: format!("{record}/base").into(),
            taken: format!("{record}/taken").into(),
        }
    }

    /// The key each put of which counts 2^`bit` times.
    pub fn weight(&self, bit: u32) -> Vec<u8> {
        [&*self.taken, format!("/{bit:02}").as_bytes()].concat()
    }

    /// What each put of `key` counts, as a power of two, if it is the key of a weight.
    pub fn bit_of(&self, key: &[u8]) -> Option<u32> {
        let digits = key.strip_prefix(&*self.taken)?.strip_prefix(b"/")?;
        let text = std::str::from_utf8(digits).ok()?;
        let bit = text.parse().ok().filter(|bit| *bit < Keys::WEIGHTS)?;
        (self.weight(bit) == key).then_some(bit)
    }

    /// Every key of the clock. Keys of others that fall into the range (`K/b`) are passed over by name.
    pub fn all(&self) -> KeyRange {
        KeyRange {
            start: self.record.clone(),
            rest: [&*self.record, b"/"].concat(),
            ..self.takes()
        }
    }

    /// `taken` and the weights.
    pub fn takes(&self) -> KeyRange {
        KeyRange::new(&*self.taken, [&*self.taken, b"0"].concat())
    }
}

/// Up to where the clock was counted: `value`, with `taken` takes accounted for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Base {
    format: u64,
    /// The clock's time when the key `taken` stood at the version that the next field names.
    pub value: Time,
    /// The version of the key `taken` that `value` accounts for.
    pub taken: u64,
    /// The revision that created the key `taken`; 0: the one that created this key.
    pub created: u64,
    /// The process that wrote it.
    pub process: String,
    /// Which instance of that process.
    pub instance: Instance,
    /// The first of the times that it hands out, `first` to `value`.
    pub first: Time,
    /// How many these are; 0: none, it is a fold.
    pub count: u64,
    /// When, by the writer's wall clock: Unix time in seconds. Never compared.
    pub real_timestamp: f64,
    /// The newest repair; whoever writes a base copies it from the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired: Option<Repaired>,
    /// Fields of a later version of this library: every writer hands them on.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// A mark that somebody moved the clock forward by hand, after the store had lost times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repaired {
    /// Whose clock did it.
    pub by: Instance,
    /// The time to which it moved the clock; what had been handed out lies below. A clock that repairs
    /// twice goes further the second time, so both together tell one repair from any other.
    pub to: Time,
}

impl Base {
    /// What this version of the library reads and writes.
    const FORMAT: u64 = 1;

    /// A base that counts from `value` and hands nothing out.
    pub fn counted(value: Time, process: &str, instance: Instance, real_timestamp: f64) -> Base {
        Base {
            format: Base::FORMAT,
            value,
            taken: 0,
            created: 0,
            process: process.to_owned(),
            instance,
            first: value,
            count: 0,
            real_timestamp,
            repaired: None,
            others: Map::new(),
        }
    }

    /// The same, with what every writer hands on from the base before.
    pub fn after(mut self, earlier: Option<&Base>) -> Base {
        if let Some(earlier) = earlier {
            self.repaired = self.repaired.or(earlier.repaired);
            self.others = earlier.others.clone();
        }
        self
    }

    /// What lies under the key; [`ErrorKind::Corrupt`] if it can't be read, or if a later version of
    /// this library wrote it in another format.
    pub fn parse(bytes: &[u8], keys: &Keys) -> Result<Base> {
        #[derive(Default, Deserialize)]
        struct Format {
            format: u64,
        }
        let parsed = serde_json::from_slice::<Base>(bytes);
        let format = match &parsed {
            Ok(base) => base.format,
            Err(_) => {
                let read: Format = serde_json::from_slice(bytes).unwrap_or_default();
                read.format
            }
        };
        if format > Base::FORMAT {
            let what = format!(
                "{} is in format {format}, and this version of lamport-clock reads format {} at most: \
                 upgrade it. Nothing was written",
                String::from_utf8_lossy(&keys.base),
                Base::FORMAT
            );
            return Err(Error::new(ErrorKind::Corrupt, what));
        }
        parsed.map_err(|error| {
            Error::with_source(ErrorKind::Corrupt, foreign(&keys.base, bytes), error)
        })
    }
}

/// The newest take: enough for a watcher to know which times were handed out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// The process that took.
    pub process: String,
    /// Which instance of that process.
    pub instance: Instance,
    /// How many times it wanted, the last ones of those it took; 0: it created the clock.
    pub count: u64,
    /// The local time that they must lie above.
    pub local: Time,
    /// 1: they count only if they lie above the record, too. 2: they count.
    #[serde(rename = "try")]
    pub attempt: u8,
    /// When, by the writer's wall clock: Unix time in seconds. Never compared.
    pub real_timestamp: f64,
}

impl Taken {
    /// What lies under the key; `None` if it can't be read: then it was taken by somebody unknown.
    pub fn parse(bytes: &[u8]) -> Option<Taken> {
        serde_json::from_slice(bytes).ok()
    }
}

/// What is said of a key of the clock that holds something else than a clock writes there. Nothing may
/// write over it: it is another program's, or a person should see it first.
pub(super) fn foreign(key: &[u8], bytes: &[u8]) -> String {
    let key = String::from_utf8_lossy(key);
    format!(
        "what lies under {key} can't be read: {}. Did another program write it? Then name another key \
         (LAMPORT_KEY). If nobody needs it, delete that key by hand (etcdctl del {key}), and see lamport \
         repair",
        excerpt(bytes)
    )
}

/// The JSON of something of ours.
pub(crate) fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("numbers, texts and maps always serialise")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_known_by_its_key_and_nothing_else_is() {
        let keys = Keys::new("/c");
        for bit in 0..Keys::WEIGHTS {
            assert_eq!(keys.bit_of(&keys.weight(bit)), Some(bit));
            assert!(keys.takes().contains(&keys.weight(bit)));
        }
        for other in [
            "/c/taken",
            "/c/taken/",
            "/c/taken/0",
            "/c/taken/053",
            "/c/taken/53",
            "/c/taken/+1",
            "/c/taken/00/1",
            "/d/taken/00",
        ] {
            assert_eq!(keys.bit_of(other.as_bytes()), None, "{other}");
        }
        assert!(keys.all().contains(b"/c") && keys.all().contains(b"/c/base"));
        assert!(!keys.all().contains(b"/c/taken0") && !keys.takes().contains(b"/c/base"));
    }

    #[test]
    fn a_base_hands_on_what_it_does_not_know() {
        let keys = Keys::new("/c");
        let text = r#"{"format":1,"value":7,"taken":3,"created":0,"process":"a","instance":"0000000000000001","first":6,"count":2,"real_timestamp":1.5,"colour":"red"}"#;
        let base = Base::parse(text.as_bytes(), &keys).unwrap();
        let next = Base::counted(base.value, "b", Instance::new(2), 2.5).after(Some(&base));
        let json = String::from_utf8(to_json(&next)).unwrap();
        assert!(json.contains(r#""colour":"red""#), "{json}");
        assert_eq!(Base::parse(json.as_bytes(), &keys).unwrap(), next);
    }

    #[test]
    fn a_base_of_a_later_format_asks_for_an_upgrade() {
        let keys = Keys::new("/c");
        for (text, says) in [
            (r#"{"format":2}"#, "upgrade"),
            (r#"{"format":2,"value":"many"}"#, "upgrade"),
            (r#"{"format":1,"value":9007199254740992}"#, "can't be read"),
            ("", "can't be read"),
            ("[1]", "can't be read"),
        ] {
            let error = Base::parse(text.as_bytes(), &keys).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{text}");
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
    }
}
