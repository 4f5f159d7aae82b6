//! One node's stream, from Hello to its end.
//!
//! ```text
//! Hello ──► the line is open (durable) ──► Welcome ──► deliveries, acknowledgements, heartbeats ──► closed (durable)
//! ```
//!
//! What the node says is handled in order, one thing after the other; every operation is durable before its
//! acknowledgement is sent. At most [`IN_FLIGHT`] deliveries are without an answer at any moment, and a node that does
//! not read its stream is not read from either: neither side can make the other's memory grow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::agent::accepted::Outcome;
use fleetwright_proto::agent::agent_message::Message as Said;
use fleetwright_proto::agent::controller_message::Message as Say;
use fleetwright_proto::agent::delivery::Work;
use fleetwright_proto::agent::{
    self, AgentMessage, CancelCommand, Certificate, ControllerMessage, Delivery, Goodbye, Heartbeat, Hello,
    OutputAck, ReportAck, RunDocument, Welcome, goodbye,
};
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{CommandId, NodeId};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Status, Streaming};

use super::associations::Offer;
use super::inventory::Pieces;
use super::parameters::Desk;
use super::words;
use crate::associations::report as applied;
use crate::commands::output;
use crate::commands::payload;
use crate::commands::report::{self, Answer};
use crate::error::{Kind, Refusal};
use crate::house::House;
use crate::mailbox::{self, Mail};
use crate::meters::StreamEnd;
use crate::nodes::presence::{self, Closing, Line};
use crate::nodes::{enrolment, operations};

/// Deliveries without an answer on one stream.
const IN_FLIGHT: usize = 16;
/// Messages that wait for the node to read them.
const QUEUE: usize = 8;
/// When something that the node refused is offered again.
const OFFER_AGAIN: Duration = Duration::from_secs(15);
/// A stream whose first message has not come by then is closed.
const HELLO_WITHIN: Duration = Duration::from_secs(20);

/// A box, because the channel keeps room for a block of messages and hardly ever holds one.
type Outbound = mpsc::Sender<Box<Result<ControllerMessage, Status>>>;

/// Starts a session; what it says comes out of the stream.
pub(super) fn open(
    house: Arc<House>,
    node: NodeId,
    inbound: Streaming<AgentMessage>,
) -> impl Stream<Item = Result<ControllerMessage, Status>> {
    let (outbound, stream) = mpsc::channel(QUEUE);
    tokio::spawn(run(house, node, inbound, outbound));
    ReceiverStream::new(stream).map(|message| *message)
}

async fn run(house: Arc<House>, node: NodeId, mut inbound: Streaming<AgentMessage>, outbound: Outbound) {
    let hello = match first(&house, &mut inbound).await {
        Ok(Some(hello)) => hello,
        Ok(None) => return,
        Err(refusal) => return end(&node, &outbound, &refusal).await,
    };
    let line = house.lines.open(&node, house.clock.now());
    house.meters.streams_opened.add(1);
    let associations = Offer::of(&hello);
    let mut session = Session {
        house: &house,
        line: &line,
        outbound: &outbound,
        mail: MailState::default(),
        pieces: Pieces::default(),
        associations,
        parameters: Desk::default(),
    };
    let result = session.run(hello, &mut inbound).await;
    let ended = match result {
        Ok(ended) => ended,
        Err(refusal) => {
            end(&node, &outbound, &refusal).await;
            StreamEnd::Refused
        }
    };
    drop(session);
    house.meters.streams_ended.add(ended);
    if let Err(error) = Box::pin(presence::close(&house, line)).await {
        tracing::warn!(%node, %error, "cannot note that a node's stream closed");
    }
}

async fn first(house: &House, inbound: &mut Streaming<AgentMessage>) -> Result<Option<Hello>, Refusal> {
    let message = tokio::select! {
        message = inbound.message() => message,
        () = house.clock.sleep(HELLO_WITHIN) => return Err(Refusal::invalid("no Hello came")),
    };
    match message {
        Ok(Some(AgentMessage { message: Some(Said::Hello(hello)) })) => Ok(Some(hello)),
        Ok(Some(_)) => Err(Refusal::invalid("the first message of a stream must be Hello")),
        Ok(None) | Err(_) => Ok(None),
    }
}

async fn end(node: &NodeId, outbound: &Outbound, refusal: &Refusal) {
    tracing::warn!(%node, error = %refusal, "a node's stream was ended");
    // Nobody listens when the node is gone.
    drop(outbound.send(Box::new(Err(refusal.clone().into()))).await);
}

