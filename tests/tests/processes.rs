//! The two programs as people start them: real processes, real disks, loopback, signals.
//!
//! The programs are taken from the folder that this test was built into; `cargo build -p fleetwright-controller -p
//! fleetwright-agent` puts them there. Every process that a test starts ends with the test, also when it panics, and a
//! failure shows what the processes logged.

#![expect(clippy::unwrap_used, reason = "what a test builds on either works or fails the test")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "shown when a test fails, or when figures are asked for"
)]

#[path = "processes/programs.rs"]
mod programs;
#[path = "processes/site.rs"]
mod site;

#[path = "processes/chaos.rs"]
mod chaos;
#[path = "processes/dev.rs"]
mod dev;
#[path = "processes/hard_commands.rs"]
mod hard_commands;
#[path = "processes/host_parameters.rs"]
mod host_parameters;
#[path = "processes/monitoring.rs"]
mod monitoring;
#[path = "processes/output_shape.rs"]
mod output_shape;
#[path = "processes/parameters.rs"]
mod parameters;
#[path = "processes/secret_documents.rs"]
mod secret_documents;
#[path = "processes/torture.rs"]
mod torture;
#[path = "processes/updates.rs"]
mod updates;
#[path = "processes/windows.rs"]
mod windows;
#[path = "processes/wrong_input.rs"]
mod wrong_input;
