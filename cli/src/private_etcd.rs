//! A private etcd of three members on loopback addresses, for the demo. Nothing of it is left afterwards,
//! however the demo ends.
//!
//! Dropping [`PrivateEtcd`] stops the members, and signals and panics both lead to the drop. Only after a
//! SIGKILL nothing is dropped. For that case there is a guardian: a shell that waits for the end of its
//! standard input. The system closes that input when the demo has ended. The guardian then kills the
//! members and removes their folder. The members survive only if SIGKILL ends demo and guardian at once.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tempfile::TempDir;

use super::stop::Stop;
use super::{Ending, environment};
use lamport_clock::blocking::{Call, SharedClock};
use lamport_clock::{Address, Config, Error, ErrorKind, Observed, StoreUri};

/// A running cluster.
pub(super) struct PrivateEtcd {
    members: Vec<Member>,
    guardian: Option<Child>,
    /// Removed last, by its own drop.
    folder: TempDir,
}

struct Member {
    address: Address,
    process: Child,
    log: PathBuf,
}

const HOSTS: [&str; 3] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
/// Far longer than a healthy etcd takes to begin to serve.
const START: Duration = Duration::from_secs(60);
/// How often the wait for the start checks for signals and for members that have ended.
const GLANCE: Duration = Duration::from_millis(50);
/// How often to try to start: another process may take a free port before the member listens on it.
const ATTEMPTS: usize = 3;

/// The guardian's script. `$1` is the members' folder. Each line of the input is a member's process id.
const GUARDIAN: &str = r#"
while read -r pid; do pids="$pids $pid"; done
kill -9 $pids
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
"#;

impl PrivateEtcd {
    /// Starts the cluster and waits until each member serves.
    pub(super) fn start(program: &Path, stop: &Stop) -> Result<PrivateEtcd, Ending> {
        let mut attempt = 1;
        loop {
            let mut etcd = PrivateEtcd::launch(program)?;
            match etcd.wait_until_it_serves(stop) {
                Ok(()) => return Ok(etcd),
                Err(Ending::Failed(_)) if attempt < ATTEMPTS && etcd.found_a_port_taken() => {
                    attempt += 1;
                }
                Err(ending) => return Err(ending),
            }
        }
    }

    /// Where clients reach each member.
    pub(super) fn addresses(&self) -> Vec<Address> {
        self.members
            .iter()
            .map(|member| member.address.clone())
            .collect()
    }

    /// The process id of each member.
    pub(super) fn ids(&self) -> Vec<u32> {
        let ids = self.members.iter().map(|member| member.process.id());
        ids.collect()
    }

    /// Whether this member has ended. Its process is not reaped here, so that no other process gets its id
    /// while that id may still be killed.
    pub(super) fn has_ended(&self, member: usize) -> bool {
        let id = WaitId::Pid(Pid::from_child(&self.members[member].process));
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(waitid(id, options), Ok(None))
    }

    fn launch(program: &Path) -> Result<PrivateEtcd, Ending> {
        let folder = folder().map_err(|error| failed("no temporary folder can be made", &error))?;
        let places = free_places()?;
        let cluster: Vec<String> = (1..)
            .zip(&places)
            .map(|(i, (_, peer))| format!("demo{i}=http://{peer}"))
            .collect();
        let mut etcd = PrivateEtcd {
            members: Vec::new(),
            guardian: guardian(folder.path()),
            folder,
        };
        for (i, (client, peer)) in (1..).zip(places) {
            let arguments = [
                format!("--name=demo{i}"),
                format!(
                    "--data-dir={}",
                    etcd.folder.path().join(format!("demo{i}")).display()
                ),
                format!("--listen-client-urls=http://{client}"),
                format!("--advertise-client-urls=http://{client}"),
                format!("--listen-peer-urls=http://{peer}"),
                format!("--initial-advertise-peer-urls=http://{peer}"),
                format!("--initial-cluster={}", cluster.join(",")),
            ];
            etcd.add_member(program, client, &arguments)?;
        }
        Ok(etcd)
    }

    fn add_member(
        &mut self,
        program: &Path,
        address: Address,
        arguments: &[String],
    ) -> Result<(), Ending> {
        let log = self.folder.path().join(format!("{address}.log"));
        let output = File::create(&log).map_err(|error| failed("no log can be made", &error))?;
        let process = Command::new(program)
            .args(arguments)
            // Environment variables for another etcd on this machine would contradict the arguments.
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            // Ctrl-C goes to the demo alone, which then stops the members.
            .process_group(0)
            .spawn()
            .map_err(|error| failed(&format!("{} can't be started", program.display()), &error))?;
        if let Some(input) = self.guardian.as_mut().and_then(|it| it.stdin.as_mut()) {
            // Without its guardian the member is still stopped in every case but SIGKILL.
            let _ = writeln!(input, "{}", process.id());
        }
        self.members.push(Member {
            address,
            process,
            log,
        });
        Ok(())
    }

