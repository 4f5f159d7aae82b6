//! `fleetwright audit`: what was done, by whom, and whether the log of it was touched.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use fleetwright_proto::control::access_client::AccessClient;
use fleetwright_proto::control::{ExportAuditRequest, ListAuditRequest, VerifyAuditRequest};

use super::Asked;
use super::access::files::{AccessFilesError, open_lines};
use crate::connection::Channel;
use crate::data::audit::{AuditLine, Verified};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::help;
use crate::io::Io;
use crate::operator::Operator;
use crate::render::{self, time};

pub(crate) mod chain;

#[derive(Debug, Clone, Subcommand)]
pub enum AuditVerb {
    /// Show the newest lines of the audit log: changes, reads of secrets, denials
    #[command(after_long_help = help::ending(&[
        "fleetwright audit list",
        "fleetwright audit list --who ada --limit 20",
        "fleetwright audit list --outcome denied -o jsonl",
    ]))]
    List(ListArgs),
    /// Print every line that is kept as JSON, each with its hash, and at last the signed head
    #[command(after_long_help = help::ending(&["fleetwright audit export > audit.jsonl"]))]
    Export,
    /// Check that no line was altered, removed or moved, and name the first that was
    #[command(
        long_about = "Check that no line was altered, removed or moved, and name the first that was.\n\nWithout a file \
            the controller walks its own log up to the head that its authority signed. With a file that was exported, the \
            file is checked here, without a controller. The exit code is 1 when something is wrong.",
        after_long_help = help::ending(&["fleetwright audit verify", "fleetwright audit verify audit.jsonl"]),
    )]
    Verify {
        /// File that `audit export` wrote; - for stdin
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Args)]
pub struct ListArgs {
    /// How many lines at most, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Only lines before the one with this number
    #[arg(long, value_name = "SEQ", default_value_t = 0, hide_default_value = true)]
    before: u64,
    /// Only what this operator or node did
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    who: String,
    /// Only this action
    #[arg(long, value_name = "ACTION", default_value = "", hide_default_value = true)]
    action: String,
    /// Only what was done with something whose name has this in it
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    on: String,
    /// Only what ended so
    #[arg(long, value_enum, value_name = "OUTCOME")]
    outcome: Option<Outcome>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Outcome {
    Done,
    Denied,
    Failed,
}

pub(crate) async fn run(io: &mut Io, asked: &Asked, verb: AuditVerb) -> Result<Exit, Failure> {
    if let AuditVerb::Verify { file: Some(file) } = &verb {
        let verified = chain::verify(open_lines(io, file)?)
            .map_err(|source| AccessFilesError::Read { path: file.clone(), source })?;
        return told(io, asked, &verified);
    }
    let operator = Operator::connect(&asked.flags, io).await?;
    match verb {
        AuditVerb::List(args) => list(io, asked, &operator, args).await,
        AuditVerb::Export => export(io, &operator).await,
        AuditVerb::Verify { .. } => {
            let answer = client(&operator).verify_audit(VerifyAuditRequest {}).await?.into_inner();
            told(io, asked, &Verified::from(answer))
        }
    }
}

fn client(operator: &Operator) -> AccessClient<Channel> {
    AccessClient::with_origin(operator.channel(), operator.channel().origin())
}

async fn list(io: &mut Io, asked: &Asked, operator: &Operator, args: ListArgs) -> Result<Exit, Failure> {
    let ListArgs { limit, before, who, action, on, outcome } = args;
    let outcome = match outcome {
        None => "",
        Some(Outcome::Done) => "done",
        Some(Outcome::Denied) => "denied",
        Some(Outcome::Failed) => "failed",
    };
    let request = ListAuditRequest { limit, before_seq: before, who, action, on, outcome: outcome.into() };
    let answer = client(operator).list_audit(request).await?.into_inner();
    let lines: Vec<_> = answer.lines.into_iter().map(AuditLine::from).collect();
    let now = io.clock.now();
    let header = ["seq", "when", "who", "action", "outcome", "on", "from", "detail"];
    render::list(io, asked.format, &lines, &header, |line| {
        vec![
            line.seq.to_string(),
            time::relative(now, line.at),
            line.who.clone(),
            line.action.clone(),
            line.outcome.clone(),
            line.on.clone(),
            line.from.clone(),
            line.detail.clone(),
        ]
    })?;
    Ok(Exit::Done)
}

async fn export(io: &mut Io, operator: &Operator) -> Result<Exit, Failure> {
    let mut messages = client(operator).export_audit(ExportAuditRequest {}).await?.into_inner();
    while let Some(message) = messages.message().await? {
        for line in message.lines.iter().chain((!message.head.is_empty()).then_some(&message.head)) {
            io.line(line)?;
        }
    }
    Ok(Exit::Done)
}

fn told(io: &mut Io, asked: &Asked, verified: &Verified) -> Result<Exit, Failure> {
    render::one(io, asked.format, verified, |verified| {
        let broken = verified.broken.as_ref();
        vec![
            ("chain", if broken.is_none() { "intact" } else { "BROKEN" }.to_owned()),
            ("lines", verified.lines.to_string()),
            ("last hash", verified.last_hash.clone()),
            (
                "broken",
                broken.map(|broken| format!("record {}: {}", broken.seq, broken.why)).unwrap_or_default(),
            ),
        ]
    })?;
    Ok(if verified.broken.is_none() { Exit::Done } else { Exit::TargetFailed })
}
