//! `fleetwright window task`.

use clap::{Args, Subcommand};
use fleetwright_proto::control::{
    DeregisterTaskRequest, ParameterValues, RegisterTaskRequest, TaskParameters, TaskTargets,
    UpdateTaskRequest, WindowTask as WireTask, WindowTaskChange,
};
use serde::Serialize;

use super::client;
use crate::arguments::ArgumentError;
use crate::arguments::document::{Parameter, read_parameters};
use crate::arguments::script::Prompt;
use crate::data::window::WindowTask;
use crate::escape::escape;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::Operator;
use crate::render;
use crate::verbs::Asked;

#[derive(Debug, Clone, Subcommand)]
pub enum TaskVerb {
    /// Register a task with a window, and print its id
    #[command(
        alias = "register",
        long_about = "Register a task with a window, and print its id.\n\nTasks of the same priority run together, those \
            of a higher number when all before them have ended. Parameters may say {{WINDOW_ID}}, \
            {{WINDOW_EXECUTION_ID}}, {{WINDOW_TASK_ID}}, {{WINDOW_TARGET_ID}}, {{TASK_EXECUTION_ID}} and \
            {{INVOCATION_ID}}.\n\nWhoever registers a task must be allowed what it does, and it runs with what he may do \
            when it runs.",
        after_long_help = help::ending(&[
            "fleetwright window task add patch-night --target-id TARGET_ID --max-concurrency 10% --max-errors 1 -- apt-get \
             --yes upgrade",
            "fleetwright window task add patch-night --target-id TARGET_ID --document AWS-ConfigureAWSPackage \
             --parameter action=Install --parameter name=Tool",
            "fleetwright window task add patch-night --target-id TARGET_ID --priority 2 --after TASK_ID -- systemctl \
             restart nginx",
        ]),
    )]
    Add(Box<AddArgs>),
    /// Change a task of a window; what is not named stays as it is
    #[command(
        long_about = "Change a task of a window; what is not named stays as it is.\n\nWhoever changes a task stands for it \
            from then on: it runs with what he may do when it runs. An open execution goes on with the task as it was.",
        after_long_help = help::ending(&[
            "fleetwright window task update patch-night 67e55044-10b1-426f-9247-bb680e5fe0c8 --priority 2",
            "fleetwright window task update patch-night 67e55044-10b1-426f-9247-bb680e5fe0c8 -- systemctl restart nginx",
            "fleetwright window task update patch-night 67e55044-10b1-426f-9247-bb680e5fe0c8 --after ''",
        ]),
    )]
    Update(Box<UpdateArgs>),
    /// Take a task away from a window; an open execution goes on with it
    #[command(
        alias = "deregister",
        after_long_help = help::ending(&[
            "fleetwright window task remove patch-night 67e55044-10b1-426f-9247-bb680e5fe0c8",
        ]),
    )]
    Remove(RemoveArgs),
}

