//! What is kept of keys. The bytes of a data key are there only wrapped by the root key.

use fleetwright_proto::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::documents::records::KeptId;
use crate::records::json_record;

/// A named key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// What its versions go by: a key that takes the name of a deleted one opens nothing of it.
    pub id: KeptId,
    pub description: String,
    pub created: Timestamp,
    pub created_by: String,
    pub state: KeyState,
    /// What new values are sealed with.
    pub version: u32,
    /// Versions below this one are gone: nothing is sealed with them.
    pub oldest: u32,
    /// Values are being sealed anew with the latest version.
    pub rotating: bool,
    pub rotated: Option<Timestamp>,
}
json_record!(KeyRecord, 1);

/// What may be done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyState {
    Enabled,
    /// Seals and opens nothing.
    Disabled,
    /// As disabled, and gone at this moment.
    PendingDeletion {
        at: Timestamp,
    },
}

impl KeyState {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion { .. } => "PendingDeletion",
        }
    }
}

/// One version of a key, wrapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataKeyRecord {
    /// Nonce, wrapped bytes and tag, base64.
    pub wrapped: String,
    pub created: Timestamp,
}
json_record!(DataKeyRecord, 1);

/// Which root key wraps all data keys; see `RootKey::mark`. Whoever adds a data key insists that this is still so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootRecord {
    pub mark: String,
}
json_record!(RootRecord, 1);
