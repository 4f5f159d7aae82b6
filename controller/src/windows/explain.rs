//! Why: the state of an execution or of a task in it, with what led to it and what will end it. It reads the records
//! of those who decided; nothing is guessed from logs.

use fleetwright_proto::clock::Timestamp;

use super::executions;
use super::fault::{Fault, WindowError};
use super::ids::ExecutionId;
use super::records::{ExecutionRecord, TaskRunRecord, TaskTargets};
use crate::commands::explain::{Explanation, Fact};
use crate::house::House;
use crate::records::rfc3339;

/// Why an execution, or one of its tasks (by its id, the id of its execution, or its name), is in its state.
pub async fn explain(house: &House, id: &ExecutionId, task: &str) -> Result<Explanation, WindowError> {
    let (execution, tasks) = executions::tasks(house, id).await?;
    if task.is_empty() {
        return Ok(of_execution(&execution, tasks.iter().map(|(_, run)| run)));
    }
    let named = |run: &TaskRunRecord| run.task_id.as_str() == task || run.task.name == task;
    let found = tasks.iter().find(|(run_id, run)| run_id.as_str() == task || named(run));
    let Some((_, run)) = found else {
        return Err(Fault::DoesNotExist.because(format!(
            "execution {id} has no task `{}`: `window executions` shows its tasks",
            super::check::shown(task)
        )));
    };
    Ok(of_task(&execution, run))
}

fn of_execution<'a>(
    execution: &ExecutionRecord,
    tasks: impl Iterator<Item = &'a TaskRunRecord>,
) -> Explanation {
    let mut facts = vec![
        fact("status", execution.state.name()),
        fact("reason", execution.reason.text()),
        fact("window", format!("{} ({})", execution.window_name, execution.window)),
        fact("scheduled", rfc3339(execution.scheduled)),
        fact("started", rfc3339(execution.started)),
        fact("cut-off", rfc3339(execution.cutoff)),
        fact("end", rfc3339(execution.end)),
    ];
    moment(&mut facts, "finished", execution.finished);
    if let Some(cancel) = &execution.cancel {
        facts.push(fact("cancelled", cancel.text()));
    }
    for run in tasks {
        let text = format!("{}: {}, {}", name(run), run.state.name(), run.reason.text());
        facts.push(fact("task", text));
    }
    let (code, values) = execution.reason.parts();
    Explanation { code, text: execution.reason.text(), values, facts }
}

fn of_task(execution: &ExecutionRecord, run: &TaskRunRecord) -> Explanation {
    let mut facts = vec![
        fact("status", run.state.name()),
        fact("reason", run.reason.text()),
        fact("document", run.task.document.clone()),
        fact("priority", run.task.priority.to_string()),
        fact("cut-off behaviour", run.task.cutoff.name()),
    ];
    if let Some(registrar) = &run.task.registrar {
        facts.push(fact("registered by", format!("{}, {}", registrar.name, rfc3339(registrar.at))));
    }
    if let Some(after) = &run.task.after {
        facts.push(fact("depends on", format!("task {} having {}", after.task, after.result)));
    }
    if let TaskTargets::Nodes(names) = &run.task.targets {
        facts.push(fact("nodes", names.join(", ")));
    }
    moment(&mut facts, "started", run.started);
    moment(&mut facts, "finished", run.finished);
    facts.push(fact("window opened", rfc3339(execution.started)));
    facts.push(fact("cut-off", rfc3339(execution.cutoff)));
    facts.push(fact("end", rfc3339(execution.end)));
    for one in &run.invocations {
        let on =
            one.target.as_ref().map_or_else(|| "its nodes".to_owned(), |target| format!("target {target}"));
        let command = one.command.as_ref().map(|id| format!(", command {id}")).unwrap_or_default();
        let text = format!("{on}: {}, {}{command}", one.state.name(), one.reason.text());
        facts.push(fact("invocation", text));
    }
    let (code, values) = run.reason.parts();
    Explanation { code, text: run.reason.text(), values, facts }
}

fn name(run: &TaskRunRecord) -> String {
    if run.task.name.is_empty() { run.task_id.to_string() } else { run.task.name.clone() }
}

fn moment(facts: &mut Vec<Fact>, name: &'static str, moment: Option<Timestamp>) {
    if let Some(moment) = moment {
        facts.push(fact(name, rfc3339(moment)));
    }
}

fn fact(name: &'static str, value: impl Into<String>) -> Fact {
    Fact { name, value: value.into() }
}
