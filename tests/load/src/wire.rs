//! HTTP/1.1 as far as it is needed: one request after the other on a connection that is kept, answers with a
//! Content-Length.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longest answer.
const ANSWER_MAX_BYTES: usize = 4 << 20;

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// A connection, kept.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    answer: Vec<u8>,
}

/// How connections are made.
pub(crate) struct Dial {
    address: String,
    tls: Option<TlsConnector>,
}

impl Dial {
    pub(crate) fn new(address: &str, authority: Option<&Path>) -> Result<Self> {
        let tls = authority.map(connector).transpose()?;
        Ok(Self { address: address.to_owned(), tls })
    }

    pub(crate) async fn connect(&self) -> Result<Connection> {
        let context = || format!("cannot connect to {}", self.address);
        let tcp = TcpStream::connect(&self.address).await.with_context(context)?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some(tls) => {
                let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
                let name = ServerName::try_from(host.to_owned()).with_context(context)?;
                Box::new(tls.connect(name, tcp).await.with_context(context)?)
            }
        };
        Ok(Connection { stream, answer: Vec::with_capacity(4096) })
    }
}

fn connector(authority: &Path) -> Result<TlsConnector> {
    let context = || format!("cannot read the authority {}", authority.display());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).with_context(context)?).with_context(context)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

impl Connection {
    /// Sends a request whole and reads its answer; the body of one with status 200.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        let (head, end) = loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                bail!("the server closed the connection");
            }
            if let Some(head) = head_bytes(&self.answer) {
                break (head, head + content_length(&self.answer[..head])?);
            }
        };
        while self.answer.len() < end {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                bail!("the server closed the connection within an answer");
            }
        }
        if !self.answer.starts_with(b"HTTP/1.1 200 ") {
            bail!("the server refuses: {}", String::from_utf8_lossy(&self.answer));
        }
        Ok(&self.answer[head..end])
    }
}

/// How long the head of an answer is, if it is there.
fn head_bytes(answer: &[u8]) -> Option<usize> {
    answer.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

fn content_length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head).context("the head of an answer is no text")?;
    let field = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    match field {
        Some(length) if length <= ANSWER_MAX_BYTES => Ok(length),
        _ => bail!("an answer without a usable Content-Length: {head}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is made of these answers, which come in pieces.
    async fn ask(answers: &[&str]) -> Result<String> {
        let (here, mut there) = tokio::io::duplex(1 << 16);
        for piece in answers {
            there.write_all(piece.as_bytes()).await?;
        }
        there.shutdown().await?;
        let mut connection = Connection { stream: Box::new(here), answer: Vec::new() };
        Ok(String::from_utf8_lossy(connection.ask(b"x").await?).into_owned())
    }

    #[test]
    fn an_answer_is_read_to_its_end_and_a_refusal_is_one() {
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n";
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (answers, wanted) in [
            (&[ok, "ab", "cd"][..], Ok("abcd")),
            (&[ok, "ab"], Err("within an answer")),
            (&["HTTP/1.1 200 OK\r\n"], Err("closed the connection")),
            (&["HTTP/1.1 400 No\r\ncontent-length: 2\r\n\r\nno"], Err("the server refuses")),
            (&["HTTP/1.1 200 OK\r\n\r\n"], Err("without a usable Content-Length")),
        ] {
            match (runtime.block_on(ask(answers)), wanted) {
                (Ok(body), Ok(wanted)) => assert_eq!(body, wanted),
                (Err(error), Err(wanted)) => assert!(error.to_string().contains(wanted), "{error}"),
                (found, _) => panic!("{answers:?}: {found:?}"),
            }
        }
    }
}
