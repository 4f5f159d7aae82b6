//! `fleetwright command`: what was run.

mod output;

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::control::{CancelCommandRequest, CommandStatus, ExecutionStage, ListCommandsRequest};
use fleetwright_proto::ids::CommandId;

use super::Asked;
use crate::arguments::duration::duration;
use crate::data::command::{Command, targets_text};
use crate::data::invocation::Invocation;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::live::{self, Report};
use crate::operator::{Operator, PAGE_SIZE};
use crate::render::{self, Format, time};

const EXAMPLE_ID: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

fn ending(verb: &str, arguments: &[&str]) -> String {
    let examples: Vec<String> = arguments
        .iter()
        .map(|rest| {
            format!("fleetwright command {verb} {}", rest.replace("ID", EXAMPLE_ID)).trim_end().to_owned()
        })
        .collect();
    help::ending(&examples.iter().map(String::as_str).collect::<Vec<_>>())
}

#[derive(Debug, Clone, Subcommand)]
pub enum CommandVerb {
    /// List commands, newest first
    #[command(after_long_help = ending("list", &["", "--status failed --node web-1 --limit 10", "--document AWS-RunShellScript --since 7d"]))]
    List(ListArgs),
    /// Show a command, and what became of it on each node
    #[command(after_long_help = ending("show", &["ID", "ID -o json"]))]
    Show {
        /// Command to show
        command: CommandId,
    },
    /// Print what a command printed, or follow it while it runs
    #[command(
        long_about = "Print the output that was kept of a command, or follow the command while it runs.\n\nWith one \
            node its bytes are passed through as they are, what it wrote to stderr to stderr. With several, each line \
            stands behind the name of its node. --follow ends as `run` does, with the same exit codes; without it the \
            exit code is 0 whatever became of the command.",
        after_long_help = ending("output", &["ID", "ID web-1 > log", "ID --follow"]),
    )]
    Output(output::OutputArgs),
    /// Follow a command from its beginning until it has finished, as `run` does
    #[command(after_long_help = ending("watch", &["ID", "ID -o jsonl"]))]
    Watch {
        /// Command to follow
        command: CommandId,
    },
    /// Wait until a command has finished
    #[command(
        long_about = "Wait until a command has finished, and print what became of it.\n\nThe exit code is that of `run`: \
            0 when it succeeded everywhere, 1 when a target failed, 6 when one or the waiting timed out.",
        after_long_help = ending("wait", &["ID", "ID --timeout 10m"]),
    )]
    Wait {
        /// Command to wait for
        command: CommandId,
        /// How long to wait at most (90s, 10m, 2h) [default: for ever]
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        timeout: Option<Duration>,
    },
    /// Cancel a command: on all its nodes, or on some
    #[command(
        long_about = "Cancel a command, on all its nodes or on some.\n\nWhere it was not started it will not be; where \
            it runs, its processes are killed. What has finished stays as it is.",
        after_long_help = ending("cancel", &["ID", "ID web-1 web-2"]),
    )]
    Cancel {
        /// Command to cancel
        command: CommandId,
        /// Only on these nodes, by id or name
        #[arg(value_name = "NODE")]
        nodes: Vec<String>,
    },
}

#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// Only commands in this state; may be repeated
    #[arg(long = "status", value_enum)]
    statuses: Vec<StatusFilter>,
    /// Only commands that this node has a part in, by id or name
    #[arg(long)]
    node: Option<String>,
    /// Only commands that run this document
    #[arg(long, value_name = "NAME")]
    document: Option<String>,
    /// Only commands of this operator
    #[arg(long, value_name = "OPERATOR")]
    by: Option<String>,
    /// Only commands that are this old or younger (90s, 2h, 7d)
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    since: Option<Duration>,
    /// Only commands that are older (90s, 2h, 7d)
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    until: Option<Duration>,
    /// Only commands that have ended, or that have not
    #[arg(long, value_enum)]
    stage: Option<StageFilter>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// Whether a command has ended, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StageFilter {
    Executing,
    Complete,
}

