//! etcd's users and roles: the role that SECURITY.md gives a clock, and what becomes of a clock
//! whose user, token or role is not what it should be.

use std::process::Command;
use std::time::Duration;

use lamport_clock::protocol::{At, KeyRange, Keys, Operation, Transaction};
use lamport_clock::store::{EtcdStore, Store};
use lamport_clock::{Config, Error, ErrorKind, Settings, SharedClock, WatchEvent};

#[path = "support/command.rs"]
mod command;
#[path = "../../tests/support/mod.rs"]
mod support;

use support::{Etcd, Setup};

const ROOT: &str = "swordfish-root";
const PASSWORD: &str = "swordfish-clock";
const OBSERVER: &str = "swordfish-observer";

/// A one-member etcd with the users and roles that SECURITY.md sets up.
struct Guarded {
    etcd: Etcd,
    passwords: tempfile::TempDir,
}

impl Guarded {
    fn start(setup: Setup) -> Guarded {
        let guarded = Guarded {
            etcd: Etcd::start_with(1, setup),
            passwords: tempfile::tempdir().unwrap(),
        };
        for (name, password) in [
            ("lamport-password", PASSWORD),
            ("observer-password", OBSERVER),
            ("wrong-password", "guessed"),
        ] {
            std::fs::write(guarded.passwords.path().join(name), password).unwrap();
            let chmod = ["600", &guarded.password(name)];
            assert!(
                Command::new("chmod")
                    .args(chmod)
                    .status()
                    .unwrap()
                    .success()
            );
        }
        guarded.run_the_documented_commands();
        guarded
    }

