//! The agent as a whole: its library against a small controller that speaks the real protocol over TLS, and its
//! program as a process.

#![expect(clippy::unwrap_used, reason = "what a test builds on either works or fails the test")]

#[path = "agent/authority.rs"]
mod authority;
#[path = "agent/controller.rs"]
mod controller;
#[path = "agent/cuts.rs"]
mod cuts;
#[path = "agent/host.rs"]
mod host;

#[path = "agent/commands.rs"]
mod commands;
#[path = "agent/enrolment.rs"]
mod enrolment;
#[path = "agent/faults.rs"]
mod faults;
#[path = "agent/inventory.rs"]
mod inventory;
#[path = "agent/nested.rs"]
mod nested;
#[path = "agent/program.rs"]
mod program;
