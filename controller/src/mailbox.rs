//! What nodes are to be told, one by one, and have not confirmed yet: wishes to stop, for the most part. What a
//! command runs on many nodes is not written here for each of them; see [`crate::commands::roster`].
//!
//! An entry is written in the commit that decides to send it and deleted in the commit that notes its acceptance.
//! Whoever holds a node's stream delivers both in the order of their sequence, again after every reconnect. This room
//! knows rows and order; it does not know what becomes of a delivery.

use std::sync::atomic::{AtomicU64, Ordering};

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::{RowChange, WatchError};
use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::house::House;
use crate::records::{json_record, note_unreadable};
use crate::tables::MAILBOX;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxRecord {
    pub work: Mail,
}
json_record!(MailboxRecord, 1);

/// What is to be delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mail {
    Run(CommandId),
    Cancel(CommandId),
}

/// Gives out sequence numbers that grow, within this process and across restarts.
///
/// They start from the clock. Should the clock have gone back over a restart, an old entry may be delivered after a
/// newer one; agents keep a cancel for a command that they do not know yet, so even then nothing runs that was
/// cancelled.
#[derive(Debug)]
pub struct Sequence(AtomicU64);

impl Sequence {
    /// 20 bits below the millisecond: a million entries a millisecond before it runs ahead of the clock.
    #[must_use]
    pub fn starting_at(now: Timestamp) -> Self {
        Self(AtomicU64::new(u64::try_from(now.millis()).unwrap_or(0) << 20))
    }

    #[must_use]
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

/// The first entries of a node, oldest first. Fewer than asked for means that there are no more.
pub async fn read(house: &House, node: &NodeId, most: usize) -> Result<Vec<(u64, Mail)>, Refusal> {
    let page = MAILBOX.scan(&*house.store, node, None, most).await?;
    note_unreadable("mailbox", &page.unreadable);
    Ok(page.rows.into_iter().map(|row| (row.key.1, row.value.work)).collect())
}

/// Tells the lines of this process whenever their mailbox got something. Runs until the store closes.
pub async fn route(house: std::sync::Arc<House>) {
    loop {
        let mut watch = MAILBOX.watch(&*house.store, &(), house.store.revision());
        // What came before the watch was set up is found by a nudge to everybody: rare, and cheap enough.
        house.lines.nudge_all();
        loop {
            match watch.next().await {
                Ok(change) => {
                    for entry in MAILBOX.decode_change(&change) {
                        if let RowChange::Put(row) = entry {
                            house.lines.nudge(&row.key.0);
                        }
                    }
                }
                Err(WatchError::Compacted) => break,
                Err(WatchError::Closed) => return,
            }
        }
    }
}
