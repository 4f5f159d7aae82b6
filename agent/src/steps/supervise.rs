//! From a running process to its end, whoever causes it.
//!
//! ```text
//! running ── ends by itself ────────────────────────────────────────► Exited, Signalled
//!    │
//!    └── time-out, cancel ──► terminate ── gone, or grace is over ──► kill ──► TimedOut, Cancelled
//! ```

use std::time::Duration;

use fleetwright_platform::{Ended, Process, SignalError};
use fleetwright_proto::clock::SharedClock;
use tokio_util::sync::CancellationToken;

use super::How;

/// How often a group that was asked to end is looked at.
const GRACE_LOOK: Duration = Duration::from_millis(50);
/// A killed process that has not gone by then hangs in the kernel, and nothing here can change that.
const KILL_WAIT: Duration = Duration::from_secs(5);

/// How long a process may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) timeout: Duration,
    /// Between the polite request and the kill.
    pub(super) grace: Duration,
}

pub(super) async fn supervise(
    process: &mut dyn Process,
    patience: Patience,
    clock: &SharedClock,
    cancel: &CancellationToken,
) -> How {
    let how = tokio::select! {
        biased;
        ended = process.wait() => match ended {
            Ok(Ended::Exited(code)) => return How::Exited(code),
            Ok(Ended::Signalled(signal)) => return How::Signalled(signal),
            Err(error) => How::Lost(format!("how its process ended cannot be told: {error}")),
        },
        () = cancel.cancelled() => How::Cancelled,
        () = clock.sleep(patience.timeout) => How::TimedOut,
    };
    stop(process, patience.grace, clock).await;
    how
}

async fn stop(process: &mut dyn Process, grace: Duration, clock: &SharedClock) {
    let pid = process.identity().pid;
    match process.terminate() {
        Ok(()) => {
            tokio::select! {
                () = group_gone(process, clock) => {}
                () = clock.sleep(grace) => {}
            }
        }
        // Some systems have no polite request.
        Err(SignalError::Unsupported(_)) => {}
        Err(error) => tracing::warn!(pid, %error, "a process cannot be asked to end"),
    }
    // Even when the group has gone: something may have left it.
    if let Err(error) = process.kill() {
        tracing::warn!(pid, %error, "a process cannot be killed");
    }
    tokio::select! {
        _ = process.wait() => {}
        () = clock.sleep(KILL_WAIT) => tracing::warn!(pid, "a killed process has not gone"),
    }
}

async fn group_gone(process: &mut dyn Process, clock: &SharedClock) {
    while process.group_is_alive() {
        clock.sleep(GRACE_LOOK).await;
    }
}
