//! The arguments of `lamport`. They are only defined here; nothing is decided.

mod connecting;
mod examples;
mod seeing;

use std::path::PathBuf;
use std::time::Duration;

use self::connecting::Connection;
pub(super) use self::connecting::{Connecting, History, Ready, Repair, Run, Update, Watch};
pub(super) use self::seeing::{Diagram, Diff, Explain, Export, Order, Top};
use clap::builder::RangedU64ValueParser;
use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use lamport_clock::parse_duration;

/// A Lamport clock that processes in many containers share through etcd.
///
/// Every update takes a time that no other process has, and the order of the times is the real
/// one: what was taken later is larger, wherever it was taken.
#[derive(Parser)]
#[command(
    name = "lamport",
    bin_name = "lamport",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Exit status: 0 done, 1 failed, 2 wrong usage or configuration.\n\n\
        lamport COMMAND --help has examples. To begin: lamport demo"
)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,

    /// Print JSON, one object a line, also for failures
    #[arg(long, global = true)]
    pub(super) json: bool,

    #[command(flatten)]
    pub(super) connection: Connection,
}

/// The parser of `lamport`. The help of each command has examples. Of the flags for settings it shows only
/// the most important ones, and only where they apply. `lamport --help` lists them all.
pub(super) fn command() -> clap::Command {
    let mut command = Cli::command();
    // Copies the global flags into each command, so that they can be hidden there.
    command.build();
    command.mut_subcommands(|command| {
        let name = command.get_name().to_owned();
        let Some((_, examples)) = examples::ALL.iter().find(|(of, _)| *of == name) else {
            return command;
        };
        let is_connecting = Connecting::has_subcommand(&name);
        let command = command.mut_args(|arg| {
            let is_setting = arg.is_global_set() && arg.get_id() != "json";
            let is_first = match arg.get_id().as_str() {
                "store" | "node" => is_connecting,
                "nodes" => name == "nodes",
                _ => false,
            };
            arg.hide(is_setting && !is_first)
        });
        let mut help = format!("Examples:\n  {}", examples.join("\n  "));
        if is_connecting {
            help += "\n\nThe other settings, and their variables: lamport --help";
        }
        command.after_help(help)
    })
}

#[derive(Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Connecting(Connecting),
    Demo(Demo),
    Check(Check),
    Order(Order),
    Explain(Explain),
    Diagram(Diagram),
    Export(Export),
    Diff(Diff),
    Ready(Ready),
    Completions(Completions),
    Man(Man),
}

/// Show several nodes that agree on one order, and check that they do
///
/// All nodes update at once in every round. Their updates are shown merged in logical order, one
/// lane a node. At the end all updates are checked: no value twice, none went back, and whatever
/// was taken later, anywhere, is larger. The status is 1 if one of these does not hold, if an update
/// failed, or if the demo was interrupted. With --json each update is an object as `lamport run`
/// prints it, and the last object is the "check".
///
/// The demo uses a store of its own and nothing of your configuration: it refuses the flags for
/// that, save its own --nodes and --store. With --store etcd it starts
/// a private etcd of three members on 127.0.0.1, 127.0.0.2 and 127.0.0.3, in a temporary folder,
/// and stops it in the end; with --stay that is when it is told to (SIGINT, SIGTERM), and with --json
/// an object with "notice" says what stays (staying) and which member has ended (gone). The etcd binary
/// is the one that LAMPORT_ETCD names, or `etcd` on the PATH.
#[derive(Args)]
pub(super) struct Demo {
    /// How many nodes
    #[arg(
        long,
        value_name = "N",
        default_value = "3",
        allow_hyphen_values = true
    )]
    pub(super) nodes: Option<String>,

    /// How many rounds
    #[arg(
        long,
        value_name = "N",
        default_value = "5",
        value_parser = up_to(100_000),
        allow_hyphen_values = true
    )]
    pub(super) rounds: u64,

    /// How long to rest between two rounds: 1s, 200ms, 0s
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "1s",
        value_parser = duration,
        allow_hyphen_values = true
    )]
    pub(super) interval: Duration,

    /// Where the record lives: memory: or etcd
    #[arg(long, value_name = "STORE", default_value = "memory:")]
    pub(super) store: Option<String>,

    /// With --store etcd: keep the members up in the end, say what to try on them, and end with
    /// status 0 at Ctrl-C
    #[arg(long)]
    pub(super) stay: bool,

    /// Let the nodes send each other messages, and write what they do to this file: a log for order,
    /// explain and diagram. The second node's wall clock is 300 ms behind in it
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,

    /// The same, and draw it into this file: a page for any browser
    #[arg(long, value_name = "FILE")]
    pub(super) diagram: Option<PathBuf>,
}

