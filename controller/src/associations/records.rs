//! What is kept of associations, and of each time that a node applied one.

use std::collections::BTreeMap;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{AssociationId, CommandId, ExecutionId};
use serde::{Deserialize, Serialize};

use crate::commands::limits::Limit;
use crate::commands::records::StepRecord;
use crate::commands::state::{Reason, State};
use crate::nodes::targets::Selector;
use crate::records::json_record;

/// An association as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssociationRecord {
    /// Grows with every change, from 1.
    pub version: u64,
    pub content: Content,
    pub created: Timestamp,
    pub created_by: String,
    /// When this version was made.
    pub updated: Timestamp,
    /// When somebody last wanted it applied at once.
    pub asked: Option<Timestamp>,
    /// What a caller of SSM's API says of it; for whoever reads it back.
    pub note: Option<StatusNote>,
}
json_record!(AssociationRecord, 1);

/// What is wanted, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub name: Option<String>,
    pub document: String,
    /// As it was asked for: a number, `$LATEST`, `$DEFAULT`, a version name, or nothing.
    pub document_version: String,
    pub parameters: BTreeMap<String, Vec<String>>,
    pub targets: Vec<Selector>,
    pub schedule: Option<ScheduleWords>,
    pub only_at_schedule: bool,
    pub severity: Severity,
    pub sync: SyncCompliance,
    pub max_concurrency: Option<Limit>,
    pub max_errors: Option<Limit>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calendars: Vec<String>,
    /// 0: no limit.
    #[serde(default)]
    pub duration_hours: u32,
}

/// A schedule as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleWords {
    pub expression: String,
    /// Empty: UTC.
    #[serde(default)]
    pub zone: String,
    /// Days; 0: none.
    #[serde(default)]
    pub offset_days: u32,
}

/// How bad it is when an association could not be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Severity {
    Critical,
    High,
    Medium,
    Low,
    #[default]
    Unspecified,
}

impl Severity {
    pub const ALL: &'static [Self] =
        &[Self::Critical, Self::High, Self::Medium, Self::Low, Self::Unspecified];

    /// SSM's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "CRITICAL",
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
            Self::Unspecified => "UNSPECIFIED",
        }
    }
}

/// Where the compliance of a node comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SyncCompliance {
    /// From how its last run ended.
    #[default]
    Auto,
    /// Only from whoever puts it.
    Manual,
}

impl SyncCompliance {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "AUTO",
            Self::Manual => "MANUAL",
        }
    }
}

/// What UpdateAssociationStatus writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusNote {
    pub date: Timestamp,
    pub name: String,
    pub message: String,
    #[serde(default)]
    pub additional: String,
}

/// One version of an association.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRecord {
    pub content: Content,
    pub created: Timestamp,
    pub created_by: String,
}
json_record!(VersionRecord, 1);

/// Why a node applied it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// New to the node, or changed.
    Changed,
    Schedule,
    /// Somebody wanted it at once.
    Asked,
    /// A step of a document on the node wanted it.
    Refreshed,
}

impl Cause {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Changed => "Changed",
            Self::Schedule => "Schedule",
            Self::Asked => "Asked",
            Self::Refreshed => "Refreshed",
        }
    }
}

/// One node applying an association once, as the node last told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Made by the node; what it printed is kept under it.
    pub run: CommandId,
    pub execution: ExecutionId,
    pub version: u64,
    pub document: String,
    pub document_version: String,
    pub cause: Cause,
    /// What the schedule named, or when the wish was made.
    pub due: Timestamp,
    pub started: Timestamp,
    /// By the controller's clock, when it heard of it; None: it is under way.
    pub finished: Option<Timestamp>,
    pub state: State,
    pub reason: Reason,
    pub report_seq: u64,
    pub steps: Vec<StepRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub different: Vec<String>,
}
json_record!(RunRecord, 1);

impl RunRecord {
    /// Whether the node is as the association wants it, as far as its last run tells (reference, section 11.5).
    #[must_use]
    pub fn is_compliant(&self) -> bool {
        self.state == State::Success
    }
}

/// What the runs of many nodes have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionRecord {
    pub version: u64,
    pub cause: Cause,
    /// When the first node told of it.
    pub heard: Timestamp,
}
json_record!(ExecutionRecord, 1);

/// Whose run printed something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrintedRecord {
    pub association: AssociationId,
    pub execution: ExecutionId,
}
json_record!(PrintedRecord, 1);
