//! What is kept of operators and their access keys.

use std::collections::BTreeSet;

use fleetwright_proto::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::records::json_record;

/// Whether something may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    Enabled,
    Disabled,
}

/// Somebody who may ask things of the controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorRecord {
    pub description: String,
    pub created: Timestamp,
    pub created_by: String,
    pub standing: Standing,
    /// Groups of operators. A group is there while somebody is in it.
    pub groups: BTreeSet<String>,
}
json_record!(OperatorRecord, 1);

/// An access key for the SSM API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKeyRecord {
    pub operator: String,
    /// When that operator was made: a later one of the same name has nothing to do with this key.
    pub operator_created: Timestamp,
    pub description: String,
    pub created: Timestamp,
    pub created_by: String,
    pub standing: Standing,
    /// None: never.
    pub expires: Option<Timestamp>,
    /// The sealed secret; the id of the key is bound into the seal.
    pub sealed_secret: String,
}
json_record!(AccessKeyRecord, 1);

impl AccessKeyRecord {
    #[must_use]
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// When an access key was last used; written seldom, so it lags behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKeyUseRecord {
    pub last_used: Timestamp,
}
json_record!(AccessKeyUseRecord, 1);
