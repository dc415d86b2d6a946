//! The keys of one shared clock, and the JSON that lies under them.
//!
//! | key | holds |
//! |---|---|
//! | `K` | the [record](super::Record) |
//! | `K/base` | a [`Base`]: the clock's time at one version of `K/taken`, and who wrote it |
//! | `K/taken` | a [`Taken`]: who took last. Its *version* counts the takes |
//! | `K/taken/NN` | nothing; each put of this key, a *weight*, counts 2^NN times |

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::transaction::KeyRange;
use crate::clock::{Instance, Time};
use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::excerpt;

/// The keys of one shared clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Keys {
    /// The key of the record.
    pub record: Vec<u8>,
    /// The key of the [`Base`].
    pub base: Vec<u8>,
    /// The key of the newest [`Taken`]. Its version counts the takes.
    pub taken: Vec<u8>,
}

impl Keys {
    /// The number of weights: enough for any number below 2^53.
    pub const WEIGHTS: u32 = 53;

    /// The keys of the clock whose record lies under `record`.
    pub fn new(record: &str) -> Keys {
        Keys {
            record: record.into(),
            base: format!("{record}/base").into(),
            taken: format!("{record}/taken").into(),
        }
    }

    /// The key of a weight: each put of this key counts 2^`bit` times.
    pub fn weight(&self, bit: u32) -> Vec<u8> {
        [&*self.taken, format!("/{bit:02}").as_bytes()].concat()
    }

    /// The `bit` of a weight's key: each put counts 2^`bit` times. `None` if `key` is not the key of a
    /// weight.
    pub fn bit_of(&self, key: &[u8]) -> Option<u32> {
        let digits = key.strip_prefix(&*self.taken)?.strip_prefix(b"/")?;
        let text = std::str::from_utf8(digits).ok()?;
        let bit = text.parse().ok().filter(|bit| *bit < Keys::WEIGHTS)?;
        (self.weight(bit) == key).then_some(bit)
    }

    /// Every key of the clock. Other programs' keys that fall into the range (`K/b`) are skipped by name.
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

/// The clock's time at one version of the key `taken`, and the update or fold that wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Base {
    format: u64,
    /// The clock's time when the key `taken` was at the version in the next field.
    pub value: Time,
    /// The version of the key `taken` that `value` accounts for.
    pub taken: u64,
    /// The revision that created the key `taken`; 0: the same revision created both keys.
    pub created: u64,
    /// The process that wrote the base.
    pub process: String,
    /// Which instance of that process.
    pub instance: Instance,
    /// The first of the times that this base hands out: `first` through `value`.
    pub first: Time,
    /// How many times this base hands out; 0: none, it is a fold.
    pub count: u64,
    /// When, by the writer's wall clock: Unix time in seconds. Never compared.
    pub real_timestamp: f64,
    /// The mark of the newest repair by hand. Every writer of a base copies it from the previous base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired: Option<Repaired>,
    /// Fields that a later version of this library added. Every writer copies them from the base before.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// A mark that somebody moved the clock forward by hand, after the store had lost times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repaired {
    /// The instance that moved the clock.
    pub by: Instance,
    /// The time to which the clock was moved; all times handed out before lie below. A second repair by the
    /// same instance goes further, so both fields together tell one repair from any other.
    pub to: Time,
}

impl Base {
    /// The format that this version of the library reads and writes.
    const FORMAT: u64 = 1;

    /// A base at `value` that hands out no times.
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

    /// This base, with the fields that every writer copies from the base before.
    pub fn after(mut self, earlier: Option<&Base>) -> Base {
        if let Some(earlier) = earlier {
            self.repaired = self.repaired.or(earlier.repaired);
            self.others = earlier.others.clone();
        }
        self
    }

    /// Parses the value of the base's key; [`ErrorKind::Corrupt`] if it can't be read, or if a later
    /// version of this library wrote it in another format.
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
    /// How many times the process wanted: the last ones of those it took. 0: this put created the clock.
    pub count: u64,
    /// The local time of the process, above which its times must lie.
    pub local: Time,
    /// 1: the times count only if they lie above the record, too. 2: they count whatever the record says.
    #[serde(rename = "try")]
    pub attempt: u8,
    /// When, by the writer's wall clock: Unix time in seconds. Never compared.
    pub real_timestamp: f64,
}

impl Taken {
    /// Parses the value of the key `taken`; `None` if it can't be read: then the taker is unknown.
    pub fn parse(bytes: &[u8]) -> Option<Taken> {
        serde_json::from_slice(bytes).ok()
    }
}

/// The message for a key of the clock whose value no clock writes. That value must not be overwritten: it
/// is another program's, or a person should see it first.
pub(super) fn foreign(key: &[u8], bytes: &[u8]) -> String {
    let (shown, found) = (String::from_utf8_lossy(key), excerpt(bytes));
    format!(
        "what lies under {shown} can't be read: {found}. {}",
        mend(key)
    )
}

/// What to do about a value under a key of the clock that can't be read.
pub(super) fn mend(key: &[u8]) -> String {
    let key = String::from_utf8_lossy(key);
    format!(
        "Did another program write it? Then name another key (LAMPORT_KEY). If nobody needs it, delete that \
         key by hand (etcdctl del {key}), and see lamport repair"
    )
}

/// Serialises a value of ours as JSON.
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
