//! The clock's values for serde (feature `serde`). A time is a number, a name and an instance are strings,
//! and a stamp has its three fields. A line has the keys of a log line, and can only be serialised.
//! Deserialised values are checked like parsed ones.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{Instance, Line, ProcessId, Time};

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

/// A string, since 64 bits are too many for a JSON number.
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

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut line = to.serialize_struct("Line", 5)?;
        line.serialize_field("lamport", &self.stamp.to_string())?;
        line.serialize_field("lamport_time", &self.stamp.time)?;
        line.serialize_field("lamport_process", &self.stamp.process)?;
        line.serialize_field("lamport_instance", &self.stamp.instance)?;
        line.serialize_field("lamport_after", &self.after().collect::<Vec<_>>())?;
        line.end()
    }
}

fn parsed<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    let text = Cow::<'de, str>::deserialize(from)?;
    text.parse().map_err(D::Error::custom)
}

#[cfg(all(test, feature = "shared"))]
mod tests {
    use super::*;
    use crate::clock::{LocalClock, Stamp};

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
    #[test]
    fn a_line_has_the_keys_of_a_log() {
        let clock = LocalClock::new(ProcessId::new("a\"ü").unwrap(), Instance::new(255));
        let line = serde_json::to_string(&clock.log().unwrap()).unwrap();
        assert_eq!(
            line,
            r#"{"lamport":"1@a\"ü","lamport_time":1,"lamport_process":"a\"ü","lamport_instance":"00000000000000ff","lamport_after":[]}"#
        );
        clock.receive(&"7@b".parse::<Stamp>().unwrap()).unwrap();
        let line = serde_json::to_value(clock.log().unwrap()).unwrap();
        let after = [
            "1@a\"%C3%BC;instance=00000000000000ff",
            "7@b;instance=0000000000000000;at=8",
        ];
        assert_eq!(line["lamport_after"], serde_json::json!(after));
    }
}
