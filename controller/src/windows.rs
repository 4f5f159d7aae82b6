//! Maintenance windows: work that disturbs hosts, done in agreed hours.
//!
//! ```text
//!   window ── next occurrence ──► window-due            one ordered index; nothing is scanned while nothing is due
//!      │                             │ fires under a lease, in one commit
//!      │ targets, tasks              ▼
//!      └──────────────► execution ── task runs ── invocations ── commands
//! ```
//!
//! - Every occurrence has exactly one execution record: its id is made of the window and the scheduled moment, and it
//!   is written in the commit that moves the window on to its next occurrence. One that could not run says why.
//! - A task is run as it was when its window opened. A command is sent under a token made of the invocation, so that
//!   no crash sends it twice.
//! - What happens next in an execution is decided by [`plan`], a pure function of its records and the moment.
//!
//! This room knows nothing of doors, and of commands only how to send, cancel and read them.

pub mod check;
pub mod executions;
pub mod explain;
pub mod fault;
pub mod ids;
pub mod operations;
pub mod plan;
pub mod preview;
pub mod pseudo;
pub mod reconcile;
pub mod records;
pub mod retention;
mod rights;
mod run;
pub mod targets;
pub mod tasks;
mod tokens;

#[cfg(test)]
mod tests;
