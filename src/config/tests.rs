//! From settings to a configuration: which value wins, what is refused, and what is never shown.

use std::ffi::OsString;

use super::*;
use crate::error::{Error, ErrorKind};

fn resolve(settings: Settings, variables: &[(&str, &str)]) -> Result<Config> {
    Config::resolve(&settings, &|name| {
        let (_, value) = variables.iter().find(|(variable, _)| *variable == name)?;
        Some(OsString::from(value))
    })
}

fn refusal(variables: &[(&str, &str)]) -> Error {
    resolve(Settings::default(), variables).unwrap_err()
}

#[test]
fn the_deployed_environment_is_enough() {
    let config = resolve(Settings::default(), &[("NODE_NAME", "mx-nodel3")]).unwrap();
    assert_eq!(
        config.store.to_string(),
        "etcd://172.21.0.12:2379,172.21.0.10:2379,172.21.0.11:2379"
    );
    assert_eq!(config.key, "/lamport_clock");
    assert_eq!(config.timeout, Duration::from_secs(5));
    assert_eq!(config.process.as_str(), "mx-nodel3");
}

#[test]
fn arguments_win_over_environment_over_file_over_built_in() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        file.path(),
        "key = '/file'\ntimeout = 7\nLAMPORT_STORE = 'memory:file'\nallow_plaintext = true\n",
    )
    .unwrap();
    let path = file.path().to_str().unwrap();
    let variables = [("LAMPORT_CONFIG", path), ("LAMPORT_KEY", "/variable")];
    let config = resolve(Settings::default(), &variables).unwrap();
    assert_eq!(config.key, "/variable");
    assert_eq!(config.timeout, Duration::from_secs(7));
    assert_eq!(config.store.to_string(), "memory:file");
    assert!(config.allow_plaintext);
    let settings = Settings::from([("key", "/argument"), ("timeout", "250ms")]);
    let config = resolve(settings, &variables).unwrap();
    assert_eq!(config.key, "/argument");
    assert_eq!(config.timeout, Duration::from_millis(250));
}

#[test]
fn the_more_explicit_key_counts() {
    let store = ("LAMPORT_STORE", "etcd://h/uri");
    let config = resolve(Settings::default(), &[store, ("LAMPORT_KEY", "/key")]).unwrap();
    assert_eq!(config.key, "/uri");
    let settings = Settings::from([("key", "/argument")]);
    assert_eq!(resolve(settings, &[store]).unwrap().key, "/argument");
}

#[test]
fn a_wrong_value_names_the_variable_the_value_and_what_is_allowed() {
    let node = ("NODE_NAME", "mx-nodel");
    let mut wrong = vec![
        ("NODE_NAME", "nobody", "mx-nodel2=172.21.0.11"),
        ("LAMPORT_NODES", "a", "name=host[:port]"),
        ("LAMPORT_STORE", "redis://h", "etcd://"),
        ("LAMPORT_STORE", "https://h:2379", "LAMPORT_TLS_CA"),
        ("LAMPORT_STORE", "etcd://", "host"),
        ("LAMPORT_STORE", "etcd://h,h", "twice"),
        ("LAMPORT_STORE", "etcd://h:99999/k", "65535"),
        ("LAMPORT_STORE", "etcd://h/k/", "key"),
        ("LAMPORT_STORE", "memory:a b", "' '"),
        ("LAMPORT_KEY", "clock", "/name"),
        ("LAMPORT_TIMEOUT", "soon", "500ms"),
        ("LAMPORT_TIMEOUT", "0s", "1ms"),
        ("LAMPORT_TIMEOUT", "-1s", "500ms"),
        ("LAMPORT_TIMEOUT", "99999m", "a day"),
        ("LAMPORT_MAX_JUMP", "-1", "whole number"),
        ("LAMPORT_USER", "me ", "blank"),
        ("LAMPORT_ALLOW_PLAINTEXT", "yes", "true nor false"),
    ];
    for setting in Setting::ALL {
        let variable = setting.variable;
        if setting.kind == Kind::Text("FILE") {
            wrong.push((variable, "/nonexistent/file", "can't be read"));
        }
        let is_tried = wrong.iter().any(|(tried, ..)| *tried == variable);
        assert!(is_tried, "add a value that {variable} doesn't take");
    }
    for (variable, value, allowed) in wrong {
        let mut variables = vec![(variable, value)];
        if variable != "NODE_NAME" {
            variables.push(node);
        }
        let message = refusal(&variables).to_string();
        for part in [variable, value, allowed] {
            assert!(message.contains(part), "{variable}={value}: {message}");
        }
    }
    assert_eq!(
        refusal(&[("NODE_NAME", "x")]).kind(),
        ErrorKind::UnknownNode
    );
}

