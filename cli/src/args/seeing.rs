//! The arguments of the commands that show the order, and of `top`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use lamport_trace::Form;

use super::{duration, positive};

/// Print the lines of any logs in one order that never puts an effect before its cause
///
/// What the logs are is found out: plain lines and JSON with the stamps of lamport-clock, also as
/// compose, kubectl, CRI, docker, journald and syslog pass them on, and gzip; `lamport history
/// --json` and `lamport run --record` too. A line without a stamp stays behind the line it follows
/// in its own stream. Lines are printed as they are; on a terminal a red ! stands before each whose
/// wall clock shows less than that of one of its causes.
///
/// Standard error says what was found: how many lines have a wrong wall clock, by how much, and how
/// many lines were not understood. Exit status: 0 done, 1 a stamp breaks the clock's rules (a
/// message that arrived before it was sent, a time that went back), 2 a file can't be read or no
/// line has a stamp. With --json each event is an object with time, process, instance, file, line,
/// inverted, causes and text.
#[derive(Args)]
pub(in super::super) struct Order {
    #[command(flatten)]
    pub(in super::super) input: Input,

    /// Go on with what is still written: each line as soon as those of its causes are out
    #[arg(short, long, conflicts_with = "clocks")]
    pub(in super::super) follow: bool,

    /// With --follow, wait no longer than that for the line of a cause: it may never come
    #[arg(
        long,
        value_name = "DURATION",
        default_value = "1s",
        value_parser = duration,
        allow_hyphen_values = true
    )]
    pub(in super::super) patience: Duration,

    /// Print by how much the wall clocks of each two processes differ instead, at least and at most,
    /// and from how many messages that is known
    #[arg(long)]
    pub(in super::super) clocks: bool,
}

/// Prove which of two events came first, or say why nobody can know
///
/// An event is named by its stamp or by its line, api.log:12. The answer is one of: before or
/// after, with the messages that prove it, line by line; concurrent, where neither can have known
/// of the other; unknown, with the lines that would settle it. Lines that are missing can make an
/// answer unknown, and never another one. Where no message orders two updates, the shared clock did,
/// and that is said first.
///
/// With --json the answer is an object with answer, a, b, path, missing and shared_clock. Exit
/// status: 0 there is an answer, 2 an event or a file can't be found.
#[derive(Args)]
pub(in super::super) struct Explain {
    /// Two events and then files; with one of the flags below files alone
    #[arg(value_name = "A B FILE", required = true)]
    pub(in super::super) words: Vec<String>,

    /// The last line of each process that came before this event, and how many messages away
    #[arg(long, value_name = "EVENT", group = "question")]
    pub(in super::super) causes: Option<String>,

    /// The first line of each process that came after this event, and how many messages away
    #[arg(long, value_name = "EVENT", group = "question")]
    pub(in super::super) effects: Option<String>,

    /// The state of all processes when this event happened: the last line of each that it can know of
    #[arg(long, value_name = "EVENT", group = "question")]
    pub(in super::super) cut: Option<String>,

    /// The lines that contain this text, such as the number of a request, in order
    #[arg(long, value_name = "ID", group = "question")]
    pub(in super::super) trace: Option<String>,

    /// Of --causes and --effects, those that are at most so many messages away
    #[arg(
        long,
        value_name = "N",
        default_value = "3",
        allow_hyphen_values = true
    )]
    pub(in super::super) hops: u32,
}

/// The logs to read.
#[derive(Args)]
pub(in super::super) struct Input {
    /// Logs, in any form; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub(in super::super) files: Vec<String>,
}

/// Write what happened for ShiViz, Perfetto, OpenTelemetry, Mermaid or Graphviz
///
/// The forms: shiviz, for its page, with vector clocks that are counted anew so that a tail and a
/// filtered log open there too; perfetto, for ui.perfetto.dev and chrome://tracing, and otlp,
/// OpenTelemetry's traces as JSON: both have logical time for their axis, a microsecond each;
/// mermaid, for a Markdown page, as far as it fits; dot, for Graphviz. The first three are input as
/// well: `lamport order` and the others read them as they read logs, and OpenTelemetry's of others
/// too.
///
/// With --json an object with form, events, processes and left_out says what went into the file
/// that -o names. Exit status: 0 done, 1 a stamp breaks the clock's rules, 2 a file can't be read
/// or no line has a stamp.
#[derive(Args)]
pub(in super::super) struct Export {
    #[command(flatten)]
    pub(in super::super) input: Input,

    /// What to write: shiviz, perfetto, otlp, mermaid or dot
    #[arg(long, value_name = "FORM")]
    pub(in super::super) to: Form,

    /// Write it into this file instead of to standard output
    #[arg(short, long, value_name = "FILE")]
    pub(in super::super) output: Option<PathBuf>,

    /// Draw beside messages the order in which times were taken from the shared clock
    #[arg(long)]
    pub(in super::super) shared_clock: bool,
}

/// Draw what happened: one page that opens in any browser, without a network
///
/// A lane for each process and one for the shared clock, messages as lines between them, and in red
/// what happened before its cause if you believe the wall clocks. A click lights what led to an
/// event and what came of it. A million events fit.
///
/// Exit status: 0 done, 2 a file can't be read or written, or no line has a stamp.
#[derive(Args)]
pub(in super::super) struct Diagram {
    #[command(flatten)]
    pub(in super::super) input: Input,

    /// Write the picture into this file
    #[arg(short, long, value_name = "FILE", required_unless_present = "text")]
    pub(in super::super) output: Option<PathBuf>,

    /// Draw a still picture instead, of at most 2,000 events: an SVG file
    #[arg(long)]
    pub(in super::super) svg: bool,

    /// Draw it in the terminal instead, up to 64 lanes
    #[arg(long, conflicts_with_all = ["svg", "output", "title"])]
    pub(in super::super) text: bool,

    /// What stands above it; else the names of the files
    #[arg(long, value_name = "TEXT")]
    pub(in super::super) title: Option<String>,
}

/// Show where two runs of one system part first
///
/// A run is a file, or several joined by commas. Each process's lines are compared in their order:
/// what kind of event they are, and their text without what differs from run to run, which is
/// numbers, ids and times. Shown are the last line that both have, what comes next in each, and its
/// causes. Of several processes that part it is the one that did so at the smallest time: nothing
/// else that differs can have caused it.
///
/// With --json it is an object with alike, process, alike_events, common, first, second and others.
/// Exit status: 0 the runs are alike, 1 they differ, 2 a file can't be read or has no stamp.
#[derive(Args)]
pub(in super::super) struct Diff {
    /// Two runs
    #[arg(value_name = "RUN", num_args = 2, required = true)]
    pub(in super::super) runs: Vec<String>,
}

/// Show who moves the clock, how fast, who is silent, and whose wall clock is off
///
/// It watches the store as `lamport watch` does, and asks nobody else. For each process: its newest
/// value, values and updates a second over the last ten seconds, how long it has been silent, and
/// by how much its wall clock is ahead of this machine's, less the time that the news took. On a
/// terminal it is a screen that q or Ctrl-C ends, elsewhere a line a second.
///
/// With --json each second is an object with value, holder, per_second, endpoint, notice (why there
/// may be nothing new, or null) and processes, of which each has process, value, per_second,
/// updates_per_second, silent and clock_ahead (both in seconds). SIGINT and SIGTERM end it with
/// status 0.
#[derive(Args)]
pub(in super::super) struct Top {
    /// End with status 0 after so many seconds
    #[arg(short = 'n', long, value_name = "N", value_parser = positive(), allow_hyphen_values = true)]
    pub(in super::super) count: Option<u64>,
}
