//! The audit log: every change, every read of a secret and every denial, in a chain that shows any tampering.
//!
//! ```text
//! add(batch) ──► audit-pending ──┐            same commit as the change
//!                                ├─► chain ─► audit (blocks of lines) + audit-head (signed)
//! note ────────► queue in memory ┘            right after, within moments
//! ```
//!
//! A change whose rows are written here joins the log in its own commit ([`Audit::add`]): it is logged if and only if it
//! happened. Everything else (what other rooms change, reads of secrets, denials) is noted right after
//! ([`Audit::note`]), and a change is answered only when its record is durable ([`Audit::note_durably`]). A log that
//! cannot be written stops taking notes, and with it secrets and changes stop.
//!
//! Each line holds the hash of the line before and its own. The head, signed with the key of the fleet's authority,
//! says where the chain begins and ends, so that neither end can be cut off unseen; pruning moves the beginning and
//! signs it anew. No secret is ever in a line.

pub mod chain;
pub mod log;
pub mod prune;
pub mod read;
pub mod records;
pub mod repeats;

#[cfg(test)]
mod tests;

pub use chain::{Event, Outcome};
pub use log::{Audit, lines_of};
