//! `lamport man`: the manual pages.

use super::args::{self, Man};
use super::output::{Output, written};
use super::{Ending, refuse_connection_settings};
use lamport_clock::excerpt::quote;
use lamport_clock::{Error, ErrorKind, Settings};

pub(super) fn man(args: &Man, settings: &Settings, output: &Output) -> Result<(), Ending> {
    refuse_connection_settings(settings, "man", "it connects to nothing")?;
    let mut command = args::command();
    if let Some(name) = &args.command {
        let found = command.find_subcommand(name).cloned();
        command = found.ok_or_else(|| {
            let message = format!("there is no command {}: lamport --help", quote(name));
            Ending::Usage(Error::new(ErrorKind::InvalidArgument, message))
        })?;
    }
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command).source(concat!("lamport ", env!("CARGO_PKG_VERSION")));
    written(man.render(&mut page))?;
    let mut lines = output.lines();
    lines.text(&String::from_utf8_lossy(&page))?;
    lines.flush()
}
