//! The verbs, one file for each noun: arguments with their help, the question to the controller, the answer printed.

pub(crate) mod access;
pub(crate) mod activation;
pub(crate) mod association;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod calendar;
pub(crate) mod command;
pub(crate) mod compliance;
pub(crate) mod context;
pub(crate) mod document;
pub(crate) mod group;
pub(crate) mod inventory;
pub(crate) mod key;
pub(crate) mod node;
pub(crate) mod parameter;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod why;
pub(crate) mod window;

use crate::context::resolve::Flags;
use crate::render::Format;

/// What the global options ask of every verb.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) flags: Flags,
    pub(crate) format: Format,
}
