//! What is kept of inventory.

use std::collections::BTreeMap;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::inventory::{Attributes, InventoryDigest, held_digest};
use serde::{Deserialize, Serialize};

use crate::records::json_record;

/// What a node holds, without the items: enough to know that nothing has changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInventory {
    pub types: BTreeMap<String, TypeState>,
}
json_record!(NodeInventory, 1);

/// One type of a node as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeState {
    pub schema: String,
    /// As both sides make it, hex.
    pub digest: String,
    /// When it was collected as it is now; the same has been found since.
    pub since: Timestamp,
    pub items: u32,
    /// Who told it.
    #[serde(default, skip_serializing_if = "Teller::is_node")]
    pub teller: Teller,
}

/// Who tells a type of a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Teller {
    #[default]
    Node,
    /// Somebody put it, with `PutInventory`: the node knows nothing of it.
    Caller,
}

impl Teller {
    fn is_node(&self) -> bool {
        *self == Self::Node
    }
}

impl NodeInventory {
    /// The digest of what the node itself told; None when a row says nonsense.
    #[must_use]
    pub fn held(&self) -> Option<InventoryDigest> {
        let told = self.types.iter().filter(|(_, state)| state.teller == Teller::Node);
        let digests: Option<Vec<_>> =
            told.map(|(name, state)| Some((name.as_str(), parse_digest(&state.digest)?))).collect();
        digests.map(held_digest)
    }
}

fn parse_digest(text: &str) -> Option<InventoryDigest> {
    hex::decode(text).ok()?.try_into().ok()
}

/// An item that nodes share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemRecord {
    pub attributes: Attributes,
}
json_record!(ItemRecord, 1);

/// Which item has this content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemNumber {
    pub id: u32,
}
json_record!(ItemNumber, 1);

/// How a type of a node was before it became what it is or was next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastRecord {
    pub since: Timestamp,
    pub schema: String,
    pub items: u32,
    pub was: Was,
}
json_record!(PastRecord, 1);

/// The content of a past state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Was {
    /// The next one with these numbers put in and those dropped.
    Undo { put: Vec<u32>, drop: Vec<u32> },
    /// Whole: a content as its row has it, base64.
    Whole(String),
}
