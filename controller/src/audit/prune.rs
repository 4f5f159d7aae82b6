//! Keeping the log within its bounds: the oldest lines go, and the head is signed anew with where the chain begins now.

use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_store::{Batch, CommitError};

use super::chain::Head;
use super::log::HEAD;
use super::records::{Block, HeadRecord};
use crate::error::Refusal;
use crate::house::House;
use crate::tables::{AUDIT, AUDIT_HEAD};

/// How often [`run_once`] is due.
pub const INTERVAL: Duration = Duration::from_secs(600);
const BLOCKS_AT_ONCE: usize = 256;

/// How much of the log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    pub age: Duration,
    pub lines: u64,
}

/// Takes away what is too old or too much. Lines go by whole rows, so a few stay longer.
pub async fn run_once(house: &House, bounds: Bounds) -> Result<(), Refusal> {
    loop {
        let Some(mut row) = AUDIT_HEAD.get(&*house.store, &HEAD.to_owned()).await? else { return Ok(()) };
        let HeadRecord { head, signature } = &row.value;
        if !house.authority.signed(head.message().as_bytes(), signature) {
            return Err(Refusal::internal(
                "the head of the audit log was not signed by this fleet: nothing is pruned",
            ));
        }
        let blocks = AUDIT.scan(&*house.store, &(), None, BLOCKS_AT_ONCE).await?;
        let old: Vec<(u64, &Block)> = blocks.rows.iter().map(|row| (row.key, &row.value)).collect();
        let mut head = head.clone();
        let gone = plan(&mut head, &old, bounds, house.clock.now());
        if gone == 0 {
            return Ok(());
        }
        let mut batch = Batch::new();
        for block in &blocks.rows[..gone] {
            AUDIT.delete_at(&mut batch, &block.key, block.revision);
        }
        row.value = HeadRecord { signature: house.authority.sign_text(head.message().as_bytes())?, head };
        AUDIT_HEAD.replace(&mut batch, &row)?;
        match house.store.commit(batch).await {
            Ok(_) if gone == BLOCKS_AT_ONCE => {}
            Ok(_) => return Ok(()),
            // Something was joined meanwhile: look again.
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// How many of the oldest blocks go; the head then begins behind them. What cannot be read stays, for `audit verify` to
/// tell.
fn plan(head: &mut Head, blocks: &[(u64, &Block)], bounds: Bounds, now: Timestamp) -> usize {
    let mut gone = 0;
    for (last_seq, block) in blocks {
        let Some(Ok(last)) = block.0.last().map(|line| serde_json::from_str::<super::chain::Line>(line))
        else {
            break;
        };
        let too_old = last.at_ms.plus(bounds.age) <= now;
        let too_many = head.kept() > bounds.lines;
        if last.seq != *last_seq || !(too_old || too_many) {
            break;
        }
        head.first_seq = last_seq + 1;
        head.first_previous = last.hash;
        gone += 1;
    }
    gone
}
