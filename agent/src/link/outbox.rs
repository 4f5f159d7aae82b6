//! What to send next on one connection. Answers before reports, reports before output.
//!
//! ```text
//! deliveries answered ──► answers ─┐
//! ledger: open commands ──► reports ├──► next() ──► the connection
//! spool: unsent output ──► chunks ──┘      at most WINDOW chunks wait for their acknowledgement
//! ```
//!
//! What a command says in its first moments is held back (see [`Held`]): its answer, its progress and a little output.
//! A final report is sent when the controller has all output of its command, or when the rest is so small that it
//! rides along and becomes durable with it. Chunks are positions and not bytes until the moment they are sent.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use fleetwright_proto::OUTPUT_CHUNK_MAX_BYTES;
use fleetwright_proto::agent::accepted::Outcome;
use fleetwright_proto::agent::{self, Accepted, Output, Report, agent_message};
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::CommandId;
use tokio::time::Instant;

use super::Link;
use super::held::Held;
use crate::executor::wire::{self, ClockOffset};
use crate::journal::Command;
use crate::spool::{Spool, StreamId, Unsent};

/// Chunks that may wait for their acknowledgement.
const WINDOW: usize = 4;

/// Output that rides in the final report, all streams together; less than this.
const RIDES_ALONG_BYTES: u64 = 16 * 1024;

/// While a chunk of a stream is under way, less than this is not worth another one.
const WORTH_A_CHUNK_BYTES: u64 = 32 * 1024;

/// A run of an association that takes longer than this is told of before it is over.
const WORTH_TELLING: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Outbox {
    ready: VecDeque<agent_message::Message>,
    held: Held,
    held_looked_at: Instant,
    /// The latest report of each command on this connection: its number and when it was sent.
    reported: HashMap<CommandId, (u64, Timestamp)>,
    in_flight: Vec<Chunk>,
    reports: Look,
    output: Look,
    offset: ClockOffset,
}

/// A piece of a stream that was sent and not acknowledged.
#[derive(Debug)]
struct Chunk {
    piece: Unsent,
    sent: Timestamp,
}

/// Whether a source must be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Again,
    NothingThere,
}

impl Outbox {
    pub(super) fn new(offset: ClockOffset) -> Self {
        Self {
            ready: VecDeque::new(),
            held: Held::default(),
            held_looked_at: Instant::now(),
            reported: HashMap::new(),
            in_flight: Vec::new(),
            reports: Look::Again,
            output: Look::Again,
            offset,
        }
    }

    pub(super) fn push(&mut self, message: agent_message::Message) {
        self.ready.push_back(message);
    }

    /// The delivery of a command is in the journal.
    pub(super) fn journaled(&mut self, command: CommandId, seq: u64) {
        self.held.hold(command, seq, Instant::now());
        self.ledger_changed();
    }

    /// When [`Outbox::release_held`] is to be called next.
    pub(super) fn held_until(&self) -> Option<Instant> {
        self.held.next_due(self.held_looked_at)
    }

    pub(super) fn release_held(&mut self) {
        self.held_looked_at = Instant::now();
        self.ready.extend(self.held.release_due(self.held_looked_at).into_iter().map(accepted));
        self.ledger_changed();
    }

    pub(super) fn ledger_changed(&mut self) {
        self.reports = Look::Again;
        // A finished command's small rest waits for its report; a larger one is sent now.
        self.output = Look::Again;
    }

    pub(super) fn spool_changed(&mut self) {
        self.output = Look::Again;
    }

    pub(super) fn output_acknowledged(&mut self, stream: &StreamId, offset: u64) {
        for chunk in self.in_flight.iter_mut().filter(|chunk| chunk.piece.stream == *stream) {
            chunk.piece.from = chunk.piece.from.max(offset);
        }
        self.in_flight.retain(|chunk| chunk.piece.from < chunk.piece.to);
        self.ledger_changed();
    }