#[test]
fn the_table_shows_the_defaults_that_are_used() {
    let config = resolve(Settings::default(), &[("NODE_NAME", "mx-nodel")]).unwrap();
    assert!(config.max_jump.is_power_of_two());
    let off = |is_on: bool| if is_on { "on" } else { "" }.to_owned();
    for setting in Setting::ALL {
        let used = match setting.name {
            // Tests of their own have what the words say.
            "node" | "nodes" | "store" => continue,
            "key" => config.key.clone(),
            "timeout" => format!("{:?}", config.timeout),
            "max_jump" => format!("2^{}", config.max_jump.ilog2()),
            "tls_ca" | "tls_cert" | "tls_key" => off(config.tls.is_some()),
            "user" | "password_file" => off(config.credentials.is_some()),
            "allow_plaintext" => config.allow_plaintext.to_string(),
            "header_key_file" => off(config.header.is_signed()),
            "config" => String::new(),
            name => panic!("say here which default {name} has"),
        };
        assert_eq!(setting.default, used, "{}", setting.name);
        let help = setting.help;
        assert!(
            !help.is_empty() && !help.contains('\n') && !help.ends_with('.'),
            "{help}"
        );
    }
}

#[test]
fn a_value_in_quotes_or_with_what_cannot_be_seen_is_refused_wherever_it_comes_from() {
    // No setting gets as far as its own form: all of them refuse such a text, whatever it says.
    let value = "5s";
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    for setting in Setting::ALL {
        let (name, variable) = (setting.name, setting.variable);
        let other = match name {
            "store" => ("NODE_NAME", "mx-nodel"),
            _ => ("LAMPORT_STORE", "memory:"),
        };
        for (bad, part) in [
            (format!("\"{value}\""), "stands in quotes"),
            (format!("'{value}'"), "stands in quotes"),
            (format!("{value}\u{202e}"), r"\u{202e}"),
            (format!("{value}\u{200b}"), r"\u{200b}"),
            (format!("\u{feff}{value}"), r"\u{feff}"),
            (format!("{value}\u{1b}[2J"), r"\u{1b}"),
            (format!("{value}\u{9b}"), r"\u{9b}"),
        ] {
            let message = refusal(&[(variable, &bad), other]).to_string();
            for part in [variable, part] {
                assert!(message.contains(part), "{variable}={bad:?}: {message}");
            }
            assert!(!message.contains(crate::excerpt::is_hidden), "{message:?}");
            let message = resolve(Settings::from([(name, &*bad)]), &[other]).unwrap_err();
            assert!(
                message.to_string().contains(part),
                "{name}={bad:?}: {message}"
            );
            if name != "config" {
                let content = format!("{name} = {}", serde_json::to_string(&bad).unwrap());
                std::fs::write(file.path(), content).unwrap();
                let message = refusal(&[("LAMPORT_CONFIG", path), other]).to_string();
                let origin = format!("{name} in '{path}'");
                for part in [&*origin, part] {
                    assert!(message.contains(part), "{name}={bad:?}: {message}");
                }
            }
        }
        if name != "nodes" {
            let message = refusal(&[(variable, &format!("{value}\r")), other]).to_string();
            assert!(
                message.contains(variable) && message.contains(r"\r"),
                "{message}"
            );
        }
    }
    // A node map may have one entry a line, as documents often write it.
    let nodes: Nodes = "a=h,\r\n b=i\r\n".parse().unwrap();
    assert_eq!(nodes.iter().count(), 2);
    let both = [("NODE_NAME", "a"), ("LAMPORT_NODES", "a=h,\n b=i\n")];
    assert_eq!(
        resolve(Settings::default(), &both)
            .unwrap()
            .nodes
            .iter()
            .count(),
        2
    );
    // The message escapes hidden characters, so that two names that look alike can be told apart.
    for map in ["a=h,a\u{200f}=i", "a=h,\"a\"=i", "a=h,b=i\u{200b}"] {
        let message = map.parse::<Nodes>().unwrap_err().to_string();
        assert!(!message.contains(crate::excerpt::is_hidden), "{message:?}");
    }
}

