//! The records of the journal, as they are on disk: JSON, where an unknown field is ignored and a missing one has its
//! default, so that an older and a newer agent read each other's journals.

use std::fmt;
use std::sync::Arc;

use fleetwright_platform::ProcessIdentity;
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::CommandId;
use serde::{Deserialize, Serialize};

/// One thing that happened to one command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub enum Record {
    Accepted {
        command: CommandId,
        work: Arc<Work>,
    },
    /// Stands for this many earlier records, whose effect is in the records that follow. Reports are numbered by
    /// records, and their numbers never go back.
    Compacted {
        command: CommandId,
        records: u64,
    },
    /// Written while the step's process is held back.
    StepStarted {
        command: CommandId,
        step: u32,
        name: String,
        action: String,
        at: Timestamp,
        process: Option<ProcessIdentity>,
    },
    StepFinished {
        command: CommandId,
        step: u32,
        result: StepRecord,
    },
    /// As `StepStarted`, for a step of a document that a step runs.
    InnerStarted {
        command: CommandId,
        step: u32,
        /// Where it is inside the step: its index in the inner document, and so on for a document in that.
        inner: Vec<u32>,
        name: String,
        action: String,
        at: Timestamp,
        process: Option<ProcessIdentity>,
    },
    InnerFinished {
        command: CommandId,
        step: u32,
        inner: Vec<u32>,
        result: StepRecord,
    },
    /// The host was asked to reboot and the step runs again afterwards.
    Rebooting {
        command: CommandId,
        step: u32,
        /// The boot that is to end.
        boot_id: String,
        /// Which reboot of this command it is, from 1.
        count: u32,
    },
    CancelRequested {
        command: CommandId,
    },
    Finished {
        command: CommandId,
        report: FinalReport,
        /// After which no controller delivers the command any more.
        start_deadline: Timestamp,
    },
    /// The controller has the final report. What remains is the id.
    Acknowledged {
        command: CommandId,
        forget_after: Timestamp,
    },
}

impl Record {
    #[must_use]
    pub fn command(&self) -> &CommandId {
        match self {
            Self::Accepted { command, .. }
            | Self::Compacted { command, .. }
            | Self::StepStarted { command, .. }
            | Self::StepFinished { command, .. }
            | Self::InnerStarted { command, .. }
            | Self::InnerFinished { command, .. }
            | Self::Rebooting { command, .. }
            | Self::CancelRequested { command }
            | Self::Finished { command, .. }
            | Self::Acknowledged { command, .. } => command,
        }
    }
}

/// A document to run, as it was delivered.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Work {
    pub document_name: String,
    pub document_version: String,
    pub content: String,
    /// JSON object. Empty in a record whose parameters are sealed.
    pub parameters: String,
    /// The parameters as a file has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sealed: Option<String>,
    pub accepted_at: Timestamp,
    /// By this host's clock.
    pub start_deadline: Timestamp,
}

impl Work {
    /// What was delivered, not sealed.
    #[must_use]
    pub fn delivered(
        (document_name, document_version): (String, String),
        content: String,
        parameters: String,
        (accepted_at, start_deadline): (Timestamp, Timestamp),
    ) -> Self {
        Self {
            document_name,
            document_version,
            content,
            parameters,
            sealed: None,
            accepted_at,
            start_deadline,
        }
    }

    /// What it takes in memory and, about, on disk.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        (self.content.len() + self.parameters.len() + self.document_name.len()) as u64
    }
}

impl fmt::Debug for Work {
    /// Without content and parameters: what is printed for debugging ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work")
            .field("document_name", &self.document_name)
            .field("document_version", &self.document_version)
            .field("accepted_at", &self.accepted_at)
            .field("start_deadline", &self.start_deadline)
            .finish_non_exhaustive()
    }
}

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    pub name: String,
    pub action: String,
    pub state: StepState,
    /// SSM's response code: the exit code, or what stands for it.
    pub code: i32,
    #[serde(default)]
    pub ended: Option<Ended>,
    pub started: Timestamp,
    pub finished: Timestamp,
    /// One line for people.
    #[serde(default)]
    pub detail: String,
    #[serde(default)]
    pub stdout: StreamTotals,
    #[serde(default)]
    pub stderr: StreamTotals,
    /// The steps of the document that this step ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inner: Vec<StepRecord>,
}

/// The states of a step that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    Success,
    /// Asked for a reboot; runs again after it.
    SuccessAndReboot,
    Failed,
    TimedOut,
    Cancelled,
    Skipped,
    Interrupted,
}

/// How a process ended, whatever it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    ExitCode(i32),
    Signal(u32),
}

/// What a step printed on one stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamTotals {
    pub bytes: u64,
    /// Of these, what exceeded the spool's limit.
    pub dropped_bytes: u64,
}

/// The end of a command as the controller is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FinalReport {
    pub status: FinalStatus,
    pub reason: Reason,
    #[serde(default)]
    pub reason_step: String,
    #[serde(default)]
    pub reason_detail: String,
    #[serde(default)]
    pub steps: Vec<StepRecord>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinalStatus {
    Success,
    Failed,
    TimedOut,
    Cancelled,
}

/// Why a command ended as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    AllStepsDone,
    StepFailed,
    StepTimedOut,
    CancelledOnNode,
    StartDeadlinePassed,
    Interrupted,
    DocumentRefused,
}
