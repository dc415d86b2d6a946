//! The configuration from arguments, variables and a TOML file, all made of bytes. A second, naive
//! computation tells which source wins.
#![no_main]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use lamport_clock::{Config, ErrorKind, Kind, LocalClock, Setting, Settings, parse_duration};
use lamport_clock_fuzz::{SECRET, assert_message};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::{Corpus, fuzz_target};
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(folder.path().join("secret"), mode).unwrap();
    fs::write(folder.path().join("not-text"), b"\xff\xfe").unwrap();
    fs::write(folder.path().join("empty"), b"").unwrap();
    folder
});

/// The texts that one source gives, by the names of their settings.
type Said = BTreeMap<&'static str, String>;

fuzz_target!(|bytes: &[u8]| -> Corpus {
    // The fuzzer can learn the secret from the comparisons; an input that contains it proves nothing.
    if String::from_utf8_lossy(bytes).contains(SECRET) {
        return Corpus::Reject;
    }
    match check(&mut Unstructured::new(bytes)) {
        Ok(()) => Corpus::Keep,
        Err(_) => Corpus::Reject,
    }
});

fn check(bytes: &mut Unstructured<'_>) -> Result<()> {
    let arguments = said(bytes)?;
    let variables = said(bytes)?;
    // The file is well formed, or any bytes.
    let in_file = if bytes.arbitrary()? {
        let mut said = said(bytes)?;
        said.remove("config");
        fs::write(path("file"), toml(&said, bytes.arbitrary()?)).unwrap();
        Some(said)
    } else {
        let rest = bytes.bytes(bytes.len())?;
        fs::write(path("file"), rest).unwrap();
        None
    };
    let not_text = variables.get("node").is_some_and(|name| name == "not-text");
    let resolved = Config::resolve(&settings(&arguments), &|variable| {
        let mut all = Setting::ALL.iter();
        let name = all.find(|setting| setting.variable == variable)?.name;
        if name == "node" && not_text {
            return Some(OsString::from_vec(vec![0xff, b'a']));
        }
        variables.get(name).map(OsString::from)
    });

    let longest_map = [&arguments, &variables]
        .into_iter()
        .chain(&in_file)
        .filter_map(|said| said.get("nodes").map(String::len))
        .max();
    let config = match resolved {
        Ok(config) => config,
        Err(error) => {
            let kinds = [ErrorKind::InvalidArgument, ErrorKind::UnknownNode];
            assert!(kinds.contains(&error.kind()), "{error}");
            // The message lists all known nodes, each with its port.
            assert_message(&error.to_string(), 2_000 + 5 * longest_map.unwrap_or(0));
            return Ok(());
        }
    };
    assert!(!not_text, "a variable that is not UTF-8 was taken");
    assert!(!format!("{config:?}").contains(SECRET));
    if let Some(credentials) = config.credentials() {
        assert_eq!(credentials.password.expose(), SECRET);
    }
    let wins = |name: &str| {
        // An empty argument counts as given. Only an empty variable counts as not set.
        let variable = |name: &str| variables.get(name).filter(|text| !text.is_empty());
        let file = arguments.get("config").or_else(|| variable("config"));
        let read = file.is_some_and(|file| *file == path("file").to_str().unwrap());
        let in_file = in_file.as_ref().filter(|_| read);
        arguments
            .get(name)
            .or_else(|| variable(name))
            .or_else(|| in_file.and_then(|said| said.get(name)))
            .cloned()
    };
    if in_file.is_some() {
        if let Some(name) = wins("node") {
            assert_eq!(config.process().as_str(), name);
        }
        let timeout =
            wins("timeout").map_or(Ok(Config::DEFAULT_TIMEOUT), |text| parse_duration(&text));
        assert_eq!(config.timeout(), timeout.unwrap());
        let max_jump = wins("max_jump").map_or(Ok(LocalClock::MAX_JUMP), |text| text.parse());
        assert_eq!(config.max_jump(), max_jump.unwrap());
    }
    assert!(config.timeout() >= Duration::from_millis(1));
    assert!(config.timeout() <= Duration::from_secs(86_400));
    assert!(config.key().starts_with('/') && config.key().len() <= 512);
    Ok(())
}

/// Some of the settings, each with a text that may be valid.
fn said(bytes: &mut Unstructured<'_>) -> Result<Said> {
    let mut said = Said::default();
    let mut which = [0_u8; Setting::ALL.len().div_ceil(8)];
    bytes.fill_buffer(&mut which)?;
    for (at, setting) in Setting::ALL.iter().enumerate() {
        if which[at / 8] >> (at % 8) & 1 == 0 {
            continue;
        }
        // The fuzzer chooses among files of its own: it must not touch others.
        let text = if setting.kind == Kind::Text("FILE") {
            let name = bytes.choose(&["file", "secret", "not-text", "empty", "absent", "."])?;
            path(name).to_str().unwrap().to_owned()
        } else if bytes.ratio(1, 4)? {
            let right = [
                "mx-nodel",
                "memory:",
                "etcd://[::1]/a",
                "/k",
                "2s",
                "true",
                "7",
                "a=h:1",
            ];
            (*bytes.choose(&right)?).to_owned()
        } else {
            let length = bytes.int_in_range(0..=40)?.min(bytes.len());
            String::from_utf8_lossy(bytes.bytes(length)?).into_owned()
        };
        said.insert(setting.name, text);
    }
    Ok(said)
}

fn settings(said: &Said) -> Settings {
    let mut settings = Settings::default();
    for (name, text) in said {
        settings.set(name, &**text);
    }
    settings
}

/// A TOML file that gives these texts, under the names of the file or of the environment.
fn toml(said: &Said, as_variables: bool) -> String {
    let mut file = String::new();
    for setting in Setting::ALL {
        let Some(text) = said.get(setting.name) else {
            continue;
        };
        let name = match as_variables {
            true => setting.variable,
            false => setting.name,
        };
        // A JSON string is a TOML string too, except for DEL.
        let text = serde_json::to_string(text)
            .unwrap()
            .replace('\u{7f}', "\\u007F");
        writeln!(file, "{name} = {text}").unwrap();
    }
    file
}

fn path(name: &str) -> PathBuf {
    FOLDER.path().join(name)
}
