//! The one listener: TLS handshakes, who is there, and the protocol that they speak.
//!
//! A connection costs a task from the first byte on. Handshakes have a time-out and a bound of how many run at once,
//! so that a herd of agents, or somebody who never finishes his handshake, keeps nobody out for long.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::RootCertStore;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{error::Elapsed, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceExt;

use super::access::{Peer, admit, log, log_refusal};
use super::ssm;
use super::visit::Visit;
use crate::authority::{Authority, ClientVerifier, IssueError, SERVER_CERTIFICATE_LIFETIME, judge};
use crate::error::Refusal;
use crate::house::House;
use crate::meters::{HandshakeEnd, Word};
use guests::Guest;

pub mod guests;

/// A peer that has not finished its handshake by then is dropped.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
/// Whoever takes longer waits for the network, not for a processor, and gives his turn to the next.
const HANDSHAKE_TURN: Duration = Duration::from_secs(1);
/// How long a peer that has not shown who it is may stay, and then finish what it is at.
const ANONYMOUS_FOR: Duration = Duration::from_secs(60);
/// HTTP/2 bounds of one connection.
const STREAMS_MAX: u32 = 64;
const STREAM_WINDOW_BYTES: u32 = 512 * 1024;
const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// Why the listener cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("cannot listen on {address}: {}", listen_advice(.source))]
    Bind { address: SocketAddr, source: std::io::Error },
    #[error("cannot make the controller's certificate")]
    Certificate(#[from] IssueError),
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
}

fn listen_advice(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "another program uses this port: stop it, or set `listen` to another one".to_owned()
        }
        std::io::ErrorKind::AddrNotAvailable => "this host does not have that address".to_owned(),
        std::io::ErrorKind::PermissionDenied => {
            "this user may not use that port: take one from 1024".to_owned()
        }
        _ => error.to_string(),
    }
}

/// A bound port.
pub struct Listener {
    socket: TcpListener,
    acceptor: TlsAcceptor,
    certificate: Arc<ServerCertificate>,
    roots: Arc<RootCertStore>,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("socket", &self.socket).finish_non_exhaustive()
    }
}

/// The controller's own certificate; replaced while connections go on.
#[derive(Debug)]
struct ServerCertificate {
    names: Vec<String>,
    current: RwLock<Arc<CertifiedKey>>,
    /// Of the first one; a renewal tells its own.
    first_expires: Timestamp,
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl Listener {
    /// Binds the port and makes the controller's certificate for these names.
    pub async fn bind(
        address: SocketAddr,
        names: Vec<String>,
        authority: &Authority,
        now: Timestamp,
    ) -> Result<Self, ListenError> {
        let socket =
            TcpListener::bind(address).await.map_err(|source| ListenError::Bind { address, source })?;
        let (first, first_expires) = certificate(authority, &names, now)?;
        let certificate = Arc::new(ServerCertificate { names, current: RwLock::new(first), first_expires });
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate().clone())?;
        let acceptor = TlsAcceptor::from(Arc::new(tls_config(certificate.clone())?));
        Ok(Self { socket, acceptor, certificate, roots: Arc::new(roots) })
    }

    /// Where it listens, with the port that the system chose if it was asked to.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// When the certificate that it begins with expires.
    #[must_use]
    pub fn certificate_expires(&self) -> Timestamp {
        self.certificate.first_expires
    }

    /// Serves until `stop` says so; then lets connections finish what they are at.
    pub async fn serve(self, house: Arc<House>, routes: Routes, mut stop: watch::Receiver<bool>) {
        let routes = routes.prepare();
        let renewal = renew(house.clone(), self.certificate.clone());
        tokio::pin!(renewal);
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                () = &mut renewal => continue,
                () = stopping(&mut stop) => return,
            };
            let (stream, source) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, most likely: existing connections go on, and room comes back.
                    tracing::warn!(%error, "cannot accept a connection");
                    house.clock.sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let guest = match Guest::enter(&house.guests, source.ip().to_canonical()) {
                Ok(guest) => guest,
                Err(turned_away) => {
                    house.meters.turned_away.add(turned_away);
                    tracing::debug!(%source, why = turned_away.name(), "a connection was turned away");
                    continue;
                }
            };
            let connection = Connection {
                from: source.ip().to_canonical().to_string().into(),
                guest,
                house: house.clone(),
                acceptor: self.acceptor.clone(),
                roots: self.roots.clone(),
                routes: routes.clone(),
                stop: stop.clone(),
            };
            tokio::spawn(connection.serve(stream));
        }
    }
}

