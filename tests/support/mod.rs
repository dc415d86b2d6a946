//! A private etcd for a test: real servers on loopback addresses, gone with the test.

#![allow(dead_code, reason = "each suite uses its own part of this")]

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use lamport_clock::{Address, Config, Settings};

/// A cluster of etcd members on 127.0.0.1, .2, .3, ...; stopped when dropped.
pub(crate) struct Etcd {
    members: Vec<Member>,
    folder: tempfile::TempDir,
    setup: Setup,
}

/// What a cluster has beyond a plain one.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    /// Clients are served over TLS.
    pub(crate) tls: bool,
    /// Arguments for each member.
    pub(crate) arguments: Vec<String>,
    /// What `etcdctl` needs to be let in.
    pub(crate) control: Vec<String>,
}

struct Member {
    address: Address,
    arguments: Vec<String>,
    process: Option<Child>,
}

/// Far longer than a healthy etcd takes to start; past it the test fails with etcd's own words.
const START: Duration = Duration::from_secs(60);

impl Etcd {
    /// Starts so many members and waits until each serves.
    pub(crate) fn start(members: usize) -> Etcd {
        Etcd::start_with(members, Setup::default())
    }

    /// The same with more than a plain cluster has.
    pub(crate) fn start_with(members: usize, setup: Setup) -> Etcd {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let hosts: Vec<String> = (1..=members).map(|i| format!("127.0.0.{i}")).collect();
        let ports: Vec<[u16; 2]> = hosts.iter().map(|host| free_ports(host)).collect();
        let url = |i: usize, which: usize| format!("http://{}:{}", hosts[i], ports[i][which]);
        let cluster: Vec<String> = (0..members)
            .map(|i| format!("n{i}={}", url(i, 1)))
            .collect();
        let members = (0..members).map(|i| {
            let (mut client, peer) = (url(i, 0), url(i, 1));
            if setup.tls {
                client = client.replace("http:", "https:");
            }
            let data = folder.path().join(format!("n{i}"));
            let arguments = [
                ("name", format!("n{i}")),
                ("data-dir", data.display().to_string()),
                ("listen-client-urls", client.clone()),
                ("advertise-client-urls", client),
                ("listen-peer-urls", peer.clone()),
                ("initial-advertise-peer-urls", peer),
                ("initial-cluster", cluster.join(",")),
                ("log-level", "info".to_owned()),
            ];
            let arguments = arguments.map(|(name, value)| format!("--{name}={value}"));
            Member {
                address: format!("{}:{}", hosts[i], ports[i][0]).parse().unwrap(),
                arguments: [&arguments[..], &setup.arguments].concat(),
                process: None,
            }
        });
        let mut etcd = Etcd {
            members: members.collect(),
            folder,
            setup,
        };
        // All at once: a member of three serves only when a second one is there.
        let serving: Vec<_> = etcd.members.iter_mut().map(Member::spawn).collect();
        for serving in serving {
            wait_for(&serving);
        }
        etcd
    }

    /// Where clients reach each member.
    pub(crate) fn endpoints(&self) -> Vec<Address> {
        self.members
            .iter()
            .map(|member| member.address.clone())
            .collect()
    }

    /// The store's URI, member `first` in front.
    pub(crate) fn uri_from(&self, first: usize) -> String {
        let mut endpoints: Vec<String> = self.endpoints().iter().map(Address::to_string).collect();
        endpoints.rotate_left(first);
        format!("etcd://{}", endpoints.join(","))
    }

    /// The store's URI.
    pub(crate) fn uri(&self) -> String {
        self.uri_from(0)
    }

    /// The configuration of `process` on this etcd.
    pub(crate) fn config(&self, process: &str) -> Config {
        self.config_from(0, process)
    }

    /// The same with member `first` in front.
    pub(crate) fn config_from(&self, first: usize, process: &str) -> Config {
        Config::load(&Settings::from([
            ("node", process),
            ("store", &*self.uri_from(first)),
            ("key", Config::DEFAULT_KEY),
            ("timeout", "5s"),
        ]))
        .unwrap()
    }

    /// Kills a member without a warning.
    pub(crate) fn kill(&mut self, member: usize) {
        self.members[member].kill();
    }

    /// Starts a killed member again, with its data, and waits until it serves.
    pub(crate) fn restart(&mut self, member: usize) {
        wait_for(&self.members[member].spawn());
    }

    /// Saves a snapshot of the store as it is now; says where.
    pub(crate) fn save_snapshot(&self) -> PathBuf {
        let file = self.folder.path().join("snapshot.db");
        self.control(&["snapshot", "save", &file.display().to_string()]);
        file
    }

    /// Puts the one member back to a snapshot, as an operator does after a disaster: under the same
    /// name and address, so that the cluster's id is the same too.
    pub(crate) fn restore(&mut self, snapshot: &Path) {
        let member = &mut self.members[0];
        member.kill();
        let data = self.folder.path().join("n0");
        std::fs::remove_dir_all(&data).unwrap();
        let same = |name: &str| {
            let argument = member.arguments.iter();
            let mut argument = argument.filter(|argument| argument.starts_with(name));
            argument.next().unwrap().clone()
        };
        // Before 3.5 it was a command of etcdctl's.
        let etcdutl = program().with_file_name("etcdutl");
        let etcdctl = program().with_file_name("etcdctl");
        let output = Command::new(if etcdutl.exists() { etcdutl } else { etcdctl })
            .env("ETCDCTL_API", "3")
            .args(["snapshot", "restore"])
            .arg(snapshot)
            .args([
                "--data-dir",
                &data.display().to_string(),
                &same("--name"),
                &same("--initial-cluster"),
                &same("--initial-advertise-peer-urls"),
            ])
            .output()
            .expect("etcdutl or etcdctl beside etcd");
        assert!(output.status.success(), "{output:?}");
        wait_for(&member.spawn());
    }