impl From<StageFilter> for ExecutionStage {
    fn from(filter: StageFilter) -> Self {
        match filter {
            StageFilter::Executing => Self::Executing,
            StageFilter::Complete => Self::Complete,
        }
    }
}

/// The states of a command, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusFilter {
    Pending,
    InProgress,
    Cancelling,
    Success,
    Failed,
    TimedOut,
    Cancelled,
}

impl From<StatusFilter> for CommandStatus {
    fn from(filter: StatusFilter) -> Self {
        match filter {
            StatusFilter::Pending => Self::CommandPending,
            StatusFilter::InProgress => Self::CommandInProgress,
            StatusFilter::Cancelling => Self::CommandCancelling,
            StatusFilter::Success => Self::CommandSuccess,
            StatusFilter::Failed => Self::CommandFailed,
            StatusFilter::TimedOut => Self::CommandTimedOut,
            StatusFilter::Cancelled => Self::CommandCancelled,
        }
    }
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, verb: CommandVerb) -> Result<Exit, Failure> {
    let operator = Operator::connect(&asked.flags, io).await?;
    match verb {
        CommandVerb::List(args) => list(io, asked, &operator, args).await?,
        CommandVerb::Show { command } => show(io, asked, &operator, command.as_str()).await?,
        CommandVerb::Output(args) => return output::run(io, asked, operator, args).await,
        CommandVerb::Watch { command } => {
            let command = operator.command(command.as_str()).await?;
            return live::follow(io, operator, command, asked.format).await;
        }
        CommandVerb::Wait { command, timeout } => {
            return wait(io, asked, operator, command.as_str(), timeout).await;
        }
        CommandVerb::Cancel { command, nodes } => cancel(io, asked, &operator, &command, &nodes).await?,
    }
    Ok(Exit::Done)
}

async fn list(io: &mut Io, asked: &Asked, operator: &Operator, args: ListArgs) -> Result<(), Failure> {
    let node_id = match &args.node {
        Some(node) => operator.node_id(node).await?,
        None => String::new(),
    };
    let statuses: Vec<i32> =
        args.statuses.into_iter().map(|filter| CommandStatus::from(filter).into()).collect();
    let limit = args.limit as usize;
    let now = io.clock.now();
    let ago = |age: Option<Duration>| {
        age.map_or(0, |age| now.millis().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)))
    };
    let mut commands: Vec<Command> = Vec::new();
    let mut page_token = String::new();
    while commands.len() < limit {
        let request = ListCommandsRequest {
            statuses: statuses.clone(),
            node_id: node_id.clone(),
            page_size: PAGE_SIZE.min(args.limit),
            page_token,
            document_name: args.document.clone().unwrap_or_default(),
            requested_by: args.by.clone().unwrap_or_default(),
            invoked_after_ms: ago(args.since),
            invoked_before_ms: ago(args.until),
            execution_stage: args.stage.map_or(ExecutionStage::Unspecified, ExecutionStage::from).into(),
        };
        let page = operator.commands().list_commands(request).await?.into_inner();
        commands.extend(page.commands.into_iter().map(Command::from));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    commands.truncate(limit);
    let header = ["command", "status", "nodes", "when", "what"];
    render::list(io, asked.format, &commands, &header, |command| {
        vec![
            command.command_id.clone(),
            command.status_details.clone(),
            command.counts.targets.to_string(),
            time::relative(now, command.requested_at),
            if command.comment.is_empty() { command.document_name.clone() } else { command.comment.clone() },
        ]
    })?;
    Ok(())
}

async fn show(io: &mut Io, asked: &Asked, operator: &Operator, command_id: &str) -> Result<(), Failure> {
    let command = Command::from(operator.command(command_id).await?);
    let invocations = operator.invocations(command_id).await?;
    let report = Report { command, invocations: invocations.into_iter().map(Invocation::from).collect() };
    let now = io.clock.now();
    render::one(io, asked.format, &report, |report| fields(now, &report.command))?;
    if asked.format == Format::Table && !report.invocations.is_empty() {
        io.line("")?;
        let header = ["node", "name", "status", "exit", "why"];
        render::list(io, asked.format, &report.invocations, &header, |invocation| {
            vec![
                invocation.node_id.clone(),
                invocation.node_name.clone(),
                invocation.status_details.clone(),
                exit_code(invocation),
                invocation.reason.as_ref().map(|reason| reason.text.clone()).unwrap_or_default(),
            ]
        })?;
    }
    Ok(())
}

