//! What monitoring asks over plain HTTP verbs: `/metrics`, `/livez`, `/readyz`.
//!
//! On the one TLS port anyone may ask whether the controller lives and is ready (nothing secret is in the answer), and
//! operators may read the metrics. On `metrics.listen`, when it is set, there is no TLS and whoever reaches the address
//! may read all three, and nothing else.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::sync::watch;
use tower::ServiceExt;

use super::access::{Peer, recognise};
use super::plain::PlainListener;
use crate::access::policy::{Action, Resource, authorize};
use crate::error::Refusal;
use crate::health::{self, Part};
use crate::house::House;
use crate::metrics;

/// Connections that `metrics.listen` serves at once; whoever comes then waits.
const PLAIN_CONNECTIONS: usize = 32;

/// The three paths, for the TLS port.
pub fn routes(house: &Arc<House>) -> Router {
    health_routes(house).route("/metrics", get(guarded_metrics).with_state(house.clone()))
}

/// The three paths, for whoever reaches `metrics.listen`.
fn open_routes(house: &Arc<House>) -> Router {
    health_routes(house).route("/metrics", get(open_metrics).with_state(house.clone()))
}

fn health_routes(house: &Arc<House>) -> Router {
    let live = house.clone();
    let ready = house.clone();
    Router::new()
        .route("/livez", get(async move |request: Request<Body>| answer(&request, &health::live(&live))))
        .route("/readyz", get(async move |request: Request<Body>| answer(&request, &health::ready(&ready))))
}

async fn guarded_metrics(
    axum::extract::State(house): axum::extract::State<Arc<House>>,
    request: Request<Body>,
) -> Response<Body> {
    match may_read(&house, &request) {
        Ok(()) => metrics_page(&house).await,
        Err(refusal) => text(
            StatusCode::FORBIDDEN,
            format!(
                "only an operator may read the metrics here: show an operator's certificate or token, or set \
                 metrics.listen in the controller's configuration and ask there ({refusal})\n"
            ),
        ),
    }
}

fn may_read(house: &House, request: &Request<Body>) -> Result<(), Refusal> {
    let principal = recognise(house, request.extensions().get::<Peer>(), request.headers())?;
    Ok(authorize(house, &principal, Action::GetMetrics, &Resource::Fleet)?)
}

async fn open_metrics(axum::extract::State(house): axum::extract::State<Arc<House>>) -> Response<Body> {
    metrics_page(&house).await
}

async fn metrics_page(house: &Arc<House>) -> Response<Body> {
    with_type(StatusCode::OK, metrics::CONTENT_TYPE, metrics::page(house).await)
}

/// `ok` when all is well, and a line for each part when it is not, or when they are asked for.
fn answer(request: &Request<Body>, parts: &[Part]) -> Response<Body> {
    let well = parts.iter().all(|part| part.ok);
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let asks_for_json = request
        .headers()
        .get(http::header::ACCEPT)
        .is_some_and(|accept| accept.to_str().is_ok_and(|accept| accept.contains("application/json")));
    if asks_for_json {
        let body = serde_json::json!({ "ok": well, "parts": parts });
        return with_type(status, "application/json", format!("{body}\n"));
    }
    let verbose = request.uri().query().is_some_and(|query| query.split('&').any(is_verbose));
    if well && !verbose {
        return text(status, "ok\n".to_owned());
    }
    let line = |part: &Part| {
        let sign = if part.ok { "ok" } else { "FAILED" };
        format!("{}: {sign}: {}\n", part.name, part.detail)
    };
    text(status, parts.iter().map(line).collect())
}

fn is_verbose(parameter: &str) -> bool {
    parameter == "verbose" || parameter.starts_with("verbose=")
}

fn text(status: StatusCode, body: String) -> Response<Body> {
    with_type(status, "text/plain; charset=utf-8", body)
}

fn with_type(status: StatusCode, content_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Serves monitoring on an address of its own until `stop` says so.
pub async fn serve(listener: PlainListener, house: Arc<House>, stop: watch::Receiver<bool>) {
    let routes = open_routes(&house);
    let answer = move |request: Request<Incoming>| routes.clone().oneshot(request.map(Body::new));
    listener.serve(&house, PLAIN_CONNECTIONS, stop, move |_| answer.clone()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &'static str, ok: bool, detail: &str) -> Part {
        Part { name, ok, detail: detail.to_owned() }
    }

    /// What is answered to `GET path`, as status and body.
    async fn check(path: &str, accept: &str, parts: &[Part], status: u16, body: &str) {
        let request = Request::get(path).header("accept", accept).body(Body::empty()).unwrap();
        let response = answer(&request, parts);
        assert_eq!(response.status().as_u16(), status, "{path}");
        let bytes = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), body, "{path}");
    }

    #[tokio::test]
    async fn health_is_one_word_or_a_line_for_each_part() {
        let well = [part("store", true, "takes commits")];
        let ill = [part("store", false, "it is full"), part("disk", true, "9 MiB free")];
        check("/readyz", "*/*", &well, 200, "ok\n").await;
        check("/readyz?verbose", "*/*", &well, 200, "store: ok: takes commits\n").await;
        check("/readyz?verbose=1&x=2", "*/*", &well, 200, "store: ok: takes commits\n").await;
        check("/readyz", "*/*", &ill, 503, "store: FAILED: it is full\ndisk: ok: 9 MiB free\n").await;
        let json =
            "{\"ok\":true,\"parts\":[{\"name\":\"store\",\"ok\":true,\"detail\":\"takes commits\"}]}\n";
        check("/readyz", "application/json", &well, 200, json).await;
    }
}
