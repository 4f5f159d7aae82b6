//! Windows and what belongs to them as they stand on the wire, and wishes as they come from it.

use std::collections::BTreeMap;

use fleetwright_proto::control;
use fleetwright_proto::control::{CalendarNames, ParameterValues, PreviewedNode, WindowSettings};
use fleetwright_proto::ids::NodeId;

use super::{millis, parse};
use crate::error::Refusal;
use crate::windows::ids::{ExecutionId, TargetId, TaskId, TaskRunId, WindowId};
use crate::windows::operations::WindowWish;
use crate::windows::records::{
    After, Cutoff, Ended, ExecutionRecord, InvocationRecord, RunCommand, TargetRecord, TaskRecord,
    TaskRunRecord, TaskTargets, WindowRecord, Work,
};
use crate::windows::targets::TargetWish;
use crate::windows::tasks::TaskWish;

pub(super) fn wish(settings: WindowSettings) -> WindowWish {
    WindowWish {
        name: settings.name,
        description: settings.description,
        schedule: settings.schedule,
        timezone: settings.timezone,
        offset_days: settings.offset_days,
        start: settings.start_date,
        end: settings.end_date,
        duration_hours: settings.duration_hours,
        cutoff_hours: settings.cutoff_hours,
        grace_minutes: settings.grace_minutes,
        allow_unassociated_targets: settings.allow_unassociated_targets,
        enabled: settings.enabled,
        calendars: settings.calendars.map(|calendars| calendars.names),
    }
}

pub(super) fn window(id: &WindowId, record: WindowRecord) -> control::Window {
    control::Window {
        window_id: id.to_string(),
        created_ms: record.created.millis(),
        created_by: record.created_by,
        modified_ms: record.modified.millis(),
        next_ms: millis(record.next),
        open_execution_id: record.open.map(String::from).unwrap_or_default(),
        tags: record.tags.into_iter().collect(),
        settings: Some(WindowSettings {
            name: Some(record.name),
            description: Some(record.description),
            schedule: Some(record.schedule),
            timezone: record.timezone,
            offset_days: record.offset_days,
            start_date: record.start.map(|date| date.text),
            end_date: record.end.map(|date| date.text),
            duration_hours: Some(record.duration_hours),
            cutoff_hours: Some(record.cutoff_hours),
            grace_minutes: record.grace_minutes,
            allow_unassociated_targets: Some(record.allow_unassociated_targets),
            enabled: Some(record.enabled),
            calendars: Some(CalendarNames { names: record.calendars }),
        }),
    }
}

pub(super) fn target(id: &TargetId, record: &TargetRecord) -> control::WindowTarget {
    let targets = record.targets.iter().map(|selector| {
        let (key, values) = selector.parts();
        control::Target { key, values: values.to_vec() }
    });
    control::WindowTarget {
        target_id: id.to_string(),
        name: record.name.clone(),
        description: record.description.clone(),
        owner_information: record.owner_information.clone(),
        targets: targets.collect(),
    }
}

pub(super) fn task(id: &TaskId, record: &TaskRecord) -> control::WindowTask {
    let (version, timeout) = match &record.work {
        Work::RunCommand(run) => (run.version.clone(), run.timeout_seconds.unwrap_or(0)),
        Work::Automation { version, .. } => (version.clone(), 0),
    };
    let (target_ids, nodes) = match &record.targets {
        TaskTargets::Window(ids) => (ids.iter().map(ToString::to_string).collect(), Vec::new()),
        TaskTargets::Nodes(nodes) => (Vec::new(), nodes.clone()),
        TaskTargets::None => (Vec::new(), Vec::new()),
    };
    let parameters = record.work.parameters().iter();
    control::WindowTask {
        task_id: id.to_string(),
        name: record.name.clone(),
        description: record.description.clone(),
        r#type: record.work.name().to_owned(),
        document: record.document.clone(),
        document_version: version,
        parameters: parameters
            .map(|(name, values)| (name.clone(), ParameterValues { values: values.clone() }))
            .collect(),
        target_ids,
        nodes,
        priority: record.priority,
        max_concurrency: record.max_concurrency.map(|limit| limit.to_string()).unwrap_or_default(),
        max_errors: record.max_errors.map(|limit| limit.to_string()).unwrap_or_default(),
        cancel_at_end: record.cutoff == Cutoff::Cancel,
        timeout_seconds: timeout,
        after_task_id: record.after.as_ref().map(|after| after.task.to_string()).unwrap_or_default(),
        after_failure: record.after.as_ref().is_some_and(|after| after.result == Ended::Failure),
        registered_by: record.registrar.as_ref().map(|one| one.name.clone()).unwrap_or_default(),
    }
}

pub(super) fn target_change(wire: control::WindowTargetChange) -> TargetWish {
    let targets = wire.targets.map(|targets| targets.targets.into_iter());
    TargetWish {
        targets: targets.map(|targets| targets.map(|target| (target.key, target.values)).collect()),
        owner_information: wire.owner_information,
        name: wire.name,
        description: wire.description,
    }
}

