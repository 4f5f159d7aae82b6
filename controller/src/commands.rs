//! Run Command: a document on many nodes, once each, with an answer for every node.
//!
//! ```text
//!  send ──► Pending ──dispatch──► Pending, on its way ─────accepted──► InProgress ──report──► Success
//!              │                  (Delayed while the node is away)          │                  Failed
//!              │                        │                                   │                  TimedOut
//!              │ cancel, threshold      │ cancel: maybe delivered           │ cancel           Cancelled
//!              ▼                        ▼                                   ▼
//!          Cancelled                Cancelling ─────────────────────────────────────report──►  as above
//!
//!  every state that is not final has a deadline; past it the invocation is TimedOut
//! ```
//!
//! - [`state`] decides, purely, what one invocation becomes; [`tally`] what a whole command does next.
//! - [`roster`] finds invocations, with a row and without; [`lives`] is what this process knows of open commands.
//! - [`send`], [`report`], [`output`] and [`cancel`] are the operations; each is one commit with conditions.
//! - [`reconcile`] dispatches, expires and finishes; it reads the store's changes and may be killed at any line.
//! - [`explain`] says why, from the same evaluator.

pub mod across;
pub mod cancel;
pub mod explain;
pub mod history;
pub mod limits;
pub mod lives;
pub mod notify;
pub mod operations;
pub mod output;
pub mod payload;
pub mod reconcile;
pub mod records;
mod references;
pub mod report;
pub mod retention;
pub mod roster;
pub mod send;
pub mod shipped;
pub mod ssm_view;
pub mod state;
pub mod tally;
pub mod watch;

#[cfg(test)]
pub(crate) mod tests;
