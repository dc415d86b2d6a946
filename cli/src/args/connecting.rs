//! The arguments of the commands that connect to a clock, the flags for the connection, and the arguments
//! of `lamport ready`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches, Subcommand};
use lamport_clock::{Error, Kind, Setting, Settings, Time};

use super::{Top, duration, positive, up_to};

/// The commands that connect to a clock. All others refuse the flags for the connection.
#[derive(Subcommand)]
pub(in super::super) enum Connecting {
    Run(Run),
    Update(Update),
    /// Print the record: the newest update by anyone
    ///
    /// Where there is none yet it says so; with --json all of the object's members are null then.
    Read,
    Watch(Watch),
    History(History),
    /// Print the members of etcd, whether each answers, and what is known against its version
    ///
    /// The members are those that --store names and the nodes of the map, if one is given. All are asked
    /// at once. The status is 0 if at least one answers. SECURITY.md has the sources of what is known
    /// against a version. With --json each is an object with node, address, own, answers, error, version
    /// and advice.
    Nodes,
    Repair(Repair),
    Top(Top),
}

/// Update the clock again and again: the main job of a container
///
/// It says which endpoint it connected to, or why it could not, and goes on trying: containers may
/// start in any order. Then it prints a line for each update: the value, who held the record before
/// and at what value. An update that fails is printed too and the loop goes on; every later value
/// lies above all that were seen before. SIGINT and SIGTERM end it with a summary and status 0. What
/// is known against the server's version is said once, on standard error.
///
/// With --json each update is an object with value, process, real_timestamp, previous,
/// revision and round_trips (and regressed, where another writer had moved the record back); each
/// failure is one with error and kind. What else there is to say goes to standard error.
#[derive(Args)]
pub(in super::super) struct Run {
    /// How long to rest between two updates: 2s, 500ms, 1m; 0s for no rest
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "2s",
        value_parser = duration,
        allow_hyphen_values = true
    )]
    pub(in super::super) interval: Duration,

    /// End with status 0 after so many successful updates; failures do not count
    #[arg(long, value_name = "N", value_parser = positive(), allow_hyphen_values = true)]
    pub(in super::super) count: Option<u64>,

    /// Append what each call saw to this file, for `lamport check`: one line before and one after it
    #[arg(long, value_name = "FILE")]
    pub(in super::super) record: Option<PathBuf>,

    /// Answer HTTP on this port of 127.0.0.1, or on this address and port (0.0.0.0:9464: on all):
    /// /metrics for Prometheus; /readyz, 200 while updates succeed and else 503
    #[arg(long, value_name = "ADDRESS", value_parser = listener, allow_hyphen_values = true)]
    pub(in super::super) metrics: Option<SocketAddr>,
}

/// Ask a run on this machine whether its updates go on: a health check
///
/// It needs no other program, and asks for /readyz. Exit status: 0 an update succeeded within three intervals and a
/// deadline, 1 none did, or nobody answers. With --json an object with ready and why.
#[derive(Args)]
pub(in super::super) struct Ready {
    /// What the run was given as --metrics
    #[arg(value_name = "ADDRESS", value_parser = listener, allow_hyphen_values = true)]
    pub(in super::super) address: SocketAddr,
}

/// Take the next time of the shared clock, or N consecutive ones
///
/// They are printed one a line. The N times are taken together, in one update, so that nobody else's
/// lies between them. With --json each is an object as `lamport run` prints it.
#[derive(Args)]
pub(in super::super) struct Update {
    /// How many times to take
    #[arg(
        short = 'n',
        long,
        value_name = "N",
        default_value = "1",
        value_parser = up_to(1_000_000),
        allow_hyphen_values = true
    )]
    pub(in super::super) number: u64,
}

/// Print every update by anyone, in order, as it happens
///
/// It resumes by itself where the connection broke, without losing or repeating an update. Between
/// the updates it says what else happened; with --json as an object with "notice": watching, interrupted,
/// missed, deleted or unreadable. SIGINT and SIGTERM end it with status 0.
#[derive(Args)]
pub(in super::super) struct Watch {
    /// Begin with this revision of the store instead of now, as far as the store still keeps it
    #[arg(long, value_name = "REVISION", value_parser = positive(), allow_hyphen_values = true)]
    pub(in super::super) from: Option<u64>,

