//! `lamport nodes`: the members of etcd, and whether each answers.

use std::time::Duration;

use serde::Serialize;

use super::Ending;
use super::output::{Look, Output};
use super::stop::Stop;
use crate::faults;
use lamport_clock::blocking::{Call, SharedClock};
use lamport_clock::excerpt::escape;
use lamport_clock::{Address, Config, Error, ErrorKind, Server, Settings, StoreUri};

/// A node that takes longer than this counts as not answering, even if the deadline of calls is longer.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Row {
    /// `None`: an endpoint of the store that is not in the node map.
    node: Option<String>,
    address: String,
    own: bool,
    answers: bool,
    error: Option<String>,
    version: Option<String>,
    /// Known faults of its version; or, if it answers without a version, the reason for that.
    advice: Vec<String>,
}

pub(super) fn nodes(settings: &Settings, output: &Output, stop: &Stop) -> Result<(), Ending> {
    let (config, wrong_node) = configuration(settings)?;
    let mut asked = Vec::new();
    for (node, address) in listed(&config)? {
        let own = node.as_deref() == Some(config.process().as_str());
        asked.push((node, own, address.clone(), ask(&config, address)));
    }
    let mut rows = Vec::new();
    for (node, own, address, call) in asked {
        let outcome = match call {
            Ok(call) => stop.outcome(call),
            // This node is not asked at all, for instance because the password must not be sent to it.
            Err(error) => Err(Ending::Failed(error)),
        };
        let (error, version, advice) = match outcome {
            Ok(clock) => match about(&clock, stop)? {
                Ok(server) => (None, server.version.clone(), faults::known(&server)),
                Err(error) => (None, String::new(), vec![format!("no version: {error}")]),
            },
            Err(Ending::Failed(error)) => (Some(error), String::new(), Vec::new()),
            Err(ending) => return Err(ending),
        };
        rows.push(Row {
            node,
            address: address.to_string(),
            own,
            answers: error.is_none(),
            error: error.map(|error| error.to_string()),
            advice,
            version: Some(version).filter(|version| !version.is_empty()),
        });
    }
    let answering = rows.iter().filter(|row| row.answers).count();
    print(&rows, output)?;
    if let Some(error) = wrong_node {
        return Err(Ending::Usage(error));
    }
    if answering == 0 {
        let message = match rows.len() {
            1 => "the one member does not answer".to_owned(),
            many => format!("none of the {many} members answers"),
        };
        return Err(Ending::Failed(Error::new(ErrorKind::Unavailable, message)));
    }
    Ok(())
}

/// What the server says of itself, or why it does not. A node with such an error still counts as answering.
fn about(clock: &SharedClock, stop: &Stop) -> Result<Result<Server, Error>, Ending> {
    match stop.outcome(clock.begin(|clock| async move { clock.server().await })?) {
        Ok(server) => Ok(Ok(server.unwrap_or_default())),
        Err(Ending::Failed(error)) => Ok(Err(error)),
        Err(ending) => Err(ending),
    }
}

/// The configuration. If the node map does not name this node, a configuration that needs no own node, and
/// the error: the nodes of the map can be shown all the same. The built-in map is not shown on a machine
/// that it does not name, because its addresses belong to somebody else there.
fn configuration(settings: &Settings) -> Result<(Config, Option<Error>), Ending> {
    let error = match Config::load(settings) {
        Ok(config) => return Ok((config, None)),
        Err(error) => error,
    };
    let with = |name: &str, value: &str| {
        let mut settings = settings.clone();
        settings.set(name, value);
        settings
    };
    // If a node outside the map is the only error, no store was named, and the map decides.
    let only_the_node = Config::load(&with("node", NOBODY))
        .is_err_and(|error| error.kind() == ErrorKind::UnknownNode);
    if !only_the_node {
        return Err(Ending::Usage(error));
    }
    let config = Config::load(&with("store", "memory:")).map_err(Ending::Usage)?;
    if config.nodes().iter().next().is_none() {
        return Err(Ending::Usage(error));
    }
    Ok((
        config,
        Some(error).filter(|error| error.kind() == ErrorKind::UnknownNode),
    ))
}

/// A name that no node has.
const NOBODY: &str = "(nobody)";

/// The nodes of the map, if there is one, and the endpoints of the store that are not in the map.
fn listed(config: &Config) -> Result<Vec<(Option<String>, Address)>, Ending> {
    let named = config.nodes().iter();
    let mut listed: Vec<_> = named
        .map(|node| (Some(node.name.to_string()), node.address.clone()))
        .collect();
    if let StoreUri::Etcd { endpoints, .. } = config.store() {
        for endpoint in endpoints {
            if listed.iter().all(|(_, address)| address != endpoint) {
                listed.push((None, endpoint.clone()));
            }
        }
    }
    if listed.is_empty() {
        return Err(Ending::Usage(Error::new(
            ErrorKind::InvalidArgument,
            "the store is in memory, which has no members to ask: --store takes etcd://host:port,...",
        )));
    }
    Ok(listed)
}

/// Begins to ask only this node. It does not wait for the answer, so that all nodes are asked at once.
fn ask(config: &Config, address: Address) -> Result<Call<SharedClock>, Error> {
    let one = StoreUri::Etcd {
        endpoints: vec![address],
        key: None,
    };
    let patience = config.timeout().min(PATIENCE);
    let clock = SharedClock::open(&config.clone().with_store(one).with_timeout(patience)?)?;
    let asked = clock.clone();
    clock.begin(|clock| async move { clock.first_look().await.map(|()| asked) })
}

fn print(rows: &[Row], output: &Output) -> Result<(), Ending> {
    if output.json {
        return rows.iter().try_for_each(|row| output.object(row));
    }
    let has_nodes = rows.iter().any(|row| row.node.is_some());
    let name = |row: &Row| match &row.node {
        Some(node) => format!("{node}  "),
        None if has_nodes => "(no node)  ".to_owned(),
        None => String::new(),
    };
    let widest =
        |text: &dyn Fn(&Row) -> String| rows.iter().map(|row| text(row).chars().count()).max();
    let names = widest(&name).unwrap_or(0);
    let addresses = widest(&|row: &Row| row.address.clone()).unwrap_or(0);
    for row in rows {
        let version = row
            .version
            .iter()
            .map(|version| format!("  etcd {}", escape(version)));
        let state = match &row.error {
            None => {
                let answers = output.paint(Look::Green, "answers");
                format!("{answers}{}", version.collect::<String>())
            }
            Some(error) => output.paint(Look::Red, format_args!("no answer: {error}")),
        };
        let own = if row.own { "  (this node)" } else { "" };
        output.line(format_args!(
            "{:<names$}{:<addresses$}  {state}{own}",
            name(row),
            row.address,
        ))?;
    }
    // Members of the same version share their faults, so these are printed once.
    let mut told = Vec::new();
    for row in rows {
        let about = match &row.version {
            Some(version) if told.contains(&version) => continue,
            Some(version) => format!("etcd {}", escape(version)),
            None => name(row),
        };
        told.extend(&row.version);
        for advice in &row.advice {
            output.line(output.paint(Look::Yellow, format_args!("{about}: {advice}")))?;
        }
    }
    Ok(())
}
