//! The controller: three doors, one house.
//!
//! ```text
//!   doors        authenticate, authorise, translate; nothing else
//!     │
//!   nodes · commands · documents · associations · inventory · compliance · windows · parameters · keys · access
//!     │
//!   fleetwright_store                 tables and blobs: the truth
//! ```
//!
//! A capability's rules live in its own folder and nowhere else. Whatever happens by itself reads the store, decides
//! with a pure function and writes the difference, and may be killed at any line. Nothing is acknowledged before it
//! is durable.

pub mod access;
pub mod associations;
pub mod audit;
pub mod authority;
pub mod backup;
pub mod bounds;
pub mod calendars;
pub mod commands;
pub mod compliance;
pub mod documents;
pub mod doors;
pub mod error;
pub mod folders;
pub mod health;
pub mod house;
pub mod inventory;
pub mod keys;
pub mod lease;
pub mod mailbox;
pub mod meters;
pub mod metrics;
mod mirror;
pub mod nodes;
pub mod parameters;
mod records;
pub mod room;
pub mod serve;
pub mod service_settings;
pub mod settings;
pub mod tables;
pub mod windows;

#[cfg(test)]
mod tests;
