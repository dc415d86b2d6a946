//! `lamport read`: the record as it stands.

use super::output::{ObservedObject, Output, observed_line};
use super::stop::Stop;
use super::{Ending, connect};
use lamport_clock::Settings;

pub(super) fn read(settings: &Settings, output: &Output, stop: &Stop) -> Result<(), Ending> {
    let clock = connect(settings, stop)?;
    match stop.outcome(clock.begin(|clock| async move { clock.read().await })?)? {
        Some(observed) if output.json => output.object(&ObservedObject::from(&observed)),
        Some(observed) => output.line(observed_line(output, &observed)),
        None if output.json => output.object(&ObservedObject::default()),
        None => output.line(format_args!("no record yet at {}", clock.location())),
    }
}
