//! The state of a controller and the facts behind a state, as printed.

use fleetwright_proto::control;
use serde::Serialize;

use super::Moment;
use super::command::Reason;

#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) version: String,
    pub(crate) started_at: Option<Moment>,
    pub(crate) nodes: u64,
    pub(crate) connected_nodes: u64,
    pub(crate) open_commands: u64,
    pub(crate) usage: Vec<Usage>,
    pub(crate) health: Vec<HealthPart>,
    pub(crate) uptime_ms: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct HealthPart {
    pub(crate) name: String,
    pub(crate) ok: bool,
    pub(crate) detail: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Usage {
    pub(crate) name: String,
    pub(crate) used: u64,
    pub(crate) limit: u64,
    pub(crate) unit: String,
}

/// Why something is in its state.
#[derive(Debug, Serialize)]
pub(crate) struct Explanation {
    pub(crate) command_id: String,
    /// None: the command itself.
    pub(crate) node_id: Option<String>,
    pub(crate) reason: Option<Reason>,
    pub(crate) facts: Vec<Fact>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Fact {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// A context, as printed. The key is named, never shown.
#[derive(Debug, Serialize)]
pub(crate) struct Context {
    pub(crate) name: String,
    pub(crate) current: bool,
    pub(crate) address: String,
    pub(crate) authority: String,
    pub(crate) certificate: String,
    pub(crate) key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<String>,
}

impl From<control::GetStatusResponse> for Status {
    fn from(wire: control::GetStatusResponse) -> Self {
        let usage = wire.usage.into_iter().map(|usage| Usage {
            name: usage.name,
            used: usage.used,
            limit: usage.limit,
            unit: usage.unit,
        });
        let health = wire.health.into_iter().map(|part| HealthPart {
            name: part.name,
            ok: part.ok,
            detail: part.detail,
        });
        Self {
            version: wire.version,
            started_at: Moment::of_wire(wire.started_ms),
            nodes: wire.nodes,
            connected_nodes: wire.connected_nodes,
            open_commands: wire.open_commands,
            usage: usage.collect(),
            health: health.collect(),
            uptime_ms: u64::try_from(wire.uptime_ms).unwrap_or(0),
        }
    }
}