/// Decide whether recorded histories keep the clock's promises
///
/// A history holds what callers saw, one JSON object for each call, as `lamport run --record` writes
/// them; the log is what `lamport watch --from 1 --json` or `lamport history --json` print, taken
/// after the last call. It is checked that no time was handed out twice, that what was called later
/// is larger, that every answer stands in the log, where the log is whole, and nothing else does, and
/// that each time follows the rule. Calls of unknown outcome stay unknown.
///
/// The first violation is shown with the lines that contradict each other. Exit status: 0 no promise
/// is broken, 1 one is, 2 a file can't be read or nothing in them can be judged. With --json the
/// verdict is an object with ok, acknowledged, failed, unknown, reads, log, cut_short, longest, overran, violated and
/// first_violation.
#[derive(Args)]
pub(super) struct Check {
    /// Files of calls, one of each process that recorded
    #[arg(value_name = "HISTORY", required = true)]
    pub(super) histories: Vec<String>,

    /// The store's log of the record
    #[arg(long, value_name = "LOG")]
    pub(super) log: Option<String>,

    /// The histories hold every process that wrote: an update by another one is a violation
    #[arg(long, requires = "log")]
    pub(super) whole: bool,

    /// Count the calls that lasted longer
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = duration,
        allow_hyphen_values = true
    )]
    pub(super) deadline: Option<Duration>,
}

/// Print what lets a shell complete the command's words
#[derive(Args)]
pub(super) struct Completions {
    /// Which shell
    #[arg(value_name = "SHELL")]
    pub(super) shell: Shell,
}

/// Print the manual page of lamport, or of one of its commands
#[derive(Args)]
pub(super) struct Man {
    /// Which command
    #[arg(value_name = "COMMAND")]
    pub(super) command: Option<String>,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

// Values may begin with a hyphen, so that "-1" is reported as a wrong number and not as an unknown flag.
fn positive() -> RangedU64ValueParser<u64> {
    up_to(u64::MAX)
}

fn up_to(most: u64) -> RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..=most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_that_it_understands() {
        let mut with_examples: Vec<_> = examples::ALL.iter().map(|(name, _)| *name).collect();
        let command = command();
        let commands = command.get_subcommands().map(clap::Command::get_name);
        let mut commands: Vec<_> = commands.filter(|name| *name != "help").collect();
        commands.sort_unstable();
        with_examples.sort_unstable();
        assert_eq!(with_examples, commands);
        for (name, lines) in examples::ALL {
            for line in *lines {
                let mut parsed = Vec::new();
                for part in line.split(['|', '&']) {
                    let words: Vec<_> =
                        part.split('>').next().unwrap().split_whitespace().collect();
                    if words.first() == Some(&"lamport") {
                        let cli = Cli::try_parse_from(&words);
                        assert!(cli.is_ok(), "{line}: {}", cli.err().unwrap());
                        parsed.push(words[1]);
                    }
                }
                assert!(parsed.contains(name), "{line} is no example of {name}");
                assert!(line.len() <= 98, "{line} is too long");
            }
        }
    }
}
