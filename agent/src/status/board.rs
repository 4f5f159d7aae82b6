//! Where the running agent writes its link's state down.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use fleetwright_platform::SharedPlatform;
use fleetwright_proto::clock::Timestamp;
use tokio::sync::watch;

use super::LinkStatus;
use crate::explain::explain;
use crate::replace;

/// The latest status, for those in the process who wait for it and, if there is a file, for `status`.
#[derive(Debug)]
pub(crate) struct StatusBoard {
    link: watch::Sender<LinkStatus>,
    file: Option<PathBuf>,
    platform: SharedPlatform,
    /// The first failure to write is told; the rest is not news.
    told: Mutex<bool>,
}

impl StatusBoard {
    pub(crate) fn new(file: Option<PathBuf>, platform: SharedPlatform, now: Timestamp) -> Self {
        let board = Self {
            link: watch::channel(LinkStatus::Connecting { since_ms: now }).0,
            file,
            platform,
            told: Mutex::new(false),
        };
        board.set(LinkStatus::Connecting { since_ms: now });
        board
    }

    pub(crate) fn connected(&self, now: Timestamp) {
        self.set(LinkStatus::Connected { since_ms: now });
    }

    pub(crate) fn disconnected(&self, error: String, now: Timestamp) {
        self.set(LinkStatus::Disconnected { at_ms: now, error });
    }

    pub(crate) fn watch(&self) -> watch::Receiver<LinkStatus> {
        self.link.subscribe()
    }

    fn set(&self, link: LinkStatus) {
        if let Some(file) = &self.file {
            let text = serde_json::to_vec(&link).expect("a status has no map with keys that are not text");
            if let Err(error) = replace::quickly(&*self.platform, file, &text) {
                let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                if !std::mem::replace(&mut *told, true) {
                    tracing::warn!("the status is not written: {}", explain(&error));
                }
            }
        }
        self.link.send_replace(link);
    }
}
