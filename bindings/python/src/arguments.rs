//! Converts arguments from Python. A wrong type is a `TypeError`, a wrong value an `InvalidArgumentError`.

use std::time::Duration;

use lamport_clock::{
    Config, ErrorKind, Kind, Message, Setting, Settings, Time, Value, parse_duration,
};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyString};

use crate::errors::{OrRaise, raise};
use crate::stamp::Stamp;

/// A text. A text of Python may hold lone surrogates, which are refused: a Rust string can't hold them.
pub(crate) struct Text(pub(crate) String);

impl<'py> FromPyObject<'_, 'py> for Text {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Text> {
        let text = object.cast::<PyString>()?;
        match text.to_str() {
            Ok(text) => Ok(Text(text.to_owned())),
            Err(_) => Err(raise(
                ErrorKind::InvalidArgument,
                format!("{} is not valid Unicode text", shown(&object)),
            )),
        }
    }
}

/// A whole number from 0 through 2^64 - 1. The core checks the range that each use allows.
pub(crate) struct Whole(pub(crate) u64);

impl<'py> FromPyObject<'_, 'py> for Whole {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Whole> {
        if !object.is_instance_of::<PyInt>() || object.is_instance_of::<PyBool>() {
            return Err(PyTypeError::new_err(format!(
                "a whole number is needed, not {}",
                object.get_type().name()?
            )));
        }
        object.extract().map(Whole).map_err(|_| {
            raise(
                ErrorKind::InvalidArgument,
                format!(
                    "{} is out of range: it takes a whole number from 0 up, of at most 64 bits",
                    shown(&object)
                ),
            )
        })
    }
}

impl Whole {
    /// The number as a logical time.
    pub(crate) fn time(self) -> PyResult<Time> {
        Time::new(self.0).or_raise()
    }
}

/// Calls `receive` with a message: a stamp, the text of a stamp, or a bare time.
pub(crate) fn arrived<T>(
    message: &Bound<'_, PyAny>,
    receive: impl FnOnce(Message<'_>) -> lamport_clock::Result<T>,
) -> PyResult<T> {
    if let Ok(stamp) = message.cast::<Stamp>() {
        return receive(Message::Stamp(&stamp.get().0)).or_raise();
    }
    if message.is_instance_of::<PyString>() {
        let Stamp(stamp) = Stamp::parse(message.extract()?)?;
        return receive(Message::Stamp(&stamp)).or_raise();
    }
    if message.is_instance_of::<PyInt>() {
        let time = message.extract::<Whole>()?.time()?;
        return receive(Message::Time(time)).or_raise();
    }
    Err(PyTypeError::new_err(format!(
        "a message is a Stamp, an int or a text like '42@mx-nodel', not {}",
        message.get_type().name()?
    )))
}

/// A length of time: a text like `"500ms"`, or a number of seconds.
pub(crate) struct Seconds(pub(crate) Duration);

impl<'py> FromPyObject<'_, 'py> for Seconds {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Seconds> {
        parse_duration(&duration(&object)?).or_raise().map(Seconds)
    }
}

/// A duration as a text, which the core then parses or refuses. Of a float it keeps every digit.
fn duration(object: &Bound<'_, PyAny>) -> PyResult<String> {
    if object.is_instance_of::<PyString>() {
        return Ok(object.extract::<Text>()?.0);
    }
    let number = object.is_instance_of::<PyFloat>() || object.is_instance_of::<PyInt>();
    if !number || object.is_instance_of::<PyBool>() {
        return Err(PyTypeError::new_err(format!(
            "a duration is a number of seconds or a text like '500ms', not {}",
            object.get_type().name()?
        )));
    }
    // An int may be too large for a float.
    let seconds = object.extract::<f64>();
    Ok(seconds.map_or_else(|_| shown(object), |seconds| (seconds + 0.0).to_string()))
}

/// Loads the configuration from keyword arguments, named as in the core's table of settings. `None`
/// counts as not given.
pub(crate) fn configuration(
    store: Option<Text>,
    node: Option<Text>,
    named: Option<&Bound<'_, PyDict>>,
) -> PyResult<Config> {
    let mut settings = Settings::default();
    for (name, text) in [("store", store), ("node", node)] {
        if let Some(Text(text)) = text {
            settings.set(name, text);
        }
    }
    for (name, value) in named.into_iter().flatten() {
        let Text(name) = name.extract()?;
        let setting = Setting::ALL.iter().find(|setting| setting.name == name);
        let Some(setting) = setting else {
            let names: Vec<_> = Setting::ALL.iter().map(|setting| setting.name).collect();
            return Err(PyTypeError::new_err(format!(
                "there is no setting '{name}'; there are {}",
                names.join(", ")
            )));
        };
        if value.is_none() {
            continue;
        }
        let value = match setting.kind {
            Kind::Duration => Value::Text(duration(&value)?),
            Kind::Number => Value::Number(value.extract::<Whole>()?.0),
            Kind::Flag => Value::Flag(value.extract()?),
            _ => Value::Text(value.extract::<Text>()?.0),
        };
        settings.set(&name, value);
    }
    // The environment is read while attached, because changes that Python makes to it need the GIL too.
    Config::load(&settings).or_raise()
}

/// The object's `repr`, cut to a length that fits into a message.
fn shown(object: &Bound<'_, PyAny>) -> String {
    const LONGEST: usize = 80;
    let repr = object
        .repr()
        .map(|repr| repr.to_string_lossy().into_owned());
    match repr {
        Ok(repr) if repr.chars().count() <= LONGEST => repr,
        Ok(repr) => repr.chars().take(LONGEST).chain("...".chars()).collect(),
        // Python doesn't print an int of more than some thousand digits.
        Err(_) => "this value".to_owned(),
    }
}
