//! What is kept of commands, invocations and their output.

use bytes::Bytes;
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::{Codec, Decoded, Kept, RecordError};
use serde::{Deserialize, Serialize};

use super::limits::Limit;
use super::notify::Notify;
use crate::keys::ring::Sealed;
use crate::nodes::targets::Selector;
use crate::records::json_record;

/// A command as it was asked, and what became of it as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandRecord {
    pub document: DocumentUsed,
    /// The bound parameters, a JSON object.
    pub parameters: Text,
    pub targets: Vec<Selector>,
    /// How many nodes the targets were when the command started.
    pub target_count: u32,
    /// Set by the commit that writes the last invocation; before it nothing is dispatched.
    pub targets_written: bool,
    pub max_concurrency: Limit,
    pub max_errors: Limit,
    pub delivery_timeout_ms: u64,
    pub execution_timeout_ms: u64,
    pub comment: String,
    pub requested_by: String,
    pub requested: Timestamp,
    pub client_token: Option<String>,
    pub cancel: Option<CancelWish>,
    pub outcome: Option<Outcome>,
    /// Who is to hear of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<Notify>,
}
json_record!(CommandRecord, 1);

impl CommandRecord {
    /// Not started on a node by then: it will not run there (reference, section 3.3).
    #[must_use]
    pub fn deliver_by(&self) -> Timestamp {
        self.requested.plus(std::time::Duration::from_millis(self.delivery_timeout_ms))
    }

    /// No answer by then: none is waited for (reference, section 3.3).
    #[must_use]
    pub fn answer_by(&self) -> Timestamp {
        self.deliver_by()
            .plus(std::time::Duration::from_millis(self.execution_timeout_ms))
            .plus(super::state::ANSWER_GRACE)
    }
}

/// The document that a command runs: fixed when the command was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentUsed {
    pub name: String,
    pub version: String,
    /// SHA-256 of the text, hex.
    pub sha256: String,
    pub source: DocumentSource,
}

/// Where the document's text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DocumentSource {
    /// In the library that is part of the program, or among the kept texts of former releases.
    Library,
    /// Among the command's blobs.
    Blob,
}

/// A text that stands in the record while it is small, and among the command's blobs when it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Text {
    Here(String),
    Blob {
        sha256: String,
    },
    /// Under seal: it holds secrets.
    Sealed(Sealed),
    /// The blob is a [`Sealed`], as JSON.
    SealedBlob {
        sha256: String,
    },
}

/// Who wanted a command cancelled, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelWish {
    pub by: String,
    pub at: Timestamp,
}

/// The final state of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub verdict: super::tally::Verdict,
    pub finished: Timestamp,
    pub counts: super::tally::Counts,
}

/// A row whose existence is all that it says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {}
json_record!(Mark, 1);

/// Which command a client's token made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    pub command: CommandId,
    /// Of the request, hex; absent where an earlier release wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_sha256: Option<String>,
}
json_record!(TokenRecord, 1);

/// Some of the nodes that a command is for; those of which nothing else is written are waiting for their turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetsRecord {
    pub nodes: Vec<NodeId>,
}
json_record!(TargetsRecord, 1);

/// The nodes that a command was sent to at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaveRecord {
    /// The same for all of them: a sequence is unique among the deliveries of a node.
    pub dispatch: Dispatch,
    pub connected: Vec<NodeId>,
    pub away: Vec<NodeId>,
}
json_record!(WaveRecord, 1);

/// A command on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvocationRecord {
    pub state: super::state::State,
    pub reason: super::state::Reason,
    /// When it was put into the node's mailbox, and under which sequence.
    pub dispatched: Option<Dispatch>,
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
    /// The state is not kept beyond this moment; of no meaning in a final state.
    pub deadline: Timestamp,
    /// The sequence of the last report that was applied.
    pub report_seq: u64,
    pub steps: Vec<StepRecord>,
    pub cancel: Option<CancelWish>,
    /// What the node reported after the state was final; kept for whoever asks why.
    pub late: Option<LateReport>,
    /// The node has said that it has it, though the state had moved on to Cancelling by then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken: bool,
}
json_record!(InvocationRecord, 1);

/// When and under which number an invocation was put into the mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    pub at: Timestamp,
    pub seq: u64,
}

/// A report that came after the end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateReport {
    pub state: super::state::State,
    pub at: Timestamp,
}

/// How a step is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepStatus {
    Pending,
    InProgress,
    Success,
    Failed,
    TimedOut,
    Cancelled,
    Skipped,
    Interrupted,
}

/// One step of an invocation as the node last reported it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    pub name: String,
    pub action: String,
    pub status: StepStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<u32>,
    pub started_ms: i64,
    pub finished_ms: i64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    pub stdout_bytes: u64,
    pub stderr_bytes: u64,
    #[serde(default)]
    pub stdout_dropped_bytes: u64,
    #[serde(default)]
    pub stderr_dropped_bytes: u64,
    /// The steps of the document that this step ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inner: Vec<StepRecord>,
}

/// How many bytes of a stream are durable here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputLength {
    pub bytes: u64,
}
json_record!(OutputLength, 1);

/// A piece of a stream: the bytes themselves, or how many lie in the blob of this position.
///
/// Stored as one byte of kind (0 bytes follow, 1 a blob of that many bytes) and the rest, because output is bytes and
/// most of what the store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputRow {
    Here(Bytes),
    Blob { bytes: u64 },
}

impl OutputRow {
    /// How many bytes of the stream the row stands for.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Here(data) => data.len() as u64,
            Self::Blob { bytes } => *bytes,
        }
    }
}

impl Codec for OutputRow {
    fn encode(&self, _kept: &Kept) -> Result<Vec<u8>, RecordError> {
        Ok(match self {
            Self::Here(data) => [&[0], &data[..]].concat(),
            Self::Blob { bytes } => [&[1], &bytes.to_be_bytes()[..]].concat(),
        })
    }

    fn decode(bytes: &[u8]) -> Result<Decoded<Self>, RecordError> {
        let row = match bytes.split_first() {
            Some((0, data)) => Some(Self::Here(Bytes::copy_from_slice(data))),
            Some((1, length)) => {
                length.try_into().ok().map(|length| Self::Blob { bytes: u64::from_be_bytes(length) })
            }
            _ => None,
        };
        let value = row.ok_or_else(|| RecordError::Other("not a piece of output".to_owned()))?;
        Ok(Decoded { value, kept: Kept::default() })
    }
}
