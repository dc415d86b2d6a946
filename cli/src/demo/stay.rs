//! `lamport demo --stay`: the demo's etcd members stay up, so that a person can try more commands on them.

use std::time::Duration;

use serde::Serialize;

use super::say;
use crate::Ending;
use crate::output::{Look, Output};
use crate::private_etcd::PrivateEtcd;
use crate::stop::Stop;
use lamport_clock::StoreUri;

/// How often to check for members that have ended.
const GLANCE: Duration = Duration::from_millis(50);

#[derive(Serialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
enum Notice<'a> {
    Staying {
        store: &'a str,
        members: &'a [Member],
        commands: &'a [String],
    },
    Gone(&'a Member),
}

#[derive(Serialize)]
struct Member {
    address: String,
    pid: u32,
}

/// Prints commands to try, and reports each member that ends, until a signal asks the demo to end.
pub(super) fn stay(
    etcd: &PrivateEtcd,
    lamport: &str,
    output: &Output,
    stop: &Stop,
) -> Result<(), Ending> {
    let endpoints = etcd.addresses();
    let members = endpoints.iter().map(ToString::to_string).zip(etcd.ids());
    let members: Vec<_> = members
        .map(|(address, pid)| Member { address, pid })
        .collect();
    let key = None;
    let store = StoreUri::Etcd { endpoints, key }.to_string();
    let commands = [
        format!("{lamport} watch --store {store}"),
        format!("{lamport} update --store {store}"),
        // The member that clients ask first.
        format!("kill {}", members[0].pid),
    ];
    if output.json {
        output.object(&Notice::Staying {
            store: &store,
            members: &members,
            commands: &commands,
        })?;
    } else {
        invite(&members, &commands, output)?;
    }

    let mut running: Vec<usize> = (0..members.len()).collect();
    while !stop.rest(GLANCE) {
        let gone: Vec<_> = running.extract_if(.., |&mut i| etcd.has_ended(i)).collect();
        for member in gone {
            let member = &members[member];
            if output.json {
                output.object(&Notice::Gone(member))?;
                continue;
            }
            let Member { address, pid } = member;
            let then = match running.len() > members.len() / 2 {
                true => "the others are a majority, and go on",
                false => "there is no majority left, and updates fail",
            };
            let text = format!("{address} (process {pid}) has ended: {then}");
            output.line(output.paint(Look::Yellow, text))?;
        }
    }
    Ok(())
}

fn invite(members: &[Member], commands: &[String], output: &Output) -> Result<(), Ending> {
    output.line("")?;
    say(output, "etcd stays up until Ctrl-C:")?;
    for Member { address, pid } in members {
        output.line(format_args!("  {address}  process {pid}"))?;
    }
    let why = [
        "In a second terminal, see each update as it happens, beside the wall clock:",
        "In a third, take a time that nobody else has:",
        "End one member, and take a time again: two of three are enough:",
    ];
    for (why, command) in why.iter().zip(commands) {
        say(output, why)?;
        output.line(format_args!("  {command}"))?;
    }
    Ok(())
}
