//! What this host tells of itself. One inventory type so far: `AWS:InstanceInformation` (reference, section 5.2).

use fleetwright_platform::Platform;
use fleetwright_proto::agent::{HostFacts, Inventory, InventoryItem};
use fleetwright_proto::clock::Timestamp;

/// The version of this agent, as hosts report it.
pub const AGENT_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The facts that an enrolment and every Hello carry.
#[must_use]
pub(crate) fn facts(platform: &dyn Platform) -> HostFacts {
    platform.facts(AGENT_VERSION)
}

/// `captured` is the controller's time.
pub(crate) fn instance_information(facts: &HostFacts, node_id: &str, captured: Timestamp) -> Inventory {
    let attributes = [
        ("AgentType", "fleetwright-agent"),
        ("AgentVersion", &facts.agent_version),
        ("ComputerName", &facts.computer_name),
        ("InstanceId", node_id),
        ("IpAddress", &facts.ip_address),
        ("PlatformName", &facts.platform_name),
        ("PlatformType", &facts.platform_type),
        ("PlatformVersion", &facts.platform_version),
        ("ResourceType", "ManagedInstance"),
    ];
    let attributes =
        attributes.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Inventory {
        type_name: "AWS:InstanceInformation".to_owned(),
        schema_version: "1.0".to_owned(),
        captured_ms: captured.millis(),
        items: vec![InventoryItem { attributes }],
    }
}
