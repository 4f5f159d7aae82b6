//! What became of maintenance windows, in the API's shapes.

use std::collections::BTreeMap;

use fleetwright_proto::clock::Timestamp;
use fleetwright_store::Reverse;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::views::{Registered, given};
use super::{Filter, PAGE, bound, id, known, one_page, takes};
use crate::doors::ssm::call::{Answer, Call, Seconds, answer};
use crate::doors::ssm::fault::Fault;
use crate::windows::executions as room;
use crate::windows::fault::{Fault as WindowFault, WindowError};
use crate::windows::ids::{ExecutionId, InvocationId, TaskRunId, WindowId};
use crate::windows::pseudo::{self, Values};
use crate::windows::records::{
    ExecutionRecord, InvocationRecord, Reason, ResourceType, State, TaskRunRecord, Work,
};

/// Longest text that the API has for the details of a status, characters.
const DETAILS_MAX_CHARS: usize = 250;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wanted {
    window_id: Option<String>,
    window_execution_id: Option<String>,
    task_id: Option<String>,
    invocation_id: Option<String>,
    #[serde(default)]
    filters: Vec<Filter>,
}

impl Wanted {
    fn execution(&self) -> Result<ExecutionId, Fault> {
        id(self.window_execution_id.as_deref().unwrap_or_default())
    }

    fn task(&self) -> Result<TaskRunId, Fault> {
        id(self.task_id.as_deref().unwrap_or_default())
    }
}

/// The state of something in the API's words.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Status {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_details: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_time: Option<Seconds>,
}

impl Status {
    fn of(state: State, reason: &Reason, start: Option<Timestamp>, end: Option<Timestamp>) -> Self {
        let told = !matches!(reason, Reason::Succeeded {} | Reason::AtWork {});
        let details: String = reason.text().chars().take(DETAILS_MAX_CHARS).collect();
        Self {
            status: state.ssm_name(reason),
            status_details: if told { given(&details) } else { None },
            start_time: start.map(Seconds),
            end_time: end.map(Seconds),
        }
    }

    fn of_execution(record: &ExecutionRecord) -> Self {
        Self::of(record.state, &record.reason, Some(record.started), record.finished)
    }

