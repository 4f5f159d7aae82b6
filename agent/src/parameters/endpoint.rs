//! Where applications ask: HTTP/1.1 on a socket of this host, and on 127.0.0.1 as the AWS parameters and secrets
//! extension has it.
//!
//! ```text
//! GET /systemsmanager/parameters/get?name=…&version=…&label=…&withDecryption=true
//! GET /fleetwright/parameters/below?path=…       on the socket alone: the names below a path
//! GET /ping                                      200 when the agent is there
//! ```
//!
//! On the socket the system says who may ask. On 127.0.0.1 anybody may who has the token; what a browser or a proxy was
//! talked into sending is refused (`request`). Connections and the size of a request are bounded, and who is silent for
//! too long is cut off.

mod answer;
mod request;
mod token;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleetwright_platform::local::{self, Peer};
use fleetwright_platform::{HostError, SharedPlatform};
use fleetwright_proto::clock::SharedClock;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::Parameters;
use super::settings::{LoopbackSettings, SocketSettings};
use crate::explain::explain;
use answer::Reply;
use request::{Ask, Door};
pub(super) use request::{BELOW_PATH, GET_PATH};
pub use token::TokenError;

/// The port of the AWS extension.
pub const PORT: u16 = 2773;

/// What a request's line and headers have room for.
const HEAD_MAX_BYTES: usize = 16 * 1024;
/// For the next request on a connection, with its headers.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);
/// After something that the system refused.
const AGAIN_AFTER: Duration = Duration::from_secs(30);
const FULL: &[u8] = b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// What both endpoints work with.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    pub(crate) parameters: Arc<Parameters>,
    pub(crate) platform: SharedPlatform,
    pub(crate) clock: SharedClock,
}

/// Why an endpoint is not open.
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("cannot listen at {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
}

impl Endpoint {
    /// Serves the socket for ever; what is in the way is told once and tried again.
    pub(crate) async fn serve_socket(self, settings: SocketSettings) {
        let mut listener = self.opened(|| Ok(local::listen(&settings.path, &settings.audience)?)).await;
        tracing::debug!("parameters are given at `{}`", settings.path.display());
        let mut visits = Visits::within(settings.connections);
        let service = Service { parameters: self.parameters.clone(), door: Arc::new(Door::Socket) };
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => visits.enter(stream, service.clone(), Some(peer)),
                Err(error) => self.no_room(&error).await,
            }
        }
    }

    /// Serves 127.0.0.1 for ever; what is in the way is told once and tried again.
    pub(crate) async fn serve_loopback(self, settings: LoopbackSettings) {
        let (listener, door) = self.opened(|| self.open_loopback(&settings)).await;
        let mut visits = Visits::within(settings.connections);
        let service = Service { parameters: self.parameters.clone(), door: Arc::new(door) };
        loop {
            match listener.accept().await {
                Ok((stream, _)) => visits.enter(stream, service.clone(), None),
                Err(error) => self.no_room(&error).await,
            }
        }
    }

    fn open_loopback(&self, settings: &LoopbackSettings) -> Result<(TcpListener, Door), OpenError> {
        let token = token::ensure(&settings.token_file, &settings.audience, &self.platform)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, settings.port));
        let failed = |source| OpenError::Listen { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        tracing::info!(
            "parameters are given at http://{address}, to whoever has the token in `{}`",
            settings.token_file.display()
        );
        Ok((listener, Door::Loopback { token, port: address.port() }))
    }

    async fn opened<T>(&self, open: impl Fn() -> Result<T, OpenError>) -> T {
        let mut told = false;
        loop {
            match open() {
                Ok(opened) => return opened,
                Err(error) if !told => {
                    let again = AGAIN_AFTER.as_secs();
                    tracing::warn!(
                        "parameters are not given there: {}; tried again every {again} s",
                        explain(&error)
                    );
                    told = true;
                }
                Err(_) => {}
            }
            self.clock.sleep(AGAIN_AFTER).await;
        }
    }

    async fn no_room(&self, error: &std::io::Error) {
        tracing::warn!("cannot accept a connection of an application: {error}");
        self.clock.sleep(Duration::from_millis(100)).await;
    }
}

/// How many places each account has.
type Users = Arc<Mutex<HashMap<u32, usize>>>;

/// The connections of one endpoint. They end with it.
struct Visits {
    places: Arc<Semaphore>,
    /// Of these, what one account may have.
    of_user: usize,
    tasks: JoinSet<()>,
    users: Users,
}

impl Visits {
    fn within(connections: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(connections)),
            of_user: connections.div_ceil(2),
            tasks: JoinSet::new(),
            users: Arc::default(),
        }
    }

    fn enter<S>(&mut self, mut stream: S, service: Service, peer: Option<Peer>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Those that ended leave.
        while self.tasks.try_join_next().is_some() {}
        let user = peer.and_then(|peer| peer.user);
        let Some(place) = self.place(user) else {
            tracing::debug!("a connection of an application finds no place, {peer:?}");
            self.tasks.spawn(async move {
                // Whoever hangs up first needs no answer.
                drop(tokio::time::timeout(Duration::from_secs(1), stream.write_all(FULL)).await);
            });
            return;
        };
        self.tasks.spawn(async move {
            serve(stream, service).await;
            drop(place);
        });
    }

    fn place(&self, user: Option<u32>) -> Option<Place> {
        let permit = self.places.clone().try_acquire_owned().ok()?;
        if let Some(user) = user {
            let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
            let has = users.entry(user).or_default();
            if *has >= self.of_user {
                return None;
            }
            *has += 1;
        }
        Some(Place { _permit: permit, user, users: self.users.clone() })
    }
}

/// A place of a connection; given back when it is dropped.
struct Place {
    _permit: OwnedSemaphorePermit,
    user: Option<u32>,
    users: Users,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(user) = self.user else { return };
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(has) = users.get_mut(&user) {
            *has -= 1;
            if *has == 0 {
                users.remove(&user);
            }
        }
    }
}

#[derive(Clone)]
struct Service {
    parameters: Arc<Parameters>,
    door: Arc<Door>,
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, service: Service) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let service = service.clone();
        async move { Ok::<Response<String>, Infallible>(service.answer(&request).await.into_response()) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_WITHIN)
        .max_buf_size(HEAD_MAX_BYTES)
        .serve_connection(TokioIo::new(stream), answer)
        .await;
    if let Err(error) = served {
        tracing::debug!("a connection of an application ended: {error}");
    }
}

impl Service {
    async fn answer<B>(&self, request: &Request<B>) -> Reply {
        let ask = match self.door.check(request.method(), request.uri(), request.headers()) {
            Ok(ask) => ask,
            Err(refusal) => return Reply::refused(&refusal),
        };
        match ask {
            Ask::Ping => Reply::healthy(),
            Ask::Parameter(query) => Reply::of(&query, self.parameters.get(&query).await),
        }
    }
}