#[derive(Debug, Clone, Args)]
pub struct AddArgs {
    /// Window, by id or name
    window: String,
    /// Document to run, by name, NAME:VERSION or ARN [default: AWS-RunShellScript with the command]
    #[arg(
        short,
        long,
        value_name = "DOCUMENT",
        required_unless_present = "command",
        conflicts_with = "command"
    )]
    document: Option<String>,
    /// Parameter of the document, NAME=VALUE or NAME=@FILE; the same name several times makes a list
    #[arg(short, long = "parameter", value_name = "NAME=VALUE")]
    parameters: Vec<Parameter>,
    /// Targets of the window to run on, by id; several follow each other
    #[arg(long = "target-id", value_name = "TARGET_ID", conflicts_with = "nodes")]
    target_ids: Vec<String>,
    /// Node to run on, by id or name; may be repeated
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<String>,
    /// The lower, the earlier; equal ones run together
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    priority: u32,
    /// How many nodes run it at once: a number or a percentage
    #[arg(long, value_name = "N|P%", default_value = "50")]
    max_concurrency: String,
    /// How many nodes may fail before no more are started: a number or a percentage
    #[arg(long, value_name = "N|P%", default_value = "0")]
    max_errors: String,
    /// Cancel what is still running when the window ends
    #[arg(long)]
    cancel_at_end: bool,
    /// Run it only if this task of the window, of a lower priority number, succeeded
    #[arg(long, value_name = "TASK_ID")]
    after: Option<String>,
    /// Run it only if this task of the window, of a lower priority number, did not succeed
    #[arg(long, value_name = "TASK_ID", conflicts_with = "after")]
    after_failure: Option<String>,
    /// How long a node may take to start it, seconds, 30 or more [default: 3600]
    #[arg(long, value_name = "SECONDS", default_value_t = 0, hide_default_value = true)]
    timeout: u32,
    /// RUN_COMMAND or AUTOMATION
    #[arg(long = "type", value_name = "TYPE", default_value = "RUN_COMMAND")]
    kind: String,
    /// Name of the task
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    name: String,
    /// What it does
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// Shell command to run in place of a document
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub struct UpdateArgs {
    /// Window, by id or name
    window: String,
    /// Id of the task
    #[arg(value_name = "TASK_ID")]
    task_id: String,
    /// Document to run, by name, NAME:VERSION or ARN
    #[arg(short, long, value_name = "DOCUMENT", conflicts_with = "command")]
    document: Option<String>,
    /// Parameter of the document, NAME=VALUE or NAME=@FILE, in place of all that were; may be repeated
    #[arg(short, long = "parameter", value_name = "NAME=VALUE")]
    parameters: Vec<Parameter>,
    /// Targets of the window to run on, by id, in place of those that were; several follow each other
    #[arg(long = "target-id", value_name = "TARGET_ID", conflicts_with = "nodes")]
    target_ids: Vec<String>,
    /// Node to run on, by id or name, in place of those that were; may be repeated
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<String>,
    /// The lower, the earlier; equal ones run together
    #[arg(long, value_name = "NUMBER")]
    priority: Option<u32>,
    /// How many nodes run it at once: a number or a percentage
    #[arg(long, value_name = "N|P%")]
    max_concurrency: Option<String>,
    /// How many nodes may fail before no more are started: a number or a percentage
    #[arg(long, value_name = "N|P%")]
    max_errors: Option<String>,
    /// Cancel what is still running when the window ends
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    cancel_at_end: Option<bool>,
    /// Run it only if this task of the window, of a lower priority number, succeeded; '' for always
    #[arg(long, value_name = "TASK_ID")]
    after: Option<String>,
    /// Run it only if this task of the window, of a lower priority number, did not succeed
    #[arg(long, value_name = "TASK_ID", conflicts_with = "after")]
    after_failure: Option<String>,
    /// How long a node may take to start it, seconds, 30 or more; 0 for an hour
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u32>,
    /// Name of the task, '' for none
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What it does, '' for nothing
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Shell command to run in place of what was run
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, Clone, Args)]
pub struct RemoveArgs {
    /// Window, by id or name
    window: String,
    /// Id of the task
    #[arg(value_name = "TASK_ID")]
    task_id: String,
}

#[derive(Debug, Serialize)]
struct Registered {
    task_id: String,
}

pub(super) async fn run(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    verb: TaskVerb,
) -> Result<(), Failure> {
    match verb {
        TaskVerb::Add(args) => {
            let window = args.window.clone();
            let task = wire(*args, io)?;
            let request = RegisterTaskRequest { window, task: Some(task) };
            let answer = client(operator).register_task(request).await?.into_inner();
            let registered = Registered { task_id: answer.task_id };
            render::one(io, asked.format, &registered, |registered| {
                vec![("task", registered.task_id.clone())]
            })?;
        }
        TaskVerb::Update(args) => {
            let (window, task_id) = (args.window.clone(), args.task_id.clone());
            let change = Some(change(*args, io)?);
            let request = UpdateTaskRequest { window, task_id, change };
            let answer = client(operator).update_task(request).await?.into_inner();
            let task = WindowTask::from(answer.task.ok_or(Failure::IncompleteAnswer("task"))?);
            render::one(io, asked.format, &task, fields)?;
        }
        TaskVerb::Remove(RemoveArgs { window, task_id }) => {
            let request = DeregisterTaskRequest { window, task_id: task_id.clone() };
            client(operator).deregister_task(request).await?;
            io.note(&format!("removed task {}", escape(&task_id)));
        }
    }
    Ok(())
}

