//! `lamport demo`: several nodes agree on one order, and it is checked that they do.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::RwLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use serde::Serialize;
use tempfile::NamedTempFile;

use self::check::{Verdict, check};
use self::diary::Diary;
use self::lanes::Lanes;
use self::stay::stay;
use super::args::Demo;
use super::output::{Look, Output, UpdateObject, after};
use super::private_etcd::{self, PrivateEtcd};
use super::record;
use super::stop::Stop;
use super::{Ending, diagram, environment};
use lamport_clock::blocking::SharedClock;
use lamport_clock::{Address, Config, Error, ErrorKind, Settings, Update};
use lamport_trace::{Action, Call};

mod check;
mod diary;
mod lanes;
mod stay;

/// No screen has room for more lanes.
const MOST_NODES: usize = 32;

pub(super) fn demo(
    args: &Demo,
    settings: &Settings,
    output: &Output,
    stop: &Stop,
    program: &OsStr,
) -> Result<(), Ending> {
    let count = node_count(args.nodes.as_deref().unwrap_or_default())?;
    let private = wants_etcd(args.store.as_deref().unwrap_or_default())?;
    // Two of the settings have the same names as flags of the demo's own.
    let mut others = settings.clone();
    others.remove("nodes");
    others.remove("store");
    super::refuse_connection_settings(&others, "the demo", "it uses a store of its own")?;

    if args.stay && !private {
        return Err(usage(
            "--stay keeps members of etcd up, and this demo has none: add --store etcd".to_owned(),
        ));
    }

    // A file that can't be written fails the demo before its work, not after it.
    let wished = args.record.iter().chain(&args.diagram);
    for path in wished.clone() {
        File::create(path).map_err(|error| unwritable(path, error))?;
    }

    // The etcd outlives the clocks below. Its drop stops it, however this function returns.
    let etcd = if private {
        let program = private_etcd::program()?;
        say(output, "starting a private etcd of three members")?;
        Some(PrivateEtcd::start(&program, stop)?)
    } else {
        None
    };
    let members = etcd.as_ref().map(PrivateEtcd::addresses);
    let names: Vec<String> = (1..=count).map(node_name).collect();
    let configs = configs(&names, members.as_deref())?;
    let clocks = configs
        .iter()
        .map(|config| stop.connect(config))
        .collect::<Result<Vec<_>, _>>()?;

    let place = match &members {
        Some(members) => {
            let members: Vec<_> = members.iter().map(Address::to_string).collect();
            format!("in etcd at {}", members.join(", "))
        }
        None => "in memory".to_owned(),
    };
    say(output, &format!("{count} nodes, one clock {place}"))?;
    let mut show = Show {
        output,
        lanes: Lanes::new(&names, output),
        calls: Vec::new(),
        failures: 0,
        diary: wished.clone().next().map(|_| Diary::default()),
    };
    let ended = show.rounds(args, &clocks, stop);
    // An interrupted demo still writes its files and prints its check.
    if let Err(Ending::Failed(_) | Ending::ReaderGone | Ending::Usage(_)) = ended {
        return ended;
    }
    if let Some(diary) = &show.diary {
        keep(&diary.lines, args, output, stop)?;
    }
    show.verdict(count)?;
    ended?;
    if let (Some(etcd), true) = (&etcd, args.stay) {
        // Brings the record up to date, for the commands that a person tries next.
        clocks.iter().for_each(SharedClock::close);
        stay(etcd, &environment::typed(program), output, stop)?;
    }
    Ok(())
}

/// The state of the running demo.
struct Show<'a> {
    output: &'a Output,
    lanes: Lanes<'a>,
    /// The calls that succeeded.
    calls: Vec<Call>,
    failures: usize,
    /// The nodes' log; `None` unless `--record` or `--diagram` asks for it.
    diary: Option<Diary>,
}