    /// The command's final report is acknowledged, and with it everything that rode along.
    pub(super) fn forget(&mut self, command: &CommandId) {
        self.reported.remove(command);
        self.in_flight.retain(|chunk| chunk.piece.stream.command != *command);
        self.output = Look::Again;
    }

    /// What was sent more than `patience` ago and got no answer is sent again.
    pub(super) fn repeat_unacknowledged(&mut self, now: Timestamp, patience: Duration, link: &Link) {
        let late = |sent: Timestamp| sent.until(now) >= patience;
        if self.in_flight.iter().any(|chunk| late(chunk.sent)) {
            self.in_flight.clear();
            link.spool.set_link(crate::spool::LinkState::Up);
            self.output = Look::Again;
        }
        // What is told only when it takes its time may have taken it by now.
        self.reports = Look::Again;
        let finished = |id: &CommandId| {
            link.ledger.read(|state| state.command(id).is_some_and(|command| command.finished.is_some()))
        };
        self.reported.retain(|id, (_, sent)| !(late(*sent) && finished(id)));
    }

    /// False only when [`Outbox::next`] would have nothing.
    pub(super) fn may_have_something(&self) -> bool {
        !self.ready.is_empty()
            || self.reports == Look::Again
            || (self.output == Look::Again && self.in_flight.len() < WINDOW)
    }

    /// The next message, which counts as sent.
    pub(super) fn next(&mut self, link: &Link) -> Option<agent_message::Message> {
        if let Some(message) = self.ready.pop_front() {
            return Some(message);
        }
        if self.reports == Look::Again {
            match self.next_report(link) {
                Some(report) => return Some(agent_message::Message::Report(report)),
                None => self.reports = Look::NothingThere,
            }
        }
        if self.output == Look::Again && self.in_flight.len() < WINDOW {
            match self.next_output(link) {
                Some(message) => return Some(message),
                None => self.output = Look::NothingThere,
            }
        }
        None
    }

    fn next_report(&mut self, link: &Link) -> Option<Report> {
        let unsent = link.spool.unsent();
        if let Some((id, report)) = self.first_word(&unsent, link) {
            self.reported.insert(id, (report.seq, link.clock.now()));
            self.output = Look::Again;
            return Some(report);
        }
        let (id, mut report, pieces) = link.ledger.read(|state| {
            state.open_commands().into_iter().find_map(|(id, command)| {
                let pieces = self.pieces_to_report(id, command, &unsent, link)?;
                Some((id.clone(), wire::report(id, command, self.offset), pieces))
            })
        })?;
        for piece in &pieces {
            if !append_output(&mut report.output, &link.spool, piece) {
                // The spool lost it, so there is nothing to wait for either.
                break;
            }
        }
        report.delivery_seq = self.held.release(&id).unwrap_or(0);
        self.reported.insert(id, (report.seq, link.clock.now()));
        Some(report)
    }

    /// A run of an association that has more to say than rides in its final report, and of which the controller does
    /// not know yet that it exists.
    fn first_word(&self, unsent: &[Unsent], link: &Link) -> Option<(CommandId, Report)> {
        link.ledger.read(|state| {
            let mut unsaid = state.open_commands().into_iter().filter(|(id, command)| {
                command.run.is_some()
                    && !self.reported.contains_key(*id)
                    && unsent.iter().any(|piece| piece.stream.command == **id)
                    && self.rides_along(id, unsent).is_none()
            });
            let (id, command) = unsaid.next()?;
            Some((id.clone(), wire::first_word(id, command, self.offset)))
        })
    }

    /// The output that rides in the report that is due; none when no report is due.
    fn pieces_to_report(
        &self,
        id: &CommandId,
        command: &Command,
        unsent: &[Unsent],
        link: &Link,
    ) -> Option<Vec<Unsent>> {
        if self.reported.get(id).is_some_and(|(seq, _)| *seq >= command.report_seq) {
            return None;
        }
        if command.finished.is_none() {
            if let Some(run) = &command.run {
                // Most are over in a moment, and then their end is all that is told.
                let takes_its_time = run.started.plus(WORTH_TELLING) <= link.clock.now();
                return takes_its_time.then(Vec::new);
            }
            // That it waits is worth telling; that it is about to begin is told by its first step.
            let worth_telling =
                !self.held.holds(id) && (!command.steps.is_empty() || link.executor.is_waiting(id));
            return worth_telling.then(Vec::new);
        }
        self.rides_along(id, unsent)
    }

