//! `fleetwright window executions`, `preview`, `cancel` and `why`: what a window did and what it will do.

use clap::Args;
use fleetwright_proto::control::{
    CancelWindowExecutionRequest, ExplainWindowRequest, GetWindowExecutionRequest,
    ListWindowExecutionsRequest, PreviewWindowRequest,
};

use super::{client, task};
use crate::data::command::targets_text;
use crate::data::status::Fact;
use crate::data::window::{
    Execution, Preview, PreviewedNode, TaskExecution, WholeExecution, WindowExplanation,
};
use crate::failure::Failure;
use crate::io::Io;
use crate::operator::{Operator, PAGE_SIZE};
use crate::render::{self, time};
use crate::verbs::Asked;

#[derive(Debug, Clone, Args)]
pub struct ExecutionsArgs {
    /// Window, by id or name
    window: String,
    /// Execution to show with its tasks
    execution: Option<String>,
    /// Show at most so many
    #[arg(long, value_name = "NUMBER", default_value_t = 50)]
    limit: usize,
}

#[derive(Debug, Clone, Args)]
pub struct PreviewArgs {
    /// Window, by id or name
    window: String,
    /// How many occurrences to show
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 5)]
    occurrences: u32,
}

#[derive(Debug, Clone, Args)]
pub struct CancelArgs {
    /// Execution to cancel
    execution: String,
}

#[derive(Debug, Clone, Args)]
pub struct WhyArgs {
    /// Execution to explain
    execution: String,
    /// Task of it to explain, by id, id of its execution, or name
    task: Option<String>,
}

pub(super) async fn list(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    args: ExecutionsArgs,
) -> Result<(), Failure> {
    if let Some(execution_id) = args.execution {
        return show(io, asked, operator, execution_id).await;
    }
    let mut found: Vec<Execution> = Vec::new();
    let mut page_token = String::new();
    loop {
        let window = args.window.clone();
        let page_size = PAGE_SIZE.min(u32::try_from(args.limit).unwrap_or(PAGE_SIZE).max(1));
        let request = ListWindowExecutionsRequest { window, page_size, page_token };
        let page = client(operator).list_window_executions(request).await?.into_inner();
        found.extend(page.executions.into_iter().map(Execution::from));
        page_token = page.next_page_token;
        if page_token.is_empty() || found.len() >= args.limit {
            break;
        }
    }
    found.truncate(args.limit);
    let now = io.clock.now();
    let header = ["execution", "scheduled", "status", "why", "finished"];
    render::list(io, asked.format, &found, &header, |execution| {
        vec![
            execution.id.clone(),
            time::absolute(now, execution.scheduled_at),
            execution.status.clone(),
            execution.reason.clone(),
            time::absolute(now, execution.finished_at),
        ]
    })?;
    Ok(())
}

async fn show(io: &mut Io, asked: &Asked, operator: &Operator, execution_id: String) -> Result<(), Failure> {
    let request = GetWindowExecutionRequest { execution_id };
    let answer = client(operator).get_window_execution(request).await?.into_inner();
    let execution = Execution::from(answer.execution.ok_or(Failure::IncompleteAnswer("execution"))?);
    let tasks = answer.tasks.into_iter().map(TaskExecution::from).collect();
    let whole = WholeExecution { execution, tasks };
    let now = io.clock.now();
    render::one(io, asked.format, &whole, |whole| {
        let mut fields = fields(now, &whole.execution);
        for run in &whole.tasks {
            let document = run.task.as_ref().map(|task| match task.name.as_str() {
                "" => task.document.clone(),
                name => format!("{name} ({})", task.document),
            });
            let document = document.unwrap_or_default();
            fields.push(("task", format!("{}  {document}: {}, {}", run.id, run.status, run.reason)));
            for one in &run.invocations {
                let command = one.command_id.as_ref().map(|id| format!(", command {id}")).unwrap_or_default();
                let owner = match one.owner_information.as_str() {
                    "" => String::new(),
                    owner => format!(" ({owner})"),
                };
                fields.push(("", format!("  {}{owner}, {}{command}", one.status, one.reason)));
            }
        }
        fields
    })?;
    Ok(())
}

