//! Exports the order to the formats of other programs. All of them draw the same: the moments of each
//! life, which are its lines and the sends that have no line, and the arrows between them.

mod dot;
mod mermaid;
mod moments;
mod otlp;
mod perfetto;
mod record;
mod shiviz;

use std::str::FromStr;

use self::moments::Moments;
pub(crate) use self::otlp::SCOPE;
pub(crate) use self::record::process;
use crate::graph::Graph;
use crate::read::Description;

/// The program that an export is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// ShiViz, and TSViz: vector clocks, without a gap.
    Shiviz,
    /// The trace viewers of Perfetto and Chrome, in their JSON form.
    Perfetto,
    /// Programs that read OpenTelemetry's traces as JSON.
    Otlp,
    /// Mermaid: a picture in a Markdown page. Only the beginning fits.
    Mermaid,
    /// Graphviz.
    Dot,
}

impl Form {
    /// All forms, with their names.
    pub const ALL: [(&'static str, Form); 5] = [
        ("shiviz", Form::Shiviz),
        ("perfetto", Form::Perfetto),
        ("otlp", Form::Otlp),
        ("mermaid", Form::Mermaid),
        ("dot", Form::Dot),
    ];
}

impl FromStr for Form {
    type Err = String;

    fn from_str(name: &str) -> Result<Form, String> {
        let found = Form::ALL.iter().find(|(known, _)| *known == name);
        let names = || Form::ALL.map(|(known, _)| known).join(", ");
        found
            .map(|(_, form)| *form)
            .ok_or_else(|| format!("it is one of {}", names()))
    }
}

/// What an export needs from its caller: the texts of events, and a place to write the result.
pub trait ExportIo {
    /// The error of both methods.
    type Error;

    /// What the lines of an event say.
    fn describe(&mut self, event: u32) -> Result<Description, Self::Error>;

    /// Takes the next piece of the result.
    fn write(&mut self, text: &str) -> Result<(), Self::Error>;
}

/// Writes the graph in one of the forms. Returns how many events were left out. If the graph has the
/// shared clock, its order is drawn as well, with an arrow of its own kind where the form knows two kinds.
///
/// ```
/// use lamport_trace::{Description, ExportIo, Form, Graph, Reader, describe, export};
///
/// struct Text(String);
///
/// impl ExportIo for Text {
///     type Error = std::convert::Infallible;
///
///     fn describe(&mut self, _: u32) -> Result<Description, Self::Error> {
///         Ok(describe(b"asked billing 2@api <-"))
///     }
///
///     fn write(&mut self, text: &str) -> Result<(), Self::Error> {
///         self.0.push_str(text);
///         Ok(())
///     }
/// }
///
/// let mut reader = Reader::default();
/// reader.feed(b"asked billing 2@api <-\n");
/// let events = reader.finish();
/// let mut text = Text(String::new());
/// export(Form::Shiviz, &Graph::with_shared_clock(&events), &mut text)?;
/// assert!(text.0.ends_with("\napi {\"api\":1} asked billing\n"));
/// # Ok::<(), std::convert::Infallible>(())
/// ```
pub fn export<I: ExportIo>(form: Form, graph: &Graph<'_>, io: &mut I) -> Result<u64, I::Error> {
    let moments = Moments::of(graph);
    match form {
        Form::Shiviz => shiviz::write(&moments, io).map(|()| 0),
        Form::Perfetto => perfetto::write(&moments, io).map(|()| 0),
        Form::Otlp => otlp::write(&moments, io).map(|()| 0),
        Form::Mermaid => mermaid::write(&moments, io),
        Form::Dot => dot::write(&moments, io).map(|()| 0),
    }
}

/// A text as a JSON string, with invisible characters escaped.
fn json(text: &str) -> String {
    lamport_clock::excerpt::escape_json(serde_json::Value::from(text).to_string())
}
