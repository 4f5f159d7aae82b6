//! Writes down what is held: after each change, and now and then what the time is.
//!
//! A write that is under way when the agent is killed leaves the file before it. What was refused or deleted meanwhile
//! may then still be in it, until the next contact or the end of its lease.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fleetwright_platform::SharedPlatform;
use fleetwright_proto::clock::SharedClock;

use super::lease::WRITE_EVERY;
use super::sealed::{SealedFile, SealedFileError, Written};
use super::{CacheLimits, Parameters};
use crate::explain::explain;
use crate::identity::Identity;

/// After a write that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// Keeps the file of what is held as it is held.
#[derive(Debug)]
pub(crate) struct Keeper {
    parameters: Arc<Parameters>,
    file: Arc<SealedFile>,
    clock: SharedClock,
}

impl Keeper {
    /// What was held when the file was written is held again, within its lease.
    pub(crate) fn open(
        path: PathBuf,
        identity: &Identity,
        limits: CacheLimits,
        platform: SharedPlatform,
        clock: SharedClock,
    ) -> (Arc<Parameters>, Self) {
        let file = SealedFile::of(identity, path, platform);
        let written = file.read().unwrap_or_else(|error| {
            tracing::warn!("no parameters are held from before: {}", explain(&error));
            None
        });
        let at = written.as_ref().map(|written| written.at_ms);
        let parameters = Parameters::going_on(limits, Arc::clone(&clock), written.unwrap_or_default(), at);
        let parameters = Arc::new(parameters);
        (Arc::clone(&parameters), Self { parameters, file: Arc::new(file), clock })
    }

    /// Never returns; whoever spawned it drops it.
    pub(crate) async fn run(&self) {
        let mut told = false;
        loop {
            let holds_something = !self.parameters.lock().cache.is_empty();
            tokio::select! {
                () = self.parameters.to_write.notified() => {}
                () = self.clock.sleep(WRITE_EVERY), if holds_something => {}
            }
            match self.write().await {
                Ok(()) => told = false,
                Err(error) => {
                    if !told {
                        tracing::warn!("the parameters of this host are not written down: {error}");
                    }
                    told = true;
                    self.clock.sleep(AGAIN_AFTER).await;
                    self.parameters.to_write.notify_one();
                }
            }
        }
    }

    async fn write(&self) -> Result<(), String> {
        let written = self.parameters.to_be_written();
        let file = Arc::clone(&self.file);
        let done = tokio::task::spawn_blocking(move || file.write(&written)).await;
        done.map_err(|error| error.to_string())?.map_err(|error: SealedFileError| explain(&error))
    }
}

impl Parameters {
    fn to_be_written(&self) -> Written {
        let mut state = self.lock();
        let now = self.clock.now();
        state.cache.expire(now);
        Written { at_ms: now, entries: state.cache.written() }
    }
}
