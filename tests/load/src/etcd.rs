//! What is asked of etcd, in its own words: the two messages of its API that a read and a write need.

use anyhow::{Context, Result, bail, ensure};
use bytes::{BufMut, Bytes, BytesMut};
use http::Request;
use http::header::{CONTENT_TYPE, TE};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpStream;

use crate::Effort;
use crate::pace::Caller;

/// What stands before a message of gRPC: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Asked {
    /// Put every key once
    Fill,
    /// Read one key, as fresh as the cluster is
    Get,
    /// Read one key, as fresh as the member is that was asked
    GetSerializable,
    /// Write one key that is there
    Put,
}

impl Asked {
    /// Whether it ends when everything was asked.
    pub(crate) fn is_once(self) -> bool {
        self == Self::Fill
    }
}

/// `etcdserverpb.RangeRequest`, as far as it is needed.
#[derive(Clone, PartialEq, prost::Message)]
struct RangeRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bool, tag = "7")]
    serializable: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RangeResponse {
    #[prost(int64, tag = "4")]
    count: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

pub(crate) async fn callers(members: &[String], asked: Asked, effort: &Effort) -> Result<Vec<Asking>> {
    let mut callers = Vec::new();
    for (place, member) in (0..effort.connections).zip(members.iter().cycle()) {
        callers.push(Asking {
            connection: connect(member).await.with_context(|| format!("cannot connect to {member}"))?,
            member: member.clone(),
            asked,
            items: effort.items,
            value_bytes: effort.value_bytes as usize,
            next: place,
            step: effort.connections,
            random: fastrand::Rng::with_seed(place.into()),
        });
    }
    Ok(callers)
}

async fn connect(member: &str) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(member).await?;
    stream.set_nodelay(true)?;
    let shaken = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (requests, connection) = shaken?;
    // What ends a connection is told by the request that it fails.
    tokio::spawn(connection);
    Ok(requests)
}

/// One connection and where it is.
pub(crate) struct Asking {
    connection: SendRequest<Full<Bytes>>,
    member: String,
    asked: Asked,
    items: u32,
    value_bytes: usize,
    next: u32,
    step: u32,
    random: fastrand::Rng,
}

impl Caller for Asking {
    async fn call(&mut self) -> Result<bool> {
        let item = match self.asked {
            Asked::Fill => self.next,
            _ => self.random.u32(..self.items),
        };
        if item >= self.items {
            return Ok(false);
        }
        self.next += self.step;
        let key = format!("/load/plain/{item:08}").into_bytes();
        match self.asked {
            Asked::Fill | Asked::Put => {
                let value = std::iter::repeat_with(|| self.random.alphanumeric()).take(self.value_bytes);
                let value = value.collect::<String>().into_bytes();
                self.ask("/etcdserverpb.KV/Put", &PutRequest { key, value }).await?;
            }
            Asked::Get | Asked::GetSerializable => {
                let serializable = self.asked == Asked::GetSerializable;
                let answer = self.ask("/etcdserverpb.KV/Range", &RangeRequest { key, serializable }).await?;
                let found = RangeResponse::decode(answer)?.count;
                ensure!(found == 1, "etcd has no value under a key that was put");
            }
        }
        Ok(true)
    }
}

impl Asking {
    /// One call; the message that it answers.
    async fn ask(&mut self, path: &str, message: &impl Message) -> Result<Bytes> {
        let length = message.encoded_len();
        let mut body = BytesMut::with_capacity(PREFIX_BYTES + length);
        body.put_u8(0);
        body.put_u32(u32::try_from(length)?);
        message.encode(&mut body)?;
        let request = Request::post(format!("http://{}{path}", self.member))
            .header(CONTENT_TYPE, "application/grpc")
            .header(TE, "trailers")
            .body(Full::new(body.freeze()))?;
        self.connection.ready().await?;
        let answer = self.connection.send_request(request).await?.into_body().collect().await?;
        let status = answer.trailers().and_then(|trailers| trailers.get("grpc-status")?.to_str().ok());
        if status != Some("0") {
            let why = answer.trailers().and_then(|trailers| trailers.get("grpc-message")?.to_str().ok());
            bail!("etcd refuses: {}", why.unwrap_or("its answer has no status"));
        }
        let mut answer = answer.to_bytes();
        ensure!(answer.len() >= PREFIX_BYTES, "an answer of etcd has no message");
        Ok(answer.split_off(PREFIX_BYTES))
    }
}
