//! The shared record, in the JSON format that the old Python script writes.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::keys::to_json;
use crate::clock::Time;
use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::excerpt;

/// The shared record: `{"value": 7, "process_id": "mx-nodel2", "real_timestamp": 1750116944.92}`.
///
/// Only the value takes part in the rule. It must be a whole number from 0 to 2^53 - 1. The other fields
/// say who wrote the record and when by the wall clock, for people to look at. So [`parse`](Record::parse)
/// takes anything that other writers put there, and fields it does not know.
///
/// ```
/// # use lamport_clock::Record;
/// let deployed = br#"{"value": 7, "process_id": "mx-nodel2", "real_timestamp": 1750116944.92}"#;
/// let record = Record::parse(deployed)?;
/// assert_eq!((record.value.get(), record.process_id.as_str()), (7, "mx-nodel2"));
/// assert!(Record::parse(br#"{"value": 7.5}"#).is_err());
/// # Ok::<(), lamport_clock::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The time that was handed out last.
    pub value: Time,
    /// The process to which that time was handed out, as the writer spelled it; empty if the writer named
    /// none.
    pub process_id: String,
    /// When, by the writer's wall clock: Unix time in seconds. Never compared.
    pub real_timestamp: Option<f64>,
}

impl Record {
    /// Reads the JSON text `bytes`. [`ErrorKind::Corrupt`], quoting what was found, if there is no usable
    /// value.
    pub fn parse(bytes: &[u8]) -> Result<Record> {
        let no_object = || {
            format!(
                "the record is not a JSON object with a value, such as {{\"value\": 7}}: it reads {}",
                excerpt(bytes)
            )
        };
        // serde would also read a list as the struct, with the fields in the order of their declaration.
        if bytes.trim_ascii_start().starts_with(b"[") {
            return Err(Error::new(ErrorKind::Corrupt, no_object()));
        }
        let wire: Wire<'_> = serde_json::from_slice(bytes)
            .map_err(|error| Error::with_source(ErrorKind::Corrupt, no_object(), error))?;
        let value = wire.value.ok_or_else(|| {
            let found = excerpt(bytes);
            let what = format!("the record has no \"value\": it reads {found}");
            Error::new(ErrorKind::Corrupt, what)
        })?;
        // The value is parsed from its raw text. As JSON numbers, 1e3, 1.0 and 2^70 would slip through as
        // floats, and the message could not quote the text.
        let value: Time = value.get().parse().map_err(|error| {
            let (found, last) = (excerpt(value.get().as_bytes()), Time::MAX);
            let what =
                format!("the record's value is {found}, not a whole number from 0 to {last}");
            Error::with_source(ErrorKind::Corrupt, what, error)
        })?;
        Ok(Record {
            value,
            process_id: wire.process_id.map(text).unwrap_or_default(),
            real_timestamp: wire
                .real_timestamp
                .and_then(|raw| serde_json::from_str(raw.get()).ok()),
        })
    }

    /// The record as JSON text, fields in the deployed order.
    pub fn to_json(&self) -> Vec<u8> {
        to_json(&WireOut {
            value: self.value,
            process_id: &self.process_id,
            real_timestamp: self.real_timestamp,
        })
    }
}

/// The fields as any writer may have put them. Unknown fields are skipped.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    process_id: Option<&'a RawValue>,
    #[serde(borrow)]
    real_timestamp: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct WireOut<'a> {
    value: Time,
    process_id: &'a str,
    real_timestamp: Option<f64>,
}

/// The content of a JSON string; any other JSON unchanged.
fn text(raw: &RawValue) -> String {
    serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_the_deployed_format() {
        let text = br#"{"value": 7, "process_id": "mx-nodel2", "real_timestamp": 1750116944.92}"#;
        let record = Record::parse(text).unwrap();
        assert_eq!(record.value.get(), 7);
        assert_eq!(record.process_id, "mx-nodel2");
        assert_eq!(record.real_timestamp, Some(1_750_116_944.92));
        assert_eq!(
            record.to_json(),
            br#"{"value":7,"process_id":"mx-nodel2","real_timestamp":1750116944.92}"#
        );
        assert_eq!(Record::parse(&record.to_json()).unwrap(), record);
    }

    #[test]
    fn takes_unknown_and_odd_fields_beside_the_value() {
        let record =
            Record::parse(br#"{"x":[1],"value":9007199254740991,"process_id":5}"#).unwrap();
        assert_eq!(record.value, Time::MAX);
        assert_eq!(record.process_id, "5");
        assert_eq!(record.real_timestamp, None);
        let record = Record::parse(br#"{"value":1,"real_timestamp":"now"}"#).unwrap();
        assert_eq!(record.process_id, "");
    }

    #[test]
    fn what_has_no_usable_value_is_corrupt_and_quoted() {
        for (bytes, quoted) in [
            (&b""[..], "``"),
            (b"hello", "hello"),
            (b"42", "42"),
            (b"[7]", "[7]"),
            (br#" [7, "a", 1.5]"#, "[7"),
            (b"null", "null"),
            (b"{}", "{}"),
            (b"\xff\xfe", "\u{fffd}"),
            (br#"{"value":null}"#, "null"),
            (br#"{"value":"x"}"#, "x"),
            (br#"{"value":"7"}"#, "7"),
            (br#"{"value":-1}"#, "-1"),
            (br#"{"value":1.5}"#, "1.5"),
            (br#"{"value":7.0}"#, "7.0"),
            (br#"{"value":1e3}"#, "1e3"),
            (br#"{"value":true}"#, "true"),
            (br#"{"value":9007199254740992}"#, "9007199254740992"),
            (
                br#"{"value":1180591620717411303424}"#,
                "1180591620717411303424",
            ),
            (br#"{"value":1,"value":2}"#, "value"),
            (br#"{"value":7"#, "value"),
        ] {
            let error = Record::parse(bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{bytes:?}");
            assert!(error.to_string().contains(quoted), "{bytes:?}: {error}");
        }
    }

    #[test]
    fn the_wall_clock_comes_back_to_the_last_bit() {
        for bits in (0..1_000_u64).map(|i| 0x41da_0000_0000_0000 + i * 0x0000_0123_4567_89ab) {
            let record = Record {
                value: Time::ZERO,
                process_id: String::new(),
                real_timestamp: Some(f64::from_bits(bits)),
            };
            assert_eq!(Record::parse(&record.to_json()).unwrap(), record);
        }
    }

    #[test]
    fn a_long_find_is_cut_short() {
        let error = Record::parse(&[b'x'; 10_000]).unwrap_err();
        assert!(error.to_string().len() < 300, "{error}");
    }
}
