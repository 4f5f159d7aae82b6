//! The SSM door: the JSON API that SDKs and scripts already speak, `POST /` with `X-Amz-Target: AmazonSSM.…`.
//!
//! ```text
//! headers ── claim ── who? ── body ── signature good? ── which operation? ── done before? ── input good?
//!                                                                                     │
//!                              answer ◄── the capability's operation ◄── may he? ◄────┘
//! ```
//!
//! - [`sigv4`] and [`replay`] say, purely, whether a request is its signer's and is not done twice; [`gate`] asks who
//!   that is.
//! - [`operation`] is the table of the API's operations; [`shape`] checks their inputs, [`token`] pages their answers,
//!   [`fault`] names what is refused.
//! - One file for each capability translates, and knows no rule.
//!
//! Nothing of a body is read before its sender named an access key that exists, and never more than
//! [`BODY_MAX_BYTES`].

mod associations;
mod call;
mod commands;
mod compliance;
mod documents;
mod fault;
pub mod gate;
mod inventory;
mod nodes;
mod operation;
mod parameters;
mod permit;
mod replay;
mod service_settings;
mod shape;
mod sigv4;
mod tags;
mod token;
mod windows;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as HttpBody, Incoming};
use serde_json::Value;
use tokio::sync::watch;

use super::listener::Source;
use super::plain::PlainListener;
use super::visit::Visit;
use crate::house::House;
use call::Call;
use fault::Fault;
use fault::MALFORMED;
use operation::Operation;
use replay::Sent;

/// Longest body: some of the largest inputs of the API, with every character escaped.
const BODY_MAX_BYTES: usize = 1024 * 1024;
/// A body that is not here by then is not waited for.
const BODY_WITHIN: Duration = Duration::from_secs(20);
/// Connections without TLS at once.
const PLAIN_CONNECTIONS: usize = 1024;
const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
/// Which call a request belongs to, as SDKs say.
const INVOCATION_ID: HeaderName = HeaderName::from_static("amz-sdk-invocation-id");
const TARGET_PREFIX: &str = "AmazonSSM.";

/// The door's one path, on the TLS port.
pub(in crate::doors) const PATH: &str = "/";

/// Answers a request; a refusal is an answer, too.
pub(in crate::doors) async fn answer<B>(house: &Arc<House>, request: Request<B>) -> Response<Body>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    let version = parts.version;
    let id = uuid::Uuid::new_v4().hyphenated().to_string();
    let answered = perform(house, &parts, body).await;
    let (status, error, body) = match answered {
        Ok(output) => (StatusCode::OK, None, output),
        Err(fault) => {
            let error = serde_json::json!({
                "__type": fault.name, "message": fault.message, "Message": fault.message,
            });
            let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, Some(fault.name), error.to_string().into_bytes())
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.extend(HeaderValue::try_from(id).ok().map(|id| (REQUEST_ID, id)));
    headers.extend(error.map(|name| (ERROR_TYPE, HeaderValue::from_static(name))));
    // What follows a request that can be read in two ways may be another one's.
    if error == Some(MALFORMED) && version < Version::HTTP_2 {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn perform<B>(house: &Arc<House>, parts: &Parts, body: B) -> Result<Vec<u8>, Fault>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let claim = sigv4::claim(parts)?;
    let now = house.clock.now();
    let signer = gate::signer(house, &claim, now)?;
    let body = read(house, parts, body).await?;
    gate::check_signature(house, &signer, &claim, parts, &body, now)?;
    let visit = parts.extensions.get::<Arc<Visit>>();
    if let Some(visit) = visit {
        visit.signed();
    }
    let operation = wanted(parts)?;
    if operation.changes() {
        house.gate.admit_change(&claim, sent(parts), now)?;
    }
    let input = input(operation, &body)?;
    let principal = match parts.extensions.get::<Source>() {
        Some(Source(from)) => signer.principal.coming_from(from),
        None => signer.principal,
    };
    // Nothing is written down of an administrator who looks.
    let noted = operation.changes() || !principal.is_admin();
    let on = if noted { permit::about(&input) } else { String::new() };
    let told = AtomicBool::new(false);
    let answered = match permit::check(house, &principal, operation.name, &input).await {
        Ok(()) => {
            let (caller, region) = (principal.clone(), claim.region);
            let call = Call { house, operation: operation.name, caller, region, told: &told };
            operation.run(call, input).await
        }
        Err(fault) => Err(fault),
    };
    let deed = permit::Deed { principal: &principal, operation, on, told: told.load(Ordering::Relaxed) };
    permit::log(house, deed, answered.as_ref().err()).await?;
    answered
}

/// What tells requests with one signature apart.
fn sent(parts: &Parts) -> Sent<'_> {
    let call = parts.headers.get(INVOCATION_ID).and_then(|call| call.to_str().ok());
    Sent { from: parts.extensions.get::<Source>().map_or("", |Source(from)| from), call }
}

/// The operation that the request's target names.
fn wanted(parts: &Parts) -> Result<&'static Operation, Fault> {
    let target =
        parts.headers.get(sigv4::AMZ_TARGET).and_then(|target| target.to_str().ok()).unwrap_or_default();
    let name = target.strip_prefix(TARGET_PREFIX);
    name.and_then(operation::find).ok_or_else(|| {
        let shown: String = target.chars().take(80).collect();
        Fault::new("UnknownOperationException", format!("there is no operation `{shown}` in this API"))
    })
}

fn input(operation: &Operation, body: &[u8]) -> Result<Value, Fault> {
    let mut input = if body.is_empty() {
        Value::Object(serde_json::Map::new())
    } else {
        serde_json::from_slice(body)
            .map_err(|error| Fault::new("SerializationException", format!("the body is not JSON: {error}")))?
    };
    shape::check(operation.input, &mut input)?;
    Ok(input)
}

/// Reads the body whole, within its bounds of size and time.
async fn read<B>(house: &House, parts: &Parts, body: B) -> Result<Bytes, Fault>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let said = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|length| length > BODY_MAX_BYTES as u64) {
        return Err(Fault::too_large(BODY_MAX_BYTES));
    }
    let whole = Limited::new(body, BODY_MAX_BYTES).collect();
    tokio::pin!(whole);
    // Most bodies came with their headers.
    let read = match futures::poll!(whole.as_mut()) {
        std::task::Poll::Ready(read) => read,
        std::task::Poll::Pending => tokio::select! {
            read = whole => read,
            () = house.clock.sleep(BODY_WITHIN) => return Err(Fault::timed_out("the body did not come in time")),
        },
    };
    match read {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Fault::too_large(BODY_MAX_BYTES)),
        Err(_) => Err(Fault::new(MALFORMED, "the body ended in the middle")),
    }
}

/// Serves the door alone on an address without TLS until `stop` says so.
pub async fn serve(listener: PlainListener, house: Arc<House>, stop: watch::Receiver<bool>) {
    let visit = |from: IpAddr| {
        let (house, visit) = (house.clone(), Visit::uncounted());
        let source = Source(from.to_string().into());
        move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(visit.clone());
            request.extensions_mut().insert(source.clone());
            let house = house.clone();
            async move { Ok(answer(&house, request).await) }
        }
    };
    listener.serve(&house, PLAIN_CONNECTIONS, stop, visit).await;
}

#[cfg(test)]
mod tests;
