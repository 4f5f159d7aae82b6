//! One connection, from Hello to its end.
//!
//! One loop does everything: it hears what comes, learns of what changed, and sends what the outbox has, one message
//! at a time and only when the connection takes it. At rest it wakes once in a heartbeat.

use std::time::Duration;

use fleetwright_proto::agent::accepted::Outcome;
use fleetwright_proto::agent::goodbye::Code;
use fleetwright_proto::agent::{
    Accepted, AgentMessage, Associations, AssociationsKept, Certificate, ControllerMessage, Delivery,
    Goodbye, Heartbeat, Hello, Renew, ReportAck, Welcome, agent_message, controller_message, delivery,
};
use fleetwright_proto::clock::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Streaming;

use super::channel::Client;
use super::outbox::Outbox;
use super::{Link, LinkProblem};
use crate::executor::wire::{self, ClockOffset};
use crate::explain::explain;
use crate::identity::{Identity, IdentityFilesError, Validity};
use crate::inventory::{self, Extent, instance_information};
use crate::journal::Durability;
use crate::schedule::{self, Gathering};
use crate::spool::LinkState;

/// Messages between the outbox and the connection. Few, because each may be a chunk of output.
const SENDING: usize = 1;

/// From the call to the controller's welcome.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(30);

/// For a controller that names no heartbeat, and for one that names an absurdly short one.
const USUAL_HEARTBEAT: Duration = Duration::from_secs(30);
const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(50);

/// Returns why it ended and when it had begun, if the controller ever said welcome.
pub(super) async fn run(
    link: &Link,
    client: Client,
    identity: &Identity,
) -> (LinkProblem, Option<Timestamp>) {
    let greeted = tokio::time::timeout(WELCOME_TIMEOUT, greet(link, client)).await;
    let (inbound, outbound, welcome) = match greeted {
        Ok(Ok(greeted)) => greeted,
        Ok(Err(problem)) => return (problem, None),
        Err(_) => return (LinkProblem::Silent { seconds: WELCOME_TIMEOUT.as_secs() }, None),
    };
    let now = link.clock.now();
    tracing::info!("connected to {} as {}", identity.controller, identity.node_id);
    link.board.connected(now);
    link.spool.set_link(LinkState::Up);
    let problem = Session::new(link, &welcome, now).run(inbound, &outbound).await;
    (problem, Some(now))
}

type Greeted = (Streaming<ControllerMessage>, mpsc::Sender<AgentMessage>, Welcome);

async fn greet(link: &Link, mut client: Client) -> Result<Greeted, LinkProblem> {
    let (outbound, mut queue) = mpsc::channel(SENDING);
    let hello = agent_message::Message::Hello(hello(link));
    outbound.try_send(AgentMessage { message: Some(hello) }).expect("the queue is empty and open");
    let requests = futures::stream::poll_fn(move |context| queue.poll_recv(context));
    let mut inbound = client.connect(requests).await.map_err(LinkProblem::of_status)?.into_inner();
    match next(&mut inbound).await? {
        controller_message::Message::Welcome(welcome) => Ok((inbound, outbound, welcome)),
        controller_message::Message::Goodbye(goodbye) => Err(farewell(&goodbye)),
        _ => Err(LinkProblem::NoWelcome),
    }
}

fn hello(link: &Link) -> Hello {
    let (open_commands, associations_revision) = link.ledger.read(|state| {
        // What this host applies by itself was never delivered, so nobody misses it.
        let delivered = state.open_commands().into_iter().filter(|(_, command)| command.run.is_none());
        let revision = state.associations().revision().to_owned();
        (delivered.map(|(id, _)| id.to_string()).collect(), revision)
    });
    let host = Some(inventory::facts(&*link.platform));
    Hello { host, boot_id: link.boot_id.clone(), open_commands, associations_revision }
}

fn heartbeat(welcome: &Welcome) -> Duration {
    match welcome.heartbeat_ms {
        0 => USUAL_HEARTBEAT,
        millis => Duration::from_millis(millis.into()).max(SHORTEST_HEARTBEAT),
    }
}

async fn next(
    inbound: &mut Streaming<ControllerMessage>,
) -> Result<controller_message::Message, LinkProblem> {
    let message = inbound.message().await.map_err(LinkProblem::of_status)?;
    message.ok_or(LinkProblem::Closed)?.message.ok_or(LinkProblem::Unintelligible)
}

fn farewell(goodbye: &Goodbye) -> LinkProblem {
    let detail = if goodbye.detail.is_empty() { String::new() } else { format!(" ({})", goodbye.detail) };
    match goodbye.code() {
        Code::Restart => LinkProblem::Restarting,
        Code::Replaced => LinkProblem::Replaced { detail },
        Code::Deregistered => LinkProblem::Deregistered { detail },
        Code::Unspecified => LinkProblem::Goodbye { detail },
    }
}

