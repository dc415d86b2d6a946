//! The `lamport` command: `run`, `update`, `read`, `watch`, `history`, `nodes`, `repair`, `demo`,
//! `check`, `order`, `explain`, `diagram`, `export`, `diff`, `top`, `ready`, `completions`, `man`.
//!
//! It is a library, because the Python wheel carries the same command. Each command has its own file.
//! `args` only defines the arguments. Only `output` prints. Only `environment` reads the surroundings of
//! the process, such as the terminal and the PATH. This file alone turns the end of a command into a
//! message and an exit code.

use std::ffi::OsString;

use clap::FromArgMatches;
use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand as MissingSubcommand;

use self::args::{Cli, Command, Connecting};
use self::output::Output;
use self::stop::Stop;
use lamport_clock::blocking::SharedClock;
use lamport_clock::{Config, Error, ErrorKind, Settings};

mod args;
mod check;
mod completions;
mod demo;
mod diagram;
mod diff;
mod environment;
mod explain;
mod export;
mod faults;
mod follow;
mod history;
mod input;
mod man;
mod metrics;
mod nodes;
mod order;
mod output;
mod private_etcd;
mod read;
mod ready;
mod record;
mod repair;
mod run;
mod serve;
mod stop;
mod top;
mod update;
mod watch;

/// Runs the command. `args[0]` is the program's name, as ever. Returns the exit code: 0 done,
/// 1 failed, 2 wrong usage.
#[doc(hidden)]
pub fn run_main(args: Vec<OsString>) -> u8 {
    let json = args.iter().any(|arg| arg == "--json");
    let program = args.first().cloned().unwrap_or_default();
    let mut command = args::command();
    let parsed = command
        .try_get_matches_from_mut(args)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| error.format(&mut command));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => {
            // Help or the version was asked for. Nothing can be done about a reader that is gone.
            let _ = error.print();
            return 0;
        }
        Err(error) if error.kind() == MissingSubcommand => {
            let _ = error.print();
            return 2;
        }
        Err(error) => {
            let message = error.render().to_string();
            let message = message.strip_prefix("error: ").unwrap_or(&message);
            Output::new(json).usage(message.trim_end());
            return 2;
        }
    };
    let output = Output::new(cli.json);
    let settings = cli.connection.settings;
    let stop = match Stop::listen() {
        Ok(stop) => stop,
        Err(ending) => return report(&output, ending),
    };
    let result = match cli.command {
        Command::Connecting(command) => connecting(command, &settings, &output, stop),
        Command::Demo(args) => demo::demo(&args, &settings, &output, stop, &program),
        Command::Check(args) => check::check_histories(&args, &settings, &output),
        Command::Order(args) => order::order(&args, &settings, &output, stop),
        Command::Explain(args) => explain::explain(&args, &settings, &output, stop),
        Command::Diagram(args) => diagram::diagram(&args, &settings, &output, stop),
        Command::Export(args) => export::export_to(&args, &settings, &output, stop),
        Command::Diff(args) => diff::diff(&args, &settings, &output, stop),
        Command::Ready(args) => ready::ready(&args, &settings, &output),
        Command::Completions(args) => completions::completions(&args, &settings, &output),
        Command::Man(args) => man::man(&args, &settings, &output),
    };
    let code = match result {
        Ok(()) => 0,
        Err(ending) => report(&output, ending),
    };
    stop.ended();
    code
}

/// Runs a command that connects to a clock.
fn connecting(
    command: Connecting,
    settings: &Settings,
    output: &Output,
    stop: &'static Stop,
) -> Result<(), Ending> {
    match command {
        Connecting::Run(args) => run::run(&args, settings, output, stop),
        Connecting::Update(args) => update::update(&args, settings, output, stop),
        Connecting::Read => read::read(settings, output, stop),
        Connecting::Watch(args) => watch::watch(&args, settings, output, stop),
        Connecting::History(args) => history::history(&args, settings, output, stop),
        Connecting::Nodes => nodes::nodes(settings, output, stop),
        Connecting::Repair(args) => repair::repair(&args, settings, output, stop),
        Connecting::Top(args) => top::top(&args, settings, output, stop),
    }
}

/// How a command ends if it does not finish its work.
enum Ending {
    /// An argument, a variable or a file is wrong.
    Usage(Error),
    Failed(Error),
    /// A signal ended the command before its work was done.
    Interrupted,
    /// The reader of the output has gone, as `head` does. Nobody is left to report to.
    ReaderGone,
}

impl From<Error> for Ending {
    fn from(error: Error) -> Ending {
        Ending::Failed(error)
    }
}

/// The one place where errors are printed and exit codes are made.
fn report(output: &Output, ending: Ending) -> u8 {
    match ending {
        Ending::ReaderGone => 0,
        Ending::Interrupted => {
            output.complain("interrupted");
            1
        }
        Ending::Failed(error) => {
            output.last_words(&error);
            1
        }
        Ending::Usage(error) => {
            output.last_words(&error);
            2
        }
    }
}

/// The configuration. An error in it counts as wrong usage.
fn configuration(settings: &Settings) -> Result<Config, Ending> {
    Config::load(settings).map_err(Ending::Usage)
}

/// Refuses the flags for the connection, for commands that connect to no store of the user's. The error
/// names the command, `who`, and the reason, `why`.
fn refuse_connection_settings(settings: &Settings, who: &str, why: &str) -> Result<(), Ending> {
    match settings.iter().next() {
        Some((name, _)) => Err(Ending::Usage(Error::new(
            ErrorKind::InvalidArgument,
            format!("{who} takes no --{}: {why}", name.replace('_', "-")),
        ))),
        None => Ok(()),
    }
}

/// A clock whose store has answered. Does not wait for a store that refuses connections.
fn connect(settings: &Settings, stop: &Stop) -> Result<SharedClock, Ending> {
    let config = configuration(settings)?;
    match stop.connect(&config) {
        Err(Ending::Failed(error)) if error.kind() == ErrorKind::Unavailable => {
            let message = format!("{error}; --store or LAMPORT_STORE says where etcd listens");
            Err(Ending::Failed(Error::with_source(
                error.kind(),
                message,
                error,
            )))
        }
        Err(Ending::Failed(error)) => Err(usage(error)),
        result => result,
    }
}

/// A configuration from which no store can be made counts as wrong usage too.
fn usage(error: Error) -> Ending {
    match error.kind() {
        ErrorKind::InvalidArgument => Ending::Usage(error),
        _ => Ending::Failed(error),
    }
}
