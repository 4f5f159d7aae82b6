//! One host's way to the controller, which a test can cut at any byte.
//!
//! A *piece* is what one read of the socket brings, in either direction: about one TLS record. A wire that is cut in
//! the middle of a piece delivers half of it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fleetwright_agent::identity::ControllerAddress;
use fleetwright_agent::link::{ConnectError, Connecting, Connector, Transport};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

/// Where the controller listens now; none while it is dead.
pub(crate) type Exchange = Arc<Mutex<Option<SocketAddr>>>;

const PIECE_MAX_BYTES: usize = 16 * 1024;

/// Clones are the same wire.
#[derive(Debug, Clone)]
pub struct Wire {
    exchange: Exchange,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    condition: Condition,
    relays: Vec<AbortHandle>,
    /// Pieces that still pass before the wire is cut once.
    pieces_left: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Condition {
    #[default]
    Up,
    Down,
    /// Connections stay and nothing arrives any more.
    Mute,
    /// What the agent says does not arrive any more.
    OneWay,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToController,
    ToAgent,
}

enum Fate {
    Passes,
    IsTorn,
    IsLost,
}

impl Wire {
    pub(crate) fn to(exchange: Exchange) -> Self {
        Self { exchange, state: Arc::default() }
    }

    /// Breaks what is connected; the agent may connect again.
    pub fn cut(&self) {
        self.lock().relays.drain(..).for_each(|relay| relay.abort());
    }

    pub(crate) fn take_down(&self) {
        self.lock().condition = Condition::Down;
        self.cut();
    }

    pub(crate) fn mute(&self) {
        self.lock().condition = Condition::Mute;
    }

    pub(crate) fn lose_what_the_agent_says(&self) {
        self.lock().condition = Condition::OneWay;
    }

    pub(crate) fn bring_up(&self) {
        self.lock().condition = Condition::Up;
    }

    pub(crate) fn is_up(&self) -> bool {
        self.lock().condition == Condition::Up
    }

    /// Lets `pieces` more pass and cuts in the middle of the next one, once.
    pub fn cut_after(&self, pieces: usize) {
        self.lock().pieces_left = Some(pieces);
    }

    /// Whether the cut that [`Wire::cut_after`] ordered is still to come; it is called off.
    pub fn call_off_cut(&self) -> bool {
        self.lock().pieces_left.take().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate_of_next(&self, direction: Direction) -> Fate {
        let mut state = self.lock();
        match (state.condition, direction) {
            (Condition::Mute, _) | (Condition::OneWay, Direction::ToController) => return Fate::IsLost,
            (Condition::Up | Condition::Down | Condition::OneWay, _) => {}
        }
        match state.pieces_left {
            Some(0) => {
                state.pieces_left = None;
                Fate::IsTorn
            }
            Some(pieces) => {
                state.pieces_left = Some(pieces - 1);
                Fate::Passes
            }
            None => Fate::Passes,
        }
    }

    async fn relay(self, near: DuplexStream, far: TcpStream) {
        let (mut from_agent, mut to_agent) = tokio::io::split(near);
        let (mut from_controller, mut to_controller) = far.into_split();
        tokio::select! {
            () = self.carry(Direction::ToController, &mut from_agent, &mut to_controller) => {}
            () = self.carry(Direction::ToAgent, &mut from_controller, &mut to_agent) => {}
        }
    }

    async fn carry(
        &self,
        direction: Direction,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) {
        let mut buffer = vec![0; PIECE_MAX_BYTES];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let (keep, goes_on) = match self.fate_of_next(direction) {
                Fate::Passes => (length, true),
                Fate::IsTorn => (length / 2, false),
                Fate::IsLost => (0, true),
            };
            if to.write_all(&buffer[..keep]).await.is_err() || !goes_on {
                return;
            }
        }
    }
}

impl Connector for Wire {
    fn connect<'a>(&'a self, address: &'a ControllerAddress) -> Connecting<'a> {
        Box::pin(async move {
            let refused = || ConnectError::Refused { address: address.clone() };
            if self.lock().condition != Condition::Up {
                return Err(refused());
            }
            let there = *self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
            let far = TcpStream::connect(there.ok_or_else(refused)?).await.map_err(|_| refused())?;
            let (near, middle) = tokio::io::duplex(4 * PIECE_MAX_BYTES);
            let relay = tokio::spawn(self.clone().relay(middle, far));
            let mut state = self.lock();
            state.relays.retain(|relay| !relay.is_finished());
            state.relays.push(relay.abort_handle());
            Ok(Box::new(near) as Box<dyn Transport>)
        })
    }
}
