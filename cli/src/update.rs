//! `lamport update`: one time, or several together.

use super::args;
use super::output::{Output, UpdateObject};
use super::stop::Stop;
use super::{Ending, connect};
use lamport_clock::{Holder, Reservation, Settings, Update};

pub(super) fn update(
    args: &args::Update,
    settings: &Settings,
    output: &Output,
    stop: &Stop,
) -> Result<(), Ending> {
    let clock = connect(settings, stop)?;
    let number = args.number;
    let reservation =
        stop.outcome(clock.begin(move |clock| async move { clock.reserve(number).await })?)?;
    if let Some(highest) = reservation.regressed
        && !output.json
    {
        output.complain(format_args!(
            "note: another writer had moved the record back from {highest}"
        ));
    }
    for update in one_by_one(reservation) {
        if output.json {
            output.object(&UpdateObject::from(&update))?;
        } else {
            output.line(update.value)?;
        }
    }
    // The times are printed first. Then closing brings the record up to date, within the deadline.
    clock.close();
    Ok(())
}

/// Each reserved time as an update of its own, whose `previous` is the time before it.
fn one_by_one(reservation: Reservation) -> impl Iterator<Item = Update> {
    let mut previous = reservation.previous.clone();
    let mut regressed = reservation.regressed;
    reservation.times().map(move |value| {
        let holder = Holder {
            value,
            process: reservation.process.to_string(),
        };
        Update {
            value,
            previous: previous.replace(holder),
            regressed: regressed.take(),
            ..Update::from(reservation.clone())
        }
    })
}
