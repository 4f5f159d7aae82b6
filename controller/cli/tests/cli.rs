//! The command line as a person uses it: real arguments, a real TLS connection to a controller made for the test, and
//! everything compared that comes out.

#![cfg(test)]

#[path = "cli/access.rs"]
mod access;
#[path = "cli/answers.rs"]
mod answers;
#[path = "cli/association.rs"]
mod association;
#[path = "cli/connection.rs"]
mod connection;
#[path = "cli/controller.rs"]
mod controller;
#[path = "cli/document.rs"]
mod document;
#[path = "cli/fleet.rs"]
mod fleet;
#[path = "cli/help.rs"]
mod help;
#[path = "cli/inventory.rs"]
mod inventory;
#[path = "cli/nouns.rs"]
mod nouns;
#[path = "cli/parameters.rs"]
mod parameters;
#[path = "cli/pki.rs"]
mod pki;
#[path = "cli/registry.rs"]
mod registry;
#[path = "cli/run.rs"]
mod run;
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/window.rs"]
mod window;
