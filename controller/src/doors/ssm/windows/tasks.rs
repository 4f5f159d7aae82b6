//! Tasks of maintenance windows, in the API's shapes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::views::{Registered, given};
use super::{Filter, OfWindow, PAGE, Target, id, known, not_available, one_page, pairs, takes};
use crate::doors::ssm::call::{Answer, Call, answer};
use crate::doors::ssm::commands::Notification;
use crate::doors::ssm::fault::Fault;
use crate::windows::ids::{TaskId, WindowId};
use crate::windows::operations::{self, Change};
use crate::windows::records::{Cutoff, RunCommand, TaskHash, TaskNotify, TaskRecord, TaskTargets, Work};
use crate::windows::tasks::{self as room, NewTask, TaskWish};

type Parameters = BTreeMap<String, Vec<String>>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Settings {
    window_id: String,
    window_task_id: Option<String>,
    targets: Option<Vec<Target>>,
    task_arn: Option<String>,
    service_role_arn: Option<String>,
    task_type: Option<String>,
    task_parameters: Option<BTreeMap<String, Values>>,
    task_invocation_parameters: Option<InvocationParameters>,
    priority: Option<u32>,
    max_concurrency: Option<String>,
    max_errors: Option<String>,
    logging_info: Option<Value>,
    name: Option<String>,
    description: Option<String>,
    client_token: Option<String>,
    cutoff_behavior: Option<Cutoff>,
    alarm_configuration: Option<Value>,
    replace: Option<bool>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Values {
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InvocationParameters {
    run_command: Option<RunCommandParameters>,
    automation: Option<AutomationParameters>,
    lambda: Option<Value>,
    step_functions: Option<Value>,
}

impl InvocationParameters {
    /// What is for another type of task than this one.
    fn strange(&self, kind: &str) -> Option<&'static str> {
        let parts = [
            ("RunCommand", "RUN_COMMAND", self.run_command.is_some()),
            ("Automation", "AUTOMATION", self.automation.is_some()),
            ("Lambda", "LAMBDA", self.lambda.is_some()),
            ("StepFunctions", "STEP_FUNCTIONS", self.step_functions.is_some()),
        ];
        parts.into_iter().find(|(_, of, said)| *said && *of != kind).map(|(part, ..)| part)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RunCommandParameters {
    #[serde(default)]
    comment: String,
    cloud_watch_output_config: Option<Value>,
    document_hash: Option<String>,
    document_hash_type: Option<String>,
    #[serde(default)]
    document_version: String,
    notification_config: Option<Notification>,
    output_s3_bucket_name: Option<Value>,
    output_s3_key_prefix: Option<Value>,
    #[serde(default)]
    parameters: Parameters,
    service_role_arn: Option<Value>,
    timeout_seconds: Option<u32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AutomationParameters {
    #[serde(default)]
    document_version: String,
    #[serde(default)]
    parameters: Parameters,
}

impl RunCommandParameters {
    fn run(self) -> RunCommand {
        let kept = [
            ("CloudWatchOutputConfig", self.cloud_watch_output_config),
            ("OutputS3BucketName", self.output_s3_bucket_name),
            ("OutputS3KeyPrefix", self.output_s3_key_prefix),
            ("ServiceRoleArn", self.service_role_arn),
        ];
        let hash_type = self.document_hash_type.unwrap_or_else(|| "Sha256".to_owned());
        RunCommand {
            version: self.document_version,
            hash: self.document_hash.map(|hash| TaskHash { hash_type, hash }),
            parameters: self.parameters,
            comment: self.comment,
            timeout_seconds: self.timeout_seconds,
            notify: self.notification_config.filter(|config| !config.notification_arn.is_empty()).map(
                |config| TaskNotify {
                    url: config.notification_arn,
                    events: config.notification_events,
                    about: config.notification_type,
                },
            ),
            kept: kept.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(),
        }
    }
}

impl Settings {
    /// What the task is to do, where the request says it. `kind` is the type of a task that exists.
    fn work(&mut self, kind: &str) -> Result<Option<Work>, Fault> {
        let legacy = self.task_parameters.as_ref().map(|parameters| {
            parameters
                .iter()
                .map(|(name, values)| (name.clone(), values.values.clone()))
                .collect::<Parameters>()
        });
        if !["RUN_COMMAND", "AUTOMATION"].contains(&kind) {
            return Err(not_available(format!(
                "tasks of type {kind} run in AWS only: RUN_COMMAND and AUTOMATION are for your own machines"
            )));
        }
        let invocation = self.task_invocation_parameters.take();
        if let Some(strange) = invocation.as_ref().and_then(|invocation| invocation.strange(kind)) {
            return Err(Fault::validation(format!(
                "TaskInvocationParameters.{strange} is not for a task of type {kind}"
            )));
        }
        let said = invocation.is_some() || legacy.is_some();
        let (run, automation) = match invocation {
            Some(invocation) => (invocation.run_command, invocation.automation),
            None => (None, None),
        };
        if !said {
            return Ok(None);
        }
        Ok(Some(match kind {
            "RUN_COMMAND" => {
                let mut run = run.unwrap_or_default().run();
                if run.parameters.is_empty() {
                    run.parameters = legacy.unwrap_or_default();
                }
                Work::RunCommand(run)
            }
            _ => match automation {
                Some(AutomationParameters { document_version, parameters }) => {
                    Work::Automation { version: document_version, parameters }
                }
                None => Work::Automation { version: String::new(), parameters: legacy.unwrap_or_default() },
            },
        }))
    }

    fn wish(self, work: Option<Work>) -> TaskWish {
        let parameters = self.task_parameters.and_then(|parameters| serde_json::to_value(parameters).ok());
        let kept = [
            ("TaskParameters", parameters),
            ("LoggingInfo", self.logging_info),
            ("AlarmConfiguration", self.alarm_configuration),
        ];
        TaskWish {
            name: self.name,
            description: self.description,
            document: self.task_arn,
            work,
            version: None,
            parameters: None,
            timeout_seconds: None,
            targets: self.targets.filter(|targets| !targets.is_empty()).map(pairs),
            priority: self.priority,
            max_concurrency: self.max_concurrency,
            max_errors: self.max_errors,
            cutoff: self.cutoff_behavior,
            after: None,
            service_role: self.service_role_arn,
            kept: kept.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect(),
        }
    }
}

pub(in crate::doors::ssm) async fn register_task(call: Call<'_>, input: Value) -> Answer {
    let mut settings: Settings = Call::read(input)?;
    let kind = settings.task_type.clone().unwrap_or_default();
    let work = settings.work(&kind)?.unwrap_or_else(|| match kind.as_str() {
        "AUTOMATION" => Work::Automation { version: String::new(), parameters: Parameters::new() },
        _ => Work::RunCommand(RunCommand::default()),
    });
    let window = id(&settings.window_id)?;
    let client_token = settings.client_token.take().unwrap_or_default();
    let asked_by = Some(call.caller.clone());
    let new = NewTask { window, wish: settings.wish(Some(work)), client_token, asked_by };
    let id = room::register(call.house, new).await?;
    answer(&Registered { window_task_id: Some(id.to_string()), ..Registered::default() })
}

pub(in crate::doors::ssm) async fn update_task(call: Call<'_>, input: Value) -> Answer {
    let mut settings: Settings = Call::read(input)?;
    let (window, task) = ids(&settings)?;
    let known = room::get(call.house, &window, &task).await?;
    let work = settings.work(known.work.name())?;
    let change = if settings.replace == Some(true) { Change::Replace } else { Change::Keep };
    let wish = settings.wish(work);
    let record = room::update(call.house, &window, &task, wish, change, Some(&call.caller)).await?;
    let mut shown = view(&window, &task, &record);
    shown.remove("TaskType");
    answer(&shown)
}

fn ids(settings: &Settings) -> Result<(WindowId, TaskId), Fault> {
    Ok((id(&settings.window_id)?, id(settings.window_task_id.as_deref().unwrap_or_default())?))
}

pub(in crate::doors::ssm) async fn task(call: Call<'_>, input: Value) -> Answer {
    let (window, task) = ids(&Call::read(input)?)?;
    let record = room::get(call.house, &window, &task).await?;
    answer(&view(&window, &task, &record))
}

pub(in crate::doors::ssm) async fn deregister_task(call: Call<'_>, input: Value) -> Answer {
    let (window, task) = ids(&Call::read(input)?)?;
    room::deregister(call.house, &window, &task).await?;
    answer(&Registered {
        window_id: Some(window.to_string()),
        window_task_id: Some(task.to_string()),
        ..Registered::default()
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tasks {
    tasks: Vec<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(in crate::doors::ssm) async fn tasks(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, PAGE);
    let OfWindow { window_id, filters } = Call::read(input)?;
    known(&filters, &["WindowTaskId", "TaskArn", "Priority", "TaskType"])?;
    let window: WindowId = id(&window_id)?;
    operations::get(call.house, &window).await?;
    let after: Option<usize> = page.after()?;
    let all = room::all(call.house, &window).await?.into_iter().enumerate();
    let passing = all
        .filter(|(at, (id, record))| after.is_none_or(|after| *at > after) && passes(&filters, id, record));
    let (found, next) = one_page(passing, page.size, |(at, _)| *at);
    let tasks = found.iter().map(|(_, (id, record))| {
        let mut shown = view(&window, id, record);
        // The list has other names than the task alone, and less of it.
        if let Some(kind) = shown.remove("TaskType") {
            shown.insert("Type".to_owned(), kind);
        }
        shown.remove("TaskInvocationParameters");
        shown
    });
    answer(&Tasks { tasks: tasks.collect(), next_token: page.token(next) })
}

fn passes(filters: &[Filter], id: &TaskId, record: &TaskRecord) -> bool {
    takes(filters, "WindowTaskId", id.as_str())
        && takes(filters, "TaskArn", &record.document)
        && takes(filters, "Priority", &record.priority.to_string())
        && takes(filters, "TaskType", record.work.name())
}

/// A task with every member that has a value.
fn view(window: &WindowId, id: &TaskId, record: &TaskRecord) -> Map<String, Value> {
    let targets = match &record.targets {
        TaskTargets::Window(ids) => vec![json!({"Key": "WindowTargetIds", "Values": ids})],
        TaskTargets::Nodes(nodes) => vec![json!({"Key": "InstanceIds", "Values": nodes})],
        TaskTargets::None => Vec::new(),
    };
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            shown.insert(name.to_owned(), value);
        }
    };
    put("WindowId", json!(window));
    put("WindowTaskId", json!(id));
    put("Targets", json!(targets));
    put("TaskArn", json!(record.document));
    put("TaskType", json!(record.work.name()));
    put("ServiceRoleArn", json!(given(&record.service_role)));
    put("TaskInvocationParameters", invocation_parameters(&record.work));
    put("Priority", json!(record.priority));
    // A task without targets has a placeholder that means nothing (reference, section 9.4).
    let limit = |limit: Option<crate::commands::limits::Limit>| {
        limit.map_or("1".to_owned(), |limit| limit.to_string())
    };
    put("MaxConcurrency", json!(limit(record.max_concurrency)));
    put("MaxErrors", json!(limit(record.max_errors)));
    put("Name", json!(given(&record.name)));
    put("Description", json!(given(&record.description)));
    put("CutoffBehavior", json!(record.cutoff.name()));
    put("TaskParameters", json!({}));
    for (name, value) in &record.kept {
        put(name, value.clone());
    }
    shown
}

fn invocation_parameters(work: &Work) -> Value {
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| {
        let empty = value.as_str().is_some_and(str::is_empty) || value.as_object().is_some_and(Map::is_empty);
        if !value.is_null() && !empty {
            shown.insert(name.to_owned(), value);
        }
    };
    match work {
        Work::RunCommand(run) => {
            put("Comment", json!(run.comment));
            put("DocumentVersion", json!(run.version));
            put("Parameters", json!(run.parameters));
            put("TimeoutSeconds", json!(run.timeout_seconds));
            if let Some(TaskHash { hash_type, hash }) = &run.hash {
                put("DocumentHash", json!(hash));
                put("DocumentHashType", json!(hash_type));
            }
            if let Some(TaskNotify { url, events, about }) = &run.notify {
                let mut config = Map::new();
                config.insert("NotificationArn".to_owned(), json!(url));
                config.insert("NotificationEvents".to_owned(), json!(events));
                if !about.is_empty() {
                    config.insert("NotificationType".to_owned(), json!(about));
                }
                put("NotificationConfig", Value::Object(config));
            }
            for (name, value) in &run.kept {
                put(name, value.clone());
            }
            json!({"RunCommand": shown})
        }
        Work::Automation { version, parameters } => {
            put("DocumentVersion", json!(version));
            put("Parameters", json!(parameters));
            json!({"Automation": shown})
        }
    }
}