    /// To the letter, in a shell, in a folder that holds the passwords.
    fn run_the_documented_commands(&self) {
        let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../SECURITY.md");
        let document = std::fs::read_to_string(document).unwrap();
        let blocks = document.split("```sh\n").skip(1);
        let blocks = blocks.map(|block| block.split("```").next().unwrap());
        let commands: String = blocks.filter(|block| block.contains("etcdctl")).collect();
        assert!(commands.contains("role grant-permission"), "{document}");
        let tools = support::program().parent().unwrap().display().to_string();
        let output = Command::new("sh")
            .args(["-euc", &format!("PATH='{tools}':$PATH\n{commands}")])
            .env("ETCDCTL_API", "3")
            .env("ETCDCTL_ENDPOINTS", self.etcd.endpoints()[0].to_string())
            .current_dir(self.passwords.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    fn enable(&mut self) {
        self.etcd.control(&["user", "add", &format!("root:{ROOT}")]);
        self.etcd.control(&["user", "grant-role", "root", "root"]);
        self.etcd.control(&["auth", "enable"]);
        self.etcd.control_with(&format!("--user=root:{ROOT}"));
    }

    fn started_and_enabled() -> Guarded {
        let mut guarded = Guarded::start(Setup::default());
        guarded.enable();
        guarded
    }

    fn password(&self, name: &str) -> String {
        self.passwords.path().join(name).display().to_string()
    }

    fn config(&self, user: Option<(&str, &str)>) -> Config {
        let store = self.etcd.uri();
        let mut settings = Settings::from([("node", "a"), ("store", &store), ("timeout", "20s")]);
        if let Some((user, file)) = user {
            settings.set("user", user);
            settings.set("password_file", self.password(file));
        }
        Config::load(&settings).unwrap()
    }

    fn as_clock(&self) -> Config {
        self.config(Some(("lamport", "lamport-password")))
    }

    fn as_observer(&self) -> Config {
        self.config(Some(("lamport-observer", "observer-password")))
    }
}

/// It is a clear no, with what to look at, and says no password.
fn denied(error: &Error, parts: &[&str]) {
    let message = error.to_string();
    assert_eq!(error.kind(), ErrorKind::Denied, "{message}");
    for part in parts {
        assert!(message.contains(part), "{part:?} is missing in: {message}");
    }
    assert!(!message.contains("not done within"), "{message}");
    for secret in [ROOT, PASSWORD, OBSERVER, "guessed"] {
        assert!(!message.contains(secret), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_role_is_enough_for_every_verb() {
    let guarded = Guarded::started_and_enabled();
    let clock = SharedClock::connect(guarded.as_clock()).await.unwrap();
    let mut watch = clock.watch().await.unwrap();
    // In a crowd a clock takes by the puts of `taken` and of its weights, and others fold.
    let mut crowd = Vec::new();
    for _ in 0..8 {
        crowd.push(SharedClock::connect(guarded.as_clock()).await.unwrap());
    }
    let crowd = crowd.into_iter().map(|clock| {
        tokio::spawn(async move {
            for _ in 0..20 {
                clock.update().await.unwrap();
                clock.reserve(3).await.unwrap();
            }
            clock.close().await;
        })
    });
    let crowd: Vec<_> = crowd.collect();
    for task in crowd {
        task.await.unwrap();
    }
    let keys = Keys::new("/lamport_clock");
    let store = EtcdStore::new(&guarded.etcd.endpoints(), &guarded.as_clock()).unwrap();
    let range = keys.all();
    let found = store.read(&range, At::Now, Duration::from_secs(20));
    let found = found.await.unwrap().entries;
    let taken = found.iter().find(|entry| entry.key == keys.taken);
    assert!(taken.unwrap().version > 1, "nobody met anybody");
    let last = clock.update().await.unwrap();
    loop {
        if let WatchEvent::Updated(seen) = watch.next().await.unwrap()
            && seen.value == last.value
        {
            break;
        }
    }
    assert_eq!(clock.read().await.unwrap().unwrap().value, last.value);
    assert_eq!(clock.history(50).await.unwrap().updates.len(), 50);

    let (store, password) = (guarded.etcd.uri(), guarded.password("lamport-password"));
    let nodes = format!("n={}", guarded.etcd.endpoints()[0]);
    let who = ["--user", "lamport", "--password-file", &password];
    for command in command::CONNECTING {
        let more: &[&str] = match command[0] {
            "nodes" => &["--nodes", &nodes],
            // There is something to write then.
            "repair" => &["--at-least", "100000"],
            _ => &[],
        };
        let ended = command::run(&[command, more, &who, &["--store", &store]].concat());
        assert_eq!(ended.code, Some(0), "{command:?}: {ended:?}");
        if command[0] == "nodes" {
            // Some versions tell theirs to root alone.
            let version = ended.lines[0].contains("answers  etcd 3.");
            let told = ended
                .lines
                .iter()
                .any(|line| line.contains("to root alone"));
            assert!(version != told, "{ended:?}");
        }
    }
}

#[tokio::test]
async fn the_documented_role_opens_nothing_else() {
    let guarded = Guarded::started_and_enabled();
    let within = Duration::from_secs(20);
    let put = |key: &str| Operation::Put(key.into(), b"poison".to_vec());
    let beginning_with = |start: &str| {
        let mut end = start.as_bytes().to_vec();
        *end.last_mut().unwrap() += 1;
        KeyRange::new(start, end)
    };
    for config in [guarded.as_clock(), guarded.as_observer()] {
        let store = EtcdStore::new(&guarded.etcd.endpoints(), &config).unwrap();
        // Signing in is slow work, and may take longer than one attempt has.
        let ours = Keys::new("/lamport_clock").all();
        for _ in 0..30 {
            if store.read(&ours, At::Now, within).await.is_ok() {
                break;
            }
        }
        for operation in [
            put("/other"),
            put("/lamport_clock-old"),
            put("/lamport_clock0"),
            put("/lamport_clocks"),
            Operation::Delete(b"/other".to_vec()),
            Operation::Delete(b"/lamport_clock.bak".to_vec()),
            Operation::Get(KeyRange::key(b"/other")),
            Operation::Get(KeyRange::key(b"/lamport_clock0")),
            Operation::Get(beginning_with("/")),
            Operation::Get(beginning_with("/lamport_clock")),
        ] {
            let transaction = Transaction {
                then: vec![operation.clone()],
                ..Transaction::default()
            };
            let failure = store.transact(&transaction, within).await.unwrap_err();
            denied(&failure.error, &["permission denied"]);
            assert!(!failure.retry, "{operation:?}");
            // It is read as it lies there, too: now, in the past, by any server.
            if let Operation::Get(range) = operation {
                for at in [At::Now, At::Revision(1), At::Anywhere] {
                    let failure = store.read(&range, at, within).await.unwrap_err();
                    denied(&failure.error, &["permission denied"]);
                    assert!(!failure.retry, "{range:?}");
                }
            }
        }
        for range in [
            beginning_with("/other"),
            beginning_with("/lamport_clock"),
            KeyRange::key(b"/lamport_clock0"),
        ] {
            let failure = store.watch(range, 0, within).await.err().unwrap();
            denied(&failure.error, &["permission denied"]);
        }
    }
}

#[tokio::test]
async fn an_observer_sees_everything_and_moves_nothing() {
    let guarded = Guarded::started_and_enabled();
    let clock = SharedClock::connect(guarded.as_clock()).await.unwrap();
    let observer = SharedClock::connect(guarded.as_observer()).await.unwrap();
    let mut watch = observer.watch().await.unwrap();
    let value = clock.update().await.unwrap().value;
    let WatchEvent::Updated(seen) = watch.next().await.unwrap() else {
        panic!("the update");
    };
    assert_eq!(seen.value, value);
    assert_eq!(observer.read().await.unwrap().unwrap().value, value);
    assert_eq!(observer.history(9).await.unwrap().updates.len(), 1);
    let parts = ["permission denied", "LAMPORT_USER", "SECURITY.md"];
    denied(&observer.update().await.unwrap_err(), &parts);
    denied(&observer.reserve(5).await.unwrap_err(), &parts);
    assert_eq!(clock.update().await.unwrap().value.get(), value.get() + 2);
}

#[tokio::test]
async fn who_is_not_known_is_told_what_to_look_at() {
    let guarded = Guarded::started_and_enabled();
    let address = guarded.etcd.endpoints()[0].to_string();
    for user in ["lamport", "nobody"] {
        let config = guarded.config(Some((user, "wrong-password")));
        let error = SharedClock::connect(config).await.unwrap_err();
        let parts = [&*address, "authentication failed", "LAMPORT_PASSWORD_FILE"];
        denied(&error, &parts);
    }
    let error = SharedClock::connect(guarded.config(None))
        .await
        .unwrap_err();
    denied(&error, &[&address, "LAMPORT_USER"]);
    // Of a user that is known and has no role.
    guarded
        .etcd
        .control(&["user", "revoke-role", "lamport", "lamport"]);
    let error = SharedClock::connect(guarded.as_clock()).await.unwrap_err();
    denied(&error, &[&address, "permission denied"]);
}

#[tokio::test]
async fn a_clock_and_a_watch_outlive_their_tokens() {
    let mut guarded = Guarded::start(Setup {
        arguments: vec!["--auth-token-ttl=1".to_owned()],
        ..Setup::default()
    });
    guarded.enable();
    let clock = SharedClock::connect(guarded.as_clock()).await.unwrap();
    let mut watch = clock.watch().await.unwrap();
    clock.update().await.unwrap();
    assert!(matches!(
        watch.next().await.unwrap(),
        WatchEvent::Updated(_)
    ));
    let authenticated = ["grpc_method=\"Authenticate\""];
    for _ in 0..2 {
        let before = guarded.etcd.requests(&authenticated);
        // Tokens that rest for a second are thrown away, by a look once a second.
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let update = clock.update().await.unwrap();
        assert!(
            guarded.etcd.requests(&authenticated) > before,
            "the token was still good"
        );
        match watch.next().await.unwrap() {
            WatchEvent::Updated(seen) => assert_eq!(seen.value, update.value),
            other => panic!("{other:?}"),
        }
    }
    let mut from_now = clock.watch().await.unwrap();
    // A member that was restarted knows no token at all.
    guarded.etcd.kill(0);
    guarded.etcd.restart(0);
    let update = clock.update().await.unwrap();
    for watch in [&mut watch, &mut from_now] {
        loop {
            match watch.next().await.unwrap() {
                WatchEvent::Updated(seen) if seen.value == update.value => break,
                WatchEvent::Updated(_) | WatchEvent::Interrupted(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_may_be_switched_on_and_off_under_running_clocks() {
    let mut guarded = Guarded::start(Setup::default());
    let known = SharedClock::connect(guarded.as_clock()).await.unwrap();
    let unknown = SharedClock::connect(guarded.config(None)).await.unwrap();
    let mut watch = known.watch().await.unwrap();
    known.update().await.unwrap();
    unknown.update().await.unwrap();
    guarded.enable();
    let last = known.update().await.unwrap().value;
    denied(&unknown.update().await.unwrap_err(), &["LAMPORT_USER"]);
    loop {
        match watch.next().await.unwrap() {
            WatchEvent::Updated(seen) if seen.value == last => break,
            WatchEvent::Updated(_) | WatchEvent::Interrupted(_) => {}
            other => panic!("{other:?}"),
        }
    }
    // Every change makes what is under way with an older list of the users be refused.
    let updating = tokio::spawn({
        let known = known.clone();
        async move {
            for _ in 0..200 {
                known.update().await.unwrap();
            }
        }
    });
    for i in 0.. {
        let role = format!("role-{i}");
        tokio::task::block_in_place(|| guarded.etcd.control(&["role", "add", &role]));
        if updating.is_finished() {
            break;
        }
    }
    updating.await.unwrap();
    guarded.etcd.control(&["auth", "disable"]);
    assert!(known.update().await.unwrap().value > last);
    assert!(unknown.update().await.unwrap().value > last);
}

#[tokio::test]
async fn a_role_that_is_taken_away_is_missed_at_once_and_found_again() {
    let guarded = Guarded::started_and_enabled();
    let clock = SharedClock::connect(guarded.as_clock()).await.unwrap();
    let before = clock.update().await.unwrap().value;
    guarded
        .etcd
        .control(&["user", "revoke-role", "lamport", "lamport"]);
    denied(&clock.update().await.unwrap_err(), &["permission denied"]);
    denied(&clock.read().await.unwrap_err(), &["permission denied"]);
    denied(&clock.watch().await.err().unwrap(), &["permission denied"]);
    guarded
        .etcd
        .control(&["user", "grant-role", "lamport", "lamport"]);
    assert!(clock.update().await.unwrap().value > before);
    // A new password is a new user to a clock that knows the old one.
    guarded.etcd.control(&["user", "delete", "lamport"]);
    let error = clock.update().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
}
