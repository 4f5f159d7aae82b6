//! What an agent tells of itself on its own host: whether it is connected, and how full its bounded things are.
//!
//! A running agent writes down only what nobody else can see, its link, and only when that changes. The rest is read
//! where it is true: the identity, the journal, the spool, the lock.

mod board;

use std::fs;

use fleetwright_platform::SharedPlatform;
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use serde::{Deserialize, Serialize};

use crate::bounds::{self, FolderUsage};
use crate::config::Config;
use crate::executor::ExecutorLimits;
use crate::explain::date;
use crate::identity::{ControllerAddress, IdentityFiles, IdentityFilesError};
use crate::journal::{FileJournal, JournalError};
use crate::state_folder::StateFolder;
use crate::update::{Outcome, UpdateFolder, Verdict};
pub(crate) use board::StatusBoard;

/// The link as the running agent last saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LinkStatus {
    Connecting {
        since_ms: Timestamp,
    },
    Connected {
        since_ms: Timestamp,
    },
    Disconnected {
        /// When the latest try ended.
        at_ms: Timestamp,
        /// One line for people.
        error: String,
    },
    /// No agent runs with this state folder.
    NotRunning,
}

/// How full something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Usage {
    pub used: u64,
    pub limit: u64,
}

/// All of it, for `fleetwright-agent status`.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    pub node_id: NodeId,
    pub controller: ControllerAddress,
    pub agent_version: &'static str,
    /// Of a build that was brought by an update and counts instead of the packaged one.
    pub updated_to: Option<String>,
    /// What came of the last one that was tried.
    pub last_update: Option<Outcome>,
    pub link: LinkStatus,
    /// Accepted and without a final report.
    pub unfinished_commands: usize,
    /// With a final report that the controller has not acknowledged.
    pub unacknowledged_commands: usize,
    pub open_commands: Usage,
    /// Documents and parameters of the open commands.
    pub work_bytes: Usage,
    /// Everything in the state folder, with its limit.
    pub folders: Vec<FolderUsage>,
    pub certificate_expires_ms: Option<Timestamp>,
}

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    #[error("this host is not enrolled: no identity in `{0}`; run `fleetwright-agent enroll`")]
    NotEnrolled(String),
    #[error(transparent)]
    Identity(#[from] IdentityFilesError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// Reads the status of the agent in a state folder, running or not. Changes nothing.
///
/// # Errors
/// When the host is not enrolled or its files cannot be read.
pub fn read(folder: &StateFolder, config: &Config, platform: &SharedPlatform) -> Result<Status, StatusError> {
    let identity = IdentityFiles::in_state_folder(folder.root(), platform.clone())
        .load()?
        .ok_or_else(|| StatusError::NotEnrolled(folder.root().display().to_string()))?;
    let journal = FileJournal::look(&folder.journal())?;
    let limits = ExecutorLimits::default();
    // What cannot be read is as good as none: the packaged build runs then.
    let updates = UpdateFolder::in_state_folder(folder.root(), platform.clone());
    let updates = updates.read().ok().flatten().unwrap_or_default();
    let open = journal.state.open_commands();
    let unacknowledged = open.iter().filter(|(_, command)| command.finished.is_some()).count();
    Ok(Status {
        certificate_expires_ms: identity.validity().ok().map(|validity| validity.not_after),
        node_id: identity.node_id,
        controller: identity.controller,
        agent_version: crate::inventory::AGENT_VERSION,
        updated_to: updates.current.map(|build| build.version),
        last_update: updates.last,
        link: link_status(folder),
        unfinished_commands: open.len() - unacknowledged,
        unacknowledged_commands: unacknowledged,
        open_commands: Usage { used: open.len() as u64, limit: limits.open_commands as u64 },
        work_bytes: Usage { used: journal.state.work_bytes(), limit: limits.work_bytes },
        folders: bounds::usage(folder.root(), &config.spool_limits(), config.parameters.held_max_kib << 10),
    })
}

impl Status {
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self.link, LinkStatus::Connected { .. })
    }

    fn version_text(&self) -> String {
        match &self.updated_to {
            Some(version) => format!("{version} by an update, {} installed", self.agent_version),
            None => self.agent_version.to_owned(),
        }
    }

    /// For people; one fact a line.
    #[must_use]
    pub fn text(&self) -> String {
        let link = match &self.link {
            LinkStatus::Connecting { since_ms } => format!("connecting since {}", date(*since_ms)),
            LinkStatus::Connected { since_ms } => format!("connected since {}", date(*since_ms)),
            LinkStatus::Disconnected { at_ms, error } => {
                format!("not connected at {}: {error}", date(*at_ms))
            }
            LinkStatus::NotRunning => "the agent is not running".to_owned(),
        };
        let expires = self.certificate_expires_ms.map_or_else(|| "unreadable".to_owned(), date);
        let of = |usage: Usage, unit| format!("{} of {} {unit}", usage.used, usage.limit);
        let rows = [
            ("node", self.node_id.to_string()),
            ("controller", self.controller.to_string()),
            ("link", link),
            ("certificate expires", expires),
            ("unfinished commands", self.unfinished_commands.to_string()),
            ("unacknowledged commands", self.unacknowledged_commands.to_string()),
            ("open commands", of(self.open_commands, "commands")),
            ("documents", of(self.work_bytes, "bytes")),
            ("agent version", self.version_text()),
            ("last update", self.last_update.as_ref().map_or_else(|| "none".to_owned(), outcome_text)),
        ];
        let folders = self.folders.iter().map(|folder| {
            let FolderUsage { what, used, limit, stays, .. } = folder;
            (*what, format!("{used} of {limit} bytes, {stays}"))
        });
        rows.into_iter().chain(folders).map(|(name, value)| format!("{name:<24}{value}\n")).collect()
    }
}

fn link_status(folder: &StateFolder) -> LinkStatus {
    if !folder.is_in_use() {
        return LinkStatus::NotRunning;
    }
    // An agent that has just started has not written it yet.
    fs::read(folder.status())
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or(LinkStatus::Connecting { since_ms: Timestamp::default() })
}

fn outcome_text(outcome: &Outcome) -> String {
    let (version, at) = (&outcome.version, date(outcome.at));
    match &outcome.verdict {
        Verdict::Updated => format!("to {version} at {at}"),
        Verdict::Returned { why } => format!("{version} was taken back at {at}: {why}"),
    }
}
