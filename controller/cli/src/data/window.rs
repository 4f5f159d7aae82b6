//! Windows, their executions and calendars, as printed.

use std::collections::BTreeMap;

use fleetwright_proto::control;
use serde::Serialize;

use super::Moment;
use super::command::Target;
use super::status::Fact;

#[derive(Debug, Serialize)]
pub(crate) struct Window {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) enabled: bool,
    pub(crate) schedule: String,
    pub(crate) timezone: String,
    pub(crate) offset_days: Option<u32>,
    pub(crate) start_date: Option<String>,
    pub(crate) end_date: Option<String>,
    pub(crate) duration_hours: u32,
    pub(crate) cutoff_hours: u32,
    /// None: until the cut-off.
    pub(crate) grace_minutes: Option<u32>,
    pub(crate) allow_unassociated_targets: bool,
    pub(crate) calendars: Vec<String>,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) next_at: Option<Moment>,
    pub(crate) open_execution_id: Option<String>,
    pub(crate) created_at: Option<Moment>,
    pub(crate) created_by: String,
    pub(crate) modified_at: Option<Moment>,
}

impl From<control::Window> for Window {
    fn from(wire: control::Window) -> Self {
        let settings = wire.settings.unwrap_or_default();
        Self {
            id: wire.window_id,
            name: settings.name.unwrap_or_default(),
            description: settings.description.unwrap_or_default(),
            enabled: settings.enabled.unwrap_or_default(),
            schedule: settings.schedule.unwrap_or_default(),
            timezone: settings.timezone.unwrap_or_else(|| "UTC".to_owned()),
            offset_days: settings.offset_days,
            start_date: settings.start_date,
            end_date: settings.end_date,
            duration_hours: settings.duration_hours.unwrap_or_default(),
            cutoff_hours: settings.cutoff_hours.unwrap_or_default(),
            grace_minutes: settings.grace_minutes,
            allow_unassociated_targets: settings.allow_unassociated_targets.unwrap_or_default(),
            calendars: settings.calendars.map(|calendars| calendars.names).unwrap_or_default(),
            tags: wire.tags.into_iter().collect(),
            next_at: Moment::of_wire(wire.next_ms),
            open_execution_id: given(wire.open_execution_id),
            created_at: Moment::of_wire(wire.created_ms),
            created_by: wire.created_by,
            modified_at: Moment::of_wire(wire.modified_ms),
        }
    }
}

fn given(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[derive(Debug, Serialize)]
pub(crate) struct WindowTarget {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) owner_information: String,
    pub(crate) targets: Vec<Target>,
}

