//! Where the values of settings come from, and what they are read as.

use std::ffi::OsString;
use std::time::Duration;

use super::files;
use super::secrets::{Credentials, Secret, Tls};
use super::settings::{Kind, Setting, Settings, Value, is_deadline, parse_duration};
use crate::error::{Error, ErrorKind, Result};
use crate::excerpt::{is_hidden, is_quoted, quote, quote_without_secrets, short};
use crate::header::Header;

/// Every value with where it came from, the most explicit ones first.
pub(super) struct Sources(Vec<Source>);

struct Source {
    name: &'static str,
    /// 0: explicit, 1: environment, 2: file.
    rank: u8,
    origin: String,
    value: Value,
}

impl Sources {
    pub(super) fn gather(
        settings: &Settings,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Sources> {
        let mut sources = Sources(Vec::new());
        for (name, value) in settings.iter() {
            let setting = Setting::named(name).ok_or_else(|| unknown(name))?;
            sources.add(setting, 0, format!("argument '{name}'"), value.clone());
        }
        for setting in Setting::ALL {
            let variable = setting.variable;
            let Some(value) = environment(variable).filter(|value| !value.is_empty()) else {
                continue;
            };
            let text = value.into_string().map_err(|value| {
                Error::new(
                    ErrorKind::InvalidArgument,
                    format!(
                        "{variable} is {}: it must be UTF-8",
                        quote_without_secrets(&value.to_string_lossy())
                    ),
                )
            })?;
            sources.add(setting, 1, variable.to_owned(), Value::Text(text));
        }
        if let Some(file) = sources.text("config", |file| Ok(file.to_owned()))? {
            sources.read_file(&file)?;
        }
        Ok(sources)
    }

    fn read_file(&mut self, file: &str) -> Result<()> {
        let refused = |why: String| {
            Error::new(
                ErrorKind::InvalidArgument,
                format!("the configuration file {}: {why}", quote(file)),
            )
        };
        let text = files::read(file).map_err(|error| refused(error.to_string()))?;
        let text = String::from_utf8(text).map_err(|error| refused(error.to_string()))?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| {
            // Not its `Display`, which shows the whole line: of any length, and a secret may stand
            // in it by mistake.
            let before = text.get(..error.span().map_or(0, |span| span.start));
            let line = before.unwrap_or_default().matches('\n').count() + 1;
            refused(format!("line {line}: {}", short(error.message())))
        })?;
        for (key, value) in table {
            let setting = Setting::named(&key).filter(|setting| setting.name != "config");
            let setting = setting.ok_or_else(|| refused(unknown(&key).to_string()))?;
            let value = match value {
                toml::Value::String(text) => Value::Text(text),
                toml::Value::Integer(number) => match u64::try_from(number) {
                    Ok(number) => Value::Number(number),
                    Err(_) => Value::Text(number.to_string()),
                },
                toml::Value::Float(number) => Value::Text(number.to_string()),
                toml::Value::Boolean(flag) => Value::Flag(flag),
                other => {
                    let what = other.type_str();
                    return Err(refused(format!("{key} is a {what}, not a text")));
                }
            };
            self.add(setting, 2, format!("{key} in {}", quote(file)), value);
        }
        Ok(())
    }

    fn add(&mut self, setting: &'static Setting, rank: u8, origin: String, value: Value) {
        self.0.push(Source {
            name: setting.name,
            rank,
            origin,
            value,
        });
    }

    /// The most explicit source of a setting.
    fn find(&self, name: &str) -> Option<&Source> {
        self.0.iter().find(|source| source.name == name)
    }

    pub(super) fn rank(&self, name: &str) -> u8 {
        self.find(name).map_or(u8::MAX, |source| source.rank)
    }

    fn read<T>(&self, name: &str, read: impl Fn(&Value) -> Result<T>) -> Result<Option<T>> {
        let Some(source) = self.find(name) else {
            return Ok(None);
        };
        let checked = match &source.value {
            Value::Text(text) => check_text(name, text),
            _ => Ok(()),
        };
        checked
            .and_then(|()| read(&source.value))
            .map(Some)
            .map_err(|error| Error::new(error.kind(), format!("{}: {error}", source.origin)))
    }

