//! `AWS:InstanceInformation`: who this host is. Cheap enough to be told with every connection.

use fleetwright_platform::Item;
use fleetwright_proto::agent::HostFacts;

use super::Gathered;

pub(super) const TYPE: &str = "AWS:InstanceInformation";
const SCHEMA: &str = "1.0";

pub(crate) fn instance_information(facts: &HostFacts, node_id: &str) -> Gathered {
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
    let said = attributes.into_iter().filter(|(_, value)| !value.is_empty());
    let item: Item = said.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Gathered::new(TYPE, SCHEMA, vec![item])
}