impl From<control::WindowTarget> for WindowTarget {
    fn from(wire: control::WindowTarget) -> Self {
        Self {
            id: wire.target_id,
            name: wire.name,
            description: wire.description,
            owner_information: wire.owner_information,
            targets: wire.targets.into_iter().map(Target::from).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct WindowTask {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) r#type: String,
    pub(crate) document: String,
    pub(crate) document_version: String,
    pub(crate) parameters: BTreeMap<String, Vec<String>>,
    pub(crate) target_ids: Vec<String>,
    pub(crate) nodes: Vec<String>,
    pub(crate) priority: u32,
    pub(crate) max_concurrency: String,
    pub(crate) max_errors: String,
    pub(crate) cancel_at_end: bool,
    pub(crate) after_task_id: Option<String>,
    pub(crate) after_failure: bool,
    pub(crate) registered_by: String,
}

impl From<control::WindowTask> for WindowTask {
    fn from(wire: control::WindowTask) -> Self {
        Self {
            id: wire.task_id,
            name: wire.name,
            description: wire.description,
            r#type: wire.r#type,
            document: wire.document,
            document_version: wire.document_version,
            parameters: wire.parameters.into_iter().map(|(name, values)| (name, values.values)).collect(),
            target_ids: wire.target_ids,
            nodes: wire.nodes,
            priority: wire.priority,
            max_concurrency: wire.max_concurrency,
            max_errors: wire.max_errors,
            cancel_at_end: wire.cancel_at_end,
            after_task_id: given(wire.after_task_id),
            after_failure: wire.after_failure,
            registered_by: wire.registered_by,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct WholeWindow {
    #[serde(flatten)]
    pub(crate) window: Window,
    pub(crate) targets: Vec<WindowTarget>,
    pub(crate) tasks: Vec<WindowTask>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Execution {
    pub(crate) id: String,
    pub(crate) window_id: String,
    pub(crate) window_name: String,
    pub(crate) status: String,
    pub(crate) reason_code: String,
    pub(crate) reason: String,
    pub(crate) scheduled_at: Option<Moment>,
    pub(crate) started_at: Option<Moment>,
    pub(crate) cutoff_at: Option<Moment>,
    pub(crate) end_at: Option<Moment>,
    pub(crate) finished_at: Option<Moment>,
}

impl From<control::WindowExecution> for Execution {
    fn from(wire: control::WindowExecution) -> Self {
        Self {
            id: wire.execution_id,
            window_id: wire.window_id,
            window_name: wire.window_name,
            status: wire.status,
            reason_code: wire.reason_code,
            reason: wire.reason,
            scheduled_at: Moment::of_wire(wire.scheduled_ms),
            started_at: Moment::of_wire(wire.started_ms),
            cutoff_at: Moment::of_wire(wire.cutoff_ms),
            end_at: Moment::of_wire(wire.end_ms),
            finished_at: Moment::of_wire(wire.finished_ms),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct WholeExecution {
    #[serde(flatten)]
    pub(crate) execution: Execution,
    pub(crate) tasks: Vec<TaskExecution>,
}

#[derive(Debug, Serialize)]
pub(crate) struct TaskExecution {
    pub(crate) id: String,
    pub(crate) task: Option<WindowTask>,
    pub(crate) status: String,
    pub(crate) reason_code: String,
    pub(crate) reason: String,
    pub(crate) started_at: Option<Moment>,
    pub(crate) finished_at: Option<Moment>,
    pub(crate) invocations: Vec<TaskInvocation>,
}

#[derive(Debug, Serialize)]
pub(crate) struct TaskInvocation {
    pub(crate) id: String,
    pub(crate) target_id: Option<String>,
    pub(crate) owner_information: String,
    pub(crate) command_id: Option<String>,
    pub(crate) status: String,
    pub(crate) reason_code: String,
    pub(crate) reason: String,
    pub(crate) started_at: Option<Moment>,
    pub(crate) finished_at: Option<Moment>,
}

impl From<control::WindowTaskExecution> for TaskExecution {
    fn from(wire: control::WindowTaskExecution) -> Self {
        let invocation = |one: control::WindowTaskInvocation| TaskInvocation {
            id: one.invocation_id,
            target_id: given(one.target_id),
            owner_information: one.owner_information,
            command_id: given(one.command_id),
            status: one.status,
            reason_code: one.reason_code,
            reason: one.reason,
            started_at: Moment::of_wire(one.started_ms),
            finished_at: Moment::of_wire(one.finished_ms),
        };
        Self {
            id: wire.task_execution_id,
            task: wire.task.map(WindowTask::from),
            status: wire.status,
            reason_code: wire.reason_code,
            reason: wire.reason,
            started_at: Moment::of_wire(wire.started_ms),
            finished_at: Moment::of_wire(wire.finished_ms),
            invocations: wire.invocations.into_iter().map(invocation).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct Preview {
    pub(crate) window: Option<Window>,
    pub(crate) occurrences: Vec<Occurrence>,
    pub(crate) targets: Vec<PreviewedTarget>,
    pub(crate) tasks: Vec<PreviewedTask>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Occurrence {
    pub(crate) at: Option<Moment>,
    pub(crate) cutoff_at: Option<Moment>,
    pub(crate) end_at: Option<Moment>,
    pub(crate) local: String,
    /// Why it would start nothing.
    pub(crate) closed: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct PreviewedTarget {
    pub(crate) target: Option<WindowTarget>,
    pub(crate) nodes: Vec<PreviewedNode>,
    pub(crate) problem: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct PreviewedTask {
    pub(crate) task: Option<WindowTask>,
    pub(crate) nodes: Vec<PreviewedNode>,
    pub(crate) problem: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct PreviewedNode {
    pub(crate) id: String,
    pub(crate) name: String,
}

impl From<control::PreviewWindowResponse> for Preview {
    fn from(wire: control::PreviewWindowResponse) -> Self {
        let nodes = |nodes: Vec<control::PreviewedNode>| {
            nodes.into_iter().map(|node| PreviewedNode { id: node.node_id, name: node.name }).collect()
        };
        let occurrence = |one: control::WindowOccurrence| Occurrence {
            at: Moment::of_wire(one.at_ms),
            cutoff_at: Moment::of_wire(one.cutoff_ms),
            end_at: Moment::of_wire(one.end_ms),
            local: one.local,
            closed: given(one.closed),
        };
        let target = |one: control::PreviewedTarget| PreviewedTarget {
            target: one.target.map(WindowTarget::from),
            nodes: nodes(one.nodes),
            problem: given(one.problem),
        };
        let task = |one: control::PreviewedTask| PreviewedTask {
            task: one.task.map(WindowTask::from),
            nodes: nodes(one.nodes),
            problem: given(one.problem),
        };
        Self {
            window: wire.window.map(Window::from),
            occurrences: wire.occurrences.into_iter().map(occurrence).collect(),
            targets: wire.targets.into_iter().map(target).collect(),
            tasks: wire.tasks.into_iter().map(task).collect(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct WindowExplanation {
    pub(crate) execution_id: String,
    /// None: the execution itself.
    pub(crate) task: Option<String>,
    pub(crate) reason_code: String,
    pub(crate) reason: String,
    pub(crate) values: BTreeMap<String, String>,
    pub(crate) facts: Vec<Fact>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Calendar {
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(crate) open_by_default: bool,
    pub(crate) open: bool,
    pub(crate) next_transition_at: Option<Moment>,
    pub(crate) events: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) text: String,
}

impl From<control::Calendar> for Calendar {
    fn from(wire: control::Calendar) -> Self {
        Self {
            name: wire.name,
            version: wire.version,
            open_by_default: wire.open_by_default,
            open: wire.open,
            next_transition_at: Moment::of_wire(wire.next_transition_ms),
            events: wire.events,
            text: wire.text,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct CalendarState {
    pub(crate) calendars: Vec<String>,
    pub(crate) state: &'static str,
    pub(crate) at: Option<Moment>,
    pub(crate) next_transition_at: Option<Moment>,
}