#[test]
fn a_file_that_others_can_write_to_is_not_obeyed() {
    use std::os::unix::fs::PermissionsExt;

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "store = 'memory:'").unwrap();
    let path = file.path().to_str().unwrap();
    for (mode, obeyed) in [(0o644, true), (0o600, true), (0o664, false), (0o646, false)] {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(file.path(), mode).unwrap();
        assert_eq!(
            resolve(Settings::default(), &[("LAMPORT_CONFIG", path)]).is_ok(),
            obeyed
        );
        for variable in ["LAMPORT_CONFIG", "LAMPORT_TLS_CA", "LAMPORT_TLS_CERT"] {
            let result = resolve(
                Settings::default(),
                &[(variable, path), ("LAMPORT_STORE", "memory:")],
            );
            let message = result
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert_eq!(
                message.contains("chmod go-w"),
                !obeyed,
                "{variable}: {message}"
            );
            assert!(obeyed || message.contains(path), "{message}");
        }
    }
}

#[test]
fn the_environment_of_another_names_no_files() {
    let files = [
        "LAMPORT_CONFIG",
        "LAMPORT_TLS_CA",
        "LAMPORT_TLS_CERT",
        "LAMPORT_TLS_KEY",
        "LAMPORT_PASSWORD_FILE",
        "LAMPORT_HEADER_KEY_FILE",
    ];
    for setting in Setting::ALL {
        let environment = |name: &str| (name == setting.variable).then(|| OsString::from("x"));
        let refused = sources::refuse_files(&environment);
        let is_file = files.contains(&setting.variable);
        assert_eq!(refused.is_err(), is_file, "{}", setting.variable);
    }
    assert!(!files::has_more_rights_than_its_caller());
}

#[test]
fn nothing_set_at_all_says_what_to_set() {
    for variables in [&[][..], &[("NODE_NAME", "")]] {
        let message = refusal(variables).to_string();
        assert!(message.contains("NODE_NAME") && message.contains("LAMPORT_STORE"));
        // The error doesn't name the nodes of the built-in map.
        assert!(!message.contains("mx-nodel"), "{message}");
    }
    let message = refusal(&[("LAMPORT_NODES", "a=h")]).to_string();
    assert!(message.contains("one of a=h:2379"), "{message}");
}

#[test]
fn a_store_needs_no_node_map() {
    let nodes = |variables: &[_]| {
        let config = resolve(Settings::default(), variables).unwrap();
        config.nodes().to_string()
    };
    let store = ("LAMPORT_STORE", "memory:");
    assert_eq!(nodes(&[store]), "");
    assert_eq!(nodes(&[store, ("LAMPORT_NODES", "a=h")]), "a=h:2379");
    assert_eq!(
        nodes(&[("NODE_NAME", "mx-nodel")]),
        Nodes::default().to_string()
    );
}

