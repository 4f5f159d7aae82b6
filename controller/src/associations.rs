//! State Manager: documents that are kept applied to targets, by the nodes themselves.
//!
//! ```text
//! create, update ──► version ──► a node's set ── stream ──► the agent keeps it, and applies it by its schedule
//!                                  ▲   who matches the targets now        │
//!                   tags, groups, documents change                        ▼
//!                               findings ◄── one row for each run ◄── report, until it is acknowledged
//! ```
//!
//! - [`check`] says, purely, what may be wanted; [`write`](mod@write) makes, changes, wishes for and ends associations.
//! - [`wanted`] knows which nodes have which; nothing is kept for a node, its set follows from rows.
//! - [`report`] keeps what nodes say, [`find`] and [`history`] read, [`sweep`] bounds.
//! - [`fault`] is the closed set of what is refused, in SSM's words.
//!
//! When something is due is not known here: that is the agents' affair, since they go on without a controller.

pub mod check;
pub mod fault;
pub mod find;
pub mod history;
pub mod records;
pub mod report;
pub mod sweep;
pub mod wanted;
pub mod write;
