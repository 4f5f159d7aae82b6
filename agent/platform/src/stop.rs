//! How a system asks a program to stop, or to begin anew.

use std::io;

/// What is asked of a running program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    Stop,
    /// To take up another build or configuration when it has nothing to do.
    Renew,
}

/// Requests to this program, from the moment that this was made.
#[derive(Debug)]
pub struct Requests {
    #[cfg(unix)]
    signals: unix::Signals,
    #[cfg(windows)]
    events: crate::windows::service::Events,
}

impl Requests {
    /// # Errors
    /// When the system does not let the program listen.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            #[cfg(unix)]
            signals: unix::Signals::listen()?,
            #[cfg(windows)]
            events: crate::windows::service::Events::listen()?,
        })
    }

    /// Completes at the next request. SIGTERM and an interrupt ask to stop and SIGHUP to begin anew; on Windows an
    /// interrupt, the end of the session, the shutdown of the host and the service manager ask to stop.
    pub async fn next(&mut self) -> Request {
        #[cfg(unix)]
        return self.signals.next().await;
        #[cfg(windows)]
        return self.events.next().await;
    }
}

/// Completes when the system or a person asks this program to stop.
///
/// # Errors
/// When the system does not let the program listen for it.
pub async fn stop_requested() -> io::Result<()> {
    let mut requests = Requests::listen()?;
    while requests.next().await != Request::Stop {}
    Ok(())
}

#[cfg(unix)]
mod unix {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::Request;

    #[derive(Debug)]
    pub(super) struct Signals {
        terminate: Signal,
        interrupt: Signal,
        hang_up: Signal,
    }

    impl Signals {
        pub(super) fn listen() -> io::Result<Self> {
            Ok(Self {
                terminate: signal(SignalKind::terminate())?,
                interrupt: signal(SignalKind::interrupt())?,
                hang_up: signal(SignalKind::hangup())?,
            })
        }

        pub(super) async fn next(&mut self) -> Request {
            tokio::select! {
                _ = self.terminate.recv() => Request::Stop,
                _ = self.interrupt.recv() => Request::Stop,
                _ = self.hang_up.recv() => Request::Renew,
            }
        }
    }
}
