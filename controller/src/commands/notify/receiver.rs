//! One attempt to hand a notice to its receiver: one connection, one POST, one status. It follows no redirect, reads
//! no body, and ends in time whatever the other side does.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fleetwright_proto::clock::SharedClock;
use http::{Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::sign::Secret;
use super::{Attempt, NoticeRecord};
use crate::error::chain;

/// From the look-up of the name to the status.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What a receiver's head may have at most.
const HEAD_MAX_BYTES: usize = 16 * 1024;

/// What notices are sent with.
#[derive(Debug, Clone)]
pub struct Sender {
    secret: Arc<Secret>,
    tls: Arc<ClientConfig>,
    clock: SharedClock,
}

impl Sender {
    /// Trusts the authorities that this host trusts.
    #[must_use]
    pub fn new(secret: Secret, clock: SharedClock) -> Self {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "some authorities of this host cannot be read: receivers that need them are not");
        }
        roots.add_parsable_certificates(found.certs);
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Self { secret: Arc::new(secret), tls: Arc::new(config), clock }
    }

    /// Tries once.
    pub async fn send(&self, url: &str, notice: &NoticeRecord) -> Attempt {
        let attempt = tokio::select! {
            status = self.post(url, notice) => status,
            () = self.clock.sleep(TIMEOUT) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
        };
        match attempt {
            Ok(status) if status.is_success() => Attempt::Taken,
            Ok(StatusCode::GONE) => Attempt::Gone,
            Ok(status) if status.is_redirection() => Attempt::Failed(format!(
                "the receiver answered {}: redirects are not followed",
                status.as_u16()
            )),
            Ok(status) => Attempt::Failed(format!("the receiver answered {}", status.as_u16())),
            Err(problem) => Attempt::Failed(problem),
        }
    }

    async fn post(&self, url: &str, notice: &NoticeRecord) -> Result<StatusCode, String> {
        let uri: Uri = url.parse().map_err(|_| "the address is no URL".to_owned())?;
        let (Some(host), tls) = (uri.host(), uri.scheme_str() == Some("https")) else {
            return Err("the address has no host".to_owned());
        };
        let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let request = self.request(&uri, notice)?;
        let failed = |error: std::io::Error| format!("cannot reach the receiver: {error}");
        let stream = TcpStream::connect((name.as_str(), port)).await.map_err(failed)?;
        if !tls {
            return exchange(stream, request).await;
        }
        let server = ServerName::try_from(name).map_err(|_| "the host is no name".to_owned())?;
        let connector = TlsConnector::from(self.tls.clone());
        exchange(connector.connect(server, stream).await.map_err(failed)?, request).await
    }

    fn request(&self, uri: &Uri, notice: &NoticeRecord) -> Result<Request<Full<Bytes>>, String> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let mut request = Request::post(path)
            .header(header::HOST, authority)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("fleetwright/", env!("CARGO_PKG_VERSION")));
        for (name, value) in self.secret.headers(&notice.id, self.clock.now(), &notice.body) {
            request = request.header(name, value);
        }
        request.body(Full::new(Bytes::from(notice.body.clone()))).map_err(|error| chain(&error))
    }
}

async fn exchange<S>(stream: S, request: Request<Full<Bytes>>) -> Result<StatusCode, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let failed = |error: hyper::Error| format!("the receiver broke off: {}", chain(&error));
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_MAX_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let mut answer = std::pin::pin!(sender.send_request(request));
    // Both end together: a connection outlives neither its answer nor its time.
    let answered = tokio::select! {
        answered = &mut answer => answered,
        ended = connection => match ended {
            Err(error) => Err(error),
            // A connection may end with its answer; without one, this says so.
            Ok(()) => answer.await,
        },
    };
    answered.map(|answer| answer.status()).map_err(failed)
}
