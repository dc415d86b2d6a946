//! Writes events of `tracing` as lines of a log that name their causes.

use std::fmt;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::clock::Line;
use crate::error::Result;

/// A layer of `tracing_subscriber` that writes each event as one JSON object a line, with the stamp of the
/// event and its [causes](Line).
///
/// The object has `timestamp` (Unix seconds, for people), `level`, `target`, `message`, in `fields` the
/// event's other fields, and `lamport`, `lamport_time`, `lamport_process`, `lamport_instance` and
/// `lamport_after`. The event's fields `lamport_kind` (send, receive, read) and `lamport_lane` (a thread, a
/// task) stand beside those. The kind `update` stays in `fields`: an update has a stamp of its own, and
/// readers of logs would mistake the line's stamp for it. Each event is an event of the clock. If the
/// clock has no time left, the line is written without a stamp. A line that the writer can't take is lost.
///
/// ```
/// use lamport_clock::{JsonLayer, SharedClock};
/// use tracing::Level;
/// use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt};
///
/// let clock = SharedClock::memory("api")?;
/// let log = clock.clone();
/// let layer = JsonLayer::new(move || log.log(), std::io::stdout);
/// // Without a filter each event of every library is a line, and an event of the clock.
/// let ours = Targets::new().with_target(module_path!(), Level::INFO);
/// let subscriber = tracing_subscriber::registry().with(layer.with_filter(ours));
/// tracing::subscriber::with_default(subscriber, || {
///     tracing::info!(item = "teapot", "out of tea");
/// });
/// assert_eq!(clock.now().get(), 1);
/// # Ok::<(), lamport_clock::Error>(())
/// ```
pub struct JsonLayer<L, W> {
    log: L,
    writer: W,
}

impl<L, W, O> JsonLayer<L, W>
where
    L: Fn() -> Result<Line>,
    W: Fn() -> O,
    O: Write,
{
    /// A layer that takes stamps from `log`, which calls [`log`](crate::LocalClock::log) of any clock. It
    /// writes each line at once to the writer that `writer` returns.
    pub fn new(log: L, writer: W) -> JsonLayer<L, W> {
        JsonLayer { log, writer }
    }
}

impl<L, W> fmt::Debug for JsonLayer<L, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLayer").finish_non_exhaustive()
    }
}

impl<S, L, W, O> Layer<S> for JsonLayer<L, W>
where
    S: Subscriber,
    L: Fn() -> Result<Line> + 'static,
    W: Fn() -> O + 'static,
    O: Write,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let Said { fields, mut line } = said;
        let metadata = event.metadata();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let mut put = |name: &str, value| line.insert(name.to_owned(), value);
        put("timestamp", json!(now.map_or(0.0, |now| now.as_secs_f64())));
        put("level", json!(metadata.level().as_str()));
        put("target", json!(metadata.target()));
        if !fields.is_empty() {
            put("fields", Value::Object(fields));
        }
        if let Ok(Ok(Value::Object(stamp))) = (self.log)().map(serde_json::to_value) {
            line.extend(stamp);
        }
        let line = Value::Object(line).to_string() + "\n";
        // A log that is full must not end the program.
        let _ = (self.writer)().write_all(line.as_bytes());
    }
}

/// The fields of an event.
#[derive(Default)]
struct Said {
    fields: Map<String, Value>,
    /// The fields at the top level of the line.
    line: Map<String, Value>,
}

impl Said {
    fn says(&mut self, field: &Field, value: Value) {
        let place = match field.name() {
            "lamport_kind" if value == "update" => &mut self.fields,
            "message" | "lamport_kind" | "lamport_lane" => &mut self.line,
            _ => &mut self.fields,
        };
        place.insert(field.name().to_owned(), value);
    }
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.says(field, json!(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.says(field, json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.says(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.says(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.says(field, json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // A number that JSON lacks (NaN, infinity) becomes null.
        self.says(field, json!(value));
    }
}
