//! A controller for a test: it keeps what it was asked, and answers from what the test gave it. Real TLS, real
//! HTTP/2, real gRPC.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use fleetwright_proto::control::access_server::AccessServer;
use fleetwright_proto::control::activations_server::ActivationsServer;
use fleetwright_proto::control::associations_server::AssociationsServer;
use fleetwright_proto::control::commands_server::CommandsServer;
use fleetwright_proto::control::compliance_server::ComplianceServer;
use fleetwright_proto::control::controller_server::ControllerServer;
use fleetwright_proto::control::documents_server::DocumentsServer;
use fleetwright_proto::control::inventory_server::InventoryServer;
use fleetwright_proto::control::keys_server::KeysServer;
use fleetwright_proto::control::nodes_server::NodesServer;
use fleetwright_proto::control::parameters_server::ParametersServer;
use fleetwright_proto::control::windows_server::WindowsServer;
use fleetwright_proto::control::{
    AccessKey, AccessPolicy, Activation, Association, AuditLine, CancelCommandRequest,
    ChangeDocumentTagsRequest, Command, CreateAccessKeyRequest, CreateActivationRequest,
    CreateAssociationRequest, CreateDocumentRequest, DeleteDocumentRequest, DiffInventoryRequest, Document,
    DocumentShare, ExplainResponse, GetStatusResponse, Group, Invocation, Key, ListCommandsRequest,
    ListDocumentsRequest, ListNodesRequest, Node, Operator, OutputChunk, Parameter, PutComplianceRequest,
    PutInventoryRequest, PutParameterRequest, QueryInventoryRequest, ReadDocumentResponse,
    SendCommandRequest, SetDefaultVersionRequest, ShareDocumentRequest, ShowInventoryRequest,
    UpdateDocumentRequest, UpdateTaskRequest, WaitNodesRequest, WatchCommandResponse,
};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tonic::Status;
use tonic::body::Body;
use tower::ServiceExt;

/// What a request was, as far as tests ask.
#[derive(Debug, Clone)]
pub(crate) enum Asked {
    Send(SendCommandRequest),
    Check(SendCommandRequest),
    Cancel(CancelCommandRequest),
    CreateActivation(CreateActivationRequest),
    CreateAccessKey(CreateAccessKeyRequest),
    PutParameter(PutParameterRequest),
    CreateOperator,
    ChangeGroup,
    PutPolicy,
    ListAudit,
    CreateAssociation(CreateAssociationRequest),
    ListNodes(ListNodesRequest),
    ListCommands(ListCommandsRequest),
    Wait(WaitNodesRequest),
    Deregister(String),
    CreateDocument(CreateDocumentRequest),
    UpdateDocument(UpdateDocumentRequest),
    SetDefault(SetDefaultVersionRequest),
    ListDocuments(ListDocumentsRequest),
    DeleteDocument(DeleteDocumentRequest),
    ShareDocument(ShareDocumentRequest),
    TagDocument(ChangeDocumentTagsRequest),
    /// The bytes of an uploaded file.
    Upload(Vec<u8>),
    Watch,
    Show(ShowInventoryRequest),
    Diff(DiffInventoryRequest),
    Query(QueryInventoryRequest),
    PutInventory(PutInventoryRequest),
    PutCompliance(PutComplianceRequest),
    UpdateTask(UpdateTaskRequest),
}

/// What the answers are made of.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) status: GetStatusResponse,
    pub(crate) activations: Vec<Activation>,
    pub(crate) access_keys: Vec<AccessKey>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) keys: Vec<Key>,
    pub(crate) operators: Vec<Operator>,
    pub(crate) policies: Vec<AccessPolicy>,
    pub(crate) audit: Vec<AuditLine>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) documents: Vec<Document>,
    /// What every document says.
    pub(crate) reading: ReadDocumentResponse,
    pub(crate) shares: Vec<DocumentShare>,
    pub(crate) groups: Vec<Group>,
    pub(crate) associations: Vec<Association>,
    pub(crate) commands: Vec<Command>,
    pub(crate) invocations: Vec<Invocation>,
    pub(crate) events: Vec<WatchCommandResponse>,
    /// For each watch in turn: after how many events the connection is cut; nothing: not at all.
    pub(crate) cuts: Vec<usize>,
    /// After its events a watch goes on without a word.
    pub(crate) watch_hangs: bool,
    pub(crate) output: Vec<OutputChunk>,
    pub(crate) explanation: ExplainResponse,
    /// Every question gets this answer.
    pub(crate) refusal: Option<Status>,
}

/// State that all connections share.
pub(crate) struct Shared {
    pub(crate) script: Mutex<Script>,
    pub(crate) asked: Mutex<Vec<Asked>>,
    /// Changes when all connections are to be cut.
    pub(crate) cut: watch::Sender<u64>,
}

impl Shared {
    pub(crate) fn note(&self, asked: Asked) -> Result<(), Status> {
        self.asked.lock().unwrap().push(asked);
        self.check()
    }

    pub(crate) fn check(&self) -> Result<(), Status> {
        self.script.lock().unwrap().refusal.clone().map_or(Ok(()), Err)
    }
}

/// A running controller; ends with the runtime of its test.
pub(crate) struct FakeController {
    pub(crate) address: SocketAddr,
    pub(crate) shared: Arc<Shared>,
}

impl FakeController {
    pub(crate) async fn start(tls: Arc<ServerConfig>, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            asked: Mutex::default(),
            cut: watch::Sender::new(0),
        });
        tokio::spawn(accept(listener, TlsAcceptor::from(tls), shared.clone()));
        Self { address, shared }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let (acceptor, shared) = (acceptor.clone(), shared.clone());
        tokio::spawn(async move {
            // A client that cannot be trusted gets no further; that it is told why is its own test.
            let Ok(tls) = acceptor.accept(tcp).await else { return };
            let mut cut = shared.cut.subscribe();
            let service = service_fn(|request| route(shared.clone(), request));
            let connection =
                http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(tls), service);
            tokio::select! {
                _ = connection => {}
                _ = cut.changed() => {}
            }
        });
    }
}

async fn route(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let service = request.uri().path().split('/').nth(1).unwrap_or("").to_owned();
    let request = request.map(Body::new);
    match service.as_str() {
        "fleetwright.control.v1.Controller" => ControllerServer::from_arc(shared).oneshot(request).await,
        "fleetwright.control.v1.Activations" => ActivationsServer::from_arc(shared).oneshot(request).await,
        "fleetwright.control.v1.Parameters" => ParametersServer::from_arc(shared).oneshot(request).await,
        "fleetwright.control.v1.Keys" => KeysServer::from_arc(shared).oneshot(request).await,
        "fleetwright.control.v1.Access" => AccessServer::from_arc(shared).oneshot(request).await,
        "fleetwright.control.v1.Associations" => AssociationsServer::from_arc(shared).oneshot(request).await,
        "fleetwright.control.v1.Windows" => WindowsServer::from_arc(shared).oneshot(request).await,
        "fleetwright.control.v1.Nodes" => NodesServer::from_arc(shared).oneshot(request).await,
        "fleetwright.control.v1.Inventory" => InventoryServer::from_arc(shared).oneshot(request).await,
        "fleetwright.control.v1.Compliance" => ComplianceServer::from_arc(shared).oneshot(request).await,
        "fleetwright.control.v1.Documents" => DocumentsServer::from_arc(shared).oneshot(request).await,
        "fleetwright.control.v1.Commands" => CommandsServer::from_arc(shared).oneshot(request).await,
        other => Ok(Status::unimplemented(format!("no service {other}")).into_http()),
    }
}
