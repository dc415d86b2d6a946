//! The machine that a run was made on, and what its processes cost.

use std::fs::{File, read_dir, read_to_string};
use std::io::Write;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::Failure;
use crate::stats::{median, milliseconds};

/// Everything that a reader needs to place the figures.
pub(crate) fn describe() -> Result<Value, Failure> {
    let cpu = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown", |(_, model)| model);
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Ok(json!({
        "cpu": model,
        "cores": std::thread::available_parallelism()?.get(),
        "kernel": kernel.trim(),
        "fsync_ms": fsync()?,
        "load_before": read_to_string("/proc/loadavg").unwrap_or_default().trim(),
        "etcd": etcd_version()?,
        "rustc": output("rustc", &["--version"]),
        "crates": {
            "lamport-clock": locked("lamport-clock"),
            "etcd-client": locked("etcd-client"),
            "tokio": locked("tokio"),
            "uhlc": locked("uhlc"),
        },
        "commit": output("git", &["rev-parse", "--short", "HEAD"]),
    }))
}

/// The same on one line.
pub(crate) fn line(machine: &Value) -> String {
    let text = |name: &str| machine[name].as_str().unwrap_or("?").to_owned();
    format!(
        "{}, {} cores, Linux {}, {}, fsync {:.2} ms, load {}",
        text("cpu"),
        machine["cores"],
        text("kernel"),
        text("etcd"),
        machine["fsync_ms"].as_f64().unwrap_or(f64::NAN),
        text("load_before"),
    )
}

/// What one write and fsync costs where the members keep their data: near 0, the disk is none.
fn fsync() -> Result<f64, Failure> {
    let folder = tempfile::tempdir()?;
    let mut file = File::create(folder.path().join("fsync"))?;
    let mut times = Vec::new();
    for _ in 0..100 {
        let begin = Instant::now();
        file.write_all(&[0; 512])?;
        file.sync_data()?;
        times.push(milliseconds(begin.elapsed()));
    }
    Ok(median(&times))
}

#[allow(
    clippy::disallowed_methods,
    reason = "where etcd lies is no setting of the library"
)]
fn etcd_version() -> Result<String, Failure> {
    let program = std::env::var("LAMPORT_ETCD").map_err(|_| "LAMPORT_ETCD names no etcd")?;
    let says = output(&program, &["--version"]);
    let version = says.lines().next().unwrap_or("etcd unknown");
    Ok(version.to_lowercase().replace(" version:", ""))
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// The version of a crate in this crate's lock file.
fn locked(name: &str) -> &'static str {
    const LOCK: &str = include_str!("../Cargo.lock");
    let entry = format!("name = \"{name}\"\nversion = \"");
    let version = LOCK
        .split_once(&entry)
        .and_then(|(_, rest)| rest.split_once('"'));
    version.map_or("unknown", |(version, _)| version)
}

/// Seconds of processor time of the etcd members that this process started.
pub(crate) fn cpu_of_members() -> f64 {
    let own = std::process::id().to_string();
    let mut cpu = 0.0;
    for entry in read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(fields) = stat(&name.to_string_lossy()) else {
            continue;
        };
        if fields.first().is_some_and(|name| name == "etcd") && fields.get(2) == Some(&own) {
            cpu += seconds(&fields);
        }
    }
    cpu
}

/// Seconds of processor time of one process so far.
pub(crate) fn cpu_of(process: u32) -> f64 {
    stat(&process.to_string()).map_or(0.0, |fields| seconds(&fields))
}

/// The fields of /proc/PID/stat from the second on; the first of them, the name, without brackets.
fn stat(process: &str) -> Option<Vec<String>> {
    let text = read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (head, rest) = text.rsplit_once(')')?;
    let name = head.split_once('(')?.1;
    let fields = rest.split_whitespace();
    Some(
        std::iter::once(name)
            .chain(fields)
            .map(str::to_owned)
            .collect(),
    )
}

/// User and system time, in seconds.
fn seconds(fields: &[String]) -> f64 {
    /// Linux tells them in hundredths of a second, on every architecture.
    const TICKS_A_SECOND: f64 = 100.0;
    let two = fields.iter().skip(12).take(2);
    two.filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>()
        / TICKS_A_SECOND
}
