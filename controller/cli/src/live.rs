//! A command while it runs: its output as it arrives, or its results as data, a summary, and the exit code.
//!
//! ```text
//! watch ──► follow ──┬── screen   output of nodes, line by line; progress and summary on stderr
//!                    └── results  nothing until a node has finished, then JSON
//! ```
//!
//! Leaving never ends the command: it runs on at the controller, and can be followed again from the beginning.

mod lines;
mod progress;
mod results;
mod screen;
mod summary;
mod watch;

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use fleetwright_proto::control::{Command, CommandStatus, Invocation, InvocationState};

pub(crate) use lines::{Lines, Stream};
pub(crate) use results::Report;
pub(crate) use summary::how_to_go_on;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::io::Io;
use crate::operator::Operator;
use crate::render::Format;
use results::Results;
use screen::Screen;
use watch::{Event, Watch};

/// How often progress is drawn anew; a command that is faster shows none.
const TICK: Duration = Duration::from_secs(1);

/// What is known of a command and its invocations. The latest word counts.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) command: Command,
    /// By node id.
    pub(crate) invocations: BTreeMap<String, Invocation>,
}

impl Known {
    fn targets(&self) -> usize {
        let counted = self.command.counts.as_ref().map_or(0, |counts| counts.targets as usize);
        counted.max(self.invocations.len())
    }

    /// The exit code that the invocations, or the command itself when it has none, amount to.
    fn exit(&self) -> Exit {
        match self.command.status() {
            CommandStatus::CommandSuccess => Exit::Done,
            CommandStatus::CommandTimedOut if self.invocations.is_empty() => Exit::TimedOut,
            _ if self.invocations.is_empty() => Exit::TargetFailed,
            _ => match Exit::of_targets(self.invocations.values().map(Invocation::state)) {
                // The command failed, and no invocation says why: believe the command.
                Exit::Done => Exit::TargetFailed,
                exit => exit,
            },
        }
    }
}

/// Follows a command until it has finished or the person leaves.
pub(crate) async fn follow(
    io: &mut Io,
    operator: Operator,
    command: Command,
    format: Format,
) -> Result<Exit, Failure> {
    let mut watch = Watch::new(operator, command.command_id.clone());
    let mut known = Known { command, invocations: BTreeMap::new() };
    let mut show = match format {
        Format::Table => Show::Screen(Screen::new(io)),
        Format::Json | Format::Jsonl => Show::Results(Results::new(format)),
    };
    let clock = io.clock.clone();
    let mut tick = clock.sleep(TICK);
    loop {
        let mut next = pin!(watch.next(&clock));
        let event = loop {
            tokio::select! {
                // In this order, because a node that prints without end has always an event ready.
                biased;
                () = &mut io.interrupt => break Err(Failure::Interrupted),
                () = &mut tick => {
                    show.tick(io, &known);
                    tick = clock.sleep(TICK);
                }
                event = &mut next => break event,
            }
        };
        match event {
            Ok(Some(event)) => show.event(io, &mut known, event)?,
            Ok(None) => break,
            Err(failure) => {
                show.leave(io)?;
                io.note(&how_to_go_on(&known.command.command_id));
                return Err(failure);
            }
        }
    }
    show.finish(io, &known)?;
    Ok(known.exit())
}

/// Waits for the end of a command without showing anything; none when it did not come in time. Gives the operator back.
pub(crate) async fn until_finished(
    io: &mut Io,
    operator: Operator,
    command: Command,
    timeout: Option<Duration>,
) -> Result<(Operator, Option<Exit>), Failure> {
    let mut watch = Watch::new(operator, command.command_id.clone()).without_output();
    let mut known = Known { command, invocations: BTreeMap::new() };
    let clock = io.clock.clone();
    let mut too_late = pin!(async {
        match timeout {
            Some(timeout) => clock.sleep(timeout).await,
            None => std::future::pending().await,
        }
    });
    loop {
        let event = tokio::select! {
            biased;
            () = &mut io.interrupt => return Err(Failure::Interrupted),
            () = &mut too_late => return Ok((watch.into_operator(), None)),
            event = watch.next(&clock) => event?,
        };
        match event {
            Some(Event::Command(command)) => known.command = command,
            Some(Event::Invocation(invocation)) => {
                known.invocations.insert(invocation.node_id.clone(), invocation);
            }
            Some(Event::Output(_)) => {}
            Some(Event::Lost(problem)) => io.note(&problem),
            None => return Ok((watch.into_operator(), Some(known.exit()))),
        }
    }
}

/// One of the two ways to show a command.
#[derive(Debug)]
enum Show {
    Screen(Screen),
    Results(Results),
}

impl Show {
    fn event(&mut self, io: &mut Io, known: &mut Known, event: Event) -> Result<(), Failure> {
        match event {
            Event::Command(command) => known.command = command,
            Event::Invocation(invocation) => {
                known.invocations.insert(invocation.node_id.clone(), invocation.clone());
                match self {
                    Self::Screen(screen) => screen.invocation(io, known, &invocation)?,
                    Self::Results(results) => results.invocation(io, invocation)?,
                }
            }
            Event::Output(chunk) => match self {
                Self::Screen(screen) => screen.output(io, known, &chunk)?,
                Self::Results(results) => results.output(io, known, &chunk)?,
            },
            Event::Lost(why) => {
                if let Self::Screen(screen) = self {
                    screen.clear(io);
                }
                io.note(&format!("{why}; trying again, the command goes on"));
            }
        }
        Ok(())
    }

    fn tick(&mut self, io: &mut Io, known: &Known) {
        if let Self::Screen(screen) = self {
            screen.tick(io, known);
        }
    }

    fn leave(&mut self, io: &mut Io) -> Result<(), Failure> {
        match self {
            Self::Screen(screen) => screen.flush(io),
            Self::Results(_) => Ok(()),
        }
    }

    fn finish(self, io: &mut Io, known: &Known) -> Result<(), Failure> {
        match self {
            Self::Screen(mut screen) => screen.flush(io)?,
            Self::Results(results) => results.finish(io, known)?,
        }
        summary::lines(known).iter().for_each(|line| io.note(line));
        Ok(())
    }
}

pub(crate) fn is_final(state: InvocationState) -> bool {
    use InvocationState::{Cancelled, Failed, Success, TimedOut};
    matches!(state, Success | Failed | TimedOut | Cancelled)
}
