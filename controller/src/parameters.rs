//! Parameters: the hierarchical store of configuration and secrets, as SSM's Parameter Store has it.
//!
//! ```text
//! put ──► version 1 ── put, overwriting ──► version 2 ── … ──► version 101: the oldest goes, unless it has a label
//!                                              ▲
//!                                     label ───┘   name · name:2 · name:label · everything below a path
//! ```
//!
//! - [`names`], [`kinds`], [`policies`] and [`filters`] say, purely, what may be asked for.
//! - [`put`](mod@put), [`labels`], [`tags`] and [`delete`](mod@delete) change; each change of a parameter writes its
//!   row, so that of two at once one decides again. [`read`], [`list`] and [`history`](mod@history) read; the latest
//!   versions come from memory that is as fresh as the store (see `mirror`).
//! - [`give`] says what a node gets, and [`held`] what nodes hold and are told of when it changes.
//! - [`expire`] does what policies bring about by themselves.
//! - [`fault`] is the closed set of what is refused, in SSM's words.
//!
//! A SecureString is in the store under seal alone, and its name and version are part of the seal. Whoever calls an
//! operation has been authorised; who it was is only written down here.

pub mod delete;
pub mod expire;
pub mod fault;
pub mod filters;
pub mod give;
pub mod held;
pub mod history;
pub mod kinds;
pub mod labels;
pub mod list;
pub mod names;
pub mod policies;
pub mod put;
pub mod read;
pub mod records;
pub mod reseal;
pub mod tags;

#[cfg(test)]
mod tests;
