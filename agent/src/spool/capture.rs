//! From a pipe into the spool, through one small buffer.
//!
//! Reading is paced by what comes: the first bytes go on at once, a trickle is gathered for a moment in the pipe
//! itself, and a flood is taken as fast as the disk does. A full spool stops the reading, and the pipe then stops
//! the process.

use std::io;
use std::time::Duration;

use bytes::BufMut;
use fleetwright_platform::OutputReader;
use fleetwright_proto::clock::SharedClock;
use futures::FutureExt;
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

use super::{WhenFull, Writer};

/// All the memory that the output of one stream ever takes.
const BUFFER_BYTES: usize = 64 * 1024;
/// How long a trickle is gathered; also how often the link is woken at most.
const TRICKLE_PAUSE: Duration = Duration::from_millis(20);
/// Long enough for a process to fill its pipe again.
const FLOOD_PAUSE: Duration = Duration::from_millis(1);
/// More than this between two pauses is a flood.
const FLOOD_BYTES: usize = 32 * 1024;
/// After the main process has ended its pipe holds at most this much of what it printed itself.
const PIPE_MAX_BYTES: usize = 1024 * 1024;
/// How often the pipe of a process that outlives its step is emptied.
const DISCARD_PAUSE: Duration = Duration::from_millis(100);

/// How far the process is whose output is captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Running,
    /// The main process has ended: what it printed is taken, and what its children print for a bounded time.
    Draining,
    /// As `Draining`, and no time is lost on waiting for room: the process was killed.
    Hurried,
}

/// Takes what comes from `reader` until it ends, or until `drain` has passed since the main process ended. Returns
/// the writer, for what the agent itself has to add.
///
/// A process in the background that keeps its end of the pipe is not disturbed: the pipe is emptied on its behalf
/// for as long as it lives, and nothing of that is kept.
pub async fn capture(
    mut reader: OutputReader,
    mut writer: Writer,
    mut phase: watch::Receiver<Phase>,
    clock: SharedClock,
    drain: Duration,
) -> Writer {
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    let mut drained = Box::pin(drained(phase.clone(), clock, drain));
    let mut out_of_time = false;
    let mut since_pause = 0;
    let mut since_end = 0;
    loop {
        let read = tokio::select! {
            biased;
            read = fill(&mut reader, &mut buffer) => read,
            () = &mut drained, if !out_of_time => break,
            () = std::future::ready(()), if out_of_time => break,
        };
        match read {
            Ok(0) => return writer,
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "the output of a process cannot be read to its end");
                return writer;
            }
        }
        // What comes so late is not the main process's, and nobody waits for it.
        let when_full = if since_end >= PIPE_MAX_BYTES { WhenFull::Drop } else { WhenFull::Wait(&mut phase) };
        writer.append(&buffer, when_full).await;
        since_pause += buffer.len();
        since_end += if *phase.borrow() == Phase::Running { 0 } else { buffer.len() };
        out_of_time = out_of_time || (&mut drained).now_or_never().is_some();
        if out_of_time && since_end >= PIPE_MAX_BYTES {
            break;
        }
        let flood = buffer.len() == BUFFER_BYTES;
        buffer.clear();
        if flood {
            tokio::task::yield_now().await;
        } else {
            pause(since_pause, &mut phase).await;
            since_pause = 0;
        }
    }
    tokio::spawn(discard(reader));
    writer
}

/// Waits for the first bytes and takes with them what else is there. Zero at the end of the pipe.
async fn fill(reader: &mut OutputReader, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let first = reader.read_buf(&mut (&mut *buffer).limit(BUFFER_BYTES)).await?;
    while first > 0 && buffer.len() < BUFFER_BYTES {
        let free = BUFFER_BYTES - buffer.len();
        match reader.read_buf(&mut (&mut *buffer).limit(free)).now_or_never() {
            Some(Ok(1..)) => {}
            // The end and an error are found again by the next call.
            Some(Ok(0) | Err(_)) | None => break,
        }
    }
    Ok(buffer.len())
}

/// Completes when `drain` has passed since the main process ended.
async fn drained(mut phase: watch::Receiver<Phase>, clock: SharedClock, drain: Duration) {
    // An error means that nobody is left to say so, which comes to the same.
    drop(phase.wait_for(|phase| *phase != Phase::Running).await);
    clock.sleep(drain).await;
}

/// Lets bytes gather in the pipe. Cut short by the end of the process, so that a short step ends at once.
async fn pause(since_pause: usize, phase: &mut watch::Receiver<Phase>) {
    let length = if since_pause >= FLOOD_BYTES { FLOOD_PAUSE } else { TRICKLE_PAUSE };
    // Either way the pipe is read next.
    let _ = tokio::time::timeout(length, phase.changed()).await;
}

/// Empties a pipe until nobody holds its other end, so that whoever does is neither stopped nor killed by it.
async fn discard(mut reader: OutputReader) {
    let mut buffer = Vec::with_capacity(4096);
    while let Ok(1..) = reader.read_buf(&mut buffer).await {
        let full = buffer.len() == buffer.capacity();
        buffer.clear();
        if !full {
            let _ = tokio::time::timeout(DISCARD_PAUSE, std::future::pending::<()>()).await;
        }
    }
}
