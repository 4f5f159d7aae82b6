//! The records of the journal, as they are on disk: JSON, where an unknown field is ignored and a missing one has its
//! default, so that an older and a newer agent read each other's journals.

use std::fmt;
use std::sync::Arc;

use fleetwright_platform::ProcessIdentity;
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{AssociationId, CommandId};
use serde::{Deserialize, Serialize};

use super::associations::{Association, LastRun, Run};

/// One thing that happened to one command, or to what this host is to keep.
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
    /// The command is a run of an association; stands where its work, which says so too, is there no more.
    OfAssociation {
        command: CommandId,
        run: Arc<Run>,
    },
    /// A text that associations run.
    AssociationDocument {
        sha256: String,
        content: Arc<str>,
    },
    AssociationKept {
        association: Arc<Association>,
    },
    AssociationGone {
        association: AssociationId,
    },
    /// All records of a set are there.
    AssociationsAre {
        revision: String,
    },
    /// The latest run of an association whose command is gone.
    AssociationRan {
        association: AssociationId,
        ran: LastRun,
    },
    /// A step wanted these applied now.
    AssociationRefresh {
        associations: Vec<AssociationId>,
        at: Timestamp,
    },
}

impl Record {
    /// None for what is about no command.
    #[must_use]
    pub fn command(&self) -> Option<&CommandId> {
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
            | Self::Acknowledged { command, .. }
            | Self::OfAssociation { command, .. } => Some(command),
            Self::AssociationDocument { .. }
            | Self::AssociationKept { .. }
            | Self::AssociationGone { .. }
            | Self::AssociationsAre { .. }
            | Self::AssociationRan { .. }
            | Self::AssociationRefresh { .. } => None,
        }
    }

    /// What it is about, for the log.
    #[must_use]
    pub fn subject(&self) -> String {
        match (self.command(), self) {
            (Some(command), _) => format!("command {command}"),
            (None, Self::AssociationKept { association }) => format!("association {}", association.id),
            (None, _) => "the associations".to_owned(),
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
    /// The association that it applies; none for what was delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Arc<Run>>,
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
            run: None,
        }
    }

    /// The same work, as that of an association.
    #[must_use]
    pub fn of_association(self, run: Run) -> Self {
        Self { run: Some(Arc::new(run)), ..self }
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
    /// What the steps of an association said that they changed, and what they found to be different and left.
    #[serde(default, skip_serializing_if = "Drift::is_empty")]
    pub drift: Drift,
}

/// What a run found to be not as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Drift {
    pub changed: Vec<String>,
    pub different: Vec<String>,
}

impl Drift {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.different.is_empty()
    }
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
