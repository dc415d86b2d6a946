//! `lamport diff`: where two runs part.

use serde::Serialize;

use super::Ending;
use super::args::Diff;
use super::explain::{MomentObject, Told};
use super::input;
use super::output::{Look, Output, count};
use super::stop::Stop;
use lamport_clock::excerpt::escape;
use lamport_clock::{Error, ErrorKind, Settings};
use lamport_trace::{MaskedTexts, Point, Reader, describe, first_divergence};

#[derive(Serialize)]
struct NextObject {
    #[serde(flatten)]
    event: MomentObject,
    causes: Vec<MomentObject>,
}

#[derive(Serialize)]
struct DiffObject<'a> {
    alike: bool,
    process: Option<&'a str>,
    alike_events: u64,
    common: Option<[MomentObject; 2]>,
    first: Option<NextObject>,
    second: Option<NextObject>,
    /// The number of other processes whose lines differ too.
    others: u64,
}

pub(super) fn diff(
    args: &Diff,
    settings: &Settings,
    output: &Output,
    stop: &Stop,
) -> Result<(), Ending> {
    super::refuse_connection_settings(settings, "'lamport diff'", "it looks at files alone")?;
    if args.runs.iter().all(|run| run == "-") {
        return Err(Ending::Usage(Error::new(
            ErrorKind::InvalidArgument,
            "'-', which is standard input, can be one of the runs",
        )));
    }
    let mut known = MaskedTexts::default();
    let (mut runs, mut numbers) = (Vec::new(), Vec::new());
    for run in &args.runs {
        let files: Vec<String> = run.split(',').map(str::to_owned).collect();
        let (events, mut texts) = input::read_stamped(&files, Reader::numbering(), output, stop)?;
        let mut of_run = Vec::with_capacity(events.len());
        for event in 0..events.len() as u32 {
            if event % 4_096 == 0 && stop.requested() {
                return Err(Ending::Interrupted);
            }
            let message = describe(texts.get(events.place(event))?).message;
            of_run.push(known.number(&message));
        }
        numbers.push(of_run);
        runs.push((events, texts));
    }
    let [(first, first_texts), (second, second_texts)] = <[_; 2]>::try_from(runs)
        .unwrap_or_else(|_| unreachable!("clap takes two runs and no others"));
    let found = first_divergence((&first, &numbers[0]), (&second, &numbers[1]));
    let Some(found) = found else {
        let alike_events = first.counts().events - first.counts().duplicates;
        if output.json {
            return output.object(&DiffObject {
                alike: true,
                process: None,
                alike_events,
                common: None,
                first: None,
                second: None,
                others: 0,
            });
        }
        return output.line(output.paint(
            Look::Green,
            format_args!("the runs are alike: {} events", count(alike_events)),
        ));
    };
    let mut told = [(&first, first_texts), (&second, second_texts)].map(|(events, texts)| Told {
        events,
        texts,
        output,
    });
    if output.json {
        let [first, second] = &mut told;
        output.object(&DiffObject {
            alike: false,
            process: Some(&found.process),
            alike_events: found.alike,
            common: match found.common {
                Some([a, b]) => Some([first.event(a)?, second.event(b)?]),
                None => None,
            },
            first: first.next(found.next[0])?,
            second: second.next(found.next[1])?,
            others: found.others,
        })?;
    } else {
        let process = escape(&found.process);
        output.line(output.paint(
            Look::Bold,
            format_args!(
                "the runs part in {process}, after {} of its events that are alike",
                count(found.alike)
            ),
        ))?;
        for (run, told) in told.iter_mut().enumerate() {
            let (which, look) = [("first: ", Look::Green), ("second:", Look::Yellow)][run];
            output.line(output.paint(
                Look::Faint,
                format_args!("{which} {}", escape(&args.runs[run])),
            ))?;
            if let Some(common) = found.common {
                let common = told.shown_event(common[run])?;
                output.line(format_args!("  both:  {common}"))?;
            }
            let Some(next) = found.next[run] else {
                output.line(format_args!("  then:  {}", output.paint(look, "nothing")))?;
                continue;
            };
            let shown = told.shown_event(next)?;
            output.line(format_args!("  then:  {}", output.paint(look, shown)))?;
            for cause in told.causes(next) {
                let cause = told.shown(cause)?;
                output.line(format_args!("  after: {cause}"))?;
            }
        }
        if found.others > 0 {
            let others = match found.others {
                1 => "1 other process parts".to_owned(),
                others => format!("{} other processes part", count(others)),
            };
            output.line(format_args!("{others} as well, later"))?;
        }
    }
    Err(Ending::Failed(Error::new(
        ErrorKind::Internal,
        "the runs differ",
    )))
}

impl Told<'_> {
    fn event(&mut self, event: u32) -> Result<MomentObject, Ending> {
        self.moment(self.events.point(event))
    }

    /// The causes that an event names: the line before it in its process, and points in other processes.
    fn causes(&self, event: u32) -> Vec<Point> {
        let point = self.events.point(event);
        let previous = self.events.previous(event);
        let previous = previous.map(|time| Point { time, ..point });
        let others = self.events.causes(event).map(|cause| cause.from);
        previous.into_iter().chain(others).collect()
    }

    fn next(&mut self, event: Option<u32>) -> Result<Option<NextObject>, Ending> {
        let Some(event) = event else { return Ok(None) };
        let causes = self.causes(event).into_iter();
        Ok(Some(NextObject {
            event: self.event(event)?,
            causes: causes
                .map(|cause| self.moment(cause))
                .collect::<Result<_, _>>()?,
        }))
    }
}