pub(super) fn task_change(wire: control::WindowTaskChange) -> Result<TaskWish, Refusal> {
    let parameters = wire.parameters.map(|wire| wire.parameters.into_iter());
    let targets = wire.targets.map(|wire| targets_of_task(wire.target_ids, wire.nodes));
    let after = wire.after_task_id.map(|task| after(&task, wire.after_failure)).transpose()?;
    Ok(TaskWish {
        name: wire.name,
        description: wire.description,
        document: wire.document,
        work: None,
        version: wire.document_version,
        parameters: parameters.map(|all| all.map(|(name, values)| (name, values.values)).collect()),
        timeout_seconds: wire.timeout_seconds,
        targets,
        priority: wire.priority,
        max_concurrency: wire.max_concurrency,
        max_errors: wire.max_errors,
        cutoff: wire.cancel_at_end.map(cutoff),
        after,
        service_role: None,
        kept: BTreeMap::new(),
    })
}

fn cutoff(cancel_at_end: bool) -> Cutoff {
    if cancel_at_end { Cutoff::Cancel } else { Cutoff::Continue }
}

fn targets_of_task(target_ids: Vec<String>, nodes: Vec<String>) -> Vec<(String, Vec<String>)> {
    let keys = [("WindowTargetIds", target_ids), ("InstanceIds", nodes)];
    let said = keys.into_iter().filter(|(_, values)| !values.is_empty());
    said.map(|(key, values)| (key.to_owned(), values)).collect()
}

fn after(task: &str, failure: bool) -> Result<Option<After>, Refusal> {
    if task.is_empty() {
        return Ok(None);
    }
    let result = if failure { Ended::Failure } else { Ended::Success };
    Ok(Some(After { task: parse(task)?, result }))
}

pub(super) fn task_wish(wire: control::WindowTask) -> Result<TaskWish, Refusal> {
    let parameters: BTreeMap<_, _> =
        wire.parameters.into_iter().map(|(name, values)| (name, values.values)).collect();
    let work = match wire.r#type.as_str() {
        "" | "RUN_COMMAND" => Work::RunCommand(RunCommand {
            version: wire.document_version,
            parameters,
            timeout_seconds: (wire.timeout_seconds != 0).then_some(wire.timeout_seconds),
            ..RunCommand::default()
        }),
        "AUTOMATION" => Work::Automation { version: wire.document_version, parameters },
        other => {
            return Err(Refusal::invalid(format!(
                "`{}` is not a type of task that can be run here: RUN_COMMAND or AUTOMATION",
                other.chars().take(40).collect::<String>().escape_debug()
            )));
        }
    };
    let targets = targets_of_task(wire.target_ids, wire.nodes);
    let after = after(&wire.after_task_id, wire.after_failure)?;
    let given = |text: String| (!text.is_empty()).then_some(text);
    Ok(TaskWish {
        name: Some(wire.name),
        description: Some(wire.description),
        document: Some(wire.document),
        work: Some(work),
        version: None,
        parameters: None,
        timeout_seconds: None,
        targets: (!targets.is_empty()).then_some(targets),
        priority: Some(wire.priority),
        max_concurrency: given(wire.max_concurrency),
        max_errors: given(wire.max_errors),
        cutoff: Some(cutoff(wire.cancel_at_end)),
        after: Some(after),
        service_role: None,
        kept: BTreeMap::new(),
    })
}

pub(super) fn execution(id: &ExecutionId, record: &ExecutionRecord) -> control::WindowExecution {
    control::WindowExecution {
        execution_id: id.to_string(),
        window_id: record.window.to_string(),
        window_name: record.window_name.clone(),
        status: record.state.name().to_owned(),
        reason_code: record.reason.parts().0,
        reason: record.reason.text(),
        scheduled_ms: record.scheduled.millis(),
        started_ms: record.started.millis(),
        cutoff_ms: record.cutoff.millis(),
        end_ms: record.end.millis(),
        finished_ms: millis(record.finished),
    }
}

pub(super) fn task_run(id: &TaskRunId, run: &TaskRunRecord) -> control::WindowTaskExecution {
    control::WindowTaskExecution {
        task_execution_id: id.to_string(),
        task: Some(task(&run.task_id, &run.task)),
        status: run.state.name().to_owned(),
        reason_code: run.reason.parts().0,
        reason: run.reason.text(),
        started_ms: millis(run.started),
        finished_ms: millis(run.finished),
        invocations: run.invocations.iter().map(invocation).collect(),
    }
}

fn invocation(one: &InvocationRecord) -> control::WindowTaskInvocation {
    control::WindowTaskInvocation {
        invocation_id: one.id.to_string(),
        target_id: one.target.as_ref().map(ToString::to_string).unwrap_or_default(),
        owner_information: one.owner_information.clone(),
        command_id: one.command.as_ref().map(ToString::to_string).unwrap_or_default(),
        status: one.state.name().to_owned(),
        reason_code: one.reason.parts().0,
        reason: one.reason.text(),
        started_ms: millis(one.started),
        finished_ms: millis(one.finished),
    }
}

pub(super) fn previewed(found: Result<Vec<(NodeId, String)>, String>) -> (Vec<PreviewedNode>, String) {
    match found {
        Ok(nodes) => {
            let nodes = nodes.into_iter().map(|(id, name)| PreviewedNode { node_id: id.into(), name });
            (nodes.collect(), String::new())
        }
        Err(problem) => (Vec::new(), problem),
    }
}