fn tls_config(certificate: Arc<ServerCertificate>) -> Result<rustls::ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(ClientVerifier::new()))
        .with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Agents keep their connection for days: a ticket saves nothing and costs memory for each.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn certificate(
    authority: &Authority,
    names: &[String],
    now: Timestamp,
) -> Result<(Arc<CertifiedKey>, Timestamp), ListenError> {
    let (issued, key) = authority.issue_server(names, now)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
    let key = rustls::crypto::ring::sign::any_supported_type(&key)?;
    // The authority goes along: an agent that enrols knows only its fingerprint.
    let chain = vec![issued.certificate, authority.certificate().clone()];
    Ok((Arc::new(CertifiedKey::new(chain, key)), issued.expires))
}

/// Replaces the certificate when half of its life is over, for ever.
async fn renew(house: Arc<House>, slot: Arc<ServerCertificate>) {
    loop {
        house.clock.sleep(SERVER_CERTIFICATE_LIFETIME / 2).await;
        match certificate(&house.authority, &slot.names, house.clock.now()) {
            Ok((fresh, expires)) => {
                *slot.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
                house.meters.certificate_expires_at(expires);
            }
            Err(error) => tracing::error!(%error, "cannot renew the controller's certificate"),
        }
    }
}

/// Completes when the controller stops.
pub(super) async fn stopping(stop: &mut watch::Receiver<bool>) {
    // The sender is gone only when the controller is.
    drop(stop.wait_for(|stop| *stop).await);
}

/// Completes when the connection is to end: the controller stops, or a stranger has stayed long enough. Who signs his
/// requests shows with each of them who he is.
async fn leaving(stop: &mut watch::Receiver<bool>, known: bool, visit: &Visit) {
    if known {
        return stopping(stop).await;
    }
    loop {
        let stopped = timeout(ANONYMOUS_FOR, stopping(stop)).await;
        if stopped.is_ok() || !visit.signed_lately() {
            return;
        }
    }
}

/// Lets a connection finish what it is at; a stranger not for ever.
async fn finish(
    connection: impl Future<Output = Result<(), hyper::Error>>,
    known: bool,
) -> Result<(), hyper::Error> {
    if known {
        return connection.await;
    }
    tokio::time::timeout(ANONYMOUS_FOR, connection).await.unwrap_or(Ok(()))
}

struct Connection {
    /// The address at the other end.
    from: Arc<str>,
    house: Arc<House>,
    acceptor: TlsAcceptor,
    roots: Arc<RootCertStore>,
    guest: Guest,
    routes: Routes,
    stop: watch::Receiver<bool>,
}

impl Connection {
    /// Each part is a future of its own on the heap: a connection that rests keeps only what the last one needs.
    async fn serve(self, stream: TcpStream) {
        let Self { from, house, acceptor, roots, guest, routes, stop } = self;
        let Some(stream) = Box::pin(handshake(stream, &acceptor, &house)).await else { return };
        drop(acceptor);
        let peer = peer(&stream, &roots, house.clock.now());
        // Holds its guest's place until the connection is over.
        let visit = Visit::of(guest);
        if matches!(peer, Peer::Known(_)) {
            visit.is_known();
        }
        drop(roots);
        let guest = Caller { house, routes, peer, visit, from };
        let result = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Box::pin(http2(stream, guest, stop)).await,
            _ => Box::pin(http1(stream, guest, stop)).await,
        };
        if let Err(error) = result {
            tracing::debug!(%error, "a connection ended");
        }
    }
}

async fn http2(
    stream: TlsStream<TcpStream>,
    caller: Caller,
    mut stop: watch::Receiver<bool>,
) -> hyper::Result<()> {
    let known = matches!(caller.peer, Peer::Known(_));
    let visit = caller.visit.clone();
    let service = service_fn(move |request: Request<Incoming>| answer(caller.clone(), request));
    let mut connection = Box::pin(
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .max_send_buf_size(SEND_BUFFER_BYTES)
            .serve_connection(TokioIo::new(stream), service),
    );
    tokio::select! {
        result = connection.as_mut() => result,
        () = leaving(&mut stop, known, &visit) => {
            connection.as_mut().graceful_shutdown();
            finish(connection, known).await
        }
    }
}

