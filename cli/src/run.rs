//! `lamport run`: the main job of a container.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::args::Run;
use super::metrics::Metrics;
use super::output::{Look, Output, UpdateObject, after};
use super::record::Recorder;
use super::serve::Server;
use super::stop::Stop;
use super::{Ending, configuration, usage};
use crate::faults;
use lamport_clock::blocking::SharedClock;
use lamport_clock::excerpt::escape;
use lamport_clock::{ErrorKind, Result, Settings, Time, Update};

/// The least rest after a first failure; each further failure doubles it. Some updates fail at once, so
/// without a rest the loop would be busy.
const FIRST_REST: Duration = Duration::from_millis(250);
const LONGEST_REST: Duration = Duration::from_secs(2);

pub(super) fn run(
    args: &Run,
    settings: &Settings,
    output: &Output,
    stop: &'static Stop,
) -> Result<(), Ending> {
    let config = configuration(settings)?;
    let mut recorder = match &args.record {
        Some(path) => Some(Recorder::append(path)?),
        None => None,
    };
    let metrics = Metrics::new(config.process().as_str(), args.interval, config.timeout())?;
    let metrics = Arc::new(metrics);
    // The server starts before the clock connects, so that it can answer that the run is not ready, and why.
    let server = match args.metrics {
        Some(address) => Some(Server::start(address, metrics.clone())?),
        None => None,
    };
    if let Some(server) = &server {
        output.remark(format_args!("metrics: http://{}/metrics", server.address))?;
    }
    let mut told = None;
    let clock = match stop.connect(&config) {
        Ok(clock) => {
            tell_endpoint(&clock, &mut told, &metrics, output, stop)?;
            clock
        }
        Err(Ending::Failed(error)) => {
            // A configuration from which no store can be made fails here again, and ends the run.
            let clock = SharedClock::open(&config).map_err(usage)?;
            output.failure(&error)?;
            clock
        }
        Err(Ending::Interrupted) => return output.remark(Tally::default()),
        Err(ending) => return Err(ending),
    };

    metrics.count(&clock);
    let mut tally = Tally::default();
    let mut rest = FIRST_REST;
    while args.count.is_none_or(|count| tally.updates < count) {
        let (local, begun) = (clock.now(), Instant::now());
        let pause = match update(&clock, recorder.as_mut(), stop) {
            Ok(update) => {
                metrics.succeed(&update, local, begun.elapsed());
                tell_endpoint(&clock, &mut told, &metrics, output, stop)?;
                tell_update(&update, output)?;
                tally.count(&update);
                rest = FIRST_REST;
                args.interval
            }
            Err(Ending::Failed(error)) => {
                metrics.fail(&error);
                output.failure(&error)?;
                tally.failures += 1;
                let pause = args.interval.max(rest);
                rest = (rest * 2).min(LONGEST_REST);
                pause
            }
            Err(Ending::Interrupted) => break,
            Err(ending) => return Err(ending),
        };
        if args.count == Some(tally.updates) || stop.rest(pause) {
            break;
        }
    }
    clock.close();
    output.remark(&tally)
}

/// Makes one update. An interrupted one is recorded without an end, as if this process had been killed.
fn update(
    clock: &SharedClock,
    recorder: Option<&mut Recorder>,
    stop: &Stop,
) -> Result<Update, Ending> {
    let begin_update = || clock.begin(|clock| async move { clock.update().await });
    let Some(recorder) = recorder else {
        return stop.outcome(begin_update()?);
    };
    let call = recorder.begin(clock)?;
    let result = match stop.outcome(begin_update()?) {
        Ok(update) => Ok(update),
        Err(Ending::Failed(error)) => Err(error),
        Err(ending) => return Err(ending),
    };
    recorder.end(call, &result)?;
    Ok(result?)
}

/// Prints which endpoint updates go to, if that has changed.
fn tell_endpoint(
    clock: &SharedClock,
    told: &mut Option<String>,
    metrics: &Metrics,
    output: &Output,
    stop: &Stop,
) -> Result<(), Ending> {
    let endpoint = clock.location();
    if told.as_ref() == Some(&endpoint) {
        return Ok(());
    }
    metrics.connect(&endpoint);
    let process = clock.process();
    match told.replace(endpoint.clone()) {
        None => {
            output.remark(format_args!("{process}: connected to {endpoint}"))?;
            warn_of_the_server(clock, output, stop)
        }
        Some(before) => output.remark(format_args!(
            "{process}: connected to {endpoint}, no longer to {before}"
        )),
    }
}

/// Prints the known faults of the server's version. They do not end the run.
fn warn_of_the_server(clock: &SharedClock, output: &Output, stop: &Stop) -> Result<(), Ending> {
    let server = match stop.outcome(clock.begin(|clock| async move { clock.server().await })?) {
        Ok(Some(server)) => server,
        // Some versions of etcd tell their version to root alone.
        Err(Ending::Failed(error)) if error.kind() == ErrorKind::Denied => {
            output.complain(format_args!("no version to look up faults of: {error}"));
            return Ok(());
        }
        // The run itself notices an interruption at its next rest.
        Ok(None) | Err(Ending::Failed(_) | Ending::Interrupted) => return Ok(()),
        Err(ending) => return Err(ending),
    };
    let faults = faults::known(&server);
    if !faults.is_empty() {
        output.complain(format_args!(
            "etcd {} is known for this: {}",
            escape(&server.version),
            faults.join("; ")
        ));
    }
    Ok(())
}

fn tell_update(update: &Update, output: &Output) -> Result<(), Ending> {
    if output.json {
        return output.object(&UpdateObject::from(update));
    }
    let regressed = match update.regressed {
        Some(highest) => {
            let note = format!("  (another writer had moved the record back from {highest})");
            output.paint(Look::Yellow, note)
        }
        None => String::new(),
    };
    output.line(format_args!(
        "{}  {}{regressed}",
        output.paint(
            Look::Bold,
            format_args!("{:>8}@{}", update.value, update.process)
        ),
        output.paint(Look::Faint, after(update.previous.as_ref())),
    ))
}

/// The totals of a run.
#[derive(Default)]
struct Tally {
    updates: u64,
    failures: u64,
    span: Option<(Time, Time)>,
}

impl Tally {
    fn count(&mut self, update: &Update) {
        self.updates += 1;
        let first = self.span.map_or(update.value, |(first, _)| first);
        self.span = Some((first, update.value));
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        write!(
            f,
            "ended after {} update{}",
            self.updates,
            plural(self.updates)
        )?;
        if let Some((first, last)) = self.span {
            write!(f, ", from {first} to {last}")?;
        }
        write!(f, "; {} failure{}", self.failures, plural(self.failures))
    }
}
