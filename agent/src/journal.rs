//! What the agent has promised and what it has done, on disk before anybody is told.
//!
//! ```text
//! Delivery ─► Accepted ─► StepStarted ─► process released ─► StepFinished ─► … ─► Finished ─► report ─► Acknowledged
//!              durable      durable                            durable            durable              (lazily)
//! ```
//!
//! [`Record`]s are only ever appended; [`State::replay`] folds them into what is true now and is the only reader. A
//! command id that was accepted once is known until no controller can deliver it again, so a duplicate never runs.
//! This module knows nothing of processes, streams and time: moments come in as arguments.

mod associations;
mod file;
mod frame;
mod ledger;
mod memory;
mod record;
mod seal;
mod state;

use std::fmt;
use std::io;

pub use associations::{Association, Associations, Cause, Kept, LastRun, Run, ScheduleWords};
pub use file::{FileJournal, Glance};
pub use ledger::Ledger;
pub use memory::MemoryJournal;
pub use record::{
    Drift, Ended, FinalReport, FinalStatus, Reason, Record, StepRecord, StepState, StreamTotals, Work,
};
pub use state::{Command, State, StepProgress};

/// Nothing new is accepted above this size: the results of what was accepted before still fit in. Far more than what
/// the other limits of an agent allow to be in it.
pub const MAX_BYTES: u64 = 64 << 20;

/// When an append may return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// After the record would survive a power cut.
    Synced,
    /// At once: losing the record costs a repetition and nothing else.
    Lazy,
}

/// Where records are kept. An append that fails leaves no record behind, not even a part of one.
pub trait Journal: fmt::Debug + Send + 'static {
    /// # Errors
    /// When the records are not kept.
    fn append(&mut self, records: &[Record], durability: Durability) -> Result<(), JournalError>;

    /// Replaces everything by `records`, in one step.
    ///
    /// # Errors
    /// When it did not; the old records are still there then.
    fn rewrite(&mut self, records: &[Record]) -> Result<(), JournalError>;

    fn size_bytes(&self) -> u64;

    /// Whether a call waits for a disk, and is therefore not made on the thread that serves the network.
    fn waits_for_disk(&self) -> bool;
}

/// Why the journal did not take a record or cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("cannot {doing}")]
    Io {
        /// With the path, for example `write the journal /var/lib/fleetwright-agent/journal`.
        doing: String,
        source: io::Error,
    },
    #[error("`{path}` is no journal of a format that this agent knows ({found})")]
    Format { path: String, found: String },
    #[error(transparent)]
    Host(#[from] fleetwright_platform::HostError),
    #[error("the journal is closed")]
    Closed,
}

#[cfg(test)]
mod tests;