    /// Everything of the command that is not acknowledged, if it is small enough to ride in a report.
    fn rides_along(&self, id: &CommandId, unsent: &[Unsent]) -> Option<Vec<Unsent>> {
        let in_flight = self.in_flight.iter().map(|chunk| &chunk.piece);
        let pieces: Vec<Unsent> =
            in_flight.chain(unsent).filter(|piece| piece.stream.command == *id).cloned().collect();
        let bytes: u64 = pieces.iter().map(|piece| piece.to.saturating_sub(piece.from)).sum();
        (bytes < RIDES_ALONG_BYTES).then_some(pieces)
    }

    /// A piece of output, or the answer that must be there before it.
    fn next_output(&mut self, link: &Link) -> Option<agent_message::Message> {
        let (unsent, now) = (link.spool.unsent(), Instant::now());
        for piece in &unsent {
            let id = &piece.stream.command;
            let under_way = self.in_flight.iter().any(|chunk| chunk.piece.stream == piece.stream);
            let finished =
                link.ledger.read(|state| state.command(id).is_some_and(|command| command.finished.is_some()));
            let is_small = piece.to - piece.from < WORTH_A_CHUNK_BYTES;
            let unheard =
                link.ledger.read(|state| state.command(id).is_some_and(|command| command.run.is_some()))
                    && !self.reported.contains_key(id);
            let waits = if unheard {
                // The controller keeps nothing of what it does not know.
                true
            } else if finished {
                self.rides_along(id, &unsent).is_some()
            } else {
                is_small && (under_way || self.held.holds_output(id, now))
            };
            if waits {
                continue;
            }
            if let Some(seq) = self.held.release(id) {
                self.reports = Look::Again;
                return Some(accepted(seq));
            }
            let Some(data) = read(&link.spool, piece) else { continue };
            let to = piece.from + data.len() as u64;
            link.spool.mark_sent(&piece.stream, to);
            let output = output(piece, data);
            let sent = Unsent { stream: piece.stream.clone(), from: piece.from, to };
            self.in_flight.push(Chunk { piece: sent, sent: link.clock.now() });
            return Some(agent_message::Message::Output(output));
        }
        None
    }
}

fn accepted(seq: u64) -> agent_message::Message {
    let outcome = Outcome::Journaled.into();
    agent_message::Message::Accepted(Accepted { seq, outcome, detail: String::new() })
}

/// Appends the whole piece, which the spool may hold in several parts. False when the spool does not have it.
fn append_output(outputs: &mut Vec<Output>, spool: &Spool, piece: &Unsent) -> bool {
    let mut rest = piece.clone();
    while rest.from < rest.to {
        let Some(data) = read(spool, &rest) else { return false };
        let length = data.len() as u64;
        outputs.push(output(&rest, data));
        rest.from += length;
    }
    true
}

fn read(spool: &Spool, piece: &Unsent) -> Option<Vec<u8>> {
    let most = usize::try_from(piece.to - piece.from).unwrap_or(usize::MAX).min(OUTPUT_CHUNK_MAX_BYTES);
    match spool.read_at(&piece.stream, piece.from, most) {
        Ok(data) => Some(data),
        Err(error) => {
            tracing::error!("output is not sent: {}", crate::explain::explain(&error));
            // Read as sent, so that one lost piece does not hold up what follows.
            spool.mark_sent(&piece.stream, piece.to);
            None
        }
    }
}

fn output(piece: &Unsent, data: Vec<u8>) -> Output {
    Output {
        command_id: piece.stream.command.to_string(),
        step: piece.stream.step,
        stream: agent::Stream::from(piece.stream.stream).into(),
        offset: piece.from,
        data: data.into(),
    }
}
