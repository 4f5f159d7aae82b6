//! The network of the simulated hosts: an address of their own for each, and faults on demand.
//!
//! A controller on this machine is called from 127.64.0.0 and up, one address for each host, so that the ports of no
//! address run out. A controller elsewhere is called from whatever address the system chooses.

mod link;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleetwright_agent::identity::ControllerAddress;
use fleetwright_agent::link::{ConnectError, Connecting, Connector, Transport};
use fleetwright_proto::clock::SharedClock;
use tokio::net::{TcpSocket, TcpStream};
use tokio_util::sync::CancellationToken;

use link::Link;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What all hosts of a fleet share.
#[derive(Debug)]
pub struct Network {
    clock: SharedClock,
    /// Cancelled when all links are cut; those that come later hold the next one.
    cut: Mutex<CancellationToken>,
    open: Arc<AtomicUsize>,
}

impl Network {
    #[must_use]
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, cut: Mutex::default(), open: Arc::default() }
    }

    /// Breaks every link that there is now, from both sides at once, as a switch that loses power does. Tells how
    /// many there were.
    pub fn cut(&self) -> usize {
        let links = self.open.load(Ordering::Relaxed);
        let cut = std::mem::take(&mut *self.cut.lock().unwrap_or_else(PoisonError::into_inner));
        cut.cancel();
        links
    }

    /// Links that are open now.
    #[must_use]
    pub fn open_links(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    fn token(&self) -> CancellationToken {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One host's way to its controller.
#[derive(Debug)]
pub struct HostNetwork {
    network: Arc<Network>,
    source: Ipv4Addr,
    is_slow: Arc<AtomicBool>,
}

impl HostNetwork {
    #[must_use]
    pub fn of_host(number: u32, network: Arc<Network>) -> Self {
        Self { network, source: source_address(number), is_slow: Arc::default() }
    }

    /// From now on the host reads a few hundred bytes a second, on the link that it has and on later ones.
    pub fn slow_down(&self) {
        self.is_slow.store(true, Ordering::Relaxed);
    }

    pub fn speed_up(&self) {
        self.is_slow.store(false, Ordering::Relaxed);
    }

    async fn open(&self, address: &ControllerAddress) -> Result<TcpStream, ConnectError> {
        let found = tokio::net::lookup_host((address.host(), address.port()))
            .await
            .map_err(|source| ConnectError::Resolve { host: address.host().to_owned(), source })?;
        let mut latest = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
        for candidate in found {
            match self.dial(candidate).await {
                Ok(stream) => return Ok(stream),
                Err(error) => latest = error,
            }
        }
        Err(match latest.kind() {
            std::io::ErrorKind::ConnectionRefused => ConnectError::Refused { address: address.clone() },
            _ => ConnectError::Connect { address: address.clone(), source: latest },
        })
    }

    async fn dial(&self, to: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = match to.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => {
                let socket = TcpSocket::new_v4()?;
                socket.bind((self.source, 0).into())?;
                socket
            }
            IpAddr::V4(_) => TcpSocket::new_v4()?,
            IpAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_nodelay(true)?;
        socket.connect(to).await
    }
}

impl Connector for HostNetwork {
    fn connect<'a>(&'a self, address: &'a ControllerAddress) -> Connecting<'a> {
        Box::pin(async move {
            let cut = self.network.token();
            let stream = tokio::time::timeout(CONNECT_TIMEOUT, self.open(address)).await;
            let timed_out = || ConnectError::TimedOut { address: address.clone(), within: CONNECT_TIMEOUT };
            let stream = stream.map_err(|_| timed_out())??;
            let link = Link::new(stream, cut, self.is_slow.clone(), self.network.clock.clone());
            Ok(Box::new(link.counted_in(&self.network.open)) as Box<dyn Transport>)
        })
    }
}

/// 127.64.0.0 and up. More than four million hosts share addresses, and each address has thousands of ports.
fn source_address(number: u32) -> Ipv4Addr {
    let [_, high, middle, low] = number.to_be_bytes();
    Ipv4Addr::new(127, 64 + (high & 0x3f), middle, low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_has_a_loopback_address_of_its_own() {
        let table = [
            (0, "127.64.0.0"),
            (1, "127.64.0.1"),
            (65_536 + 258, "127.65.1.2"),
            (u32::MAX, "127.127.255.255"),
        ];
        for (number, wanted) in table {
            assert_eq!(source_address(number).to_string(), wanted, "{number}");
        }
    }
}
