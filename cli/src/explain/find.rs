//! Finds the event that a person names.

use super::Told;
use crate::Ending;
use crate::order::{no_such_event, stamp};
use lamport_clock::Stamp;
use lamport_trace::{EventKind, Point};

impl Told<'_> {
    /// The point that a person names, by its stamp or its line.
    pub(super) fn find(&self, name: &str) -> Result<Point, Ending> {
        if let Ok(stamp) = name.parse::<Stamp>() {
            return self.find_stamp(name, &stamp);
        }
        self.find_line(name).map(|event| self.events.point(event))
    }

    /// The update that a person names. A line that reports an update is not the update, but another event.
    pub(super) fn find_update(&self, name: &str) -> Result<Option<u32>, Ending> {
        if let Ok(stamp) = name.parse::<Stamp>() {
            return Ok(self.events.update_at(self.find_stamp(name, &stamp)?));
        }
        let event = self.find_line(name)?;
        Ok(Some(event).filter(|&event| self.events.kind(event) == EventKind::Update))
    }

    fn find_line(&self, name: &str) -> Result<u32, Ending> {
        let line = name
            .rsplit_once(':')
            .and_then(|(file, line)| Some((file, line.parse::<u32>().ok()?)));
        let Some((file, line)) = line else {
            return Err(no_such_event(
                name,
                "name it by its stamp, 42@api, or by its line, api.log:12",
            ));
        };
        let mut found = None;
        for event in 0..self.events.len() as u32 {
            let source = &*self.events.sources()[self.events.place(event).source as usize];
            let is_file = source == file || source.ends_with(&format!("/{file}"));
            // A line without a stamp belongs to the event before it.
            if is_file && self.events.line_number(event) <= Some(line) {
                found = Some(event);
            }
        }
        found.ok_or_else(|| no_such_event(name, "no line with a stamp stands there"))
    }

    fn find_stamp(&self, name: &str, named: &Stamp) -> Result<Point, Ending> {
        let time = named.time.get();
        let lives = (0_u32..).zip(self.events.lives());
        let mut points: Vec<Point> = lives
            .filter(|(_, life)| *life.process == *named.process.as_str())
            .filter(|(_, life)| named.instance.get() == 0 || named.instance == life.instance)
            .map(|(life, _)| Point { life, time })
            .collect();
        if points.is_empty() {
            return Err(no_such_event(name, "no line tells of that process"));
        }
        if points.len() > 1 {
            // Instances with an event at exactly this time are preferred.
            let is_told = |point: &Point| {
                self.events.at(*point).map(|event| self.events.point(event)) == Some(*point)
            };
            let told: Vec<Point> = points.iter().copied().filter(is_told).collect();
            points = if told.is_empty() { points } else { told };
        }
        match points[..] {
            [point] => Ok(point),
            _ => {
                let stamps: Vec<String> = points
                    .iter()
                    .take(4)
                    .map(|&point| stamp(self.events, point))
                    .collect();
                let why = format!(
                    "several instances of that process have such a time: {}",
                    stamps.join(", ")
                );
                Err(no_such_event(name, &why))
            }
        }
    }
}
