//! A node, as printed.

use std::collections::BTreeMap;

use fleetwright_proto::control::{self, PingStatus};
use serde::Serialize;

use super::Moment;

#[derive(Debug, Serialize)]
pub(crate) struct Node {
    pub(crate) node_id: String,
    pub(crate) name: String,
    pub(crate) ping_status: &'static str,
    pub(crate) last_seen_at: Option<Moment>,
    pub(crate) registered_at: Option<Moment>,
    pub(crate) activation_id: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) agent_version: String,
    pub(crate) computer_name: String,
    pub(crate) ip_address: String,
    pub(crate) platform_type: String,
    pub(crate) platform_name: String,
    pub(crate) platform_version: String,
    pub(crate) kernel_version: String,
    pub(crate) architecture: String,
    pub(crate) cpus: u32,
    pub(crate) memory_bytes: u64,
    pub(crate) certificate_expires_at: Option<Moment>,
}

impl From<control::Node> for Node {
    fn from(wire: control::Node) -> Self {
        Self {
            ping_status: ping_status(wire.ping_status()),
            node_id: wire.node_id,
            name: wire.name,
            last_seen_at: Moment::of_wire(wire.last_seen_ms),
            registered_at: Moment::of_wire(wire.registered_ms),
            activation_id: wire.activation_id,
            tags: wire.tags.into_iter().collect(),
            agent_version: wire.agent_version,
            computer_name: wire.computer_name,
            ip_address: wire.ip_address,
            platform_type: wire.platform_type,
            platform_name: wire.platform_name,
            platform_version: wire.platform_version,
            kernel_version: wire.kernel_version,
            architecture: wire.architecture,
            cpus: wire.cpus,
            memory_bytes: wire.memory_bytes,
            certificate_expires_at: Moment::of_wire(wire.certificate_expires_ms),
        }
    }
}

fn ping_status(status: PingStatus) -> &'static str {
    match status {
        PingStatus::Online => "Online",
        PingStatus::ConnectionLost => "ConnectionLost",
        PingStatus::NeverConnected => "NeverConnected",
        PingStatus::Unspecified => "Unknown",
    }
}
