//! A fleet that is not there: thousands of agents in one process, each with its own key, certificate, TLS connection
//! and stream, running the real agent over a host that exists in memory.
//!
//! ```text
//!   orders ──► Fleet ──► Member (×N) ──► fleetwright_agent::Agent ──► Network ──► a controller
//!                           │                     │                      └ cut, slowed
//!                           └ skewed clock        └ fake host: its commands are run and start no process
//! ```
//!
//! It knows controllers only by what an agent knows of them. What a real agent does is nowhere written again here:
//! this crate makes hosts, networks and clocks, and lets them misbehave when it is told to.
//!
//! Identities are kept in a folder for each host, as on a real one, so a fleet can come back to the same controller
//! without enrolling again. Journals are in memory: a simulator that ends is a fleet that lost its journals.

pub mod clock;
pub mod descriptors;
pub mod fleet;
pub mod network;
pub mod orders;

pub use fleet::{Fleet, FleetError, FleetSettings, Invitation};
