//! JSON as loggers write it: with flat keys, with inner objects, or with dots in its keys. Also the
//! envelopes of container engines and of journald.

use std::fmt;

use lamport_clock::Time;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::fields::{Fields, instance};
use super::wall;
use crate::events::EventKind;

/// How deep objects in objects are searched.
const DEEPEST: u8 = 3;

impl Fields {
    /// Reads a JSON object; `false` if the text is none.
    pub(super) fn read_json(&mut self, text: &[u8]) -> bool {
        let mut json = serde_json::Deserializer::from_slice(text);
        let read = Object {
            fields: self,
            depth: 0,
            ours: false,
        };
        let whole = json.deserialize_map(read).and_then(|()| json.end());
        whole.is_ok()
    }
}

/// The meaning of an object's key.
enum Key {
    Stamp,
    Instance,
    After,
    Kind,
    Lane,
    Wall,
    Level,
    Message,
    /// The text in a container engine's envelope.
    Log,
    /// The text in journald's envelope.
    Inner,
    /// A part of the name of an envelope's stream.
    Stream,
    First,
    Value,
    Process,
    UpdateInstance,
    Revision,
    Operation,
    Other,
}

impl Key {
    fn of(name: &str) -> Key {
        match name {
            "lamport" => Key::Stamp,
            "lamport_instance" | "lamport.instance" => Key::Instance,
            "lamport_after" | "lamport.after" => Key::After,
            "lamport_kind" | "lamport.kind" => Key::Kind,
            "lamport_lane" | "lamport.lane" => Key::Lane,
            "timestamp"
            | "time"
            | "ts"
            | "@timestamp"
            | "t"
            | "asctime"
            | "datetime"
            | "date"
            | "real_timestamp"
            | "__REALTIME_TIMESTAMP" => Key::Wall,
            "level" | "lvl" | "severity" | "levelname" | "log.level" | "PRIORITY" => Key::Level,
            "message" | "msg" | "event" | "body" => Key::Message,
            "log" => Key::Log,
            "MESSAGE" => Key::Inner,
            "stream" | "_SYSTEMD_UNIT" | "CONTAINER_NAME" | "_PID" | "SYSLOG_IDENTIFIER" => {
                Key::Stream
            }
            "first" => Key::First,
            "value" => Key::Value,
            "process" => Key::Process,
            "instance" => Key::UpdateInstance,
            "revision" => Key::Revision,
            "operation" => Key::Operation,
            _ => Key::Other,
        }
    }
}

/// Reads the key of a member. `ours`: the member is inside an object that is called `lamport`.
struct Name {
    ours: bool,
}

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Key;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Key, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Key, E> {
        Ok(if self.ours {
            Key::of_ours(name)
        } else {
            Key::of(name)
        })
    }
}

impl Key {
    /// The meaning of a key inside an object that is called `lamport`.
    fn of_ours(name: &str) -> Key {
        match name {
            "stamp" => Key::Stamp,
            "instance" => Key::Instance,
            "after" => Key::After,
            "kind" => Key::Kind,
            "lane" => Key::Lane,
            _ => Key::Other,
        }
    }
}

/// An object of JSON, whose members go into the fields.
struct Object<'f> {
    fields: &'f mut Fields,
    depth: u8,
    ours: bool,
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Name { ours: self.ours })? {
            let is_wanted = match key {
                Key::Other => self.depth < DEEPEST,
                Key::Message | Key::Level => self.fields.with_text,
                _ => true,
            };
            if is_wanted {
                map.next_value_seed(Member {
                    fields: self.fields,
                    key,
                    depth: self.depth,
                })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The value of one key.
struct Member<'f> {
    fields: &'f mut Fields,
    key: Key,
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        let fields = self.fields;
        match self.key {
            Key::Stamp => fields.set_stamp(text),
            Key::Instance => match instance(text) {
                Some(instance) => fields.instance = Some(instance),
                None => fields.malformed = true,
            },
            Key::After => fields.malformed = true,
            Key::Kind => fields.kind = kind(text),
            Key::Lane => fields.lane = fields.with_text.then(|| text.to_owned()),
            Key::Wall => fields.set_wall(wall::whole(text)),
            Key::Level => fields.level = Some(text.to_owned()),
            Key::Message => fields.message = Some(text.to_owned()),
            // A container engine ends each complete line with a newline; a part has none.
            Key::Log => {
                fields.partial = !text.ends_with('\n');
                fields.set_inner(text);
            }
            Key::Inner => fields.set_inner(text),
            Key::Stream => {
                fields.stream.push(b'/');
                fields.stream.extend_from_slice(text.as_bytes());
            }
            Key::Process => fields.update.process = Some(text.to_owned()),
            Key::UpdateInstance => fields.update.instance = instance(text),
            Key::Operation => fields.update.is_read = text == "read",
            Key::First | Key::Value | Key::Revision | Key::Other => {}
        }
        Ok(())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<(), E> {
        let fields = self.fields;
        match self.key {
            Key::Stamp | Key::Instance | Key::After => fields.malformed = true,
            Key::Wall => fields.set_wall(wall::of_number(number)),
            Key::Value if number <= Time::MAX.get() => fields.update.value = Some(number),
            Key::First => fields.update.first = Some(number),
            Key::Revision => fields.update.revision = Some(number),
            Key::Level => fields.level = Some(number.to_string()),
            _ => {}
        }
        Ok(())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<(), E> {
        // Positive numbers come to `visit_u64`.
        self.fields.malformed |= matches!(self.key, Key::Stamp) && number < 0;
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<(), E> {
        if let Key::Wall = self.key {
            self.fields.set_wall(wall::of_float(number));
        }
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let ours = matches!(self.key, Key::Stamp);
        Object {
            fields: self.fields,
            depth: self.depth + 1,
            ours,
        }
        .visit_map(map)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        match self.key {
            Key::After => {
                self.fields.names_causes = true;
                while elements
                    .next_element_seed(Element(&mut *self.fields))?
                    .is_some()
                {}
            }
            // journald writes a message that is no text as an array of its bytes.
            Key::Inner => {
                let mut bytes = Vec::new();
                while let Some(byte) = elements.next_element::<u8>()? {
                    bytes.push(byte);
                }
                self.fields.set_inner(&String::from_utf8_lossy(&bytes));
            }
            _ => while elements.next_element::<IgnoredAny>()?.is_some() {},
        }
        Ok(())
    }
}

/// One cause.
struct Element<'f>(&'f mut Fields);

impl<'de> DeserializeSeed<'de> for Element<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Element<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a stamp")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.0.add_cause(text);
        Ok(())
    }
}

fn kind(text: &str) -> EventKind {
    match text {
        "send" => EventKind::Send,
        "receive" => EventKind::Receive,
        "update" => EventKind::Update,
        "read" => EventKind::Read,
        _ => EventKind::Local,
    }
}
