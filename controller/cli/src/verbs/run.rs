//! `fleetwright run`: a shell command or a document, on nodes, now.
//!
//! First everything that can be wrong on this side is found, then the controller is asked; nothing is sent twice,
//! because every request carries a token of its own.

mod plan;

use std::time::Duration;

use clap::Args;
use fleetwright_proto::control::{CheckCommandRequest, Command, PingStatus, SendCommandRequest};

use super::Asked;
use crate::arguments::ArgumentError;
use crate::arguments::document::{Document, Parameter};
use crate::arguments::duration::{delivery_timeout, execution_timeout};
use crate::arguments::parameters::Parameters;
use crate::arguments::rate::{MaxConcurrency, MaxErrors};
use crate::arguments::target::Target;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::live;
use crate::operator::Operator;
use crate::render::{self, Format};

const LONG: &str = "\
Run a shell command or a document on nodes, and see the output as it arrives.

The command after -- is run by sh on each target. One word is a line of script as it is; several words are quoted, so \
that they arrive as you typed them:

  run --target all -- 'df -h | grep /var'     a pipe on the node
  run --target all -- grep -r 'a b' /etc      two words and a path

With one node its bytes are passed through as they are; with several, each line stands behind the name of its node. \
What nodes write to stderr goes to stderr, and so do progress and summary. Ctrl-C leaves the command running, and \
says how to follow and how to cancel it.

Targets of the same kind are alternatives, different kinds narrow each other down: `--target tag:env=prod --target \
tag:env=test --target platform:Linux` are the Linux nodes of either environment.

Durations are written 90s, 10m, 2h or 1h30m.";

#[derive(Debug, Clone, Args)]
#[command(long_about = LONG, after_long_help = help::ending(&[
    "fleetwright run --target web-1 -- uptime",
    "fleetwright run --target tag:env=prod --max-concurrency 10% -- apt-get update",
    "fleetwright run --target platform:Windows --powershell -- Get-Process",
    "fleetwright run --target all --yes --document ./disk.yaml --parameter limit=90",
    "fleetwright run --target web-1 --document Disk --parameters ./disk-parameters.yaml --dry-run",
    "fleetwright run --target all -o json -- uptime | jq '.invocations[].stdout'",
]))]
pub struct RunArgs {
    /// Where to run: NODE, tag:KEY=VALUE, tag-key:KEY, platform:NAME, group:NAME or all; may be repeated
    #[arg(short, long = "target", value_name = "TARGET")]
    targets: Vec<Target>,
    /// Document to run instead of a shell command: a name, or a file written as ./FILE (JSON or YAML)
    #[arg(short, long, value_name = "NAME|./FILE")]
    document: Option<Document>,
    /// Version of the document [default: its default version]
    #[arg(long, value_name = "VERSION", requires = "document")]
    document_version: Option<String>,
    /// SHA-256 that the document has to have, as `document show` prints it
    #[arg(long, value_name = "HASH", requires = "document", default_value = "", hide_default_value = true)]
    document_hash: String,
    /// Parameter of the document; the same name again makes a list. K=@FILE takes the text of a file, K=- standard
    /// input, K=@@TEXT a text that begins with @
    #[arg(short, long = "parameter", value_name = "K=V")]
    parameters: Vec<Parameter>,
    /// All parameters at once: a JSON or YAML file with a map, - for standard input, or JSON itself. What --parameter
    /// says of a name counts more
    #[arg(long = "parameters", value_name = "FILE|JSON")]
    parameters_from: Option<Parameters>,
    /// Run the command with PowerShell instead of sh
    #[arg(long, conflicts_with = "document")]
    powershell: bool,
    /// Run the command with the command prompt of Windows instead of sh
    #[arg(long, conflicts_with_all = ["document", "powershell"])]
    cmd: bool,
    /// How many nodes run it at the same time, 1 or more, or a percentage [default: 50]
    #[arg(long, value_name = "N|N%", allow_hyphen_values = true)]
    max_concurrency: Option<MaxConcurrency>,
    /// How many nodes may fail before no more are started, 0 or more, or a percentage [default: 0]
    #[arg(long, value_name = "N|N%", allow_hyphen_values = true)]
    max_errors: Option<MaxErrors>,
    /// How long it may run on a node, 5s to 48h [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = execution_timeout)]
    timeout: Option<Duration>,
    /// How long a node has to take it, 1s to 30d [default: the one of --timeout, else 1h]
    #[arg(long, value_name = "DURATION", value_parser = delivery_timeout)]
    delivery_timeout: Option<Duration>,
    /// Why it is run, at most 100 characters
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    comment: String,
    /// Post a signed notification to this address when the command changes its state: https://HOST/PATH
    #[arg(long, value_name = "URL")]
    notify: Option<String>,
    /// Events to notify of: All, InProgress, Success, TimedOut, Cancelled, Failed; may be repeated [default: All]
    #[arg(long = "notify-event", value_name = "EVENT", requires = "notify")]
    notify_events: Vec<String>,
    /// Notify of the states of each node's part, not of the command's
    #[arg(long, requires = "notify")]
    notify_invocations: bool,
    /// Print the id of the command, and do not wait for it
    #[arg(long)]
    detach: bool,
    /// Check document, parameters and limits, say on which nodes it would run, and run nothing
    #[arg(long, conflicts_with = "detach")]
    dry_run: bool,
    /// Do not ask before running on all nodes
    #[arg(short, long)]
    yes: bool,
    /// Command to run
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, args: RunArgs) -> Result<Exit, Failure> {
    let mut request = plan::request(&args, &mut io.stdin)?;
    let mut operator = Operator::connect(&asked.flags, io).await?;
    request.targets = operator.targets(&args.targets).await?;
    if args.dry_run {
        let check = CheckCommandRequest { command: Some(request.clone()) };
        operator.commands().check_command(check).await?;
        super::node::list_matching(io, asked, &operator, request.targets, PingStatus::Unspecified).await?;
        io.note("nothing was run: document and parameters are good, and these are the nodes that it would be sent to now");
        return Ok(Exit::Done);
    }
    if plan::is_everything(&args.targets) && !args.yes {
        confirm_all(io, &operator).await?;
    }
    let command = send(&mut operator, request).await?;
    if args.detach {
        return detached(io, asked, command);
    }
    live::follow(io, operator, command, asked.format).await
}

