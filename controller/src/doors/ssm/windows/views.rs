//! Windows and what belongs to them, as the API writes them.

use fleetwright_proto::clock::Timestamp;
use serde::Serialize;

use super::Target;
use crate::doors::ssm::call::Seconds;
use crate::windows::ids::{TargetId, WindowId};
use crate::windows::records::{TargetRecord, WindowRecord, instant};

/// The ids of what was made or taken away.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Registered {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) window_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) window_target_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) window_task_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) window_execution_id: Option<String>,
}

/// How much an answer shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// What an operator said.
    Settings,
    Whole,
}

/// Empty texts are absent members.
pub(super) fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A moment of a window's schedule, in its time zone.
pub(super) fn moment(window: &WindowRecord, at: Timestamp) -> String {
    instant(at).map(|at| window.zone().show(at)).unwrap_or_default()
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WindowView {
    window_id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_date: Option<String>,
    schedule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_timezone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_offset: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_execution_time: Option<String>,
    duration: u32,
    cutoff: u32,
    allow_unassociated_targets: bool,
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_date: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified_date: Option<Seconds>,
}

impl WindowView {
    pub(super) fn of(id: &WindowId, record: &WindowRecord, shown: Shown) -> Self {
        let whole = shown == Shown::Whole;
        Self {
            window_id: id.to_string(),
            name: record.name.clone(),
            description: given(&record.description),
            start_date: record.start.as_ref().map(|date| date.text.clone()),
            end_date: record.end.as_ref().map(|date| date.text.clone()),
            schedule: record.schedule.clone(),
            schedule_timezone: record.timezone.clone(),
            schedule_offset: record.offset_days,
            next_execution_time: record.next.filter(|_| whole).map(|at| moment(record, at)),
            duration: record.duration_hours,
            cutoff: record.cutoff_hours,
            allow_unassociated_targets: record.allow_unassociated_targets,
            enabled: record.enabled,
            created_date: whole.then_some(Seconds(record.created)),
            modified_date: whole.then_some(Seconds(record.modified)),
        }
    }
}

/// A window in a list.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Identity {
    window_id: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    enabled: bool,
    duration: u32,
    cutoff: u32,
    schedule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_timezone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_offset: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_execution_time: Option<String>,
}

impl Identity {
    pub(super) fn of(id: &WindowId, record: &WindowRecord) -> Self {
        Self {
            window_id: id.to_string(),
            name: record.name.clone(),
            description: given(&record.description),
            enabled: record.enabled,
            duration: record.duration_hours,
            cutoff: record.cutoff_hours,
            schedule: record.schedule.clone(),
            schedule_timezone: record.timezone.clone(),
            schedule_offset: record.offset_days,
            start_date: record.start.as_ref().map(|date| date.text.clone()),
            end_date: record.end.as_ref().map(|date| date.text.clone()),
            next_execution_time: record.next.map(|at| moment(record, at)),
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TargetView {
    window_id: String,
    window_target_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_type: Option<&'static str>,
    targets: Vec<Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_information: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

impl TargetView {
    pub(super) fn of(window: &WindowId, id: &TargetId, record: &TargetRecord, shown: Shown) -> Self {
        let targets = record.targets.iter().map(|selector| {
            let (key, values) = selector.parts();
            Target { key, values: values.to_vec() }
        });
        Self {
            window_id: window.to_string(),
            window_target_id: id.to_string(),
            resource_type: (shown == Shown::Whole).then(|| record.resource_type.name()),
            targets: targets.collect(),
            owner_information: given(&record.owner_information),
            name: given(&record.name),
            description: given(&record.description),
        }
    }
}
