//! Nobody hears a secret from us: not on a screen, not in a log, not in an error, not in the list of
//! processes. Every command and every way to fail is taken with secrets that are known, and whatever
//! came out of it is searched for them.

use std::error::Error as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use lamport_clock::{Config, Error, Settings, SharedClock, Value, blocking};

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/command.rs"]
mod command;
#[path = "../../tests/support/mod.rs"]
mod support;

use certificates::{Authority, Pair, Validity, write_secret};
use command::{CONNECTING, Ended, Running, lamport};
use support::{Etcd, Setup};

const PASSWORD: &str = "swordfish-4711-password";
const WRONG: &str = "swordfish-0815-guessed";

/// An etcd that wants certificates and passwords, and everything that opens it.
struct Vault {
    etcd: Etcd,
    ca: Authority,
    client: Pair,
    folder: tempfile::TempDir,
    /// What must not be seen anywhere.
    secrets: Vec<String>,
}

impl Vault {
    fn new() -> Vault {
        let ca = Authority::new("test CA");
        let server = ca.sign("server", &["127.0.0.1"], Validity::Now);
        let client = ca.sign("client", &[], Validity::Now);
        let arguments = [
            format!("--cert-file={}", server.certificate),
            format!("--key-file={}", server.key),
            format!("--trusted-ca-file={}", ca.certificate()),
            "--client-cert-auth".to_owned(),
        ];
        let control = [
            format!("--cacert={}", ca.certificate()),
            format!("--cert={}", client.certificate),
            format!("--key={}", client.key),
        ];
        let etcd = Etcd::start_with(
            1,
            Setup {
                tls: true,
                arguments: arguments.to_vec(),
                control: control.to_vec(),
            },
        );
        etcd.control(&["user", "add", &format!("root:{PASSWORD}")]);
        etcd.control(&["user", "grant-role", "root", "root"]);
        etcd.control(&["auth", "enable"]);
        let folder = tempfile::tempdir().unwrap();
        let mut secrets = vec![PASSWORD.to_owned(), WRONG.to_owned()];
        let key = fs::read_to_string(&client.key).unwrap();
        secrets.extend(
            key.lines()
                .filter(|line| !line.starts_with("---"))
                .map(str::to_owned),
        );
        assert!(secrets.len() > 3, "a key of several lines");
        Vault {
            etcd,
            ca,
            client,
            folder,
            secrets,
        }
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        write_secret(&path, content);
        path.display().to_string()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What opens it.
    fn settings(&self) -> Settings {
        Settings::from([
            ("node", "a"),
            ("store", &self.etcd.uri()),
            ("timeout", "5s"),
            ("tls_ca", &self.ca.certificate()),
            ("tls_cert", &self.client.certificate),
            ("tls_key", &self.client.key),
            ("user", "root"),
            ("password_file", &self.file("password", PASSWORD)),
        ])
    }

    /// One way to fail each, whose settings come near a secret.
    fn mistakes(&self) -> Vec<(&'static str, Settings)> {
        let right = |changes: &[(&str, Option<&str>)]| {
            let mut settings = self.settings();
            for (name, value) in changes {
                match value {
                    Some(value) => settings.set(name, *value),
                    None => settings.remove(name),
                }
            }
            settings
        };
        let key = || fs::read_to_string(&self.client.key).unwrap();
        let open = |name: &str, content: &str| {
            let file = self.file(name, content);
            fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
            Some(file)
        };
        let stranger = Authority::new("another CA");
        let other = self.ca.sign("other", &[], Validity::Now);
        let encrypted = key().replace("PRIVATE", "ENCRYPTED PRIVATE");
        let cut = key().replace("-----END PRIVATE KEY-----", "");
        let torn = key().replace("PRIVATE KEY-----\n", "PRIVATE KEY-----\n!");
        let password_file = Some(self.file("password", PASSWORD));
        let wrong = Some(self.file("wrong", WRONG));
        let no_text = Some(self.file("no-text", PASSWORD));
        fs::write(
            no_text.as_ref().unwrap(),
            [PASSWORD.as_bytes(), b"\xff"].concat(),
        )
        .unwrap();
        let lines = Some(self.file("lines", &format!("{PASSWORD}\n{WRONG}")));
        let key_as_ca = Some(self.client.key.clone());
        let with_password = format!("https://root:{PASSWORD}@127.0.0.1");
        vec![
            (
                "wrong password",
                right(&[("password_file", wrong.as_deref())]),
            ),
            ("unknown user", right(&[("user", Some("nobody"))])),
            ("no user", right(&[("user", None)])),
            (
                "open password",
                right(&[("password_file", open("open", PASSWORD).as_deref())]),
            ),
            (
                "open key",
                right(&[("tls_key", open("open-key", &key()).as_deref())]),
            ),
            (
                "password of several lines",
                right(&[("password_file", lines.as_deref())]),
            ),
            (
                "password that is no text",
                right(&[("password_file", no_text.as_deref())]),
            ),
            (
                "key as password",
                right(&[("password_file", key_as_ca.as_deref())]),
            ),
            (
                "key as authority",
                right(&[("tls_ca", key_as_ca.as_deref())]),
            ),
            (
                "key as certificate",
                right(&[("tls_cert", key_as_ca.as_deref())]),
            ),
            (
                "key as configuration",
                right(&[("config", key_as_ca.as_deref())]),
            ),
            (
                "password as configuration",
                right(&[("config", password_file.as_deref())]),
            ),
            (
                "password as key",
                right(&[("tls_key", password_file.as_deref())]),
            ),
            (
                "password as authority",
                right(&[("tls_ca", password_file.as_deref())]),
            ),
            (
                "encrypted key",
                right(&[("tls_key", Some(&*self.file("k1", &encrypted)))]),
            ),
            (
                "cut key",
                right(&[("tls_key", Some(&*self.file("k2", &cut)))]),
            ),
            (
                "torn key",
                right(&[("tls_key", Some(&*self.file("k3", &torn)))]),
            ),
            ("another's key", right(&[("tls_key", Some(&*other.key))])),
            (
                "another authority",
                right(&[("tls_ca", Some(&*stranger.certificate()))]),
            ),
            (
                "no client certificate",
                right(&[("tls_cert", None), ("tls_key", None)]),
            ),
            (
                "no TLS",
                right(&[("tls_ca", None), ("tls_cert", None), ("tls_key", None)]),
            ),
            (
                "no TLS to another machine",
                right(&[
                    ("store", Some("etcd://203.0.113.1")),
                    ("tls_ca", None),
                    ("tls_cert", None),
                    ("tls_key", None),
                ]),
            ),
            (
                "password in the store",
                right(&[("store", Some(&*with_password))]),
            ),
        ]
    }

    fn search(&self, what: &str, text: &str) {
        for secret in &self.secrets {
            assert!(!text.contains(secret), "{what} tells a secret: {text}");
        }
    }

    fn search_ended(&self, what: &str, ended: &Ended) {
        self.search(what, &ended.lines.join("\n"));
        self.search(what, &ended.complaint());
    }

    /// An error in every form, with everything that caused it.
    fn search_error(&self, what: &str, error: &Error) {
        self.search(what, &format!("{error} {error:?} {error:#?}"));
        let mut source = error.source();
        while let Some(error) = source {
            self.search(what, &format!("{error} {error:?} {error:#?}"));
            source = error.source();
        }
    }
}

/// A command with these settings, all as flags.
fn command(verb: &[&str], settings: &Settings) -> std::process::Command {
    let mut command = lamport(verb);
    for (name, value) in settings.iter() {
        let Value::Text(value) = value else {
            panic!("{name} is {value:?}");
        };
        command
            .arg(format!("--{}", name.replace('_', "-")))
            .arg(value);
    }
    // Whoever looks for a fault switches on whatever tells more.
    command
        .env("RUST_BACKTRACE", "full")
        .env("RUST_LOG", "trace");
    command
}

#[tokio::test]
async fn no_value_and_no_error_of_the_library_shows_a_secret() {
    let vault = Vault::new();
    let settings = vault.settings();
    let config = Config::load(&settings).unwrap();
    let clock = SharedClock::connect(config.clone()).await.unwrap();
    clock.update().await.unwrap();
    let facade = blocking::SharedClock::open(&config).unwrap();
    vault.search("Settings", &format!("{settings:?} {settings:#?}"));
    vault.search("Config", &format!("{config:?} {config:#?}"));
    vault.search(
        "the clock",
        &format!("{clock:?} {clock:#?} {facade:?} {facade:#?}"),
    );
    vault.search("the server", &format!("{:?}", clock.server().await));
    for (what, settings) in vault.mistakes() {
        let error = match Config::load(&settings) {
            Ok(config) => SharedClock::connect(config).await.unwrap_err(),
            Err(error) => error,
        };
        vault.search_error(what, &error);
    }
}

#[test]
fn no_command_shows_a_secret() {
    let vault = Vault::new();
    let right = vault.settings();
    for verb in CONNECTING {
        for json in [&[][..], &["--json"]] {
            let verb = [verb, json].concat();
            let ended = Running::start(&mut command(&verb, &right)).finish();
            assert_eq!(ended.code, Some(0), "{verb:?}: {ended:?}");
            vault.search_ended(&format!("{verb:?}"), &ended);
        }
    }
    for (what, settings) in vault.mistakes() {
        for verb in [&["update"][..], &["nodes", "--json"]] {
            let ended = Running::start(&mut command(verb, &settings)).finish();
            assert!(
                verb[0] == "nodes" || ended.code != Some(0),
                "{what}: {ended:?}"
            );
            vault.search_ended(what, &ended);
        }
    }
    for wrong in [
        &["--password", PASSWORD][..],
        &[&format!("--password={PASSWORD}")],
    ] {
        let ended = Running::start(&mut command(&[&["update"], wrong].concat(), &right)).finish();
        assert_eq!(
            ended.code,
            Some(2),
            "there is a flag for passwords: {ended:?}"
        );
        vault.search_ended("a flag that does not exist", &ended);
    }
}

#[test]
fn a_running_process_shows_no_secret_to_the_others_of_its_machine() {
    let vault = Vault::new();
    let mut running = command(&["run", "--interval", "0s"], &vault.settings());
    let running = Running::start(&mut running);
    running.line();
    running.line();
    for file in ["cmdline", "environ", "comm"] {
        let shown = fs::read(format!("/proc/{}/{file}", running.id())).unwrap();
        vault.search(file, &String::from_utf8_lossy(&shown));
    }
    running.signal("-TERM");
    vault.search_ended("run", &running.finish());
}

/// The nodes of the map are asked, too, wherever the store is.
#[test]
fn nodes_sends_no_password_to_where_it_would_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password").display().to_string();
    write_secret(&file, PASSWORD);
    let ended = command::run(&[
        "nodes",
        "--json",
        "--store",
        "etcd://127.0.0.1:1",
        "--nodes",
        "far=203.0.113.1",
        "--user",
        "root",
        "--password-file",
        &file,
    ]);
    let rows = ended.objects();
    let far = rows.iter().find(|row| row["node"] == "far").unwrap();
    let error = far["error"].as_str().unwrap();
    assert!(error.contains("LAMPORT_ALLOW_PLAINTEXT=true"), "{error}");
}
