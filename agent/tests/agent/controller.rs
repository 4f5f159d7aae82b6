//! A controller in a page: a mailbox, durable output and reports in memory, and faults on demand.
//!
//! It keeps the rules of the protocol that an agent relies on: a delivery stays until it is accepted, output is
//! acknowledged as far as it is known without a hole, and every report is acknowledged.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fleetwright_agent::identity::ControllerAddress;
use fleetwright_proto::agent::accepted::Outcome;
use fleetwright_proto::agent::agent_server::{Agent, AgentServer};
use fleetwright_proto::agent::{
    Accepted, AgentMessage, Certificate, ControllerMessage, Delivery, EnrollRequest, EnrollResponse,
    GetAttachmentRequest, GetAttachmentResponse, GetDocumentRequest, GetDocumentResponse, Goodbye, Heartbeat,
    Hello, Inventory, InventoryAck, InvocationStatus, Output, OutputAck, Report, ReportAck, Welcome,
    agent_message, controller_message, delivery, inventory_ack,
};
use fleetwright_proto::ids::NodeId;
use futures::Stream;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tonic::{Request, Response, Status, Streaming};

use crate::authority::{Authority, ONE_DAY};
use crate::cuts::Network;

/// The moment of a command's life at which the network is cut, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CutAt {
    Hello,
    /// The agent has journaled the delivery, and the controller does not learn it.
    Accepted,
    OutputBeforeStored,
    OutputAfterStored,
    ReportBeforeStored,
    ReportAfterStored,
}

/// What a controller has seen and made durable.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) hellos: Vec<Hello>,
    pub(crate) inventories: Vec<Inventory>,
    pub(crate) accepted: Vec<Accepted>,
    /// By command, step and stream.
    pub(crate) output: BTreeMap<(String, u32, i32), Vec<u8>>,
    /// The latest of each command.
    pub(crate) reports: BTreeMap<String, Report>,
    /// Final reports that differ from an earlier final one of the same command.
    pub(crate) contradictions: Vec<Report>,
    pub(crate) heartbeats: usize,
    pub(crate) renewals: usize,
    pub(crate) enrolments: Vec<EnrollRequest>,
    /// Output that came with a hole before it.
    pub(crate) holes: Vec<String>,
}

struct State {
    seen: Seen,
    mailbox: Vec<Delivery>,
    next_seq: u64,
    stream: Option<Sender>,
    cut_at: Option<CutAt>,
    /// Refuses to enrol with these words.
    refusal: Option<Status>,
    says_goodbye: Option<Goodbye>,
    /// Hears everything and answers nothing.
    is_mute: bool,
    documents: BTreeMap<String, String>,
    inventory_answer: Option<inventory_ack::Outcome>,
}

type Sender = mpsc::UnboundedSender<Result<ControllerMessage, Status>>;

/// Clones are the same controller.
#[derive(Clone)]
pub(crate) struct Controller {
    pub(crate) authority: Arc<Authority>,
    pub(crate) address: ControllerAddress,
    pub(crate) network: Network,
    heartbeat: Duration,
    state: Arc<Mutex<State>>,
    changed: Arc<watch::Sender<()>>,
}

impl Controller {
    pub(crate) async fn start() -> Self {
        Self::with_heartbeat(Duration::from_secs(10)).await
    }

    pub(crate) async fn with_heartbeat(heartbeat: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("localhost:{}", listener.local_addr().unwrap().port()).parse().unwrap();
        let authority = Arc::new(Authority::new());
        let state = State {
            seen: Seen::default(),
            mailbox: Vec::new(),
            next_seq: 1,
            stream: None,
            cut_at: None,
            refusal: None,
            says_goodbye: None,
            is_mute: false,
            documents: BTreeMap::new(),
            inventory_answer: None,
        };
        let controller = Self {
            authority,
            address,
            network: Network::default(),
            heartbeat,
            state: Arc::new(Mutex::new(state)),
            changed: Arc::new(watch::channel(()).0),
        };
        tokio::spawn(controller.clone().serve(listener));
        controller
    }

