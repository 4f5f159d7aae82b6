//! A command as data: one JSON document at the end, or one line for each node as soon as everything of it is known,
//! and one for the command last.

use std::collections::{BTreeMap, BTreeSet};

use fleetwright_proto::control::{self, OutputChunk};
use serde::Serialize;

use super::{Known, Stream, is_final};
use crate::data::command::Command;
use crate::data::invocation::Invocation;
use crate::data::output::Printed;
use crate::failure::Failure;
use crate::io::Io;
use crate::render::{self, Format};

#[derive(Debug)]
pub(super) struct Results {
    format: Format,
    /// By node id, until it is told.
    printed: BTreeMap<String, Printed>,
    told: BTreeSet<String>,
}

/// A line of `-o jsonl`.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    Invocation(Box<Invocation>),
    Command(Box<Command>),
}

/// The document of `-o json`, and of `command show`.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) command: Command,
    pub(crate) invocations: Vec<Invocation>,
}

impl Results {
    pub(super) fn new(format: Format) -> Self {
        Self { format, printed: BTreeMap::new(), told: BTreeSet::new() }
    }

    pub(super) fn invocation(&mut self, io: &mut Io, invocation: control::Invocation) -> Result<(), Failure> {
        if self.format == Format::Jsonl && self.is_complete(&invocation) {
            self.tell(io, invocation)?;
        }
        Ok(())
    }

    pub(super) fn output(&mut self, io: &mut Io, known: &Known, chunk: &OutputChunk) -> Result<(), Failure> {
        let printed = self.printed.entry(chunk.node_id.clone()).or_default();
        printed.of(Stream::of_chunk(chunk)).extend_from_slice(&chunk.data);
        match known.invocations.get(&chunk.node_id) {
            Some(invocation) => self.invocation(io, invocation.clone()),
            None => Ok(()),
        }
    }

    pub(super) fn finish(mut self, io: &mut Io, known: &Known) -> Result<(), Failure> {
        let command = Command::from(known.command.clone());
        if self.format == Format::Jsonl {
            for invocation in known.invocations.values() {
                self.tell(io, invocation.clone())?;
            }
            return Ok(render::json_line(io, &Line::Command(Box::new(command)))?);
        }
        let invocations =
            known.invocations.values().map(|invocation| self.with_output(invocation.clone())).collect();
        Ok(render::json(io, &Report { command, invocations })?)
    }

    fn tell(&mut self, io: &mut Io, invocation: control::Invocation) -> Result<(), Failure> {
        if self.told.insert(invocation.node_id.clone()) {
            let line = Line::Invocation(Box::new(self.with_output(invocation)));
            render::json_line(io, &line)?;
        }
        Ok(())
    }

    fn with_output(&mut self, invocation: control::Invocation) -> Invocation {
        let printed = self.printed.remove(&invocation.node_id).unwrap_or_default();
        Invocation { output: Some(printed.into()), ..invocation.into() }
    }

    /// Whether the node has finished and all that it printed has arrived. Where something was dropped on the way,
    /// only the end of everything is certain.
    fn is_complete(&self, invocation: &control::Invocation) -> bool {
        let sum = |count: fn(&control::Step) -> u64| invocation.steps.iter().map(count).sum::<u64>();
        let dropped = sum(|step| step.stdout_dropped_bytes + step.stderr_dropped_bytes);
        let (stdout, stderr) = self.printed.get(&invocation.node_id).map_or((0, 0), Printed::lengths);
        is_final(invocation.state())
            && dropped == 0
            && stdout >= sum(|step| step.stdout_bytes)
            && stderr >= sum(|step| step.stderr_bytes)
    }
}