async fn http1(
    stream: TlsStream<TcpStream>,
    caller: Caller,
    mut stop: watch::Receiver<bool>,
) -> hyper::Result<()> {
    let known = matches!(caller.peer, Peer::Known(_));
    let visit = caller.visit.clone();
    let service = service_fn(move |request: Request<Incoming>| answer(caller.clone(), request));
    let mut connection = Box::pin(
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), service),
    );
    tokio::select! {
        result = connection.as_mut() => result,
        () = leaving(&mut stop, known, &visit) => {
            connection.as_mut().graceful_shutdown();
            finish(connection, known).await
        }
    }
}

async fn handshake(stream: TcpStream, acceptor: &TlsAcceptor, house: &House) -> Option<TlsStream<TcpStream>> {
    let (ended, stream) = match shake_hands(stream, acceptor, house).await {
        Ok(Ok(stream)) => (HandshakeEnd::Done, Some(stream)),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            (HandshakeEnd::Failed, None)
        }
        Err(_) => (HandshakeEnd::TooSlow, None),
    };
    house.meters.handshakes.add(ended);
    stream
}

async fn shake_hands(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    house: &House,
) -> Result<std::io::Result<TlsStream<TcpStream>>, Elapsed> {
    if let Err(error) = stream.set_nodelay(true) {
        return Ok(Err(error));
    }
    // Whoever says nothing takes no turn from those who do.
    if let Err(error) = timeout(HANDSHAKE_TIMEOUT, stream.readable()).await? {
        return Ok(Err(error));
    }
    let turn = house.guests.handshakes.acquire().await;
    let accept = acceptor.accept(stream);
    tokio::pin!(accept);
    if let Ok(accepted) = timeout(HANDSHAKE_TURN, accept.as_mut()).await {
        return Ok(accepted);
    }
    drop(turn);
    timeout(HANDSHAKE_TIMEOUT, accept).await
}

fn peer(stream: &TlsStream<TcpStream>, roots: &Arc<RootCertStore>, now: Timestamp) -> Peer {
    match stream.get_ref().1.peer_certificates() {
        None | Some([]) => Peer::Anonymous,
        Some(chain) => judge(roots, chain, now).map_or_else(Peer::Refused, Peer::Known),
    }
}

/// What every request of one connection has in common.
#[derive(Clone)]
struct Caller {
    house: Arc<House>,
    routes: Routes,
    peer: Peer,
    visit: Arc<Visit>,
    from: Arc<str>,
}

async fn answer(caller: Caller, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let Caller { house, routes, peer, visit, from } = caller;
    // The one door with its own way of knowing people, and by far the most asked.
    if request.uri().path() == ssm::PATH {
        let mut request = request;
        request.extensions_mut().insert(visit);
        request.extensions_mut().insert(Source(from));
        return Ok(ssm::answer(&house, request).await.map(Body::new));
    }
    let path = request.uri().path().to_owned();
    let asker = match admit(&house, &path, &peer, &from, request.headers()) {
        Ok(asker) => asker,
        Err(refusal) => {
            log_refusal(&house, &path, &peer, &from, &refusal);
            return Ok(super::grpc::status(&refusal).into_http());
        }
    };
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(visit.clone());
    request.extensions_mut().insert(Source(from));
    let Some(asker) = asker else {
        drop(house);
        return routes.oneshot(request).await;
    };
    // A token, or a certificate, that is good now.
    visit.signed();
    request.extensions_mut().insert(asker.clone());
    let response = routes.oneshot(request).await?;
    // A refusal that came before the question says nothing that is not for everybody.
    let refused = response.headers().contains_key("grpc-status");
    if !refused && !asker.has_asked() {
        let fault = Refusal::internal(format!("{path} answered without asking whether its caller may"));
        return Ok(super::grpc::status(&fault).into_http());
    }
    match log(&house, &asker, response.headers()).await {
        Ok(()) => Ok(response),
        Err(refusal) => Ok(super::grpc::status(&refusal).into_http()),
    }
}

/// The address at the other end, for the audit log; every request has it among its extensions.
#[derive(Debug, Clone)]
pub struct Source(pub Arc<str>);
