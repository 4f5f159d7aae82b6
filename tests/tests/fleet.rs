//! The fleet in one process: what users are promised, with faults at every point where one can happen.

#![allow(clippy::unwrap_used, reason = "what panics here is a test that failed")]

#[path = "fleet/agents.rs"]
mod agents;
#[path = "fleet/associations.rs"]
mod associations;
#[path = "fleet/cancel.rs"]
mod cancel;
#[path = "fleet/chance.rs"]
mod chance;
#[path = "fleet/controller.rs"]
mod controller;
#[path = "fleet/deadlines.rs"]
mod deadlines;
#[path = "fleet/disk.rs"]
mod disk;
#[path = "fleet/documents.rs"]
mod documents;
#[path = "fleet/flood.rs"]
mod flood;
#[path = "fleet/happy.rs"]
mod happy;
#[path = "fleet/held_parameters.rs"]
mod held_parameters;
#[path = "fleet/inventory.rs"]
mod inventory;
#[path = "fleet/limits.rs"]
mod limits;
#[path = "fleet/links.rs"]
mod links;
#[path = "fleet/members.rs"]
mod members;
#[path = "fleet/packages.rs"]
mod packages;
#[path = "fleet/parameters.rs"]
mod parameters;
#[path = "fleet/room.rs"]
mod room;
#[path = "fleet/windows.rs"]
mod windows;