    pub(super) fn text<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T>,
    ) -> Result<Option<T>> {
        self.read(name, |value| match value {
            Value::Text(text) => parse(text),
            Value::Number(number) => parse(&number.to_string()),
            Value::Flag(flag) => parse(&flag.to_string()),
            Value::Duration(duration) => parse(&format!("{duration:?}")),
        })
    }

    pub(super) fn duration(&self, name: &str) -> Result<Option<Duration>> {
        self.read(name, |value| {
            let (duration, shown) = match value {
                Value::Duration(duration) => (*duration, format!("{duration:?}")),
                Value::Number(seconds) => (Duration::from_secs(*seconds), seconds.to_string()),
                Value::Text(text) => (parse_duration(text)?, quote(text)),
                Value::Flag(flag) => (parse_duration(&flag.to_string())?, flag.to_string()),
            };
            is_deadline(duration, &shown)
        })
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>> {
        let parse = |text: &str| {
            text.parse().map_err(|error| {
                let why = "is not a number: it takes a whole number from 0 up";
                let message = format!("{} {why}", quote(text));
                Error::with_source(ErrorKind::InvalidArgument, message, error)
            })
        };
        self.read(name, |value| match value {
            Value::Number(number) => Ok(*number),
            Value::Text(text) => parse(text),
            other => parse(&format!("{other:?}")),
        })
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>> {
        self.read(name, |value| match value {
            Value::Flag(flag) => Ok(*flag),
            Value::Text(text) if text == "true" => Ok(true),
            Value::Text(text) if text == "false" => Ok(false),
            Value::Text(text) => Err(no_flag(text)),
            other => Err(no_flag(&format!("{other:?}"))),
        })
    }

    pub(super) fn tls(&self) -> Result<Option<Tls>> {
        let cert = self.text("tls_cert", files::read)?;
        let key = self.text("tls_key", files::read_secret)?;
        let identity = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, Secret::new(key))),
            (None, None) => None,
            _ => return Err(incomplete("LAMPORT_TLS_CERT and LAMPORT_TLS_KEY")),
        };
        match (self.text("tls_ca", files::read)?, identity) {
            (Some(ca), identity) => Ok(Some(Tls { ca, identity })),
            (None, Some(_)) => Err(incomplete("LAMPORT_TLS_CERT and LAMPORT_TLS_CA")),
            (None, None) => Ok(None),
        }
    }

    /// How stamps are written into messages, and which are believed.
    pub(super) fn header(&self) -> Result<Header> {
        let header = self.text("header_key_file", Header::from_file)?;
        Ok(header.unwrap_or_default())
    }

    pub(super) fn credentials(&self) -> Result<Option<Credentials>> {
        let user = self.text("user", |user| Ok(user.to_owned()))?;
        match (user, self.text("password_file", files::read_password)?) {
            (Some(user), Some(password)) => Ok(Some(Credentials {
                user,
                password: Secret::new(password),
            })),
            (None, None) => Ok(None),
            _ => Err(incomplete("LAMPORT_USER and LAMPORT_PASSWORD_FILE")),
        }
    }
}

/// Refuses the variables that name a file.
pub(super) fn refuse_files(environment: &dyn Fn(&str) -> Option<OsString>) -> Result<()> {
    let is_set = |setting: &&Setting| {
        let value = environment(setting.variable);
        setting.kind == Kind::Text("FILE") && value.is_some_and(|value| !value.is_empty())
    };
    let Some(setting) = Setting::ALL.iter().find(is_set) else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::InvalidArgument,
        format!(
            "{} is set, but this program has rights that its caller has not (it is set-user-ID or the \
             like): it takes files as arguments alone, not from the environment",
            setting.variable
        ),
    ))
}

fn unknown(name: &str) -> Error {
    let names: Vec<_> = Setting::ALL.iter().map(|setting| setting.name).collect();
    Error::new(
        ErrorKind::InvalidArgument,
        format!(
            "there is no setting {}; there are {}",
            quote(name),
            names.join(", ")
        ),
    )
}

/// What no text of a setting holds, whatever its form: it comes from an env file that is read otherwise
/// than it was meant, or from a document that it was copied from.
fn check_text(name: &str, text: &str) -> Result<()> {
    let refused = |why: &str| {
        let message = format!("{} {why}", quote_without_secrets(text));
        Err(Error::new(ErrorKind::InvalidArgument, message))
    };
    if is_quoted(text) {
        return refused("stands in quotes, which some env files keep: leave them away");
    }
    if name != "nodes" && text != text.trim() {
        return refused("begins or ends with a blank");
    }
    // The entries of a map may stand in lines of their own.
    let allowed = |c: char| name == "nodes" && c.is_ascii_whitespace();
    match text.chars().find(|c| is_hidden(*c) && !allowed(*c)) {
        Some(c) => refused(&format!(
            "contains '{}', which can't be seen: take it out",
            c.escape_default()
        )),
        None => Ok(()),
    }
}

fn no_flag(text: &str) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!("{} is neither true nor false", quote(text)),
    )
}

fn incomplete(pair: &str) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        format!("{pair} belong together: set both or neither"),
    )
}
