//! Findings and their sums, as printed.

use std::collections::BTreeMap;

use fleetwright_proto::control;
use serde::Serialize;

use super::Moment;

#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) node_id: String,
    pub(crate) node_name: String,
    pub(crate) compliance_type: String,
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) severity: String,
    pub(crate) status: String,
    pub(crate) reason: String,
    pub(crate) details: BTreeMap<String, String>,
    pub(crate) executed_at: Option<Moment>,
    pub(crate) execution_id: String,
    pub(crate) execution_type: String,
}

impl From<control::ComplianceFinding> for Finding {
    fn from(wire: control::ComplianceFinding) -> Self {
        Self {
            node_id: wire.node_id,
            node_name: wire.node_name,
            compliance_type: wire.compliance_type,
            id: wire.id,
            title: wire.title,
            severity: wire.severity,
            status: wire.status,
            reason: wire.reason,
            details: wire.details.into_iter().collect(),
            executed_at: Moment::of_wire(wire.executed_ms),
            execution_id: wire.execution_id,
            execution_type: wire.execution_type,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) of: String,
    pub(crate) node_name: String,
    pub(crate) status: String,
    pub(crate) overall_severity: String,
    pub(crate) compliant: BTreeMap<String, u64>,
    pub(crate) non_compliant: BTreeMap<String, u64>,
    pub(crate) nodes: u64,
    pub(crate) non_compliant_nodes: u64,
    pub(crate) executed_at: Option<Moment>,
}

impl From<control::ComplianceSummary> for Summary {
    fn from(wire: control::ComplianceSummary) -> Self {
        Self {
            of: wire.of,
            node_name: wire.node_name,
            status: wire.status,
            overall_severity: wire.overall_severity,
            compliant: wire.compliant.into_iter().collect(),
            non_compliant: wire.non_compliant.into_iter().collect(),
            nodes: wire.nodes,
            non_compliant_nodes: wire.non_compliant_nodes,
            executed_at: Moment::of_wire(wire.executed_ms),
        }
    }
}
