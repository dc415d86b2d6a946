//! Gathers the values of settings from arguments, environment and file, and parses them.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::files;
use super::secrets::{Credentials, Secret, Tls};
use super::settings::{Kind, Setting, Settings};
use crate::clock::ProcessId;
use crate::error::{Error, Result};
use crate::excerpt::{is_hidden, is_quoted, quote, quote_without_secrets, short};

/// The most explicit value of each setting that has one, by the setting's name.
pub(super) struct Sources(BTreeMap<&'static str, Source>);

struct Source {
    /// 0: explicit, 1: environment, 2: file.
    rank: u8,
    origin: String,
    text: String,
}

impl Sources {
    pub(super) fn gather(
        settings: &Settings,
        environment: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Sources> {
        let mut sources = Sources(BTreeMap::new());
        for (name, value) in settings.iter() {
            let setting = Setting::named(name).ok_or_else(|| unknown(name))?;
            sources.add(setting, 0, format!("argument '{name}'"), value.text());
        }
        for setting in Setting::ALL {
            let variable = setting.variable;
            let Some(value) = environment(variable).filter(|value| !value.is_empty()) else {
                continue;
            };
            let text = value.into_string().map_err(|value| {
                Error::invalid(format!(
                    "{variable} is {}: it must be UTF-8",
                    quote_without_secrets(&value.to_string_lossy())
                ))
            })?;
            sources.add(setting, 1, variable.to_owned(), text);
        }
        let file = sources.read("config", |file| Ok((file.to_owned(), files::read(file)?)))?;
        if let Some((file, content)) = file {
            sources.add_file(&file, content)?;
        }
        Ok(sources)
    }

    fn add_file(&mut self, file: &str, content: Vec<u8>) -> Result<()> {
        let refused =
            |why: String| Error::invalid(format!("the configuration file {}: {why}", quote(file)));
        let text = String::from_utf8(content).map_err(|error| refused(error.to_string()))?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| {
            // Not the error's `Display`: it shows the whole line, which may be long, and may hold a
            // secret by mistake.
            let before = text.get(..error.span().map_or(0, |span| span.start));
            let line = before.unwrap_or_default().matches('\n').count() + 1;
            refused(format!("line {line}: {}", short(error.message())))
        })?;
        for (key, value) in table {
            let setting = Setting::named(&key).filter(|setting| setting.name != "config");
            let setting = setting.ok_or_else(|| refused(unknown(&key).to_string()))?;
            let text = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Boolean(flag) => flag.to_string(),
                other => {
                    let what = other.type_str();
                    return Err(refused(format!("{key} is a {what}, not a text")));
                }
            };
            self.add(setting, 2, format!("{key} in {}", quote(file)), text);
        }
        Ok(())
    }

    /// Adds a value, unless there is a more explicit one.
    fn add(&mut self, setting: &'static Setting, rank: u8, origin: String, text: String) {
        let source = Source { rank, origin, text };
        self.0.entry(setting.name).or_insert(source);
    }

    pub(super) fn rank(&self, name: &str) -> u8 {
        self.0.get(name).map_or(u8::MAX, |source| source.rank)
    }

    pub(super) fn read<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> Result<T>,
    ) -> Result<Option<T>> {
        let Some(Source { origin, text, .. }) = self.0.get(name) else {
            return Ok(None);
        };
        check_text(name, text)
            .and_then(|()| parse(text))
            .map(Some)
            .map_err(|error| Error::new(error.kind(), format!("{origin}: {error}")))
    }

    pub(super) fn tls(&self) -> Result<Option<Tls>> {
        let cert = self.read("tls_cert", files::read)?;
        let key = self.read("tls_key", files::read_secret)?;
        if cert.is_some() != key.is_some() {
            return Err(incomplete("LAMPORT_TLS_CERT and LAMPORT_TLS_KEY"));
        }
        let identity = cert.zip(key.map(Secret::new));
        let ca = self.read("tls_ca", files::read)?;
        if ca.is_none() && identity.is_some() {
            return Err(incomplete("LAMPORT_TLS_CERT and LAMPORT_TLS_CA"));
        }
        Ok(ca.map(|ca| Tls { ca, identity }))
    }

    pub(super) fn credentials(&self) -> Result<Option<Credentials>> {
        let user = self.read("user", |user| Ok(user.to_owned()))?;
        let password = self.read("password_file", files::read_password)?;
        if user.is_some() != password.is_some() {
            return Err(incomplete("LAMPORT_USER and LAMPORT_PASSWORD_FILE"));
        }
        let both = user.zip(password.map(Secret::new));
        Ok(both.map(|(user, password)| Credentials { user, password }))
    }
}

