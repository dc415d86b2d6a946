//! `make bench`: this library beside its peers and beside the limits of the machine.
//!
//! One run measures everything in turns (ours, theirs, ours, theirs, ...), prints a table and
//! writes it with all rounds to a JSON file. What each figure means is in docs/BENCHMARKS.md.

use std::path::PathBuf;
use std::process::ExitCode;

#[path = "../../tests/support/mod.rs"]
mod support;

mod alone;
mod callers;
mod crowd;
mod event_loop;
mod foreign;
mod load;
mod local;
mod machine;
mod members;
mod naive;
mod network;
mod partner;
mod processes;
mod proxy;
mod record;
mod report;
mod seeing;
mod stats;
mod worker;

use partner::Partner;
use report::Report;

/// How long and where; the Makefile fills it in.
pub(crate) struct Options {
    /// Fewer and shorter rounds, for a look.
    quick: bool,
    /// The sections to run; all if empty.
    only: Vec<String>,
    /// The Python that has the wheel, hlcpy and an etcd client; without it what is measured in Python
    /// is left out.
    python: Option<PathBuf>,
    /// The folder of the Python parts.
    scripts: PathBuf,
    /// The command.
    lamport: PathBuf,
    /// The compiled C part.
    c_program: PathBuf,
    /// Where the results go.
    results: PathBuf,
}

impl Options {
    fn rounds(&self) -> usize {
        if self.quick { 3 } else { 9 }
    }

    /// Starts one of the Python parts.
    fn python(&self, script: &str, arguments: &[&str]) -> Result<Option<Partner>, Failure> {
        let Some(python) = &self.python else {
            return Ok(None);
        };
        let script = self.scripts.join(script).display().to_string();
        let arguments = [&[script.as_str()], arguments].concat();
        Partner::start(python, &arguments).map(Some)
    }

    fn wants(&self, section: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == section)
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Section = fn(&Options, &mut Report) -> Result<(), Failure>;

/// In the order of the table. Each but the first three and the last starts an etcd of its own.
const SECTIONS: [(&str, Section); 10] = [
    ("local", local::measure),
    ("c", foreign::measure_c),
    ("python", foreign::measure_python),
    ("alone", alone::measure),
    ("callers", callers::measure),
    ("processes", processes::measure),
    ("record", record::measure),
    ("network", network::measure),
    ("asyncio", event_loop::measure),
    ("seeing", seeing::measure),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first() {
        Some((mode, rest)) if mode == "worker" => worker::run(rest),
        _ => options(&arguments).and_then(|options| run(&options)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let mut report = Report::new(machine::describe()?);
    for (name, measure) in SECTIONS {
        if options.wants(name) {
            measure(options, &mut report)?;
            report.print_section();
        }
    }
    report.print_targets();
    report.write(&options.results)?;
    Ok(())
}

fn options(arguments: &[String]) -> Result<Options, Failure> {
    let mut options = Options {
        quick: false,
        only: Vec::new(),
        python: None,
        scripts: "bench/python".into(),
        lamport: "target/release/lamport".into(),
        c_program: "build/bench/tick".into(),
        results: "bench-results.json".into(),
    };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--quick" {
            options.quick = true;
            continue;
        }
        let value = rest.next().ok_or(format!("{argument} needs a value"))?;
        match argument.as_str() {
            "--only" => options.only = value.split(',').map(str::to_owned).collect(),
            "--python" => options.python = Some(value.into()),
            "--scripts" => options.scripts = value.into(),
            "--lamport" => options.lamport = value.into(),
            "--c-program" => options.c_program = value.into(),
            "--results" => options.results = value.into(),
            _ => return Err(format!("unknown argument {argument}").into()),
        }
    }
    let known = |only: &String| SECTIONS.iter().any(|(name, _)| name == only);
    if let Some(unknown) = options.only.iter().find(|only| !known(only)) {
        let names: Vec<_> = SECTIONS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no section {unknown}; there are {}", names.join(", ")).into());
    }
    Ok(options)
}