/// Never, when there is no moment.
async fn until(moment: Option<Instant>) {
    match moment {
        // The moment is all that is waited for.
        Some(moment) => drop(tokio::time::timeout_at(moment, std::future::pending::<()>()).await),
        None => std::future::pending().await,
    }
}

struct Session<'a> {
    link: &'a Link,
    outbox: Outbox,
    heartbeat: Duration,
    last_sent: Timestamp,
    last_heard: Timestamp,
    offset: ClockOffset,
    /// When half of the certificate's life is over; none once a renewal was asked for on this connection.
    renew_at: Option<Timestamp>,
    associations: Gathering,
}

impl<'a> Session<'a> {
    fn new(link: &'a Link, welcome: &Welcome, now: Timestamp) -> Self {
        let offset = ClockOffset::between(now, Timestamp::from_millis(welcome.now_ms));
        tracing::debug!("controller version {}, clock {offset:?}", welcome.controller_version);
        link.inventory.connected(offset);
        let who = instance_information(&inventory::facts(&*link.platform), link.identity().node_id.as_str());
        link.inventory.take(vec![who], Extent::These, now);
        let mut outbox = Outbox::new(offset);
        for held in link.parameters.connected() {
            outbox.push(agent_message::Message::HoldParameters(held));
        }
        Self {
            link,
            outbox,
            heartbeat: heartbeat(welcome),
            last_sent: now,
            last_heard: now,
            offset,
            renew_at: Some(link.identity().validity().map_or(now, Validity::half_life)),
            associations: Gathering::default(),
        }
    }

    async fn run(
        mut self,
        mut inbound: Streaming<ControllerMessage>,
        outbound: &mpsc::Sender<AgentMessage>,
    ) -> LinkProblem {
        let link = self.link;
        self.renew_when_due();
        let mut alarm = link.clock.sleep_until(self.next_alarm());
        loop {
            let wants_to_send = self.outbox.may_have_something();
            tokio::select! {
                biased;
                message = next(&mut inbound) => {
                    self.last_heard = link.clock.now();
                    link.parameters.heard();
                    let handled = match message {
                        Ok(message) => self.handle(message).await,
                        Err(problem) => Err(problem),
                    };
                    if let Err(problem) = handled {
                        return problem;
                    }
                }
                permit = outbound.reserve(), if wants_to_send => {
                    let Ok(permit) = permit else { return LinkProblem::Closed };
                    if let Some(message) = self.outbox.next(link) {
                        permit.send(AgentMessage { message: Some(message) });
                        self.last_sent = link.clock.now();
                    }
                }
                () = link.ledger.changed() => self.outbox.ledger_changed(),
                () = link.spool.changed() => self.outbox.spool_changed(),
                () = link.inventory.changed() => {
                    for piece in link.inventory.to_send() {
                        self.outbox.push(agent_message::Message::Inventory(piece));
                    }
                }
                () = link.parameters.changed() => {
                    for part in link.parameters.to_send() {
                        self.outbox.push(agent_message::Message::HoldParameters(part));
                    }
                }
                () = until(self.outbox.held_until()) => self.outbox.release_held(),
                () = &mut alarm => {
                    if let Err(problem) = self.alarm() {
                        return problem;
                    }
                    alarm = link.clock.sleep_until(self.next_alarm());
                }
            }
        }
    }

    async fn handle(&mut self, message: controller_message::Message) -> Result<(), LinkProblem> {
        use controller_message::Message;
        match message {
            Message::Delivery(Delivery { seq, work }) => {
                let command = match &work {
                    Some(delivery::Work::Run(run)) => run.command_id.parse().ok(),
                    Some(delivery::Work::Cancel(_)) | None => None,
                };
                let answer = self.link.executor.accept(work).await;
                match (command, answer.outcome) {
                    (Some(command), Outcome::Journaled) => self.outbox.journaled(command, seq),
                    (_, outcome) => {
                        let (outcome, detail) = (outcome.into(), answer.detail);
                        self.outbox.push(agent_message::Message::Accepted(Accepted { seq, outcome, detail }));
                        self.outbox.ledger_changed();
                    }
                }
            }
            Message::OutputAck(ack) => {
                if let Some(stream) = wire::stream_id(&ack) {
                    self.link.spool.acknowledge(&stream, ack.offset);
                    self.outbox.output_acknowledged(&stream, ack.offset);
                }
            }
            Message::ReportAck(ack) => self.report_acknowledged(&ack).await,
            Message::InventoryAck(ack) => self.link.inventory.answered(ack),
            Message::Certificate(certificate) => self.renewed(certificate).await,
            Message::Associations(part) => self.associations(part).await,
            Message::ParameterStates(states) => self.link.parameters.told(states),
            Message::Goodbye(goodbye) => return Err(farewell(&goodbye)),
            // Hearing it was all.
            Message::Heartbeat(_) | Message::Welcome(_) => {}
        }
        Ok(())
    }