#[test]
fn a_file_with_an_unknown_name_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap();
    for (content, part) in [
        ("stoer = 'memory:'", "stoer"),
        ("store = [1]", "array"),
        ("store = 'memory:'\nallow_plaintext = 1", "true nor false"),
        ("store", "configuration file"),
    ] {
        std::fs::write(file.path(), content).unwrap();
        let message = refusal(&[("LAMPORT_CONFIG", path)]).to_string();
        assert!(
            message.contains(part) && message.contains(path),
            "{message}"
        );
    }
}

#[test]
fn secrets_are_not_printed_and_come_in_pairs() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "swordfish\n").unwrap();
    let path = file.path().to_str().unwrap();
    let store = ("LAMPORT_STORE", "memory:");
    let user = ("LAMPORT_USER", "u");
    let both = [store, user, ("LAMPORT_PASSWORD_FILE", path)];
    let config = resolve(Settings::default(), &both).unwrap();
    let credentials = config.credentials.as_ref().unwrap();
    assert_eq!(credentials.password.expose(), "swordfish");
    assert!(!format!("{config:?}").contains("swordfish"));
    assert!(refusal(&[store, user]).to_string().contains("both"));
    for (variable, value) in [
        ("LAMPORT_STORE", "etcd://me:swordfish@h"),
        ("LAMPORT_STORE", "https://me:swordfish@h"),
        ("LAMPORT_STORE", "etcd://me:sword/swordfish@h"),
        ("LAMPORT_STORE", "redis:me:swordfish@h"),
        ("LAMPORT_NODES", "a=http://me:swordfish@h"),
        ("LAMPORT_NODES", "me:swordfish@h"),
        ("LAMPORT_NODES", "me:swordfish@h =h"),
        ("NODE_NAME", "me:swordfish@h"),
    ] {
        let node = ("NODE_NAME", "mx-nodel");
        let message = refusal(&[(variable, value), node]).to_string();
        assert!(!message.contains("swordfish"), "{value}: {message}");
    }
    std::fs::write(file.path(), "store = 'etcd://me:swordfish@h\n").unwrap();
    let message = refusal(&[("LAMPORT_CONFIG", path)]).to_string();
    assert!(!message.contains("swordfish"), "{message}");
    assert!(message.contains("line 1"), "{message}");
}

#[test]
fn a_password_is_sent_in_the_clear_only_to_this_machine_or_where_it_is_allowed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "swordfish").unwrap();
    let path = file.path().to_str().unwrap();
    let user = [("LAMPORT_USER", "u"), ("LAMPORT_PASSWORD_FILE", path)];
    let with = |more: &[(&str, &str)]| resolve(Settings::default(), &[&user, more].concat());
    for store in [
        "memory:",
        "etcd://127.0.0.1,localhost:1,[::1],127.9.9.9",
        "etcd://LOCALHOST",
    ] {
        with(&[("LAMPORT_STORE", store)]).unwrap();
    }
    for (name, value, exposed) in [
        ("NODE_NAME", "mx-nodel", "172.21.0.10:2379"),
        (
            "LAMPORT_STORE",
            "etcd://127.0.0.1,10.0.0.5",
            "10.0.0.5:2379",
        ),
        (
            "LAMPORT_STORE",
            "etcd://localhost.example",
            "localhost.example",
        ),
        ("LAMPORT_STORE", "etcd://[::]", "[::]:2379"),
    ] {
        let error = with(&[(name, value)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let message = error.to_string();
        for part in [exposed, "LAMPORT_TLS_CA", "LAMPORT_ALLOW_PLAINTEXT=true"] {
            assert!(message.contains(part), "{message}");
        }
        assert!(!message.contains("swordfish"), "{message}");
        let denied = with(&[(name, value), ("LAMPORT_ALLOW_PLAINTEXT", "false")]);
        assert!(denied.is_err());
        let allowed = with(&[(name, value), ("LAMPORT_ALLOW_PLAINTEXT", "true")]);
        assert!(allowed.unwrap().allow_plaintext);
        with(&[(name, value), ("LAMPORT_TLS_CA", path)]).unwrap();
    }
}
