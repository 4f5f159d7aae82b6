//! The document engine: SSM documents parsed, checked, bound to parameters and planned for a host.
//!
//! ```text
//! text ── parse ──► Document ── bind(arguments) ──► Bound ── plan(host) ──► Plan ── flow::next(results) ──► next step
//!            └► Diagnostics          └► ParameterErrors
//! ```
//!
//! Pure: nothing here reads a clock, a file or the environment, and nothing panics on any input. The controller checks
//! and binds; the agent parses the same text again, reads what was bound, plans and runs. What an action does is
//! unknown here; what it is told is known, in types: [`inputs`].

mod action;
mod bind;
mod check;
mod convert;
mod data;
mod diagnostic;
mod document;
pub mod flow;
pub mod inputs;
pub mod java_pattern;
pub mod library;
mod package;
mod plan;
mod precondition;
mod problems;
pub mod quirks;
#[cfg(feature = "render")]
pub mod render;
mod rules;
mod script;
mod stored;
mod substitute;
mod tree;
mod values;

pub use action::{Action, Platform};
pub use bind::{Bound, BoundJsonError, ParameterError, Reference};
pub use check::{Checked, MAX_DOCUMENT_BYTES, parse};
pub use convert::{Notation, written_as};
pub use data::read_data;
pub use diagnostic::{Diagnostic, Diagnostics, Severity};
pub use document::{
    Document, Interpolation, Kind, Otherwise, Parameter, ParameterType, Rules, Runbook, RunbookStep,
    SchemaVersion, Step, StepOutput, Variable,
};
pub use inputs::StepInputs;
pub use package::{NoPackage, PackageFile, PackageHost, PackageManifest};
pub use plan::{Decision, FailReason, HostTraits, Plan, PlannedStep, SkipReason};
pub use precondition::Precondition;
pub use script::{Interpreter, ScriptInputs};
pub use stored::{ReferenceError, StoredValue};
