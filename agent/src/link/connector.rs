//! The bytes below TLS. A test supplies links that it can cut; the agent itself uses TCP.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::identity::ControllerAddress;

/// A connection that carries bytes both ways.
pub trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// What [`Connector::connect`] returns.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = Result<Box<dyn Transport>, ConnectError>> + Send + 'a>>;

/// Makes connections to a controller, without TLS, which is put on top by the caller.
pub trait Connector: fmt::Debug + Send + Sync + 'static {
    fn connect<'a>(&'a self, address: &'a ControllerAddress) -> Connecting<'a>;
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the name `{host}` has no address")]
    Resolve { host: String, source: io::Error },
    #[error("nothing listens at {address}: the connection was refused")]
    Refused { address: ControllerAddress },
    #[error("cannot connect to {address}")]
    Connect { address: ControllerAddress, source: io::Error },
    #[error("{address} did not answer within {} s", within.as_secs())]
    TimedOut { address: ControllerAddress, within: Duration },
}

/// TCP, with small segments sent at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpConnector;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Connector for TcpConnector {
    fn connect<'a>(&'a self, address: &'a ControllerAddress) -> Connecting<'a> {
        Box::pin(async move {
            let timed_out = || ConnectError::TimedOut { address: address.clone(), within: CONNECT_TIMEOUT };
            let stream =
                tokio::time::timeout(CONNECT_TIMEOUT, connect(address)).await.map_err(|_| timed_out())??;
            Ok(Box::new(stream) as Box<dyn Transport>)
        })
    }
}

async fn connect(address: &ControllerAddress) -> Result<TcpStream, ConnectError> {
    let found = tokio::net::lookup_host((address.host(), address.port()))
        .await
        .map_err(|source| ConnectError::Resolve { host: address.host().to_owned(), source })?;
    let mut latest = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for candidate in found {
        match TcpStream::connect(candidate).await {
            Ok(stream) => {
                // A connection without it works as well, only slower.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => latest = error,
        }
    }
    Err(match latest.kind() {
        io::ErrorKind::ConnectionRefused => ConnectError::Refused { address: address.clone() },
        _ => ConnectError::Connect { address: address.clone(), source: latest },
    })
}
