//! The agent of a Fleetwright host: it keeps one stream to its controller, journals what it is told to do before it
//! says so, does it exactly once, and reports until the controller has it.
//!
//! The controller is never imported: both sides meet in `fleetwright-proto`. What differs between operating systems
//! is in `fleetwright-platform` and nowhere here.

pub mod agent;
pub mod bounds;
pub mod config;
pub mod enroll;
pub mod executor;
pub mod explain;
pub mod identity;
pub mod inventory;
pub mod join;
pub mod journal;
pub mod link;
pub mod parameters;
mod replace;
mod schedule;
pub mod secrets;
pub mod spool;
pub mod state_folder;
pub mod status;
pub mod steps;
pub mod tls;
pub mod update;

pub use agent::{Agent, AgentHandle, AgentSettings, Keeping, StartError};
