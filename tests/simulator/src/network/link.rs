//! One TCP connection with two faults: it can be cut, and its reader can be slow.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use fleetwright_proto::clock::{SharedClock, Sleep};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// What a slow reader takes at once, and how long it then rests.
const SLOW_BYTES: usize = 256;
const SLOW_REST: Duration = Duration::from_secs(1);

pub(super) struct Link {
    stream: TcpStream,
    cut: CancellationToken,
    until_cut: Pin<Box<WaitForCancellationFutureOwned>>,
    is_slow: Arc<AtomicBool>,
    /// A slow reader's rest, while it lasts.
    rest: Option<Sleep>,
    clock: SharedClock,
    open: Option<Arc<AtomicUsize>>,
}

impl Link {
    pub(super) fn new(
        stream: TcpStream,
        cut: CancellationToken,
        is_slow: Arc<AtomicBool>,
        clock: SharedClock,
    ) -> Self {
        let until_cut = Box::pin(cut.clone().cancelled_owned());
        Self { stream, cut, until_cut, is_slow, rest: None, clock, open: None }
    }

    /// Counts this link for as long as it lives.
    pub(super) fn counted_in(mut self, open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        self.open = Some(open.clone());
        self
    }

    fn broken(&self) -> io::Error {
        // The other side gets a reset, not an orderly end.
        let _ = self.stream.set_zero_linger();
        io::ErrorKind::ConnectionReset.into()
    }

    fn poll_read_slowly(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(rest) = &mut self.rest {
            ready!(rest.as_mut().poll(context));
            self.rest = None;
        }
        let mut few = [0; SLOW_BYTES];
        let room = buffer.remaining().min(SLOW_BYTES);
        let mut piece = ReadBuf::new(&mut few[..room]);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut piece))?;
        buffer.put_slice(piece.filled());
        self.rest = Some(self.clock.sleep(SLOW_REST));
        Poll::Ready(Ok(()))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(open) = &self.open {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let link = self.get_mut();
        if link.cut.is_cancelled() || link.until_cut.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(link.broken()));
        }
        if link.is_slow.load(Ordering::Relaxed) {
            return link.poll_read_slowly(context, buffer);
        }
        Pin::new(&mut link.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let link = self.get_mut();
        if link.cut.is_cancelled() {
            return Poll::Ready(Err(link.broken()));
        }
        Pin::new(&mut link.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