    async fn serve(self, listener: TcpListener) {
        let acceptor = TlsAcceptor::from(self.authority.server("localhost"));
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (acceptor, service) = (acceptor.clone(), AgentServer::new(self.clone()));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(socket).await else { return };
                let _ended = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
                    .await;
            });
        }
    }

    /// Puts work into the mailbox and returns its place.
    pub(crate) fn deliver(&self, work: delivery::Work) -> u64 {
        let mut state = self.lock();
        let seq = state.next_seq;
        state.next_seq += 1;
        let delivery = Delivery { seq, work: Some(work) };
        state.mailbox.push(delivery.clone());
        state.say(controller_message::Message::Delivery(delivery));
        seq
    }

    /// Sends a mailbox entry that the agent has accepted already.
    pub(crate) fn deliver_again(&self, seq: u64, work: delivery::Work) {
        self.lock().say(controller_message::Message::Delivery(Delivery { seq, work: Some(work) }));
    }

    /// Sends the whole mailbox again, as a controller does when an entry was refused.
    pub(crate) fn try_again(&self) {
        let mut state = self.lock();
        for delivery in state.mailbox.clone() {
            state.say(controller_message::Message::Delivery(delivery));
        }
    }

    /// Has a document for the steps that name it.
    pub(crate) fn keep_document(&self, name: &str, content: &str) {
        self.lock().documents.insert(name.to_owned(), content.to_owned());
    }

    pub(crate) fn cut_at(&self, moment: CutAt) {
        self.lock().cut_at = Some(moment);
    }

    pub(crate) fn refuse_enrolments(&self, refusal: Status) {
        self.lock().refusal = Some(refusal);
    }

    /// Says goodbye to everybody who is there and who comes.
    pub(crate) fn say_goodbye(&self, goodbye: Goodbye) {
        let mut state = self.lock();
        state.say(controller_message::Message::Goodbye(goodbye.clone()));
        state.says_goodbye = Some(goodbye);
    }

    pub(crate) fn welcome_again(&self) {
        self.lock().says_goodbye = None;
    }

    pub(crate) fn fall_silent(&self) {
        self.lock().is_mute = true;
    }

    pub(crate) fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.lock().seen)
    }

    /// Waits for a condition. A test that waits too long shows everything that was seen.
    pub(crate) async fn until<T>(&self, what: &str, look: impl Fn(&Seen) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        let found = tokio::time::timeout(Duration::from_secs(20), async {
            loop {
                changed.mark_unchanged();
                if let Some(found) = self.seen(&look) {
                    return found;
                }
                changed.changed().await.unwrap();
            }
        });
        match found.await {
            Ok(found) => found,
            Err(_) => panic!("never seen: {what}; last status: {:#?}", self.lock().seen),
        }
    }

    pub(crate) async fn final_report(&self, command: &str) -> Report {
        let what = format!("the final report of {command}");
        self.until(&what, |seen| seen.reports.get(command).filter(|report| is_final(report)).cloned()).await
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Whether the network was cut at this moment, which ends the stream.
    fn cuts(&self, moment: CutAt) -> Result<(), Status> {
        let cut = {
            let mut state = self.lock();
            state.cut_at == Some(moment) && state.cut_at.take().is_some()
        };
        if cut {
            self.network.cut();
            return Err(Status::unavailable("cut"));
        }
        Ok(())
    }

    async fn follow(self, mut inbound: Streaming<AgentMessage>, outbound: Sender) -> Result<(), Status> {
        while let Some(AgentMessage { message: Some(message) }) = inbound.message().await? {
            let answer = self.answer(message, &outbound);
            self.changed.send_replace(());
            for message in answer? {
                if !self.lock().is_mute {
                    let _gone = outbound.send(Ok(ControllerMessage { message: Some(message) }));
                }
            }
        }
        Ok(())
    }

    fn answer(
        &self,
        message: agent_message::Message,
        outbound: &Sender,
    ) -> Result<Vec<controller_message::Message>, Status> {
        match message {
            agent_message::Message::Hello(hello) => {
                self.cuts(CutAt::Hello)?;
                Ok(self.welcome(hello, outbound))
            }
            agent_message::Message::Accepted(accepted) => self.accepted(accepted).map(|()| Vec::new()),
            agent_message::Message::Output(output) => {
                self.cuts(CutAt::OutputBeforeStored)?;
                let ack = self.lock().seen.store(&output);
                self.cuts(CutAt::OutputAfterStored)?;
                Ok(vec![controller_message::Message::OutputAck(ack)])
            }
            agent_message::Message::Report(report) => self.report(report),
            agent_message::Message::Inventory(inventory) => Ok(self.inventory(inventory)),
            agent_message::Message::Renew(renew) => {
                let mut state = self.lock();
                state.seen.renewals += 1;
                let certificate = self.authority.sign(&renew.certificate_request, ONE_DAY).into();
                let authority = self.authority.certificate().to_vec().into();
                Ok(vec![controller_message::Message::Certificate(Certificate { certificate, authority })])
            }
            agent_message::Message::AssociationsKept(_) | agent_message::Message::HoldParameters(_) => {
                Ok(Vec::new())
            }
            agent_message::Message::Heartbeat(_) => {
                self.lock().seen.heartbeats += 1;
                Ok(vec![controller_message::Message::Heartbeat(Heartbeat {})])
            }
        }
    }

    /// Answers the last piece as it was told to, once; otherwise it confirms.
    fn inventory(&self, inventory: Inventory) -> Vec<controller_message::Message> {
        let mut state = self.lock();
        let (seq, more) = (inventory.seq, inventory.more);
        state.seen.inventories.push(inventory);
        if more {
            return Vec::new();
        }
        let outcome = state.inventory_answer.take().unwrap_or(inventory_ack::Outcome::Confirmed);
        let ack = InventoryAck { seq, outcome: outcome.into(), detail: String::new() };
        vec![controller_message::Message::InventoryAck(ack)]
    }

    /// What the next inventory is answered with.
    pub(crate) fn answer_inventory(&self, outcome: inventory_ack::Outcome) {
        self.lock().inventory_answer = Some(outcome);
    }

    fn welcome(&self, hello: Hello, outbound: &Sender) -> Vec<controller_message::Message> {
        let mut state = self.lock();
        state.seen.hellos.push(hello);
        if let Some(goodbye) = state.says_goodbye.clone() {
            return vec![controller_message::Message::Goodbye(goodbye)];
        }
        state.stream = Some(outbound.clone());
        let welcome = Welcome {
            now_ms: std::time::UNIX_EPOCH.elapsed().unwrap().as_millis().try_into().unwrap(),
            heartbeat_ms: self.heartbeat.as_millis().try_into().unwrap(),
            controller_version: "test".to_owned(),
        };
        let mailbox = state.mailbox.clone().into_iter().map(controller_message::Message::Delivery);
        std::iter::once(controller_message::Message::Welcome(welcome)).chain(mailbox).collect()
    }

    fn accepted(&self, accepted: Accepted) -> Result<(), Status> {
        self.cuts(CutAt::Accepted)?;
        let mut state = self.lock();
        if accepted.outcome() != Outcome::Refused {
            state.mailbox.retain(|delivery| delivery.seq != accepted.seq);
        }
        state.seen.accepted.push(accepted);
        Ok(())
    }

    fn report(&self, report: Report) -> Result<Vec<controller_message::Message>, Status> {
        if report.delivery_seq != 0 {
            let outcome = Outcome::Journaled.into();
            self.accepted(Accepted { seq: report.delivery_seq, outcome, detail: String::new() })?;
        }
        if is_final(&report) {
            self.cuts(CutAt::ReportBeforeStored)?;
        }
        let ack = ReportAck { command_id: report.command_id.clone(), seq: report.seq };
        let ends = is_final(&report);
        self.lock().seen.store_report(report);
        if ends {
            self.cuts(CutAt::ReportAfterStored)?;
        }
        Ok(vec![controller_message::Message::ReportAck(ack)])
    }
}