    fn of_task(run: &TaskRunRecord) -> Self {
        Self::of(run.state, &run.reason, run.started, run.finished)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Execution {
    window_id: String,
    window_execution_id: String,
    #[serde(flatten)]
    status: Status,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Executions {
    window_executions: Vec<Execution>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(in crate::doors::ssm) async fn executions(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, PAGE);
    let wanted: Wanted = Call::read(input)?;
    known(&wanted.filters, &["ExecutedBefore", "ExecutedAfter"])?;
    let (before, after) =
        (bound(&wanted.filters, "ExecutedBefore")?, bound(&wanted.filters, "ExecutedAfter")?);
    let window: WindowId = id(wanted.window_id.as_deref().unwrap_or_default())?;
    let passes = |record: &ExecutionRecord| {
        before.is_none_or(|before| record.started < before)
            && after.is_none_or(|after| record.started > after)
    };
    let from: Option<(u64, ExecutionId)> = page.after()?;
    let from = from.map(|(time, id)| (window.clone(), Reverse(time), id));
    let (found, next) = room::list(call.house, &window, passes, from, page.size).await?;
    let window_executions = found.into_iter().map(|(id, record)| Execution {
        window_id: window.to_string(),
        window_execution_id: id.into(),
        status: Status::of_execution(&record),
    });
    answer(&Executions {
        window_executions: window_executions.collect(),
        next_token: page.token(next.map(|(_, time, id)| (time.0, id))),
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OneExecution {
    window_execution_id: String,
    task_ids: Vec<String>,
    #[serde(flatten)]
    status: Status,
}

pub(in crate::doors::ssm) async fn execution(call: Call<'_>, input: Value) -> Answer {
    let id = Call::read::<Wanted>(input)?.execution()?;
    let record = room::get(call.house, &id).await?;
    answer(&OneExecution {
        window_execution_id: id.into(),
        task_ids: record.tasks.iter().map(ToString::to_string).collect(),
        status: Status::of_execution(&record),
    })
}

pub(in crate::doors::ssm) async fn cancel_execution(call: Call<'_>, input: Value) -> Answer {
    let id = Call::read::<Wanted>(input)?.execution()?;
    room::cancel(call.house, &id, &call.by()).await?;
    answer(&Registered { window_execution_id: Some(id.to_string()), ..Registered::default() })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TaskIdentity {
    window_execution_id: String,
    task_execution_id: String,
    task_arn: String,
    task_type: &'static str,
    #[serde(flatten)]
    status: Status,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TaskIdentities {
    window_execution_task_identities: Vec<TaskIdentity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(in crate::doors::ssm) async fn execution_tasks(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, PAGE);
    let wanted: Wanted = Call::read(input)?;
    known(&wanted.filters, &["STATUS"])?;
    let id = wanted.execution()?;
    let after: Option<usize> = page.after()?;
    let (_, tasks) = room::tasks(call.house, &id).await?;
    let passing = tasks.into_iter().enumerate().filter(|(at, (_, run))| {
        after.is_none_or(|after| *at > after)
            && takes(&wanted.filters, "STATUS", run.state.ssm_name(&run.reason))
    });
    let (found, next) = one_page(passing, page.size, |(at, _)| *at);
    let identities = found.into_iter().map(|(_, (run_id, run))| TaskIdentity {
        window_execution_id: id.to_string(),
        task_execution_id: run_id.into(),
        status: Status::of_task(&run),
        task_type: run.task.work.name(),
        task_arn: run.task.document,
    });
    answer(&TaskIdentities {
        window_execution_task_identities: identities.collect(),
        next_token: page.token(next),
    })
}

pub(in crate::doors::ssm) async fn execution_task(call: Call<'_>, input: Value) -> Answer {
    let wanted: Wanted = Call::read(input)?;
    let (id, run_id) = (wanted.execution()?, wanted.task()?);
    let run = room::task(call.house, &id, &run_id).await?;
    let values = |(name, values): (&String, &Vec<String>)| (name.clone(), json!({"Values": values}));
    let parameters: Map<_, _> = run.task.work.parameters().iter().map(values).collect();
    let limit = |limit: Option<crate::commands::limits::Limit>| {
        limit.map_or("1".to_owned(), |limit| limit.to_string())
    };
    let mut shown = json!({
        "WindowExecutionId": id,
        "TaskExecutionId": run_id,
        "TaskArn": run.task.document,
        "Type": run.task.work.name(),
        "TaskParameters": [parameters],
        "Priority": run.task.priority,
        "MaxConcurrency": limit(run.task.max_concurrency),
        "MaxErrors": limit(run.task.max_errors),
    });
    let status = serde_json::to_value(Status::of_task(&run)).unwrap_or_default();
    if let (Value::Object(shown), Value::Object(status)) = (&mut shown, status) {
        shown.extend(status);
        shown.extend(given(&run.task.service_role).map(|role| ("ServiceRole".to_owned(), json!(role))));
    }
    answer(&shown)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InvocationIdentity {
    window_execution_id: String,
    task_execution_id: String,
    invocation_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_id: Option<String>,
    task_type: &'static str,
    parameters: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_information: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_target_id: Option<String>,
    #[serde(flatten)]
    status: Status,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InvocationIdentities {
    window_execution_task_invocation_identities: Vec<InvocationIdentity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(in crate::doors::ssm) async fn invocations(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, PAGE);
    let wanted: Wanted = Call::read(input)?;
    known(&wanted.filters, &["STATUS"])?;
    let (id, run_id) = (wanted.execution()?, wanted.task()?);
    let execution = room::get(call.house, &id).await?;
    let run = room::task(call.house, &id, &run_id).await?;
    let after: Option<usize> = page.after()?;
    let passing = run.invocations.iter().enumerate().filter(|(at, one)| {
        after.is_none_or(|after| *at > after)
            && takes(&wanted.filters, "STATUS", one.state.ssm_name(&one.reason))
    });
    let (found, next) = one_page(passing, page.size, |(at, _)| *at);
    let identities = found.into_iter().map(|(_, one)| identity(&id, &execution, &run_id, &run, one));
    answer(&InvocationIdentities {
        window_execution_task_invocation_identities: identities.collect(),
        next_token: page.token(next),
    })
}

pub(in crate::doors::ssm) async fn invocation(call: Call<'_>, input: Value) -> Answer {
    let wanted: Wanted = Call::read(input)?;
    let (id, run_id) = (wanted.execution()?, wanted.task()?);
    let invocation: InvocationId = super::id(wanted.invocation_id.as_deref().unwrap_or_default())?;
    let execution = room::get(call.house, &id).await?;
    let run = room::task(call.house, &id, &run_id).await?;
    let Some(one) = run.invocations.iter().find(|one| one.id == invocation) else {
        let message = format!("task {run_id} of execution {id} has no invocation {invocation}");
        return Err(WindowError { fault: WindowFault::DoesNotExist, message }.into());
    };
    answer(&identity(&id, &execution, &run_id, &run, one))
}

fn identity(
    id: &ExecutionId,
    execution: &ExecutionRecord,
    run_id: &TaskRunId,
    run: &TaskRunRecord,
    one: &InvocationRecord,
) -> InvocationIdentity {
    InvocationIdentity {
        window_execution_id: id.to_string(),
        task_execution_id: run_id.to_string(),
        invocation_id: one.id.to_string(),
        execution_id: one.command.as_ref().map(ToString::to_string),
        task_type: run.task.work.name(),
        parameters: parameters(id, execution, run_id, run, one),
        owner_information: given(&one.owner_information),
        window_target_id: one.target.as_ref().map(ToString::to_string),
        status: Status::of(one.state, &one.reason, one.started, one.finished),
    }
}

/// What the invocation was sent with, as JSON in a text.
fn parameters(
    id: &ExecutionId,
    execution: &ExecutionRecord,
    run_id: &TaskRunId,
    run: &TaskRunRecord,
    one: &InvocationRecord,
) -> String {
    let values = Values {
        window: &execution.window,
        task: &run.task_id,
        target: one.target.as_ref(),
        target_type: one.target_type.unwrap_or(ResourceType::Instance),
        execution: id,
        task_run: run_id,
        invocation: &one.id,
    };
    let filled: BTreeMap<_, _> = pseudo::fill(run.task.work.parameters(), &values);
    let shown = match &run.task.work {
        Work::RunCommand(_) => json!({
            "documentName": run.task.document,
            "maxConcurrency": run.task.max_concurrency.map(|limit| limit.to_string()),
            "maxErrors": run.task.max_errors.map(|limit| limit.to_string()),
            "parameters": filled,
        }),
        Work::Automation { .. } => json!({"documentName": run.task.document, "parameters": filled}),
    };
    shown.to_string()
}