async fn wait(
    io: &mut Io,
    asked: &Asked,
    operator: Operator,
    command_id: &str,
    timeout: Option<Duration>,
) -> Result<Exit, Failure> {
    let command = operator.command(command_id).await?;
    let (operator, exit) = live::until_finished(io, operator, command, timeout).await?;
    if exit.is_none() {
        io.note(&format!("command {command_id} has not finished; it goes on"));
    }
    show(io, asked, &operator, command_id).await?;
    Ok(exit.unwrap_or(Exit::TimedOut))
}

/// The exit code of the last step that has one.
fn exit_code(invocation: &Invocation) -> String {
    let mut from_the_last = invocation.steps.iter().rev().filter_map(|step| step.exit_code);
    from_the_last.next().map(|code| code.to_string()).unwrap_or_default()
}

fn fields(now: Timestamp, command: &Command) -> Vec<(&str, String)> {
    let counts = &command.counts;
    let document = format!("{} {}", command.document_name, command.document_version);
    let delivery = std::time::Duration::from_millis(command.delivery_timeout_ms);
    let last_moment = command.expires_at.filter(|_| command.finished_at.is_none());
    vec![
        ("command", command.command_id.clone()),
        ("status", command.status_details.clone()),
        ("why", command.reason.as_ref().map(|reason| reason.text.clone()).unwrap_or_default()),
        ("document", document.trim().to_owned()),
        ("parameters", parameters(&command.parameters)),
        ("targets", targets_text(&command.targets)),
        ("nodes", counts_text(counts)),
        ("max concurrency", command.max_concurrency.clone()),
        ("max errors", command.max_errors.clone()),
        ("delivery within", time::took(delivery)),
        ("comment", command.comment.clone()),
        ("requested", time::absolute(now, command.requested_at)),
        ("requested by", command.requested_by.clone()),
        ("finished", time::absolute(now, command.finished_at)),
        ("ends at the latest", last_moment.map(|at| time::absolute(now, Some(at))).unwrap_or_default()),
    ]
}

fn counts_text(counts: &crate::data::command::Counts) -> String {
    let states = [
        (counts.pending, "pending"),
        (counts.delayed, "delayed"),
        (counts.in_progress, "in progress"),
        (counts.success, "succeeded"),
        (counts.failed, "failed"),
        (counts.timed_out, "timed out"),
        (counts.cancelled, "cancelled"),
    ];
    let states =
        states.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!(", {count} {word}"));
    format!("{}{}", counts.targets, states.collect::<String>())
}

/// One parameter a line; of a list, its texts one below the other.
fn parameters(parameters: &serde_json::Value) -> String {
    let Some(parameters) = parameters.as_object() else { return parameters.to_string() };
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(texts) if texts.iter().all(serde_json::Value::is_string) => {
            texts.iter().filter_map(|text| text.as_str()).collect::<Vec<_>>().join("\n")
        }
        other => other.to_string(),
    };
    parameters.iter().map(|(name, value)| format!("{name}: {}", text(value))).collect::<Vec<_>>().join("\n")
}

async fn cancel(
    io: &mut Io,
    asked: &Asked,
    operator: &Operator,
    command: &CommandId,
    nodes: &[String],
) -> Result<(), Failure> {
    let mut node_ids = Vec::with_capacity(nodes.len());
    for node in nodes {
        node_ids.push(operator.node_id(node).await?);
    }
    let request = CancelCommandRequest { command_id: command.as_str().into(), nodes: node_ids };
    let answer = operator.commands().cancel_command(request).await?.into_inner();
    let command = Command::from(answer.command.ok_or(Failure::IncompleteAnswer("command"))?);
    let now = io.clock.now();
    render::one(io, asked.format, &command, |command| fields(now, command))?;
    Ok(())
}