/// What was delivered on this stream.
#[derive(Debug, Default)]
struct MailState {
    unanswered: BTreeMap<u64, Source>,
    /// What the node does not take now, until it is offered again.
    refused: BTreeSet<u64>,
    offer_again: Option<Timestamp>,
    /// The mailbox has entries for which there was no room.
    left_in_mailbox: bool,
}

/// Where a delivery comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// An entry of the mailbox.
    Mailbox(Mail),
    /// A command that was sent to this node among others.
    Wave(CommandId),
}

struct Session<'a> {
    house: &'a Arc<House>,
    line: &'a Line,
    outbound: &'a Outbound,
    mail: MailState,
    pieces: Pieces<'a>,
    associations: Offer,
    parameters: Desk,
}

impl<'a> Session<'a> {
    async fn run(
        &mut self,
        hello: Hello,
        inbound: &mut Streaming<AgentMessage>,
    ) -> Result<StreamEnd, Refusal> {
        let (house, line) = (self.house, self.line);
        Box::pin(presence::record_open(house, line)).await?;
        Box::pin(self.greet(hello)).await?;
        let closing = line.closing();
        tokio::pin!(closing);
        let silence_max = house.limits.heartbeat * 5 / 2;
        let mut quiet = house.clock.sleep(silence_max);
        Box::pin(self.bring()).await?;
        loop {
            let offer_again = self.mail.offer_again;
            tokio::select! {
                said = inbound.message() => match said {
                    Ok(Some(AgentMessage { message })) => {
                        line.heard(house.clock.now());
                        // A box, so that what a busy line needs is not kept for the many that rest.
                        Box::pin(self.hear(message)).await?;
                    }
                    Ok(None) | Err(_) => return Ok(StreamEnd::Gone),
                },
                () = line.mail() => Box::pin(self.bring()).await?,
                why = closing.as_mut() => return self.goodbye(why).await,
                () = sleep_until(house, offer_again) => {
                    self.mail.offer_again = None;
                    self.mail.refused.clear();
                    self.mail.left_in_mailbox = true;
                    house.lines.nudge_associations(line.node());
                    house.lines.nudge_parameters(line.node());
                    Box::pin(self.deliver()).await?;
                }
                () = quiet.as_mut() => {
                    let deadline = line.last_seen().plus(silence_max);
                    if deadline <= house.clock.now() {
                        return Ok(StreamEnd::Silent);
                    }
                    quiet = house.clock.sleep_until(deadline);
                }
            }
        }
    }

