//! The arguments of `diagram`, `export`, `diff` and `top`.

use std::path::PathBuf;

use clap::Args;
use lamport_trace::Form;

use super::{Input, positive};

/// Write what happened for ShiViz, Perfetto, OpenTelemetry, Mermaid or Graphviz
///
///   lamport export --to shiviz *.log > run.shiviz
///
/// The forms: shiviz, for its page, with vector clocks that are counted anew so that a tail and a
/// filtered log open there too; perfetto, for ui.perfetto.dev and chrome://tracing, and otlp,
/// OpenTelemetry's traces as JSON: both have logical time for their axis, a microsecond each; mermaid,
/// for a Markdown page, as far as it fits; dot, for Graphviz. The first three are input as well:
/// `lamport order` and the others read them as they read logs, and OpenTelemetry's of others too.
///
/// With --json an object with form, events, processes and left_out says what went into the file that
/// -o names. Exit status: 0 done, 1 a stamp breaks the clock's rules, 2 a file can't be read or no line
/// has a stamp.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(in super::super) struct Export {
    #[command(flatten)]
    pub(in super::super) input: Input,

    /// What to write: shiviz, perfetto, otlp, mermaid or dot
    #[arg(long, value_name = "FORM")]
    pub(in super::super) to: Form,

    /// Write it into this file instead of to standard output
    #[arg(short, long, value_name = "FILE")]
    pub(in super::super) output: Option<PathBuf>,

    /// Draw messages alone, not the order in which times were taken from the shared clock
    #[arg(long)]
    pub(in super::super) messages: bool,
}

/// Draw what happened: one page that opens in any browser, without a network
///
///   docker compose logs | lamport diagram - -o shop.html
///
/// A lane for each process and one for the shared clock, messages as lines between them, and in red what
/// happened before its cause if you believe the wall clocks. A click lights what led to an event and
/// what came of it. A million events fit.
///
/// Exit status: 0 done, 2 a file can't be read or written, or no line has a stamp.
#[derive(Args)]
#[command(verbatim_doc_comment)]
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
///   lamport diff good/api.log,good/shop.log bad/api.log,bad/shop.log
///
/// A run is a file, or several joined by commas. Each process's lines are compared in their order:
/// what kind of event they are, and their text without what differs from run to run, which is numbers,
/// ids and times. Shown are the last line that both have, what comes next in each, and its causes. Of
/// several processes that part it is the one that did so at the smallest time: nothing else that
/// differs can have caused it.
///
/// With --json it is an object with alike, process, alike_events, common, first, second and others.
/// Exit status: 0 the runs are alike, 1 they differ, 2 a file can't be read or has no stamp.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(in super::super) struct Diff {
    /// Two runs
    #[arg(value_name = "RUN", num_args = 2, required = true)]
    pub(in super::super) runs: Vec<String>,
}

/// Show who moves the clock, how fast, who is silent, and whose wall clock is off
///
///   lamport top --store etcd://10.0.0.1/lamport_clock
///
/// It watches the store as `lamport watch` does, and asks nobody else. For each process: its newest
/// value, values and updates a second over the last ten seconds, how long it has been silent, and by how
/// much its wall clock is ahead of this machine's, less the time that the news took. On a terminal it is
/// a screen that q or Ctrl-C ends, elsewhere a line a second.
///
/// With --json each second is an object with value, holder, per_second, endpoint, notice (why there may
/// be nothing new, or null) and processes, of which each has process, value, per_second,
/// updates_per_second, silent and clock_ahead (both in seconds). SIGINT and SIGTERM end it with status 0.
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub(in super::super) struct Top {
    /// End with status 0 after so many seconds
    #[arg(short = 'n', long, value_name = "N", value_parser = positive(), allow_hyphen_values = true)]
    pub(in super::super) count: Option<u64>,
}