impl State {
    fn say(&mut self, message: controller_message::Message) {
        if let Some(stream) = &self.stream {
            let _gone = stream.send(Ok(ControllerMessage { message: Some(message) }));
        }
    }
}

impl Seen {
    fn store(&mut self, output: &Output) -> OutputAck {
        let key = (output.command_id.clone(), output.step, output.stream);
        let stored = self.output.entry(key).or_default();
        match usize::try_from(output.offset).unwrap() {
            offset if offset > stored.len() => {
                self.holes.push(format!("{output:?} after {} bytes", stored.len()));
            }
            offset => {
                let known = (stored.len() - offset).min(output.data.len());
                assert_eq!(stored[offset..offset + known], output.data[..known], "sent again and different");
                stored.extend_from_slice(&output.data[known..]);
            }
        }
        OutputAck {
            command_id: output.command_id.clone(),
            step: output.step,
            stream: output.stream,
            offset: stored.len() as u64,
        }
    }

    fn store_report(&mut self, report: Report) {
        for output in &report.output {
            self.store(output);
        }
        let before = self.reports.get(&report.command_id).filter(|before| is_final(before));
        let same_end = |before: &Report| {
            (before.status, before.reason, &before.steps) == (report.status, report.reason, &report.steps)
        };
        if before.is_some_and(|before| !same_end(before)) {
            self.contradictions.push(report.clone());
        }
        self.reports.insert(report.command_id.clone(), report);
    }

