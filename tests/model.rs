//! The update protocol, model-checked: every order in which a few processes' transactions can arrive
//! and their replies be heard, with every fault at every place, as far as the sizes below go.
//!
//! The model is the real state machine (`protocol`) over the real reference store (`store::mvcc`); the
//! checker (stateright) only chooses what happens next. `make model` explores all sizes and prints how
//! many states there are; `cargo test` the small ones.
#![cfg(feature = "shared")]

#[path = "model/keys.rs"]
mod keys;
#[path = "model/sizes.rs"]
mod sizes;
#[path = "model/world.rs"]
mod world;

use std::sync::Mutex;

use stateright::{Checker, Model, Property};

use sizes::{LARGE, SMALL, Size};
use world::{Action, World};

impl Model for Size {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        world.actions(self, actions);
    }

    fn next_state(&self, before: &World, action: Action) -> Option<World> {
        let mut world = before.clone();
        world.act(self, action);
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("no promise is broken", |_, world: &World| {
                world.broken.is_none()
            }),
            Property::always(
                "at rest the record shows the newest value",
                |size: &Size, world| !world.is_over(size) || world.record_is_current(size),
            ),
            Property::sometimes("all are served", |size: &Size, world: &World| {
                world.served() >= size.processes * size.calls
            }),
        ];
        // With two in flight three calls are too few for it.
        if self.repairs > 0 && self.pipeline == 1 {
            let name = "one who was refused is served after the repair";
            properties.push(Property::sometimes(name, |_, world: &World| {
                world.came_back
            }));
        }
        properties
    }
}

/// `LAMPORT_MODEL=large` explores the larger sizes too, and so does a part of a size's name.
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "which sizes a test explores is no setting of the library"
)]
fn every_order_keeps_the_promises() {
    let asked = std::env::var("LAMPORT_MODEL").ok();
    let all: Vec<Size> = SMALL().into_iter().chain(LARGE()).collect();
    let sizes: Vec<Size> = match asked.as_deref() {
        None => SMALL(),
        Some("large") => all,
        Some(part) => all
            .into_iter()
            .filter(|size| size.name.contains(part))
            .collect(),
    };
    assert!(!sizes.is_empty(), "no size has {asked:?} in its name");
    let failures = Mutex::new(Vec::new());
    let next = Mutex::new(sizes.iter());
    // Each size on a thread of its own: two at a time.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let size = next.lock().unwrap().next();
                    let Some(size) = size else { return };
                    let checker = size.clone().checker().spawn_bfs().join();
                    eprintln!(
                        "{:>9} states of {}",
                        checker.unique_state_count(),
                        size.name
                    );
                    for (name, path) in checker.discoveries() {
                        if size.property(name).expectation == stateright::Expectation::Sometimes {
                            continue;
                        }
                        let last = path.last_state().clone();
                        failures.lock().unwrap().push(format!(
                            "{}: not \"{name}\": {:?}\n{}\n{}",
                            size.name,
                            last.broken,
                            path.into_actions()
                                .iter()
                                .map(|a| format!("  {a:?}\n"))
                                .collect::<String>(),
                            last.stored()
                        ));
                    }
                    if failures.lock().unwrap().is_empty() {
                        checker.assert_properties();
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