    async fn greet(&self, hello: Hello) -> Result<(), Refusal> {
        let (house, node) = (self.house, self.line.node());
        let named = hello.open_commands.iter().map(|text| words::command(text)).collect::<Result<_, _>>()?;
        if let Some(host) = hello.host {
            operations::note_facts(house, node, host.into()).await?;
        }
        report::reconnected(house, node, &named).await?;
        self.say(Say::Welcome(Welcome {
            now_ms: house.clock.now().millis(),
            heartbeat_ms: u32::try_from(house.limits.heartbeat.as_millis()).unwrap_or(u32::MAX),
            controller_version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
        .await
    }

    async fn hear(&mut self, message: Option<Said>) -> Result<(), Refusal> {
        let (house, node) = (self.house, self.line.node());
        match message {
            Some(Said::Accepted(accepted)) => {
                let answer = match accepted.outcome() {
                    Outcome::Journaled | Outcome::Duplicate => Answer::Taken,
                    Outcome::Refused => {
                        Answer::Refused { detail: accepted.detail.chars().take(500).collect() }
                    }
                    Outcome::Unspecified => return Err(Refusal::invalid("an answer without an outcome")),
                };
                self.answered(accepted.seq, answer).await
            }
            Some(Said::Output(output)) => {
                let (command_id, step, stream) = (output.command_id.clone(), output.step, output.stream);
                let piece = words::piece(node, output)?;
                house.meters.output_bytes.add(piece.data.len() as u64);
                let offset = output::keep(house, &piece).await?;
                self.say(Say::OutputAck(OutputAck { command_id, step, stream, offset })).await
            }
            Some(Said::Report(told)) if told.association.is_some() => self.applied(told).await,
            Some(Said::AssociationsKept(kept)) => {
                if !self.associations.answered(node, &kept) {
                    self.mail.offer_again.get_or_insert(house.clock.now().plus(OFFER_AGAIN));
                }
                Ok(())
            }
            Some(Said::Report(told)) => {
                let key = (words::command(&told.command_id)?, node.clone());
                let report = words::report(&told)?;
                let pieces: Vec<_> = told
                    .output
                    .into_iter()
                    .map(|output| words::piece(node, output))
                    .collect::<Result<_, _>>()?;
                if let Some(Source::Mailbox(_)) = self.mail.unanswered.get(&told.delivery_seq) {
                    report::answered(house, node, told.delivery_seq, Answer::Taken).await?;
                }
                report::reported(house, &key, report, &pieces).await?;
                self.settled(told.delivery_seq).await?;
                house.meters.reports.add(1);
                house.meters.output_bytes.add(pieces.iter().map(|piece| piece.data.len() as u64).sum());
                self.say(Say::ReportAck(ReportAck { command_id: told.command_id, seq: told.seq })).await
            }
            Some(Said::Inventory(piece)) => match self.pieces.hear(house, node, piece).await? {
                Some(ack) => self.say(Say::InventoryAck(ack)).await,
                None => Ok(()),
            },
            Some(Said::HoldParameters(said)) => {
                for part in self.parameters.hear(house, node, said).await? {
                    self.say(Say::ParameterStates(part)).await?;
                }
                self.look_again_if_behind();
                Ok(())
            }
            Some(Said::Renew(renew)) => {
                let certificate = enrolment::renew(house, node, &renew.certificate_request).await?;
                let authority = house.authority.certificate().to_vec().into();
                self.say(Say::Certificate(Certificate {
                    certificate: certificate.to_vec().into(),
                    authority,
                }))
                .await
            }
            Some(Said::Heartbeat(Heartbeat {})) => self.say(Say::Heartbeat(Heartbeat {})).await,
            Some(Said::Hello(_)) => Err(Refusal::invalid("a second Hello on the same stream")),
            // A newer agent may say what this controller does not know yet.
            None => Ok(()),
        }
    }

    /// A run of an association, which is acknowledged as a report of a command is.
    async fn applied(&self, told: agent::Report) -> Result<(), Refusal> {
        let (house, node) = (self.house, self.line.node());
        let run = words::command(&told.command_id)?;
        let report = words::report(&told)?;
        let about = words::association_run(told.association)?;
        let pieces: Vec<_> =
            told.output.into_iter().map(|output| words::piece(node, output)).collect::<Result<_, _>>()?;
        applied::reported(house, node, &run, &about, &report, &pieces).await?;
        house.meters.reports.add(1);
        house.meters.output_bytes.add(pieces.iter().map(|piece| piece.data.len() as u64).sum());
        self.say(Say::ReportAck(ReportAck { command_id: told.command_id, seq: told.seq })).await
    }

    async fn answered(&mut self, seq: u64, answer: Answer) -> Result<(), Refusal> {
        if matches!(answer, Answer::Refused { .. }) {
            let again = self.house.clock.now().plus(OFFER_AGAIN);
            self.mail.offer_again.get_or_insert(again);
            self.mail.refused.insert(seq);
        }
        let node = self.line.node();
        match self.mail.unanswered.get(&seq) {
            Some(Source::Wave(command)) => {
                report::taken(self.house, &(command.clone(), node.clone()), &answer).await?;
            }
            _ => report::answered(self.house, node, seq, answer).await?,
        }
        self.settled(seq).await
    }

    /// The node has answered this delivery; there may be room for another one.
    async fn settled(&mut self, seq: u64) -> Result<(), Refusal> {
        let was_full = self.mail.unanswered.len() >= IN_FLIGHT;
        let was_there = self.mail.unanswered.remove(&seq).is_some();
        if was_full && was_there { self.deliver().await } else { Ok(()) }
    }

    /// Sends everything that the node is to have and has not.
    async fn bring(&mut self) -> Result<(), Refusal> {
        self.deliver().await?;
        if self.line.look_at_associations() {
            for part in self.associations.parts(self.house, self.line.node()).await? {
                self.say(Say::Associations(part)).await?;
            }
        }
        if self.line.look_at_parameters() {
            for part in self.parameters.changes(self.house).await {
                self.say(Say::ParameterStates(part)).await?;
            }
            self.look_again_if_behind();
        }
        Ok(())
    }

    fn look_again_if_behind(&mut self) {
        if self.parameters.is_behind() {
            self.mail.offer_again.get_or_insert(self.house.clock.now().plus(OFFER_AGAIN));
        }
    }

    /// Sends what is there for the node and was not sent on this stream, as far as there is room.
    async fn deliver(&mut self) -> Result<(), Refusal> {
        loop {
            for (seq, source) in self.waiting().await? {
                if self.mail.unanswered.contains_key(&seq) || self.mail.refused.contains(&seq) {
                    continue;
                }
                if self.mail.unanswered.len() >= IN_FLIGHT {
                    self.mail.left_in_mailbox = true;
                    return Ok(());
                }
                let Some(work) = self.work(&source).await? else {
                    // Nothing to send; an entry of the mailbox must not be met again and again.
                    if matches!(source, Source::Mailbox(_)) {
                        self.mail.refused.insert(seq);
                    }
                    continue;
                };
                self.mail.unanswered.insert(seq, source);
                self.house.meters.deliveries.add(1);
                self.say(Say::Delivery(Delivery { seq, work: Some(work) })).await?;
            }
            if !self.mail.left_in_mailbox {
                return Ok(());
            }
        }
    }

    /// What is there for the node, oldest first; of the mailbox so much that there is always something new to send,
    /// and no more: it may be long.
    async fn waiting(&mut self) -> Result<Vec<(u64, Source)>, Refusal> {
        let node = self.line.node();
        let commands = self.house.lives.deliveries(node);
        let mut waiting: Vec<_> = commands.into_iter().map(|(seq, id)| (seq, Source::Wave(id))).collect();
        if self.line.look_into_mailbox() | std::mem::take(&mut self.mail.left_in_mailbox) {
            let most = self.mail.unanswered.len() + self.mail.refused.len() + IN_FLIGHT;
            let entries = mailbox::read(self.house, node, most).await?;
            self.mail.left_in_mailbox = entries.len() >= most;
            waiting.extend(entries.into_iter().map(|(seq, mail)| (seq, Source::Mailbox(mail))));
            waiting.sort_by_key(|(seq, _)| *seq);
        }
        Ok(waiting)
    }

    async fn work(&self, source: &Source) -> Result<Option<Work>, Refusal> {
        let command = match source {
            Source::Mailbox(Mail::Cancel(command)) => {
                return Ok(Some(Work::Cancel(CancelCommand { command_id: command.to_string() })));
            }
            Source::Mailbox(Mail::Run(command)) => command,
            Source::Wave(command)
                if !report::is_to_deliver(self.house, command, self.line.node()).await? =>
            {
                return Ok(None);
            }
            Source::Wave(command) => command,
        };
        let payload = match payload::load(self.house, command).await {
            Ok(Some(payload)) => payload,
            Ok(None) => return Ok(None),
            // Its text cannot be had, or is not what it was sent with: that is no reason to cut the node off.
            Err(refusal) if refusal.kind == Kind::Internal => {
                let key = (command.clone(), self.line.node().clone());
                report::undeliverable(self.house, &key, refusal.message).await?;
                return Ok(None);
            }
            Err(refusal) => return Err(refusal),
        };
        let within = self.house.clock.now().until(payload.record.deliver_by());
        Ok(Some(Work::Run(RunDocument {
            command_id: command.to_string(),
            document_name: payload.record.document.name.clone(),
            document_version: payload.record.document.version.clone(),
            content: payload.content.clone(),
            parameters: payload.parameters.clone(),
            start_within_ms: u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
        })))
    }

    async fn goodbye(&self, why: Closing) -> Result<StreamEnd, Refusal> {
        let (code, detail, ended) = match why {
            Closing::Replaced => {
                (goodbye::Code::Replaced, "a newer stream of this node is here", StreamEnd::Replaced)
            }
            Closing::Deregistered => (
                goodbye::Code::Deregistered,
                "this node was deregistered: enrol it again",
                StreamEnd::Deregistered,
            ),
            Closing::Stopping => (goodbye::Code::Restart, "the controller is stopping", StreamEnd::Stopping),
        };
        self.say(Say::Goodbye(Goodbye { code: code.into(), detail: detail.to_owned() })).await?;
        Ok(ended)
    }

    async fn say(&self, message: Say) -> Result<(), Refusal> {
        let message = ControllerMessage { message: Some(message) };
        if let Err(mpsc::error::TrySendError::Full(message)) = self.outbound.try_send(Box::new(Ok(message))) {
            let _blocked = self.house.meters.streams_blocked.enter();
            // A node that is gone is noticed by the inbound side.
            drop(self.outbound.send(message).await);
        }
        Ok(())
    }
}

async fn sleep_until(house: &House, moment: Option<Timestamp>) {
    match moment {
        Some(moment) => house.clock.sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
