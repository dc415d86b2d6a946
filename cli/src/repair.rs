//! `lamport repair`: shows the state of the clock, asks the person, and moves the clock forward.

use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::args;
use super::output::{Look, Output, observed_line};
use super::stop::Stop;
use super::{Ending, connect, environment};
use lamport_clock::excerpt::escape;
use lamport_clock::{Error, ErrorKind, Observed, RepairPlan, Settings, Time};

pub(super) fn repair(
    args: &args::Repair,
    settings: &Settings,
    output: &Output,
    stop: &Stop,
) -> Result<(), Ending> {
    let clock = connect(settings, stop)?;
    let at_least = args.at_least.unwrap_or(Time::ZERO);
    let plan =
        stop.outcome(clock.begin(move |clock| async move { clock.plan_repair(at_least).await })?)?;
    let needed = args.at_least.is_some() || !plan.problems.is_empty();
    if !output.json {
        show(&plan, &clock.location(), output)?;
        if !needed {
            return output.line(
                "nothing to repair here. If a process reports that times were lost, say up to which \
                 one: lamport repair --at-least N",
            );
        }
    }
    let repaired = if needed && agreed(args, &plan, output, stop)? {
        let same = plan.clone();
        let repaired =
            stop.outcome(clock.begin(|clock| async move { clock.repair(&same).await })?)?;
        if !output.json {
            output.line(output.paint(Look::Green, "repaired"))?;
            output.line(observed_line(output, &repaired))?;
        }
        Some(repaired)
    } else {
        None
    };
    if output.json {
        output.object(&PlanObject::of(&plan, repaired.as_ref()))?;
    }
    Ok(())
}

/// Prints what was found, for people.
fn show(plan: &RepairPlan, location: &str, output: &Output) -> Result<(), Ending> {
    let found = &plan.found;
    let cluster = match found.cluster {
        0 => String::new(),
        cluster => format!(" of cluster {cluster:x}"),
    };
    output.line(format_args!(
        "{location}, revision {}{cluster}",
        found.revision
    ))?;
    let record = match found.record() {
        Ok(None) => "none".to_owned(),
        Ok(Some(record)) => {
            format!("{} by {}", record.value, escape(&record.process_id))
        }
        Err(_) => "can't be read".to_owned(),
    };
    output.line(format_args!("record   {record}"))?;
    let clock = match found.clock() {
        Ok(None) => "none".to_owned(),
        Ok(Some(clock)) => clock.to_string(),
        Err(_) => "can't be told".to_owned(),
    };
    output.line(format_args!("clock    {clock}"))?;
    if let Some(repaired) = found.repaired() {
        output.line(format_args!("repaired before, to {}", repaired.to))?;
    }
    for problem in &plan.problems {
        output.line(output.paint(Look::Yellow, problem))?;
    }
    let clock = found.clock().ok().flatten().unwrap_or_default();
    if let Some(pulled) = pulled_ahead(clock) {
        output.line(output.paint(Look::Yellow, pulled))?;
    }
    Ok(())
}

/// A warning if the clock is further ahead than counting can have brought it.
fn pulled_ahead(clock: Time) -> Option<String> {
    let used = clock.get() / (Time::MAX.get() / 100);
    (used > 0).then(|| {
        format!(
            "{used} % of all times are used up: no clock counts that far, so a message or a record has \
             pulled it ahead. Every process follows, so there are two ways on. Accept it: do nothing, and \
             find out who sent it (whom do your services take stamps from? LAMPORT_MAX_JUMP bounds one \
             such pull). Or begin anew: stop all processes, give them another LAMPORT_KEY, and start \
             them; times and stamps of the two clocks say nothing about each other"
        )
    })
}

/// Whether to change the clock. If the command line does not say so, the person is asked.
fn agreed(
    args: &args::Repair,
    plan: &RepairPlan,
    output: &Output,
    stop: &Stop,
) -> Result<bool, Ending> {
    if args.yes || output.json {
        return Ok(args.yes);
    }
    if !environment::is_attended() {
        return Err(Ending::Usage(Error::new(
            ErrorKind::InvalidArgument,
            format!(
                "nothing was changed: there is no terminal to ask at. To move the clock to {}, say \
                 --yes",
                plan.to
            ),
        )));
    }
    output.prompt(format_args!(
        "Move the clock forward to {}? It can't be moved back. [y/N] ",
        plan.to
    ))?;
    let yes = matches!(&*answer(stop)?.to_lowercase(), "y" | "yes");
    if !yes {
        output.line("nothing was changed")?;
    }
    Ok(yes)
}

/// A line from the terminal. Another thread reads it, so that a signal ends the wait.
fn answer(stop: &Stop) -> Result<String, Ending> {
    const GLANCE: Duration = Duration::from_millis(20);
    let (sender, line) = mpsc::channel();
    let reading = thread::Builder::new().spawn(move || {
        let mut text = String::new();
        // A failed read does not count as a "yes".
        let _ = io::stdin().read_line(&mut text);
        let _ = sender.send(text);
    });
    reading.map_err(|error| {
        let message = format!("no thread can be started to wait for the answer in: {error}");
        Error::with_source(ErrorKind::Internal, message, error)
    })?;
    loop {
        match line.recv_timeout(GLANCE) {
            Ok(text) => return Ok(text.trim().to_owned()),
            Err(RecvTimeoutError::Timeout) if !stop.requested() => {}
            Err(_) => return Err(Ending::Interrupted),
        }
    }
}

/// What was found, and what was done, as JSON.
#[derive(Serialize)]
struct PlanObject<'a> {
    value: Option<u64>,
    process: Option<&'a str>,
    /// Where the shared clock stands; `null` if it can't be told.
    clock: Option<u64>,
    /// 16 digits, as etcd prints it; `null` where the store has no such id.
    cluster: Option<String>,
    revision: u64,
    problems: &'a [String],
    to: u64,
    /// The revision that moved the clock to `to`; `null` if nothing was changed.
    repaired: Option<u64>,
}

impl<'a> PlanObject<'a> {
    fn of(plan: &'a RepairPlan, repaired: Option<&Observed>) -> PlanObject<'a> {
        let found = &plan.found;
        let record = found.record().ok().flatten();
        PlanObject {
            value: record.map(|record| record.value.get()),
            process: record.map(|record| &*record.process_id),
            clock: found.clock().ok().flatten().map(Time::get),
            cluster: (found.cluster != 0).then(|| format!("{:016x}", found.cluster)),
            revision: found.revision,
            problems: &plan.problems,
            to: plan.to.get(),
            repaired: repaired.map(|repaired| repaired.revision),
        }
    }
}
