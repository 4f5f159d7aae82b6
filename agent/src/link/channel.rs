//! One gRPC connection: TLS on a transport, HTTP/2 on TLS, the generated client on HTTP/2.
//!
//! One connection for one agent, so there is no pool and no balancing, and all buffers are small.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use fleetwright_proto::MESSAGE_MAX_BYTES;
use fleetwright_proto::agent::agent_client::AgentClient;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use tokio_rustls::TlsConnector;
use tonic::body::Body;

use super::connector::Connector;
use super::problem::LinkProblem;
use crate::identity::ControllerAddress;

/// The generated client on one connection.
pub(crate) type Client = AgentClient<Channel>;

/// For the TLS and HTTP/2 handshakes together.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What the controller may send before the agent has read it: a document and its parameters, not more.
const WINDOW_BYTES: u32 = 128 * 1024;
const FRAME_BYTES: u32 = 16 * 1024;
/// What waits in memory for the socket, beside the chunks that are in flight.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// A connection as tonic's clients want it. The connection ends when all clones are dropped.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    sender: SendRequest<Body>,
    authority: Authority,
}

/// Connects and shakes hands. Nothing was said of agents and nodes yet.
pub(crate) async fn connect(
    connector: &dyn Connector,
    address: &ControllerAddress,
    tls: Arc<ClientConfig>,
) -> Result<Client, LinkProblem> {
    let transport = connector.connect(address).await?;
    let sender = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake(transport, address, tls))
        .await
        .map_err(|_| LinkProblem::HandshakeTimedOut { address: address.clone() })??;
    let authority = address.to_string().parse().expect("an address is a valid authority");
    Ok(AgentClient::new(Channel { sender, authority })
        .max_decoding_message_size(MESSAGE_MAX_BYTES)
        .max_encoding_message_size(MESSAGE_MAX_BYTES))
}

async fn handshake(
    transport: Box<dyn super::connector::Transport>,
    address: &ControllerAddress,
    tls: Arc<ClientConfig>,
) -> Result<SendRequest<Body>, LinkProblem> {
    let stream = TlsConnector::from(tls)
        .connect(address.server_name(), transport)
        .await
        .map_err(|source| LinkProblem::Tls { address: address.clone(), source })?;
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_header_list_size(16 * 1024)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(LinkProblem::Http)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            // Whoever uses the connection learns of it and tells people; this is for who looks closer.
            tracing::debug!("the connection ended: {error}");
        }
    });
    Ok(sender)
}

impl tower::Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.sender.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        parts.scheme = Some(Scheme::HTTPS);
        parts.authority = Some(self.authority.clone());
        *request.uri_mut() = Uri::from_parts(parts).expect("a path, a scheme and an authority make a URI");
        Box::pin(self.sender.send_request(request))
    }
}
