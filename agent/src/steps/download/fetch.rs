//! One HTTP request on a connection of its own: HTTP/1.1 over TCP or TLS, redirects followed.
//!
//! The authorities of TLS are those that the host trusts. They are read for each step that needs them and held no longer.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, LOCATION, PROXY_AUTHORIZATION, USER_AGENT};
use http::uri::{Scheme, Uri};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::proxy::Proxy;
use super::{DownloadError, STALL};
use crate::explain::explain;
use crate::link::Transport;
use crate::steps::Task;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const MAX_REDIRECTS: usize = 10;
/// Of an answer that is read into memory.
const MAX_TEXT_BYTES: usize = 8 << 20;

/// Why a URL gave nothing. Never with the query of the URL, which may hold a signature.
#[derive(Debug, thiserror::Error)]
pub(in crate::steps) enum FetchError {
    #[error("`{0}` is no URL with http or https and a host")]
    Url(String),
    #[error("`{0}` is not encrypted; use https, or set allowInsecureDownload to true")]
    Insecure(String),
    #[error("cannot connect to {host}: {problem}")]
    Connect { host: String, problem: String },
    #[error("{host} did not answer within {} s", within.as_secs())]
    Silent { host: String, within: Duration },
    #[error("{host} broke off: {problem}")]
    Broken { host: String, problem: String },
    #[error("{url} was answered with {status}")]
    Status { url: String, status: StatusCode },
    #[error("{0} was redirected more than {MAX_REDIRECTS} times")]
    Redirects(String),
}

/// What to get.
#[derive(Debug, Clone)]
pub(in crate::steps) struct Get {
    pub(in crate::steps) url: Uri,
    pub(in crate::steps) headers: HeaderMap,
    pub(in crate::steps) allow_insecure: bool,
}

/// What came, its body not read yet.
pub(in crate::steps) struct Answer {
    pub(in crate::steps) status: StatusCode,
    pub(in crate::steps) headers: HeaderMap,
    host: String,
    body: Incoming,
}

impl Get {
    pub(in crate::steps) fn new(url: &str, allow_insecure: bool) -> Result<Self, FetchError> {
        let shown = || url.split(['?', '#']).next().unwrap_or_default().to_owned();
        let bare = url.split('#').next().unwrap_or_default();
        let parsed: Uri = bare.parse().map_err(|_| FetchError::Url(shown()))?;
        let get = Self { url: parsed, headers: HeaderMap::new(), allow_insecure };
        get.check()?;
        Ok(get)
    }

    pub(in crate::steps) fn with(mut self, name: HeaderName, value: &str) -> Result<Self, FetchError> {
        let mut value = HeaderValue::from_str(value).map_err(|_| FetchError::Url(self.shown()))?;
        value.set_sensitive(name == AUTHORIZATION);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Without what a signature or a password could stand in.
    fn shown(&self) -> String {
        format!("{}://{}{}", self.url.scheme_str().unwrap_or_default(), self.host(), self.url.path())
    }

    fn host(&self) -> &str {
        self.url.host().unwrap_or_default()
    }

    fn is_https(&self) -> bool {
        self.url.scheme() == Some(&Scheme::HTTPS)
    }

    fn check(&self) -> Result<(), FetchError> {
        if self.host().is_empty() || !matches!(self.url.scheme_str(), Some("http" | "https")) {
            return Err(FetchError::Url(self.shown()));
        }
        if !self.is_https() && !self.allow_insecure {
            return Err(FetchError::Insecure(self.shown()));
        }
        Ok(())
    }

    /// The request that a redirect asks for. To another host no login goes along.
    fn redirected(&self, location: &str) -> Result<Self, FetchError> {
        let base = format!("{}://{}", self.url.scheme_str().unwrap_or_default(), authority(&self.url));
        let next = if location.contains("://") {
            location.to_owned()
        } else if location.starts_with("//") {
            format!("{}:{location}", self.url.scheme_str().unwrap_or_default())
        } else if location.starts_with('/') {
            format!("{base}{location}")
        } else {
            let folder = self.url.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{base}{folder}/{location}")
        };
        let mut get = Self::new(&next, self.allow_insecure)?;
        get.headers = self.headers.clone();
        if authority(&get.url) != authority(&self.url) || get.url.scheme() != self.url.scheme() {
            get.headers.remove(AUTHORIZATION);
        }
        Ok(get)
    }

    /// Any status; the caller reads it.
    pub(in crate::steps) async fn send(&self, task: &Task<'_>) -> Result<Answer, DownloadError> {
        let mut get = self.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = get.send_once(task).await?;
            let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
            match location {
                Some(location) if answer.status.is_redirection() => get = get.redirected(location)?,
                _ => return Ok(answer),
            }
        }
        Err(FetchError::Redirects(self.shown()).into())
    }

    /// The body of a success.
    pub(in crate::steps) async fn send_for_success(&self, task: &Task<'_>) -> Result<Answer, DownloadError> {
        let answer = self.send(task).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(FetchError::Status { url: self.shown(), status: answer.status }.into())
    }

    pub(in crate::steps) fn refused(&self, status: StatusCode) -> DownloadError {
        FetchError::Status { url: self.shown(), status }.into()
    }

