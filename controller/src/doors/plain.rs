//! An address without TLS: for monitoring, and for programs of this host that cannot be told of our authority.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::listener::{ListenError, stopping};
use crate::house::House;

/// The address, bound.
#[derive(Debug)]
pub struct PlainListener(TcpListener);

impl PlainListener {
    pub async fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let bound = TcpListener::bind(address).await;
        bound.map(Self).map_err(|source| ListenError::Bind { address, source })
    }

    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves until `stop` says so, at most so many connections at once; whoever comes then waits. `visit` makes what
    /// answers the requests of one connection, from this address.
    pub async fn serve<V, A, F>(
        self,
        house: &House,
        connections: usize,
        mut stop: watch::Receiver<bool>,
        visit: V,
    ) where
        V: Fn(IpAddr) -> A,
        A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(connections));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = self.0.accept() => accepted,
                () = stopping(&mut stop) => return,
            };
            let Ok((stream, source)) = accepted else {
                house.clock.sleep(Duration::from_millis(50)).await;
                continue;
            };
            // Answers are short and are waited for.
            drop(stream.set_nodelay(true));
            let answer = visit(source.ip().to_canonical());
            let mut stop = stop.clone();
            tokio::spawn(async move {
                let _place = place;
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .serve_connection(TokioIo::new(stream), service_fn(answer));
                tokio::pin!(connection);
                let ended = tokio::select! {
                    ended = connection.as_mut() => ended,
                    () = stopping(&mut stop) => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                };
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection without TLS ended");
                }
            });
        }
    }
}
