//! What is kept of nodes and activations.

use std::collections::BTreeMap;

use fleetwright_proto::agent::HostFacts;
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{ActivationId, NodeId};
use serde::{Deserialize, Serialize};

use crate::records::json_record;

/// Labels of a node: key to value.
pub type Tags = BTreeMap<String, String>;

/// A member of the fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Given by the activation or an operator; without one a node goes by its computer's name.
    pub given_name: Option<String>,
    pub activation: ActivationId,
    pub registered: Timestamp,
    /// SHA-256 of the public key, hex. The node's identity.
    pub key_fingerprint: String,
    pub certificate_expires: Timestamp,
    pub tags: Tags,
    pub facts: Facts,
}
json_record!(NodeRecord, 1);

impl NodeRecord {
    /// What people call the node.
    #[must_use]
    pub fn name(&self) -> &str {
        self.given_name.as_deref().unwrap_or(&self.facts.computer_name)
    }
}

/// The attributes of AWS:InstanceInformation that the host told of itself (reference, section 5.2).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    pub agent_version: String,
    pub computer_name: String,
    pub ip_address: String,
    pub platform_type: String,
    pub platform_name: String,
    pub platform_version: String,
    pub kernel_version: String,
    pub architecture: String,
    pub cpus: u32,
    pub memory_bytes: u64,
}

/// No fact is longer than this; what a host says beyond it is cut, so that no host can fill a row.
const FACT_MAX_CHARS: usize = 256;

impl From<HostFacts> for Facts {
    fn from(host: HostFacts) -> Self {
        let HostFacts {
            agent_version,
            computer_name,
            ip_address,
            platform_type,
            platform_name,
            platform_version,
            kernel_version,
            architecture,
            cpus,
            memory_bytes,
        } = host;
        let cut = |text: String| text.chars().take(FACT_MAX_CHARS).collect::<String>();
        Self {
            agent_version: cut(agent_version),
            computer_name: cut(computer_name),
            ip_address: cut(ip_address),
            platform_type: cut(platform_type),
            platform_name: cut(platform_name),
            platform_version: cut(platform_version),
            kernel_version: cut(kernel_version),
            architecture: cut(architecture),
            cpus,
            memory_bytes,
        }
    }
}

/// Which node has a key; makes enrolment with the same key repeatable and a key's second owner impossible.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    pub node: NodeId,
}
json_record!(KeyRecord, 1);

/// When a node's stream opened and closed. Written on those moments, and now and then while it is open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresenceRecord {
    pub connected: Timestamp,
    /// None while the stream is open, or when this controller ended before it could say so.
    pub disconnected: Option<Timestamp>,
    pub last_seen: Timestamp,
}
json_record!(PresenceRecord, 1);

impl PresenceRecord {
    /// The last moment at which the node is known to have been there.
    #[must_use]
    pub fn last_moment(&self) -> Timestamp {
        self.last_seen.max(self.connected)
    }

    /// Whether something put into the mailbox at `moment` may have reached the node, even if nobody acknowledged it.
    #[must_use]
    pub fn may_have_received(&self, moment: Timestamp) -> bool {
        self.disconnected.is_none_or(|disconnected| disconnected >= moment)
    }
}

/// A permission to join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivationRecord {
    pub description: String,
    pub created: Timestamp,
    /// None: never.
    pub expires: Option<Timestamp>,
    pub registration_limit: u32,
    pub registrations: u32,
    pub default_name: Option<String>,
    pub tags: Tags,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam_role: Option<String>,
    /// SHA-256 of the code, hex. The code has 119 random bits, so the digest gives nothing away.
    pub code_digest: String,
}
json_record!(ActivationRecord, 1);

impl ActivationRecord {
    #[must_use]
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}
