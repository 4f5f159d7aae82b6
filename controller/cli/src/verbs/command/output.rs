//! `fleetwright command output`: what was kept of the output, or the output as it arrives.

use std::io::Write;

use clap::{Args, ValueEnum};
use fleetwright_proto::control::{GetOutputRequest, Invocation, OutputSelection};
use fleetwright_proto::ids::CommandId;

use crate::arguments::ArgumentError;
use crate::data::output::{InvocationOutput, Printed};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::live::{self, Lines, Stream};
use crate::operator::Operator;
use crate::render::{self, Format};
use crate::verbs::Asked;

#[derive(Debug, Clone, Args)]
pub struct OutputArgs {
    /// Command whose output to print
    command: CommandId,
    /// Only of this node, by id or name
    #[arg(value_name = "NODE", conflicts_with = "follow")]
    node: Option<String>,
    /// Only of this step of the document
    #[arg(long, value_name = "NAME", conflicts_with = "follow")]
    step: Option<String>,
    /// Only what was written there
    #[arg(long, value_enum, conflicts_with = "follow")]
    stream: Option<StreamFilter>,
    /// Print from the beginning, and go on until the command has finished
    #[arg(short, long)]
    follow: bool,
}

/// One of the two streams, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum StreamFilter {
    Stdout,
    Stderr,
}

pub(super) async fn run(
    io: &mut Io,
    asked: &Asked,
    operator: Operator,
    args: OutputArgs,
) -> Result<Exit, Failure> {
    let command_id = args.command.as_str();
    if args.follow {
        let command = operator.command(command_id).await?;
        return live::follow(io, operator, command, asked.format).await;
    }
    let node_id = match &args.node {
        Some(node) => Some(operator.node_id(node).await?),
        None => None,
    };
    let invocations = match &node_id {
        Some(node_id) => vec![Invocation { node_id: node_id.clone(), ..Invocation::default() }],
        None => operator.invocations(command_id).await?,
    };
    let mut sink = Sink::new(asked.format, command_id, &invocations)?;
    for invocation in &invocations {
        let request = GetOutputRequest {
            command_id: command_id.into(),
            node_id: invocation.node_id.clone(),
            step: args.step.clone().unwrap_or_default(),
            selection: selection(args.stream).into(),
        };
        let mut chunks = operator.commands().get_output(request).await?.into_inner();
        while let Some(answer) = chunks.message().await? {
            if let Some(chunk) = answer.chunk {
                sink.chunk(io, &invocation.node_id, Stream::of_chunk(&chunk), &chunk.data)?;
            }
        }
        sink.end_of_node(io, &invocation.node_id)?;
    }
    Ok(Exit::Done)
}

fn selection(stream: Option<StreamFilter>) -> OutputSelection {
    match stream {
        None => OutputSelection::Both,
        Some(StreamFilter::Stdout) => OutputSelection::StdoutOnly,
        Some(StreamFilter::Stderr) => OutputSelection::StderrOnly,
    }
}

/// Where the output of the nodes goes, one node after the other.
#[derive(Debug)]
enum Sink {
    /// One node: its bytes.
    Bytes,
    /// Several nodes: lines behind names.
    Lines(Lines),
    Data {
        format: Format,
        command_id: String,
        printed: Printed,
    },
}

impl Sink {
    fn new(format: Format, command_id: &str, invocations: &[Invocation]) -> Result<Self, Failure> {
        match format {
            Format::Json if invocations.len() > 1 => {
                let many = ArgumentError::ManyNodes { command: command_id.into(), nodes: invocations.len() };
                Err(many.into())
            }
            Format::Json | Format::Jsonl => {
                Ok(Self::Data { format, command_id: command_id.into(), printed: Printed::default() })
            }
            Format::Table if invocations.len() > 1 => {
                let mut lines = Lines::plain();
                invocations
                    .iter()
                    .for_each(|invocation| lines.know(&invocation.node_id, &invocation.node_name));
                Ok(Self::Lines(lines))
            }
            Format::Table => Ok(Self::Bytes),
        }
    }

    fn chunk(&mut self, io: &mut Io, node_id: &str, stream: Stream, data: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Bytes => write(io, stream, data),
            Self::Lines(lines) => write(io, stream, &lines.push(node_id, stream, data)),
            Self::Data { printed, .. } => {
                printed.of(stream).extend_from_slice(data);
                Ok(())
            }
        }
    }

    fn end_of_node(&mut self, io: &mut Io, node_id: &str) -> Result<(), Failure> {
        match self {
            Self::Bytes => Ok(()),
            Self::Lines(lines) => {
                lines.finish(node_id).into_iter().try_for_each(|(stream, line)| write(io, stream, &line))
            }
            Self::Data { format, command_id, printed } => {
                let output = InvocationOutput {
                    command_id: command_id.clone(),
                    node_id: node_id.into(),
                    output: std::mem::take(printed).into(),
                };
                Ok(render::one(io, *format, &output, |_| Vec::new())?)
            }
        }
    }
}

fn write(io: &mut Io, stream: Stream, data: &[u8]) -> Result<(), Failure> {
    let writer: &mut dyn Write = match stream {
        Stream::Stdout => &mut io.stdout,
        Stream::Stderr => &mut io.stderr,
    };
    writer.write_all(data)?;
    Ok(writer.flush()?)
}