fn fields(now: fleetwright_proto::clock::Timestamp, execution: &Execution) -> Vec<(&'static str, String)> {
    vec![
        ("execution", execution.id.clone()),
        ("window", format!("{} ({})", execution.window_name, execution.window_id)),
        ("status", execution.status.clone()),
        ("why", execution.reason.clone()),
        ("scheduled", time::absolute(now, execution.scheduled_at)),
        ("started", time::absolute(now, execution.started_at)),
        ("cut-off", time::absolute(now, execution.cutoff_at)),
        ("end", time::absolute(now, execution.end_at)),
        ("finished", time::absolute(now, execution.finished_at)),
    ]
}

pub(super) async fn cancel(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    args: CancelArgs,
) -> Result<(), Failure> {
    let request = CancelWindowExecutionRequest { execution_id: args.execution };
    let answer = client(operator).cancel_window_execution(request).await?.into_inner();
    let execution = Execution::from(answer.execution.ok_or(Failure::IncompleteAnswer("execution"))?);
    let now = io.clock.now();
    render::one(io, asked.format, &execution, |execution| fields(now, execution))?;
    Ok(())
}

pub(super) async fn why(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    args: WhyArgs,
) -> Result<(), Failure> {
    let request = ExplainWindowRequest {
        execution_id: args.execution.clone(),
        task: args.task.clone().unwrap_or_default(),
    };
    let answer = client(operator).explain_window(request).await?.into_inner();
    let explanation = WindowExplanation {
        execution_id: args.execution,
        task: args.task,
        reason_code: answer.reason_code,
        reason: answer.reason,
        values: answer.values.into_iter().collect(),
        facts: answer.facts.into_iter().map(|fact| Fact { name: fact.name, value: fact.value }).collect(),
    };
    render::one(io, asked.format, &explanation, |explanation| {
        let why = ("why", format!("{} ({})", explanation.reason, explanation.reason_code));
        let facts = explanation.facts.iter().map(|fact| (fact.name.as_str(), fact.value.clone()));
        std::iter::once(why).chain(facts).collect()
    })?;
    Ok(())
}

pub(super) async fn preview(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    args: PreviewArgs,
) -> Result<(), Failure> {
    let request = PreviewWindowRequest { window: args.window, occurrences: args.occurrences };
    let preview = Preview::from(client(operator).preview_window(request).await?.into_inner());
    let fields = preview_fields(&preview);
    render::one(io, asked.format, &preview, |_| fields.clone())?;
    Ok(())
}

fn preview_fields(preview: &Preview) -> Vec<(&'static str, String)> {
    let mut fields = Vec::new();
    if let Some(window) = &preview.window {
        fields.push(("window", format!("{} ({})", window.name, window.id)));
        if !window.enabled {
            fields.push(("", "is disabled, and will not open until it is enabled".to_owned()));
        }
    }
    if preview.occurrences.is_empty() {
        fields.push(("opens", "never again".to_owned()));
    }
    for one in &preview.occurrences {
        let closed = one.closed.as_ref().map(|why| format!("; starts nothing: {why}")).unwrap_or_default();
        fields.push(("opens", format!("{}{closed}", one.local)));
    }
    for one in &preview.targets {
        let Some(target) = &one.target else { continue };
        let nodes = nodes_text(&one.nodes, one.problem.as_deref());
        fields.push(("target", format!("{}  {}: {nodes}", target.id, targets_text(&target.targets))));
    }
    for one in &preview.tasks {
        let Some(of) = &one.task else { continue };
        fields.push(("task", task::line(of)));
        if !of.nodes.is_empty() {
            fields.push(("", format!("  {}", nodes_text(&one.nodes, one.problem.as_deref()))));
        }
    }
    fields
}

/// The nodes that match now, the first few by name.
fn nodes_text(nodes: &[PreviewedNode], problem: Option<&str>) -> String {
    const NAMED_MAX: usize = 10;
    if let Some(problem) = problem {
        return problem.to_owned();
    }
    let names: Vec<_> = nodes.iter().take(NAMED_MAX).map(|node| node.name.as_str()).collect();
    let more = if nodes.len() > NAMED_MAX { ", …" } else { "" };
    match nodes.len() {
        0 => "no node now".to_owned(),
        count => format!("{count} now: {}{more}", names.join(", ")),
    }
}