fn wire(args: AddArgs, io: &mut Io) -> Result<WireTask, Failure> {
    let mut parameters = read_parameters(&args.parameters, &mut io.stdin).map_err(ArgumentError::from)?;
    let document = match args.document {
        Some(document) => document,
        None => {
            let line = Prompt::Posix.line(&args.command).map_err(ArgumentError::from)?;
            parameters.insert("commands".to_owned(), ParameterValues { values: vec![line] });
            "AWS-RunShellScript".to_owned()
        }
    };
    let after_failure = args.after_failure.is_some();
    Ok(WireTask {
        name: args.name,
        description: args.description,
        r#type: args.kind,
        document,
        parameters: parameters.into_iter().collect(),
        target_ids: args.target_ids,
        nodes: args.nodes,
        priority: args.priority,
        max_concurrency: args.max_concurrency,
        max_errors: args.max_errors,
        cancel_at_end: args.cancel_at_end,
        timeout_seconds: args.timeout,
        after_task_id: args.after.or(args.after_failure).unwrap_or_default(),
        after_failure,
        ..WireTask::default()
    })
}

fn change(args: UpdateArgs, io: &mut Io) -> Result<WindowTaskChange, Failure> {
    let said = !args.parameters.is_empty() || !args.command.is_empty();
    let mut parameters = read_parameters(&args.parameters, &mut io.stdin).map_err(ArgumentError::from)?;
    let mut document = args.document;
    if !args.command.is_empty() {
        let line = Prompt::Posix.line(&args.command).map_err(ArgumentError::from)?;
        parameters.insert("commands".to_owned(), ParameterValues { values: vec![line] });
        document = Some("AWS-RunShellScript".to_owned());
    }
    let elsewhere = !args.target_ids.is_empty() || !args.nodes.is_empty();
    let after_failure = args.after_failure.is_some();
    Ok(WindowTaskChange {
        name: args.name,
        description: args.description,
        document_version: document.as_ref().map(|_| String::new()),
        document,
        parameters: said.then(|| TaskParameters { parameters: parameters.into_iter().collect() }),
        targets: elsewhere.then_some(TaskTargets { target_ids: args.target_ids, nodes: args.nodes }),
        priority: args.priority,
        max_concurrency: args.max_concurrency,
        max_errors: args.max_errors,
        cancel_at_end: args.cancel_at_end,
        timeout_seconds: args.timeout,
        after_task_id: args.after.or(args.after_failure),
        after_failure,
    })
}

fn fields(task: &WindowTask) -> Vec<(&str, String)> {
    let parameters = task.parameters.iter().map(|(name, values)| format!("{name}={}", values.join(", ")));
    let condition = task
        .after_task_id
        .as_ref()
        .map(|id| format!("if {id} {}", if task.after_failure { "did not succeed" } else { "succeeded" }));
    let mut fields = vec![
        ("task", task.id.clone()),
        ("name", task.name.clone()),
        ("description", task.description.clone()),
        ("type", task.r#type.clone()),
        ("document", format!("{} {}", task.document, task.document_version).trim().to_owned()),
    ];
    fields.extend(parameters.map(|parameter| ("parameter", parameter)));
    fields.extend([
        ("on targets", task.target_ids.join(", then ")),
        ("on nodes", task.nodes.join(", ")),
        ("priority", task.priority.to_string()),
        ("at once", task.max_concurrency.clone()),
        ("errors allowed", task.max_errors.clone()),
        ("at the end", if task.cancel_at_end { "cancelled" } else { "goes on" }.to_owned()),
        ("condition", condition.unwrap_or_default()),
        ("registered by", task.registered_by.clone()),
    ]);
    fields
}

/// A task in one line.
pub(super) fn line(task: &WindowTask) -> String {
    let name = if task.name.is_empty() { String::new() } else { format!("{}  ", task.name) };
    let on = match (task.target_ids.len(), task.nodes.len()) {
        (0, 0) => String::new(),
        (0, _) => format!(" on {}", task.nodes.join(", ")),
        _ => format!(" on target {}", task.target_ids.join(", then ")),
    };
    let after = task
        .after_task_id
        .as_ref()
        .map(|id| format!(", if {id} {}", if task.after_failure { "did not succeed" } else { "succeeded" }));
    let end = if task.cancel_at_end { ", cancelled at the end" } else { "" };
    let by = match task.registered_by.as_str() {
        "" => String::new(),
        name => format!(", registered by {name}"),
    };
    let after = after.unwrap_or_default();
    format!("{}  {name}priority {}: {}{on}{after}{end}{by}", task.id, task.priority, task.document)
}