impl Show<'_> {
    fn rounds(&mut self, args: &Demo, clocks: &[SharedClock], stop: &Stop) -> Result<(), Ending> {
        if !self.output.json {
            for line in self.lanes.header() {
                self.output.line(line)?;
            }
        }
        for round in 1..=args.rounds {
            self.tell(round_of(clocks, stop)?)?;
            if let Some(diary) = &mut self.diary {
                diary.messages(clocks)?;
            }
            if round == args.rounds {
                break;
            }
            if stop.rest(args.interval) {
                return Err(Ending::Interrupted);
            }
            if !self.output.json {
                self.output.line(self.lanes.gap())?;
            }
        }
        Ok(())
    }

    /// Shows one round. All its updates were called after those of the round before had returned, so
    /// sorting each round sorts the whole output.
    fn tell(&mut self, mut round: Vec<Attempt>) -> Result<(), Ending> {
        round.sort_by_key(|attempt| attempt.update.as_ref().ok().map(|update| update.value));
        for Attempt {
            node,
            span: (called, returned),
            update,
        } in round
        {
            match update {
                Ok(update) => {
                    let process = update.process.as_str();
                    let mut call =
                        Call::begun(process, Some(update.instance), Action::Update, called);
                    call.returned = Some(returned);
                    record::answer(&mut call, &update);
                    self.calls.push(call);
                    if let Some(diary) = &mut self.diary {
                        diary.update(node, &update)?;
                    }
                    if self.output.json {
                        self.output.object(&UpdateObject::from(&update))?;
                    } else {
                        let value = update.value.to_string();
                        let note = after(update.previous.as_ref());
                        self.output.line(self.lanes.row(node, &value, &note))?;
                    }
                }
                Err(error) => {
                    self.failures += 1;
                    if self.output.json {
                        self.output.failure(&error)?;
                    } else {
                        let note = error.to_string();
                        self.output.line(self.lanes.row(node, "failed", &note))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn verdict(&self, nodes: usize) -> Result<(), Ending> {
        #[derive(Serialize)]
        struct Checked<'a> {
            check: &'a Verdict,
        }

        let verdict = check(&self.calls)?;
        if self.output.json {
            self.output.object(&Checked { check: &verdict })?;
        } else {
            self.output.line("")?;
            let look = if verdict.ok { Look::Green } else { Look::Red };
            let text = format!("{} updates by {nodes} nodes: {verdict}", self.calls.len());
            self.output.line(self.output.paint(look, text))?;
        }
        let error = |kind, message| Err(Ending::Failed(Error::new(kind, message)));
        if !verdict.ok {
            return error(
                ErrorKind::Internal,
                "the clock broke its promise".to_owned(),
            );
        }
        if self.failures > 0 {
            let message = format!("{} updates failed", self.failures);
            return error(ErrorKind::Unavailable, message);
        }
        Ok(())
    }
}

/// One node's update in one round. `span` is when it was called and when it returned, in nanoseconds.
struct Attempt {
    node: usize,
    span: (u64, u64),
    update: Result<Update, Error>,
}

/// Every node updates once, all at the same time.
fn round_of(clocks: &[SharedClock], stop: &Stop) -> Result<Vec<Attempt>, Ending> {
    // The write lock is held while the threads start, so that all of them update at once. If a thread
    // can't start, the panic releases the lock, and the others go on.
    let gate = RwLock::new(());
    let attempts = thread::scope(|scope| {
        let closed = gate.write();
        let threads: Vec<_> = clocks
            .iter()
            .map(|clock| {
                let gate = &gate;
                scope.spawn(move || {
                    drop(gate.read());
                    let called = record::now();
                    let update = clock
                        .begin(|clock| async move { clock.update().await })
                        .map_err(Ending::from)
                        .and_then(|call| stop.outcome(call));
                    (update, (called, record::now()))
                })
            })
            .collect();
        drop(closed);
        let joined = threads.into_iter().map(thread::ScopedJoinHandle::join);
        joined.collect::<Vec<_>>()
    });
    let mut round = Vec::new();
    for (node, attempt) in attempts.into_iter().enumerate() {
        let (update, span) = attempt.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let update = match update {
            Ok(update) => Ok(update),
            Err(Ending::Failed(error)) => Err(error),
            Err(ending) => return Err(ending),
        };
        round.push(Attempt { node, span, update });
    }
    Ok(round)
}

fn say(output: &Output, text: &str) -> Result<(), Ending> {
    if output.json {
        return Ok(());
    }
    output.line(output.paint(Look::Faint, text))
}

/// Writes the lines to the file of `--record`, and draws them into the file of `--diagram`.
fn keep(lines: &[u8], args: &Demo, output: &Output, stop: &Stop) -> Result<(), Ending> {
    if let Some(path) = &args.record {
        fs::write(path, lines).map_err(|error| unwritable(path, error))?;
        let path = path.display();
        say(
            output,
            &format!("all lines are in {path}; try: lamport order {path}"),
        )?;
    }
    if let Some(path) = &args.diagram {
        let log = NamedTempFile::new().map_err(|error| unwritable(path, error))?;
        fs::write(log.path(), lines).map_err(|error| unwritable(path, error))?;
        let source = [log.path().to_string_lossy().into_owned()];
        diagram::draw(
            "lamport demo",
            &source,
            lamport_trace::page,
            path,
            output,
            stop,
        )?;
        let path = path.display();
        say(
            output,
            &format!("the picture is in {path}: open it in a browser"),
        )?;
    }
    Ok(())
}

fn unwritable(path: &Path, error: io::Error) -> Ending {
    let message = format!("'{}' can't be written: {error}", path.display());
    Ending::Usage(Error::with_source(
        ErrorKind::InvalidArgument,
        message,
        error,
    ))
}

fn node_count(text: &str) -> Result<usize, Ending> {
    match text.parse() {
        Ok(count) if (1..=MOST_NODES).contains(&count) => Ok(count),
        _ => Err(usage(format!(
            "--nodes is '{text}': the demo takes a number from 1 to {MOST_NODES}"
        ))),
    }
}

/// Whether the record lives in a private etcd, and not in memory.
fn wants_etcd(text: &str) -> Result<bool, Ending> {
    match text {
        "memory:" | "memory" => Ok(false),
        "etcd" => Ok(true),
        _ => Err(usage(format!(
            "--store is '{text}': the demo takes memory: or etcd (a private one), no store in use"
        ))),
    }
}

fn usage(message: String) -> Ending {
    Ending::Usage(Error::new(ErrorKind::InvalidArgument, message))
}

/// The names of the deployed nodes, and further names of the same form.
fn node_name(number: usize) -> String {
    match number {
        1 => "mx-nodel".to_owned(),
        _ => format!("mx-nodel{number}"),
    }
}

/// Each node asks a member of its own first, as far as there are enough members, and then the others.
fn configs(names: &[String], members: Option<&[Address]>) -> Result<Vec<Config>, Error> {
    // The number keeps two demos in one process, as in tests, from sharing a store.
    static DEMOS: AtomicU64 = AtomicU64::new(1);
    let demo = DEMOS.fetch_add(1, Ordering::Relaxed);
    let config = |(i, name): (usize, &String)| match members {
        Some(members) => {
            let mut endpoints = members.to_vec();
            endpoints.rotate_left(i % members.len());
            private_etcd::config(name, endpoints)
        }
        None => Config::new(name, &format!("memory:demo-{demo}")),
    };
    names.iter().enumerate().map(config).collect()
}
