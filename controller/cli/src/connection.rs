//! The one connection to the controller: TLS with the operator's certificate or token, HTTP/2, the generated clients on top.
//!
//! Nothing is opened before the first question, and a connection is never mended: whoever loses one opens another.
//! What can go wrong on the way is told apart here, so that a person learns what to do about it.

mod alert;
mod credentials;
mod error;

pub(crate) use credentials::{ClientCredentials, Credentials};
pub(crate) use error::ConnectError;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::body::Body;

use crate::context::Context;
use alert::{AlertSlot, Listened};

/// How long each of: finding the host and connecting, shaking hands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A controller that answers no ping for this long is gone.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Bytes in flight before the controller waits for us: enough for a fast network, little enough for a small host.
const STREAM_WINDOW: u32 = 1024 * 1024;

/// HOST:PORT, as a person writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, ConnectError> {
        let wrong = || ConnectError::Address(text.into());
        let bare = text.strip_prefix("https://").unwrap_or(text).trim_end_matches('/');
        let (host, port) = bare.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let host = match host.strip_prefix('[').map(|rest| rest.strip_suffix(']')) {
            Some(inner) => inner.ok_or_else(wrong)?,
            None if host.contains(':') => return Err(wrong()),
            None => host,
        };
        if host.is_empty() || host.contains(['/', ' ', '@']) {
            return Err(wrong());
        }
        Ok(Self { host: host.into(), port })
    }

    /// Whether it means something only on this very machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Opens a connection. Must run inside a tokio runtime, which then drives the connection.
pub(crate) async fn open(context: &Context, now: Timestamp) -> Result<Channel, ConnectError> {
    let address = Address::parse(&context.address)?;
    let ClientCredentials { config, authorization } = Credentials::load(context, now)?.into_client()?;
    let connector = TlsConnector::from(Arc::new(config));
    let alert = AlertSlot::default();
    let tcp = connect_tcp(&address).await?;
    let server_name = ServerName::try_from(address.host.clone())
        .map_err(|_| ConnectError::Address(context.address.clone()))?;
    let tls = tokio::time::timeout(CONNECT_TIMEOUT, connector.connect(server_name, tcp))
        .await
        .map_err(|_| ConnectError::NoAnswer(address.to_string()))?
        .map_err(|error| ConnectError::of_handshake(&address, context, error))?;
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(STREAM_WINDOW * 2)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL)
        .handshake(TokioIo::new(Listened::new(tls, alert.clone())))
        .await
        .map_err(|error| ConnectError::lost(&error))?;
    // Its end is seen by every request on it; there is nothing more to learn from the task.
    tokio::spawn(async move { drop(connection.await) });
    let refused = Refusal { alert, address: address.to_string(), certificate: context.certificate.clone() };
    let origin =
        format!("https://{address}").parse().map_err(|_| ConnectError::Address(context.address.clone()))?;
    Ok(Channel { sender, origin, authorization, refused: Arc::new(refused) })
}

async fn connect_tcp(address: &Address) -> Result<TcpStream, ConnectError> {
    let found = tokio::net::lookup_host((address.host.as_str(), address.port));
    let found = tokio::time::timeout(CONNECT_TIMEOUT, found)
        .await
        .map_err(|_| ConnectError::NoAnswer(address.to_string()))?
        .map_err(|source| ConnectError::NoSuchHost { host: address.host.clone(), source })?;
    let mut last = None;
    for candidate in found {
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(candidate)).await {
            Err(_) => last = Some(ConnectError::NoAnswer(address.to_string())),
            Ok(Err(error)) => last = Some(ConnectError::of_tcp(address, error)),
            Ok(Ok(tcp)) => {
                // Small questions, small answers: waiting for more to send would double the time of each.
                let _ = tcp.set_nodelay(true);
                return Ok(tcp);
            }
        }
    }
    Err(last.unwrap_or_else(|| ConnectError::NoAnswer(address.to_string())))
}

/// An open connection, as the generated clients want it.
#[derive(Debug, Clone)]
pub(crate) struct Channel {
    sender: SendRequest<Body>,
    origin: Uri,
    /// Of an operator with a token. Marked as sensitive, so that nothing prints it.
    authorization: Option<HeaderValue>,
    refused: Arc<Refusal>,
}

/// With TLS 1.3 a server refuses our certificate after our side of the handshake is done; what is known of it then.
#[derive(Debug)]
struct Refusal {
    alert: AlertSlot,
    address: String,
    certificate: std::path::PathBuf,
}

impl Channel {
    pub(crate) fn origin(&self) -> Uri {
        self.origin.clone()
    }
}

impl tower::Service<Request<Body>> for Channel {
    type Response = Response<Incoming>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    /// Always: a connection that is gone fails the request, where it can be told why.
    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let answer = self.sender.send_request(request);
        let refused = Arc::clone(&self.refused);
        Box::pin(async move {
            answer.await.map_err(|error| match refused.alert.take() {
                Some(alert) => ConnectError::OperatorRefused {
                    address: refused.address.clone(),
                    certificate: refused.certificate.clone(),
                    why: error::alert_text(alert),
                },
                None => ConnectError::lost(&error),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let table = [
            ("127.0.0.1:7443", Some("127.0.0.1:7443")),
            ("https://fleet.example.org:7443/", Some("fleet.example.org:7443")),
            ("[::1]:7443", Some("[::1]:7443")),
            ("::1:7443", None),
            ("fleet", None),
            ("fleet:", None),
            ("fleet:0", None),
            ("fleet:99999", None),
            (":7443", None),
            ("user@fleet:1", None),
            ("http://fleet:1", None),
        ];
        for (text, want) in table {
            let got = Address::parse(text);
            assert_eq!(got.as_ref().ok().map(ToString::to_string).as_deref(), want, "{text}");
        }
        let error = Address::parse("fleet").unwrap_err().to_string();
        assert_eq!(error, "`fleet` is not an address: write HOST:PORT, as in fleet.example.org:7443");
    }
}
