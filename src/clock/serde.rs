//! The values for serde (feature `serde`): a time is a number, a name and an instance are texts, and a
//! stamp has its three fields. What is read is checked as everywhere.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

use super::{Instance, ProcessId, Time};

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(self.get())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Time, D::Error> {
        Time::new(u64::deserialize(from)?).map_err(D::Error::custom)
    }
}

impl Serialize for ProcessId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ProcessId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<ProcessId, D::Error> {
        parsed(from)
    }
}

/// As a text, since its 64 bits are too many for a JSON number.
impl Serialize for Instance {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Instance {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Instance, D::Error> {
        parsed(from)
    }
}

fn parsed<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    let text = Cow::<'de, str>::deserialize(from)?;
    text.parse().map_err(D::Error::custom)
}

#[cfg(all(test, feature = "shared"))]
mod tests {
    use crate::clock::Stamp;

    #[test]
    fn a_stamp_comes_back_and_a_wrong_one_does_not() {
        let stamp: Stamp = "42@mx-nodel;instance=00000000000000ff".parse().unwrap();
        let json = r#"{"time":42,"process":"mx-nodel","instance":"00000000000000ff"}"#;
        assert_eq!(serde_json::to_string(&stamp).unwrap(), json);
        assert_eq!(serde_json::from_str::<Stamp>(json).unwrap(), stamp);
        for (part, wrong) in [
            ("42", "9007199254740992"),
            ("42", "-1"),
            ("mx-nodel", "mx nodel"),
            ("00ff", "00FF"),
        ] {
            let json = json.replace(part, wrong);
            assert!(serde_json::from_str::<Stamp>(&json).is_err(), "{json}");
        }
    }
}
