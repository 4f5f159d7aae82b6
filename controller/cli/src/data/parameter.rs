//! Parameters and keys, as printed, and as `parameter import` reads them.

use std::collections::BTreeMap;

use fleetwright_proto::control;
use serde::{Deserialize, Serialize};

use super::Moment;

#[derive(Debug, Serialize)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) parameter_type: String,
    /// None when it was not asked for; of a secret also when it was not opened.
    pub(crate) value: Option<String>,
    pub(crate) version: u64,
    pub(crate) labels: Vec<String>,
    pub(crate) modified_at: Option<Moment>,
    pub(crate) modified_by: String,
    pub(crate) data_type: String,
    pub(crate) tier: String,
    pub(crate) key: String,
    pub(crate) description: String,
    pub(crate) allowed_pattern: String,
    pub(crate) policies: Vec<Policy>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Policy {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) text: String,
    pub(crate) status: String,
}

impl From<control::Parameter> for Parameter {
    fn from(wire: control::Parameter) -> Self {
        let policy = |policy: control::ParameterPolicy| Policy {
            kind: policy.r#type,
            text: policy.text,
            status: policy.status,
        };
        Self {
            name: wire.name,
            parameter_type: wire.r#type,
            value: wire.value,
            version: wire.version,
            labels: wire.labels,
            modified_at: Moment::of_wire(wire.modified_ms),
            modified_by: wire.modified_by,
            data_type: wire.data_type,
            tier: wire.tier,
            key: wire.key_id,
            description: wire.description,
            allowed_pattern: wire.allowed_pattern,
            policies: wire.policies.into_iter().map(policy).collect(),
        }
    }
}

/// What a put made.
#[derive(Debug, Serialize)]
pub(crate) struct Made {
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(crate) tier: String,
}

/// What became of labels.
#[derive(Debug, Serialize)]
pub(crate) struct Labelled {
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(crate) removed: Vec<String>,
    pub(crate) invalid: Vec<String>,
}

/// What `parameter export` writes and `parameter import` reads.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Export {
    pub(crate) parameters: Vec<Exported>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exported {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) parameter_type: String,
    pub(crate) value: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) key: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) allowed_pattern: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) tier: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) data_type: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) policies: Vec<serde_json::Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) version: u32,
    pub(crate) rotating: bool,
    pub(crate) description: String,
    pub(crate) created_at: Option<Moment>,
    pub(crate) created_by: String,
    pub(crate) rotated_at: Option<Moment>,
    pub(crate) deletion_at: Option<Moment>,
}

impl From<control::Key> for Key {
    fn from(wire: control::Key) -> Self {
        Self {
            name: wire.name,
            state: wire.state,
            version: wire.version,
            rotating: wire.rotating,
            description: wire.description,
            created_at: Moment::of_wire(wire.created_ms),
            created_by: wire.created_by,
            rotated_at: Moment::of_wire(wire.rotated_ms),
            deletion_at: Moment::of_wire(wire.deletion_ms),
        }
    }
}

/// What a rotation did.
#[derive(Debug, Serialize)]
pub(crate) struct Rotated {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) resealed: u64,
    pub(crate) verified: u64,
}