pub(super) fn parse_number(text: &str) -> Result<u64> {
    text.parse().map_err(|_| {
        let why = "is not a number: it takes a whole number from 0 up";
        Error::invalid(format!("{} {why}", quote(text)))
    })
}

pub(super) fn parse_flag(text: &str) -> Result<bool> {
    text.parse()
        .map_err(|_| Error::invalid(format!("{} is neither true nor false", quote(text))))
}

/// Refuses an environment in which a variable names a file.
pub(super) fn refuse_files(environment: &dyn Fn(&str) -> Option<OsString>) -> Result<()> {
    let is_set = |setting: &&Setting| {
        let value = environment(setting.variable);
        setting.kind == Kind::Text("FILE") && value.is_some_and(|value| !value.is_empty())
    };
    match Setting::ALL.iter().find(is_set) {
        None => Ok(()),
        Some(setting) => Err(Error::invalid(format!(
            "{} is set, but this program has rights that its caller has not (it is set-user-ID or the \
             like): it takes files as arguments alone, not from the environment",
            setting.variable
        ))),
    }
}

fn unknown(name: &str) -> Error {
    let names: Vec<_> = Setting::ALL.iter().map(|setting| setting.name).collect();
    Error::invalid(format!(
        "there is no setting {}; there are {}",
        quote(name),
        names.join(", ")
    ))
}

/// Refuses quotes, blanks at the ends and hidden characters, which no setting may hold. They come from an
/// env file that is read differently than intended, or from a document that the text was copied from.
fn check_text(name: &str, text: &str) -> Result<()> {
    let refused = |why: &str| {
        let message = format!("{} {why}", quote_without_secrets(text));
        Err(Error::invalid(message))
    };
    if is_quoted(text) {
        return refused("stands in quotes, which some env files keep: leave them away");
    }
    if name != "nodes" && text != text.trim() {
        return refused("begins or ends with a blank");
    }
    // Each entry of a node map may have a line of its own.
    let allowed = |c: char| name == "nodes" && c.is_ascii_whitespace();
    match text.chars().find(|c| is_hidden(*c) && !allowed(*c)) {
        Some(c) => refused(&format!(
            "contains '{}', which can't be seen: take it out",
            c.escape_default()
        )),
        None => Ok(()),
    }
}

fn incomplete(pair: &str) -> Error {
    Error::invalid(format!("{pair} belong together: set both or neither"))
}

/// The name of a process that was given a store but no name: its host's name. In a container this is the
/// container's name, and a restart keeps it, as with NODE_NAME. The process number would be 1 in each
/// container.
pub(super) fn unnamed_process() -> Result<ProcessId> {
    let host = std::fs::read("/proc/sys/kernel/hostname").unwrap_or_default();
    match name_after(&String::from_utf8_lossy(&host)) {
        name if name.is_empty() => ProcessId::new(&format!("pid-{}", std::process::id())),
        name => ProcessId::new(&name),
    }
}

/// Turns a host's name into the name of a process. A kernel allows any 64 bytes, so `-` replaces the
/// characters that a process name may not hold. Empty if the host has no name; Linux then calls it `(none)`.
fn name_after(host: &str) -> String {
    let host = host.trim();
    if host == "(none)" {
        return String::new();
    }
    let is_refused = |c: char| ";'\"".contains(c) || c.is_whitespace() || is_hidden(c);
    let mut name = host.replace(is_refused, "-");
    while name.len() > ProcessId::MAX_BYTES {
        name.pop();
    }
    name
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn without_a_name_it_is_the_hosts() {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let config = Config::resolve(&Settings::from([("store", "memory:")]), &|_| None).unwrap();
        let name = name_after(&host);
        match &*name {
            "" => assert!(config.process().as_str().starts_with("pid-")),
            name => assert_eq!(config.process().as_str(), name),
        }
    }

    #[test]
    fn any_hosts_name_can_be_a_processs() {
        for (host, name) in [
            ("api-1\n", "api-1"),
            ("api 1;\u{202e}\n", "api-1--"),
            ("'api'", "-api-"),
            ("\n", ""),
            ("(none)\n", ""),
            (&"é".repeat(200), &"é".repeat(127)),
        ] {
            assert_eq!(name_after(host), name, "{host:?}");
            assert!(name.is_empty() || ProcessId::new(name).is_ok(), "{name:?}");
        }
    }
}