    /// A member serves when it has answered a read, which a majority must confirm.
    fn wait_until_it_serves(&mut self, stop: &Stop) -> Result<(), Ending> {
        let addresses = self.addresses().into_iter();
        let mut calls = addresses.map(ask).collect::<Result<Vec<_>, _>>()?;
        for call in &mut calls {
            loop {
                match call.wait_for(GLANCE) {
                    Some(Ok(_)) => break,
                    Some(Err(error)) => return Err(self.explained(&error.to_string())),
                    None if stop.requested() => return Err(Ending::Interrupted),
                    None => {}
                }
                for member in &mut self.members {
                    if let Ok(Some(status)) = member.process.try_wait() {
                        let what = format!("etcd at {} ended ({status})", member.address);
                        return Err(self.explained(&what));
                    }
                }
            }
        }
        Ok(())
    }

    /// An error with the last line of each member's log.
    fn explained(&self, what: &str) -> Ending {
        let mut message = format!("the private etcd does not start: {what}");
        for member in &self.members {
            let log = fs::read_to_string(&member.log).unwrap_or_default();
            if let Some(line) = log.lines().last() {
                message += &format!("; {}: {line}", member.address);
            }
        }
        Ending::Failed(Error::new(ErrorKind::Unavailable, message))
    }

    fn found_a_port_taken(&self) -> bool {
        self.members.iter().any(|member| {
            fs::read_to_string(&member.log).is_ok_and(|log| log.contains("address already in use"))
        })
    }
}

impl Drop for PrivateEtcd {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.process.kill();
        }
        // The guardian must end before the members are reaped. Until then no other process can get one of
        // their ids, which the guardian would kill.
        if let Some(guardian) = &mut self.guardian {
            let _ = guardian.kill();
            let _ = guardian.wait();
        }
        for member in &mut self.members {
            let _ = member.process.wait();
        }
    }
}

/// The path of the etcd binary, or an error that says how to get one.
pub(super) fn program() -> Result<PathBuf, Ending> {
    if let Some(program) = environment::named_etcd() {
        if program.is_file() {
            return std::path::absolute(&program)
                .map_err(|error| failed(&format!("{} has no path", program.display()), &error));
        }
        return Err(Ending::Usage(Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "LAMPORT_ETCD is '{}', which is not a file: it takes the path of an etcd binary",
                program.display()
            ),
        )));
    }
    environment::on_path("etcd").ok_or_else(|| {
        Ending::Failed(Error::new(
            ErrorKind::Unavailable,
            "there is no etcd on the PATH: install one (on Debian and Ubuntu the package \
             etcd-server, or a release of etcd 3.4 or later), or let LAMPORT_ETCD name the binary: in \
             a checkout `make tools` puts one into .tools/etcd/etcd",
        ))
    })
}

/// For each member an address for clients and one for its peers, on ports that are free now.
fn free_places() -> Result<Vec<(Address, Address)>, Ending> {
    // All ports are held until all are chosen, so that none is chosen twice.
    let mut held = Vec::new();
    let mut place = |host: &str| -> Result<Address, Ending> {
        let listener = TcpListener::bind((host, 0))
            .map_err(|error| failed(&format!("no port of {host} can be used"), &error))?;
        let address = listener
            .local_addr()
            .map_err(|error| failed(&format!("no port of {host} can be used"), &error))?;
        held.push(listener);
        Ok(address.to_string().parse()?)
    };
    HOSTS
        .iter()
        .map(|host| Ok((place(host)?, place(host)?)))
        .collect()
}

/// Starts the guardian. Its own process group keeps a Ctrl-C away from it.
fn guardian(folder: &Path) -> Option<Child> {
    Command::new("sh")
        .args(["-c", GUARDIAN, "lamport-demo-guardian"])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .ok()
}

fn ask(member: Address) -> Result<Call<Option<Observed>>, Error> {
    let config = config("demo", vec![member])?.with_timeout(START)?;
    SharedClock::open(&config)?.begin(|clock| async move { clock.read().await })
}

/// The configuration of a clock of `process` on these members. It ignores settings in the environment.
pub(super) fn config(process: &str, endpoints: Vec<Address>) -> Result<Config, Error> {
    let store = StoreUri::Etcd {
        endpoints,
        key: None,
    };
    Ok(Config::memory(process)?.with_store(store))
}

/// A folder for the members' data, which other users can neither read nor change.
fn folder() -> std::io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix("lamport-demo-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir()
}

fn failed(what: &str, error: &std::io::Error) -> Ending {
    Ending::Failed(Error::new(ErrorKind::Internal, format!("{what}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_else_gets_at_the_members_data() {
        let folder = folder().unwrap();
        let mode = fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
