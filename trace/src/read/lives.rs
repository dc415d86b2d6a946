//! Finds the life of each line: processes and their runs.
//!
//! A line of plain text does not name its run of the process. All such lines count as one run, until a
//! line says that no line came before it: then the process has restarted. From then on nobody can tell
//! from which of the runs a message came.

use std::collections::{HashMap, HashSet};

use lamport_clock::Instance;

use super::wall::Wall;
use crate::events::Life;

/// The lives, in the order in which lines first named them.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    processes: Vec<Box<str>>,
    names: HashMap<Box<str>, u32>,
    /// The life of each process and instance; for a process without an instance, its newest run.
    lives: HashMap<(u32, u64), u32>,
    /// The process and the instance of each life.
    known: Vec<(u32, u64)>,
    /// The processes that have runs without an instance.
    has_runs: HashSet<u32>,
    /// Those runs by process and first line, which is given by its logical time and its wall clock time.
    runs: HashMap<(u32, u64, Wall), u32>,
    /// Processes whose lines with and without an instance share a stream: in a plain log, a parent and its
    /// forked child.
    are_several: HashSet<u32>,
}

impl Lives {
    pub(crate) fn count(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn of(&mut self, process: &str, instance: u64) -> u32 {
        let name = match self.names.get(process) {
            Some(&name) => name,
            None => {
                let name = self.processes.len() as u32;
                self.processes.push(process.into());
                self.names.insert(process.into(), name);
                name
            }
        };
        let new = self.known.len() as u32;
        let life = *self.lives.entry((name, instance)).or_insert(new);
        if life == new {
            self.known.push((name, instance));
        }
        life
    }

    /// Whether a life is that of this process and instance.
    pub(super) fn is(&self, life: u32, process: &str, instance: u64) -> bool {
        let (name, known) = self.known[life as usize];
        known == instance && *self.processes[name as usize] == *process
    }

    /// Notes that one stream has lines of both lives.
    pub(super) fn stand_together(&mut self, one: u32, other: u32) {
        let (one, other) = (self.known[one as usize], self.known[other as usize]);
        if one.0 == other.0 && (one.1 == 0) != (other.1 == 0) {
            self.are_several.insert(one.0);
        }
    }

    /// The run that begins with a first line that names no instance. `goes_on`: the life has lines before
    /// this one. A second handler may write the same first line again, with the same wall clock time;
    /// `is_anew`: this line is no such copy.
    pub(super) fn begun(
        &mut self,
        life: u32,
        time: u64,
        wall: Option<Wall>,
        goes_on: bool,
        is_anew: bool,
    ) -> u32 {
        let (name, instance) = self.known[life as usize];
        let first = wall.map(|wall| (name, time, wall));
        let again = first.and_then(|first| self.runs.get(&first)).copied();
        let life = match again.filter(|_| !is_anew) {
            Some(run) => run,
            // The first run takes the life that was named already, unless that life has lines.
            None if self.has_runs.insert(name) && !goes_on => life,
            None => {
                self.known.push((name, instance));
                self.known.len() as u32 - 1
            }
        };
        if let Some(first) = first {
            self.runs.insert(first, life);
        }
        self.lives.insert((name, instance), life);
        life
    }

    /// The lives, and two lists of what each life turned out to be: for lines, and for the causes that lines
    /// name. If only one instance of a process is ever named, lines and causes without an instance belong to
    /// it, too, unless both kinds of lines share a stream. If a process had several runs without an instance,
    /// causes without an instance belong to a life of their own, since the right run is unknown.
    pub(super) fn settle(&mut self) -> (Vec<Life>, Vec<u32>, Vec<u32>) {
        let mut named: Vec<Vec<u32>> = vec![Vec::new(); self.processes.len()];
        let mut nameless = named.clone();
        for (life, &(name, instance)) in (0..).zip(&self.known) {
            let list = if instance == 0 {
                &mut nameless
            } else {
                &mut named
            };
            list[name as usize].push(life);
        }
        let mut own: Vec<u32> = (0..self.known.len() as u32).collect();
        let mut causes = own.clone();
        for (name, nameless) in (0..).zip(&nameless) {
            match (&nameless[..], &named[name as usize][..]) {
                ([], _) => {}
                ([run], [sole]) if !self.are_several.contains(&name) => {
                    own[*run as usize] = *sole;
                    causes[*run as usize] = *sole;
                }
                ([_], _) => {}
                (runs, _) => {
                    let unsaid = self.known.len() as u32;
                    self.known.push((name, 0));
                    own.push(unsaid);
                    causes.push(unsaid);
                    for &run in runs {
                        causes[run as usize] = unsaid;
                    }
                }
            }
        }
        let life = |&(name, instance): &(u32, u64)| Life {
            process: self.processes[name as usize].clone(),
            instance: Instance::new(instance),
            step: 0,
        };
        (self.known.iter().map(life).collect(), own, causes)
    }
}