    /// End with status 0 after so many updates
    #[arg(long, value_name = "N", value_parser = positive(), allow_hyphen_values = true)]
    pub(in super::super) count: Option<u64>,
}

/// Print the newest updates that the store still keeps, oldest first
///
/// Where the store has thrown older ones away, or time ran out before the limit, that is said first;
/// with --json as an object with "notice": compacted (and before) or unread (and from).
#[derive(Args)]
pub(in super::super) struct History {
    /// How many at most
    #[arg(
        long,
        value_name = "N",
        default_value = "20",
        value_parser = up_to(10_000),
        allow_hyphen_values = true
    )]
    pub(in super::super) limit: u64,
    /// Of the updates up to this revision, instead of up to now
    #[arg(long, value_name = "REVISION", value_parser = positive(), allow_hyphen_values = true)]
    pub(in super::super) from: Option<u64>,
}

/// Move the clock forward by hand, after the store has lost times that were handed out
///
/// A store that was restored from a snapshot, emptied or exchanged stands below times that processes
/// were given. Those that know refuse to go on, and their error names the highest one they know: say
/// it with --at-least, the highest of all of them. This command shows what it finds, asks, and moves
/// the clock past that and past everything that is found; it never moves it back. The record's history
/// shows it as an update by repair:NAME, with the name of this process.
///
/// Without --at-least there is something to repair only where it can be seen from the store itself:
/// keys of the clock that were deleted or can't be read. With --json nothing is asked and without --yes
/// nothing is changed; the object has value, process, clock (where it stands), cluster, revision,
/// problems, to (where the clock would go) and repaired (the revision of the repair, or null).
#[derive(Args)]
pub(in super::super) struct Repair {
    /// The highest time that anybody is known to have been given
    #[arg(long, value_name = "N", value_parser = time, allow_hyphen_values = true)]
    pub(in super::super) at_least: Option<Time>,

    /// Do it without asking
    #[arg(short, long)]
    pub(in super::super) yes: bool,
}

/// The flags for the settings of a clock, one for each row of the library's table.
pub(in super::super) struct Connection {
    pub(in super::super) settings: Settings,
}

impl Args for Connection {
    fn augment_args(command: clap::Command) -> clap::Command {
        let command = command.next_help_heading("Configuration (a flag wins over its variable)");
        command.args(Setting::ALL.iter().map(flag))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Connection::augment_args(command)
    }
}

impl FromArgMatches for Connection {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Connection, clap::Error> {
        let mut settings = Settings::default();
        for Setting { name, kind, .. } in Setting::ALL {
            if *kind == Kind::Flag {
                if matches.get_flag(name) {
                    settings.set(name, true);
                }
            } else if let Some(text) = matches.get_one::<String>(name) {
                settings.set(name, &**text);
            }
        }
        Ok(Connection { settings })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Connection::from_arg_matches(matches)?;
        Ok(())
    }
}

fn flag(setting: &'static Setting) -> Arg {
    let mut help = format!("{} [{}]", setting.help, setting.variable);
    if !setting.default.is_empty() && setting.kind != Kind::Flag {
        help.push_str(&format!(" [default: {}]", setting.default));
    }
    let flag = Arg::new(setting.name)
        .long(setting.name.replace('_', "-"))
        .global(true)
        .help(help);
    let form = match setting.kind {
        Kind::Flag => return flag.action(ArgAction::SetTrue),
        Kind::Text(form) => form,
        Kind::Duration => "DURATION",
        _ => "N",
    };
    flag.value_name(form)
        .allow_hyphen_values(!matches!(setting.kind, Kind::Text(_)))
}

/// An address and port. A port alone means 127.0.0.1, which only this machine can reach.
fn listener(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse() {
        return Ok((IpAddr::V4(Ipv4Addr::LOCALHOST), port).into());
    }
    text.parse().map_err(|_| {
        "wanted: a port, or address:port, such as 9464, 0.0.0.0:9464 or [::]:9464".into()
    })
}

fn time(text: &str) -> Result<Time, String> {
    text.parse().map_err(|error: Error| error.to_string())
}
