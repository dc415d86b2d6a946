//! What a run found: on the terminal and as JSON.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::Failure;
use crate::stats::{max, median, min};

/// Everything that a run measured.
#[derive(Serialize)]
pub(crate) struct Report {
    machine: Value,
    sections: Vec<Section>,
}

#[derive(Serialize)]
struct Section {
    name: &'static str,
    title: String,
    figures: Vec<Figure>,
    ratios: Vec<Ratio>,
}

/// One thing measured, once a round.
#[derive(Serialize)]
struct Figure {
    name: String,
    unit: &'static str,
    median: f64,
    min: f64,
    max: f64,
    rounds: Vec<f64>,
}

/// Two figures of the same rounds, divided round by round.
#[derive(Serialize)]
struct Ratio {
    name: String,
    median: f64,
    min: f64,
    max: f64,
    rounds: Vec<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reached: Option<bool>,
}

/// What a ratio should be. Shown beside it; a run never fails over it.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Target {
    fn reached(self, value: f64) -> bool {
        match self {
            Target::AtMost(most) => value <= most,
            Target::AtLeast(least) => value >= least,
        }
    }

    fn text(self) -> String {
        match self {
            Target::AtMost(most) => format!("<= {}", short(most)),
            Target::AtLeast(least) => format!(">= {}", short(least)),
        }
    }
}

impl Report {
    pub(crate) fn new(machine: Value) -> Report {
        println!("{}", crate::machine::line(&machine));
        Report {
            machine,
            sections: Vec::new(),
        }
    }

    /// The following figures belong here.
    pub(crate) fn section(&mut self, name: &'static str, title: &str) {
        eprintln!("measuring: {title}");
        self.sections.push(Section {
            name,
            title: title.to_owned(),
            figures: Vec::new(),
            ratios: Vec::new(),
        });
    }

    /// A figure of the current section, one value a round.
    pub(crate) fn figure(&mut self, name: impl Into<String>, unit: &'static str, rounds: Vec<f64>) {
        self.current().figures.push(Figure {
            name: name.into(),
            unit,
            median: median(&rounds),
            min: min(&rounds),
            max: max(&rounds),
            rounds,
        });
    }

    /// How the figure `over` of this section relates to the figure `under`.
    pub(crate) fn ratio(&mut self, name: &str, over: &str, under: &str, target: Option<Target>) {
        let (over, under) = (self.rounds_of(over), self.rounds_of(under));
        let rounds = over.iter().zip(&under).map(|(over, under)| over / under);
        self.ratio_of(name, rounds.collect(), target);
    }

    /// A ratio that was formed elsewhere, or a figure that has a target of its own.
    pub(crate) fn ratio_of(&mut self, name: &str, rounds: Vec<f64>, target: Option<Target>) {
        let value = median(&rounds);
        self.current().ratios.push(Ratio {
            name: name.to_owned(),
            median: value,
            min: min(&rounds),
            max: max(&rounds),
            target,
            reached: target.map(|target| target.reached(value)),
            rounds,
        });
    }

    /// What was measured in each round of a figure of the current section.
    pub(crate) fn rounds_of(&mut self, name: &str) -> Vec<f64> {
        let figures = &self.current().figures;
        let figure = figures.iter().find(|figure| figure.name == name);
        let figure = figure.unwrap_or_else(|| panic!("no figure {name:?} in this section"));
        figure.rounds.clone()
    }

    fn current(&mut self) -> &mut Section {
        self.sections.last_mut().expect("a section was begun")
    }

    /// The newest section as a table.
    pub(crate) fn print_section(&self) {
        let Some(section) = self.sections.last() else {
            return;
        };
        println!("\n{}", section.title);
        for figure in &section.figures {
            let spread = format!("{} .. {}", short(figure.min), short(figure.max));
            println!(
                "  {:<44} {:>10} {:<9} {spread}",
                figure.name,
                short(figure.median),
                figure.unit,
            );
        }
        for ratio in &section.ratios {
            println!("  {}", ratio.line());
        }
    }

    /// All ratios that have a target.
    pub(crate) fn print_targets(&self) {
        println!("\nAgainst the targets");
        let ratios = self.sections.iter().flat_map(|section| &section.ratios);
        for ratio in ratios.filter(|ratio| ratio.target.is_some()) {
            println!("  {}", ratio.line());
        }
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        std::fs::write(path, text)?;
        Ok(())
    }
}

impl Ratio {
    fn line(&self) -> String {
        let spread = format!("{} .. {}", short(self.min), short(self.max));
        let verdict = match (self.target, self.reached) {
            (Some(target), Some(true)) => format!("{}: reached", target.text()),
            (Some(target), _) => format!("{}: NOT reached", target.text()),
            _ => String::new(),
        };
        let name = format!("= {}", self.name);
        let line = format!(
            "{name:<44} {:>10}  {spread:<22} {verdict}",
            short(self.median)
        );
        line.trim_end().to_owned()
    }
}

/// Three digits that matter, four just above 1, thousands parted.
fn short(value: f64) -> String {
    let size = value.abs();
    let digits = match size {
        _ if size >= 99.95 => 0,
        _ if size >= 9.995 => 1,
        _ if size >= 1.9995 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    if size < 9_999.5 || !size.is_finite() {
        return text;
    }
    let groups: Vec<&str> = text
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).expect("digits"))
        .collect();
    groups.join(",")
}
