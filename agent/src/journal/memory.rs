//! A journal in memory, for a simulator's agents and for tests, which fill its disk and stop it at a chosen record.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Durability, Journal, JournalError, Record};

/// The disk and the journal on it at once: clones share their records, so a clone is what an agent finds after a
/// restart.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Debug, Default)]
struct Disk {
    records: Vec<Record>,
    /// How many more records fit; none for no limit.
    room: Option<usize>,
}

impl MemoryJournal {
    /// What an agent reads when it starts.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.disk().records.clone()
    }

    /// From now on only `records` more fit: with 0 the disk is full.
    pub fn limit_to(&self, records: usize) {
        self.disk().room = Some(records);
    }

    /// There is room again.
    pub fn unlimit(&self) {
        self.disk().room = None;
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for MemoryJournal {
    fn append(&mut self, records: &[Record], _durability: Durability) -> Result<(), JournalError> {
        let mut disk = self.disk();
        if let Some(room) = disk.room {
            let doing = "write the journal in memory".to_owned();
            disk.room = Some(
                room.checked_sub(records.len())
                    .ok_or(JournalError::Io { doing, source: io::ErrorKind::StorageFull.into() })?,
            );
        }
        disk.records.extend_from_slice(records);
        Ok(())
    }

    fn rewrite(&mut self, records: &[Record]) -> Result<(), JournalError> {
        self.disk().records = records.to_vec();
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        // A record with its ids and names, without the document, which the state counts.
        self.disk().records.len() as u64 * 256
    }

    fn waits_for_disk(&self) -> bool {
        false
    }
}
