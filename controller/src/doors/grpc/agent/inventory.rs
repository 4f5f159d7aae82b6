//! A node's inventory as it comes: pieces put together within a bound, and the answer.

use std::collections::BTreeMap;

use fleetwright_proto::agent::inventory_ack::Outcome;
use fleetwright_proto::agent::{Inventory, InventoryAck, InventoryType};
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use prost::Message;
use tokio::sync::SemaphorePermit;

use crate::error::{Kind, Refusal};
use crate::house::House;
use crate::inventory::keep::{self, Extent, Kept, Told, ToldType};

/// Most bytes of the pieces of one inventory on the wire: the largest collection (reference, section 5.6), with what
/// the wire adds to it.
const PIECES_MAX_BYTES: usize = 16 * 1024 * 1024;

/// The pieces that came so far.
#[derive(Debug, Default)]
pub(super) struct Pieces<'a> {
    seq: u64,
    bytes: usize,
    types: BTreeMap<String, ToldType>,
    /// A place among those who may have pieces in memory.
    place: Option<SemaphorePermit<'a>>,
    /// Why the rest is thrown away.
    refused: Option<Refusal>,
}

impl<'a> Pieces<'a> {
    /// Takes in a piece. None until it was the last one.
    ///
    /// # Errors
    /// When the store does not work: the node comes back and says it again.
    pub(super) async fn hear(
        &mut self,
        house: &'a House,
        node: &NodeId,
        piece: Inventory,
    ) -> Result<Option<InventoryAck>, Refusal> {
        if piece.seq != self.seq {
            *self = Self { seq: piece.seq, ..Self::default() };
        }
        if piece.more && self.place.is_none() {
            self.place = house.inventory_pieces.enter().await;
        }
        self.bytes += piece.encoded_len();
        let Inventory { seq, captured_ms, holds, types, more, whole } = piece;
        if self.bytes > PIECES_MAX_BYTES {
            self.types.clear();
            let most = PIECES_MAX_BYTES >> 20;
            self.refused =
                Some(Refusal::exhausted(format!("the inventory of {node} is longer than {most} MiB")));
        } else {
            types.into_iter().for_each(|told| self.add(told));
        }
        if more {
            return Ok(None);
        }
        let Self { types, refused, place, .. } = std::mem::take(self);
        let told = Told {
            captured: Timestamp::from_millis(captured_ms).min(house.clock.now()),
            holds: holds.to_vec(),
            types: types.into_values().collect(),
            extent: if whole { Extent::All } else { Extent::These },
        };
        let kept = match refused {
            Some(refusal) => Err(refusal),
            None => keep::told(house, node, told).await,
        };
        drop(place);
        answer(node, seq, kept).map(Some)
    }

    fn add(&mut self, told: InventoryType) {
        let InventoryType { type_name, schema_version, base, digest, added, removed } = told;
        let one = self.types.entry(type_name.clone()).or_insert_with(|| ToldType {
            type_name,
            schema: schema_version,
            base: base.to_vec(),
            digest: digest.to_vec(),
            ..ToldType::default()
        });
        one.added.extend(added.into_iter().map(|item| item.attributes));
        one.removed.extend(removed);
    }
}

/// What is wrong with the inventory is the node's to know; what is wrong with the store ends the stream.
fn answer(node: &NodeId, seq: u64, kept: Result<Kept, Refusal>) -> Result<InventoryAck, Refusal> {
    let (outcome, detail) = match kept {
        Ok(Kept::Confirmed) => (Outcome::Confirmed, String::new()),
        Ok(Kept::SendWhole) => (Outcome::SendWhole, String::new()),
        Err(refusal) if matches!(refusal.kind, Kind::Unavailable | Kind::Internal | Kind::TimedOut) => {
            return Err(refusal);
        }
        Err(refusal) => {
            tracing::warn!(%node, error = %refusal, "an inventory is not kept");
            (Outcome::Refused, refusal.message)
        }
    };
    Ok(InventoryAck { seq, outcome: outcome.into(), detail })
}
