//! A network between agents and their controller that a test can cut.

use std::sync::{Arc, Mutex};

use fleetwright_agent::identity::ControllerAddress;
use fleetwright_agent::link::{ConnectError, Connecting, Connector, TcpConnector, Transport};
use tokio::task::AbortHandle;

/// Clones are the same network.
#[derive(Debug, Clone, Default)]
pub(crate) struct Network {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    is_down: bool,
    connections: Vec<AbortHandle>,
    dialled: usize,
}

impl Network {
    /// Breaks all connections; new ones can be made.
    pub(crate) fn cut(&self) {
        self.state.lock().unwrap().connections.drain(..).for_each(|connection| connection.abort());
    }

    /// Breaks all connections, and no new one can be made.
    pub(crate) fn take_down(&self) {
        self.state.lock().unwrap().is_down = true;
        self.cut();
    }

    pub(crate) fn bring_up(&self) {
        self.state.lock().unwrap().is_down = false;
    }

    /// How often an agent tried to connect.
    pub(crate) fn dialled(&self) -> usize {
        self.state.lock().unwrap().dialled
    }
}

impl Connector for Network {
    fn connect<'a>(&'a self, address: &'a ControllerAddress) -> Connecting<'a> {
        Box::pin(async move {
            {
                let mut state = self.state.lock().unwrap();
                state.dialled += 1;
                if state.is_down {
                    return Err(ConnectError::Refused { address: address.clone() });
                }
            }
            let mut far = TcpConnector.connect(address).await?;
            let (near, mut middle) = tokio::io::duplex(64 * 1024);
            let relay = tokio::spawn(async move {
                let _ended = tokio::io::copy_bidirectional(&mut middle, &mut far).await;
            });
            self.state.lock().unwrap().connections.push(relay.abort_handle());
            Ok(Box::new(near) as Box<dyn Transport>)
        })
    }
}