    async fn send_once(&self, task: &Task<'_>) -> Result<Answer, DownloadError> {
        let host = self.host().to_owned();
        let silent = |within| FetchError::Silent { host: host.clone(), within };
        let proxy = task.tools.downloads.proxies.of(self.is_https(), &host);
        let transport = within(CONNECT_TIMEOUT, self.connect(proxy), task, silent).await??;
        let broken =
            |error: hyper::Error| FetchError::Broken { host: host.clone(), problem: explain(&error) };
        let (mut sender, connection) = http1::handshake(TokioIo::new(transport)).await.map_err(broken)?;
        // Ends with its answer, whose reader learns of what went wrong.
        tokio::spawn(async move { drop(connection.await) });
        let path = self.url.path_and_query().map_or("/", |path| path.as_str());
        // A proxy is told the whole of what it is to get; through a tunnel the host itself is asked.
        let asked_of_proxy = proxy.filter(|_| !self.is_https());
        let target = match asked_of_proxy {
            Some(_) => format!("http://{}{path}", authority(&self.url)),
            None => path.to_owned(),
        };
        let mut request = Request::new(String::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = target.parse().map_err(|_| FetchError::Url(self.shown()))?;
        *request.headers_mut() = self.headers.clone();
        let authority =
            HeaderValue::from_str(authority(&self.url)).map_err(|_| FetchError::Url(self.shown()))?;
        request.headers_mut().insert(HOST, authority);
        if let Some(login) = asked_of_proxy.and_then(|proxy| proxy.login()) {
            let mut login = HeaderValue::from_str(login).map_err(|_| FetchError::Url(self.shown()))?;
            login.set_sensitive(true);
            request.headers_mut().insert(PROXY_AUTHORIZATION, login);
        }
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("fleetwright-agent"));
        let response = within(STALL, sender.send_request(request), task, silent).await?.map_err(broken)?;
        let (head, body) = response.into_parts();
        Ok(Answer { status: head.status, headers: head.headers, host, body })
    }

    async fn connect(&self, proxy: Option<&Proxy>) -> Result<Box<dyn Transport>, FetchError> {
        let host = self.host();
        let failed = |problem: String| FetchError::Connect { host: host.to_owned(), problem };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = self.url.port_u16().unwrap_or(if self.is_https() { 443 } else { 80 });
        let mut stream = match proxy {
            Some(proxy) => TcpStream::connect((proxy.host.as_str(), proxy.port)).await.map_err(|error| {
                failed(format!("its proxy {}:{} cannot be reached: {error}", proxy.host, proxy.port))
            })?,
            None => TcpStream::connect((bare, port)).await.map_err(|error| failed(error.to_string()))?,
        };
        if !self.is_https() {
            return Ok(Box::new(stream));
        }
        if let Some(proxy) = proxy {
            proxy.tunnel(&mut stream, host, port).await.map_err(failed)?;
        }
        let name = ServerName::try_from(bare.to_owned()).map_err(|error| failed(error.to_string()))?;
        let connector = TlsConnector::from(trusted_by_host().map_err(failed)?);
        let stream = connector.connect(name, stream).await.map_err(|error| failed(explain(&error)))?;
        Ok(Box::new(stream))
    }
}

impl Answer {
    pub(in crate::steps) fn length(&self) -> Option<u64> {
        self.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
    }

    /// The next piece of the body; none at its end.
    pub(in crate::steps) async fn next(&mut self, task: &Task<'_>) -> Result<Option<Bytes>, DownloadError> {
        let host = self.host.clone();
        loop {
            let frame = std::future::poll_fn(|context| Pin::new(&mut self.body).poll_frame(context));
            let silent = |within| FetchError::Silent { host: host.clone(), within };
            let frame = match within(STALL, frame, task, silent).await? {
                None => return Ok(None),
                Some(frame) => frame
                    .map_err(|error| FetchError::Broken { host: host.clone(), problem: explain(&error) })?,
            };
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }

    pub(in crate::steps) async fn text(mut self, task: &Task<'_>) -> Result<String, DownloadError> {
        let mut bytes = Vec::new();
        while let Some(data) = self.next(task).await? {
            bytes.extend_from_slice(&data);
            if bytes.len() > MAX_TEXT_BYTES {
                return Err(DownloadError::Source(format!("{} answered with too long a list", self.host)));
            }
        }
        String::from_utf8(bytes)
            .map_err(|_| DownloadError::Source(format!("{} answered with no text", self.host)))
    }
}

fn authority(url: &Uri) -> &str {
    let authority = url.authority().map_or("", |authority| authority.as_str());
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Waits for a while, and no longer than the command lives.
async fn within<T>(
    time: Duration,
    waiting: impl Future<Output = T>,
    task: &Task<'_>,
    silent: impl FnOnce(Duration) -> FetchError,
) -> Result<T, DownloadError> {
    tokio::select! {
        biased;
        () = task.cancel.cancelled() => Err(DownloadError::Cancelled),
        done = waiting => Ok(done),
        () = task.tools.clock.sleep(time) => Err(silent(time).into()),
    }
}

fn trusted_by_host() -> Result<Arc<ClientConfig>, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _unusable) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err("this host trusts no certificate authority".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
