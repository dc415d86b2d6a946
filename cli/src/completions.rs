//! `lamport completions`: the script with which a shell completes the command's words.

use super::args::{self, Completions};
use super::output::Output;
use super::{Ending, refuse_connection_settings};
use lamport_clock::Settings;

pub(super) fn completions(
    args: &Completions,
    settings: &Settings,
    output: &Output,
) -> Result<(), Ending> {
    refuse_connection_settings(settings, "completions", "it connects to nothing")?;
    // Not directly to standard output, because `generate` panics if it can't write.
    let mut script = Vec::new();
    let mut command = args::command();
    clap_complete::generate(args.shell, &mut command, "lamport", &mut script);
    let mut lines = output.lines();
    lines.text(&String::from_utf8_lossy(&script))?;
    lines.flush()
}