    /// Only the final report is waited for; the command is over for both sides then.
    async fn report_acknowledged(&mut self, ack: &ReportAck) {
        let Ok(command) = ack.command_id.parse() else { return };
        let now = self.link.clock.now();
        let tombstone = self.link.ledger.read(|state| {
            let is_latest = state.command(&command).is_some_and(|command| command.report_seq == ack.seq);
            if is_latest { state.acknowledgement(&command, now) } else { None }
        });
        let Some(tombstone) = tombstone else { return };
        if let Err(error) = self.link.ledger.record(vec![tombstone], Durability::Lazy).await {
            // It is reported again after the next connection, and acknowledged again.
            tracing::warn!("command {command}: the end was not journaled: {}", explain(&error));
            return;
        }
        self.link.executor.forget(&command);
        self.outbox.forget(&command);
    }

    /// A set is answered when all of it is on the disk.
    async fn associations(&mut self, part: Associations) {
        let link = self.link;
        let revision = part.revision.clone();
        let problem = match self.associations.add(part, link.clock.now()) {
            Ok(None) => return,
            Ok(Some(set)) => schedule::keep(&link.ledger, set).await.err(),
            Err(problem) => Some(problem),
        };
        match &problem {
            None => link.executor.wake_associations(),
            Some(problem) => tracing::warn!("the associations of this node are not kept: {problem}"),
        }
        let problem = problem.unwrap_or_default();
        self.outbox.push(agent_message::Message::AssociationsKept(AssociationsKept { revision, problem }));
        self.outbox.ledger_changed();
    }

    fn alarm(&mut self) -> Result<(), LinkProblem> {
        let now = self.link.clock.now();
        let silence = self.last_heard.until(now);
        if silence >= self.patience() {
            return Err(LinkProblem::Silent { seconds: silence.as_secs() });
        }
        if self.last_sent.until(now) >= self.heartbeat {
            self.outbox.push(agent_message::Message::Heartbeat(Heartbeat {}));
            // Counts as sent, so that the alarm does not ring again while the connection is busy.
            self.last_sent = now;
        }
        self.outbox.repeat_unacknowledged(now, self.heartbeat, self.link);
        self.renew_when_due();
        Ok(())
    }

    fn next_alarm(&self) -> Timestamp {
        self.last_sent.plus(self.heartbeat).min(self.last_heard.plus(self.patience()))
    }

    /// How long a controller may be silent, which answers heartbeats and everything else.
    fn patience(&self) -> Duration {
        self.heartbeat * 5 / 2
    }

    fn renew_when_due(&mut self) {
        let now = self.offset.controller_time(self.link.clock.now());
        if self.renew_at.is_none_or(|due| now < due) {
            return;
        }
        self.renew_at = None;
        match self.link.identity().key.certificate_request() {
            Ok(certificate_request) => {
                let certificate_request = certificate_request.into();
                self.outbox.push(agent_message::Message::Renew(Renew { certificate_request }));
            }
            Err(error) => tracing::error!("the certificate is not renewed: {}", explain(&error)),
        }
    }

    /// The new certificate is on the disk before it counts, and is shown from the next connection on.
    async fn renewed(&self, certificate: Certificate) {
        let link = self.link;
        let renewed =
            link.identity().renewed(certificate.certificate.to_vec(), certificate.authority.to_vec());
        let identity = match renewed {
            Ok(identity) => identity,
            Err(error) => return tracing::error!("the renewed certificate is of no use: {error}"),
        };
        if let Some(files) = link.identity_files.clone() {
            let kept = identity.clone();
            let stored = tokio::task::spawn_blocking(move || files.store(&kept)).await;
            if let Err(error) = stored.unwrap_or(Err(IdentityFilesError::Stopped)) {
                return tracing::error!("the renewed certificate was not kept: {}", explain(&error));
            }
        }
        tracing::info!("the certificate was renewed");
        link.replace_identity(identity);
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // Also when the whole link is dropped: nobody waits for room that cannot come.
        self.link.spool.set_link(LinkState::Down);
        self.link.inventory.disconnected();
        self.link.parameters.disconnected();
    }
}