/// Asks the person at the terminal. A script has said what it means.
async fn confirm_all(io: &mut Io, operator: &Operator) -> Result<(), Failure> {
    if !io.can_ask() {
        return Ok(());
    }
    let status = super::status::ask(operator).await?;
    if status.nodes <= 1 {
        return Ok(());
    }
    let question = format!("Run on all {} nodes ({} connected)?", status.nodes, status.connected_nodes);
    if io.confirm(&question)? { Ok(()) } else { Err(Failure::NotConfirmed) }
}

/// Once more when the connection breaks in the middle: the token makes both the same command.
async fn send(operator: &mut Operator, request: SendCommandRequest) -> Result<Command, Failure> {
    let answer = match operator.commands().send_command(request.clone()).await.map_err(Failure::from) {
        Err(failure) if failure.is_unreachable() => {
            operator.reconnect().await.map_err(|_| failure)?;
            operator.commands().send_command(request).await?
        }
        other => other?,
    };
    answer.into_inner().command.ok_or(Failure::IncompleteAnswer("command"))
}

fn detached(io: &mut Io, asked: &Asked, command: Command) -> Result<Exit, Failure> {
    let command_id = command.command_id.clone();
    match asked.format {
        Format::Table => io.line(&crate::escape::escape(&command_id))?,
        format => render::one(io, format, &crate::data::command::Command::from(command), |_| Vec::new())?,
    }
    io.note(&live::how_to_go_on(&command_id));
    Ok(Exit::Done)
}

impl RunArgs {
    fn check(&self) -> Result<(), ArgumentError> {
        if self.targets.is_empty() {
            return Err(ArgumentError::NoTarget);
        }
        match (&self.document, self.command.is_empty()) {
            (Some(_), false) => Err(ArgumentError::CommandAndDocument),
            (None, true) => Err(ArgumentError::NoCommand),
            _ => Ok(()),
        }
    }
}
