//! The document registry: what documents there are, under which names and versions, and what they say.
//!
//! ```text
//! create ──► version 1, the default ── update ──► version 2 ── set-default ──► what runs by name from now on
//!                                         │
//!                                         └── content never changes; a number is never given twice
//! ```
//!
//! - [`names`], [`kinds`] and [`content`] say, purely, how documents are called, what they are, and which texts may be
//!   kept.
//! - [`write`](mod@write), [`share`], [`delete`] and [`attachments`] change; each change of a document writes its row, so that of two
//!   at once one is refused. [`find`] and [`list`] read, shipped documents among the others.
//! - [`sweep`] removes what crashes and forgotten uploads left.
//! - [`fault`] is the closed set of what is refused, in SSM's words.

pub mod attachments;
pub mod content;
pub mod delete;
pub mod fault;
pub mod find;
pub mod kinds;
pub mod list;
pub mod names;
pub mod records;
pub mod share;
pub mod sweep;
pub mod write;

#[cfg(test)]
mod tests;