    /// What a command's first step printed on standard output.
    pub(crate) fn stdout(&self, command: &str) -> String {
        let stored = self.output.get(&(command.to_owned(), 0, 1)).cloned().unwrap_or_default();
        String::from_utf8(stored).unwrap()
    }
}

pub(crate) fn is_final(report: &Report) -> bool {
    report.status() != InvocationStatus::InProgress
}

#[tonic::async_trait]
impl Agent for Controller {
    type ConnectStream = Pin<Box<dyn Stream<Item = Result<ControllerMessage, Status>> + Send>>;

    async fn enroll(&self, request: Request<EnrollRequest>) -> Result<Response<EnrollResponse>, Status> {
        let request = request.into_inner();
        let mut state = self.lock();
        if let Some(refusal) = state.refusal.clone() {
            return Err(refusal);
        }
        let certificate = self.authority.sign(&request.certificate_request, ONE_DAY).into();
        state.seen.enrolments.push(request);
        drop(state);
        self.changed.send_replace(());
        let authority = self.authority.certificate().to_vec().into();
        Ok(Response::new(EnrollResponse { node_id: NodeId::random().to_string(), certificate, authority }))
    }

    async fn connect(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let (outbound, mut messages) = mpsc::unbounded_channel();
        let (controller, inbound, ending) = (self.clone(), request.into_inner(), outbound.clone());
        tokio::spawn(async move {
            if let Err(status) = controller.follow(inbound, outbound).await {
                let _gone = ending.send(Err(status));
            }
        });
        Ok(Response::new(Box::pin(futures::stream::poll_fn(move |context| messages.poll_recv(context)))))
    }

    async fn get_document(
        &self,
        request: Request<GetDocumentRequest>,
    ) -> Result<Response<GetDocumentResponse>, Status> {
        let name = request.into_inner().name;
        let content = self.lock().documents.get(&name).cloned();
        let content = content.ok_or_else(|| Status::not_found(format!("there is no document `{name}`")))?;
        let document_type = "Command".to_owned();
        Ok(Response::new(GetDocumentResponse {
            name,
            content: content.into(),
            document_type,
            ..Default::default()
        }))
    }

    type GetAttachmentStream = futures::stream::Empty<Result<GetAttachmentResponse, Status>>;

    async fn get_attachment(
        &self,
        request: Request<GetAttachmentRequest>,
    ) -> Result<Response<Self::GetAttachmentStream>, Status> {
        Err(Status::not_found(format!("there is no document {}", request.into_inner().document_name)))
    }
}