    /// Puts an empty store of another cluster in the place of the one member.
    pub(crate) fn replace_by_another(&mut self) {
        let member = &mut self.members[0];
        member.kill();
        std::fs::remove_dir_all(self.folder.path().join("n0")).unwrap();
        member
            .arguments
            .push("--initial-cluster-token=another".to_owned());
        wait_for(&member.spawn());
    }

    /// Stops a member as it stands: its connections stay open, and it is silent.
    pub(crate) fn pause(&self, member: usize) {
        self.signal(member, "-STOP");
    }

    /// Lets a paused member go on.
    pub(crate) fn resume(&self, member: usize) {
        self.signal(member, "-CONT");
    }

    /// Runs `etcdctl` against the first member that is alive and returns what it printed.
    pub(crate) fn control(&self, arguments: &[&str]) -> String {
        let alive = self
            .members
            .iter()
            .position(|member| member.process.is_some());
        self.control_at(alive.expect("a living member"), arguments)
    }

    /// From now on `etcdctl` is given this argument, too.
    pub(crate) fn control_with(&mut self, argument: &str) {
        self.setup.control.push(argument.to_owned());
    }

    /// How many requests member 0 has served by its own count, of those whose labels hold a part.
    pub(crate) fn requests(&self, of: &[&str]) -> u64 {
        let endpoint = self.endpoints()[0].to_string();
        let mut stream = std::net::TcpStream::connect(&endpoint).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let counted = text.lines().filter(|line| {
            line.starts_with("grpc_server_started_total") && of.iter().any(|m| line.contains(m))
        });
        counted
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64)
            .sum()
    }

    fn control_at(&self, member: usize, arguments: &[&str]) -> String {
        self.try_control_at(member, arguments)
            .unwrap_or_else(|complaint| panic!("etcdctl {arguments:?}: {complaint}"))
    }

    /// [`control`](Etcd::control) where it may fail: then what it complained of.
    pub(crate) fn try_control(&self, arguments: &[&str]) -> Result<String, String> {
        self.try_control_at(0, arguments)
    }

    fn try_control_at(&self, member: usize, arguments: &[&str]) -> Result<String, String> {
        let endpoint = self.members[member].address.to_string();
        let output = Command::new(program().with_file_name("etcdctl"))
            .env("ETCDCTL_API", "3")
            .args(["--endpoints", &endpoint])
            .args(&self.setup.control)
            .args(arguments)
            .output()
            .expect("etcdctl beside etcd");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(String::from_utf8(output.stdout).unwrap())
    }

    /// The revision of the store, as a member knows it.
    pub(crate) fn revision(&self, member: usize) -> u64 {
        let revision = self.status(member)["header"]["revision"].as_u64();
        revision.expect("a number")
    }

    fn status(&self, member: usize) -> serde_json::Value {
        let status = self.control_at(member, &["endpoint", "status", "-w", "json"]);
        let mut status: serde_json::Value = serde_json::from_str(&status).unwrap();
        status[0]["Status"].take()
    }

    /// The member that leads.
    pub(crate) fn leader(&self) -> usize {
        (0..self.members.len())
            .find(|&i| {
                let status = self.status(i);
                status["leader"] == status["header"]["member_id"]
            })
            .expect("a leader")
    }

    fn signal(&self, member: usize, signal: &str) {
        let process = self.members[member]
            .process
            .as_ref()
            .expect("a living member");
        let status = Command::new("kill")
            .args([signal, &process.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        for member in &mut self.members {
            member.kill();
        }
    }
}

impl Member {
    /// Starts it; the receiver hears when it serves, or what it said instead.
    fn spawn(&mut self) -> mpsc::Receiver<Result<(), String>> {
        let mut process = Command::new(program())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("etcd starts");
        let output = BufReader::new(process.stderr.take().unwrap());
        let (sender, serving) = mpsc::channel();
        std::thread::spawn(move || {
            let mut said = String::new();
            // To the end, also after it serves: a full pipe would stop etcd.
            for line in output.lines().map_while(Result::ok) {
                if line.contains("ready to serve client requests") {
                    let _ = sender.send(Ok(()));
                }
                said = line;
            }
            let _ = sender.send(Err(said));
        });
        self.process = Some(process);
        serving
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn wait_for(serving: &mpsc::Receiver<Result<(), String>>) {
    match serving.recv_timeout(START) {
        Ok(Ok(())) => {}
        Ok(Err(said)) => panic!("etcd ended: {said}"),
        Err(_) => panic!("etcd does not serve after {START:?}"),
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "where the tests' etcd lies is no setting of the library"
)]
pub(crate) fn program() -> PathBuf {
    let program = std::env::var("LAMPORT_ETCD").unwrap_or_else(|_| {
        panic!(
            "LAMPORT_ETCD must name an etcd 3.5 binary with etcdctl beside it; `make test` sets it"
        )
    });
    assert!(
        Path::new(&program).is_file(),
        "LAMPORT_ETCD={program} is not a file"
    );
    PathBuf::from(program)
}

/// Two ports on which nobody listens at present, below those that outgoing connections take: one of
/// those might be gone again before etcd listens.
fn free_ports(host: &str) -> [u16; 2] {
    // Every process and every call begins elsewhere.
    let begin = RandomState::new().hash_one(host) % 20_000;
    let mut free = (0..20_000)
        .map(|i| 10_000 + ((begin + i) % 20_000) as u16)
        .filter(|port| TcpListener::bind((host, *port)).is_ok());
    [(); 2].map(|()| free.next().expect("a free port"))
}
