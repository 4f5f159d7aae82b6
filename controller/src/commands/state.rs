//! What one invocation is and becomes. Pure: moments and facts come in, records go out.
//!
//! The diagram of the states stands at the head of [`super`]. Every change of an invocation in the whole program is
//! one of the functions here, and a final state is never left.

use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::records::{CancelWish, CommandRecord, Dispatch, InvocationRecord, LateReport, StepRecord};

/// How much longer than the execution time-outs allow an answer is waited for: stopping what ignores its end takes
/// the agent some seconds, and so does the way back.
pub const ANSWER_GRACE: Duration = Duration::from_secs(30);

/// The closed set of states, in SSM's words (reference, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    Pending,
    Delayed,
    InProgress,
    Cancelling,
    Success,
    Failed,
    TimedOut,
    Cancelled,
}

impl State {
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Failed | Self::TimedOut | Self::Cancelled)
    }
}

/// The closed set of reasons, each with the values that explain it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// Not sent yet: as many nodes as allowed are at work.
    WaitingForTurn {},
    /// Sent; the node has not accepted it yet.
    InMailbox {},
    /// Sent while the node is away.
    NodeAway {
        last_seen: Option<Timestamp>,
    },
    /// The node cannot take it now; it is offered again.
    RefusedByNode {
        detail: String,
    },
    /// The node has it in its journal.
    AcceptedByNode {},
    /// All workers of the node are busy.
    QueuedOnNode {},
    RunningStep {
        step: String,
    },
    Rebooting {
        step: String,
    },
    /// The node was told to stop and has not answered yet.
    CancelRequested {
        by: String,
    },
    AllStepsDone {},
    StepFailed {
        step: String,
        detail: String,
    },
    StepTimedOut {
        step: String,
        detail: String,
    },
    /// The agent or the host went down in the middle of the step; it was not run again.
    Interrupted {
        step: String,
        detail: String,
    },
    DocumentRefused {
        detail: String,
    },
    /// The node had no free worker before the start deadline.
    NotStartedInTime {},
    NotDelivered {
        deadline: Timestamp,
        last_seen: Option<Timestamp>,
    },
    /// It may have been delivered, and nothing was heard of it.
    NoAnswer {
        deadline: Timestamp,
        last_seen: Option<Timestamp>,
    },
    CancelledBeforeDelivery {
        by: String,
    },
    CancelledOnNode {
        by: String,
    },
    /// More nodes failed than the command bears; this one was never sent.
    ErrorThreshold {
        errors: u32,
        limit: u32,
    },
    /// The node accepted it and does not know it any more: its journal was lost.
    LostOnNode {},
    NodeDeregistered {},
    /// The controller stopped while the command was being written; nothing was sent.
    SendInterrupted {},
    /// No step of the document can run on this platform.
    UnsupportedPlatform {
        platform: String,
    },
}

/// What the agent says of an invocation, free of the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub seq: u64,
    pub state: State,
    pub reason: Reason,
    pub steps: Vec<StepRecord>,
}

/// What a report changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reported {
    /// Write this, then acknowledge.
    Apply(InvocationRecord),
    /// Nothing new: acknowledge.
    Known,
    /// The state was final: write this note, acknowledge; when the node still works on it, tell it to stop.
    Late { record: InvocationRecord, stop: bool },
}

/// A new invocation of a command whose turn has not come.
#[must_use]
pub fn waiting(command: &CommandRecord) -> InvocationRecord {
    InvocationRecord {
        state: State::Pending,
        reason: Reason::WaitingForTurn {},
        dispatched: None,
        started: None,
        finished: None,
        deadline: command.deliver_by(),
        report_seq: 0,
        steps: Vec::new(),
        cancel: None,
        late: None,
        taken: false,
    }
}

/// Whether it was sent and the node has not said yet that it has it: it is offered on every new stream.
#[must_use]
pub fn awaits_node(state: State, dispatched: bool, taken: bool) -> bool {
    dispatched && !taken && matches!(state, State::Pending | State::Delayed | State::Cancelling)
}

/// Whether the node is there to take something now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Connected,
    Away { last_seen: Option<Timestamp> },
}

/// The invocation is sent.
#[must_use]
pub fn dispatched(mut record: InvocationRecord, dispatch: Dispatch, presence: Presence) -> InvocationRecord {
    record.dispatched = Some(dispatch);
    (record.state, record.reason) = match presence {
        Presence::Connected => (State::Pending, Reason::InMailbox {}),
        Presence::Away { last_seen } => (State::Delayed, Reason::NodeAway { last_seen }),
    };
    record
}

/// The node has journaled it.
#[must_use]
pub fn accepted(mut record: InvocationRecord, command: &CommandRecord) -> Option<InvocationRecord> {
    match record.state {
        State::Pending | State::Delayed => {
            record.state = State::InProgress;
            record.reason = Reason::AcceptedByNode {};
            record.deadline = command.answer_by();
            record.taken = true;
            Some(record)
        }
        State::Cancelling if !record.taken => {
            record.taken = true;
            Some(record)
        }
        _ => None,
    }
}

/// The node cannot take it now.
#[must_use]
pub fn refused(mut record: InvocationRecord, detail: String) -> Option<InvocationRecord> {
    let reason = Reason::RefusedByNode { detail };
    let waits = matches!(record.state, State::Pending | State::Delayed);
    if !waits || record.reason == reason {
        return None;
    }
    (record.state, record.reason) = (State::Delayed, reason);
    Some(record)
}

/// The node reports.
#[must_use]
pub fn reported(
    mut record: InvocationRecord,
    report: Report,
    command: &CommandRecord,
    now: Timestamp,
) -> Reported {
    if record.state.is_final() {
        return late(record, &report, now);
    }
    if report.seq <= record.report_seq {
        return Reported::Known;
    }
    record.report_seq = report.seq;
    record.taken = true;
    record.steps = report.steps;
    if record.started.is_none() {
        record.started =
            record.steps.iter().map(|step| step.started_ms).find(|&ms| ms > 0).map(Timestamp::from_millis);
    }
    record.deadline = command.answer_by();
    if report.state.is_final() {
        return Reported::Apply(finished(record, report.state, report.reason, now));
    }
    // A wish to cancel stands until the node has answered it.
    if record.state != State::Cancelling {
        (record.state, record.reason) = (State::InProgress, report.reason);
    }
    Reported::Apply(record)
}

fn late(mut record: InvocationRecord, report: &Report, now: Timestamp) -> Reported {
    if report.seq <= record.report_seq {
        return Reported::Known;
    }
    record.report_seq = report.seq;
    record.late = Some(LateReport { state: report.state, at: now });
    Reported::Late { record, stop: !report.state.is_final() }
}

/// What a wish to cancel does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancelled {
    /// It never left, and never will: final at once.
    AtOnce(InvocationRecord),
    /// The node may have it: tell the node, in the same commit.
    TellNode(InvocationRecord),
    /// Final already, or told already.
    Nothing,
}

/// Somebody wants it cancelled. `may_have_received` says whether the node may have got it from its mailbox.
#[must_use]
pub fn cancelled(
    mut record: InvocationRecord,
    wish: CancelWish,
    may_have_received: bool,
    now: Timestamp,
) -> Cancelled {
    if record.state.is_final() || record.cancel.is_some() {
        return Cancelled::Nothing;
    }
    let by = wish.by.clone();
    record.cancel = Some(wish);
    let never_left = match (record.state, record.dispatched) {
        (State::Pending | State::Delayed, None) => true,
        (State::Pending | State::Delayed, Some(_)) => !may_have_received,
        _ => false,
    };
    if never_left {
        return Cancelled::AtOnce(finished(
            record,
            State::Cancelled,
            Reason::CancelledBeforeDelivery { by },
            now,
        ));
    }
    (record.state, record.reason) = (State::Cancelling, Reason::CancelRequested { by });
    Cancelled::TellNode(record)
}

/// What a passed deadline does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expired {
    /// Final. When the node may have it, it is told to stop.
    Final { record: InvocationRecord, tell_node: bool },
    /// It may be at work on the node: an answer is waited for.
    Extended(InvocationRecord),
    /// The deadline has not passed.
    NotYet,
}

/// Looks at the deadline.
#[must_use]
pub fn expired(
    mut record: InvocationRecord,
    command: &CommandRecord,
    may_have_received: bool,
    last_seen: Option<Timestamp>,
    now: Timestamp,
) -> Expired {
    if record.state.is_final() || now < record.deadline {
        return Expired::NotYet;
    }
    let deadline = record.deadline;
    let waits = matches!(record.state, State::Pending | State::Delayed);
    let left = record.dispatched.is_some() && may_have_received;
    if waits && !left {
        let reason = Reason::NotDelivered { deadline, last_seen };
        return Expired::Final { record: finished(record, State::TimedOut, reason, now), tell_node: false };
    }
    if deadline < command.answer_by() {
        record.deadline = command.answer_by();
        if now < record.deadline {
            return Expired::Extended(record);
        }
    }
    let reason = Reason::NoAnswer { deadline: record.deadline, last_seen };
    Expired::Final { record: finished(record, State::TimedOut, reason, now), tell_node: true }
}

/// Ends an invocation that was never sent, for a reason of the whole command.
#[must_use]
pub fn not_sent(record: InvocationRecord, reason: Reason, now: Timestamp) -> Option<InvocationRecord> {
    let waits = record.state == State::Pending && record.dispatched.is_none();
    waits.then(|| finished(record, State::Cancelled, reason, now))
}

/// Ends an invocation whose node can never answer.
#[must_use]
pub fn lost(record: InvocationRecord, reason: Reason, now: Timestamp) -> Option<InvocationRecord> {
    (!record.state.is_final()).then(|| finished(record, State::Failed, reason, now))
}

/// The node reconnected without knowing this invocation: it is lost if the node had accepted it. One that is being
/// cancelled is not: the node answers the wish.
#[must_use]
pub fn unknown_to_node(record: InvocationRecord, now: Timestamp) -> Option<InvocationRecord> {
    match record.state {
        State::InProgress => Some(finished(record, State::Failed, Reason::LostOnNode {}, now)),
        _ => None,
    }
}

fn finished(mut record: InvocationRecord, state: State, reason: Reason, now: Timestamp) -> InvocationRecord {
    debug_assert!(state.is_final(), "finished with a state that is not final");
    record.state = state;
    // The node says only that it was cancelled; who wanted it stands here.
    record.reason = match (reason, &record.cancel) {
        (Reason::CancelledOnNode { .. }, Some(wish)) => Reason::CancelledOnNode { by: wish.by.clone() },
        (reason, _) => reason,
    };
    record.finished = Some(now);
    record
}

/// SSM's words for a state and its reason (reference, section 3.2).
#[must_use]
pub fn status_details(state: State, reason: &Reason) -> &'static str {
    match (state, reason) {
        (State::Pending, _) => "Pending",
        (State::Delayed, _) => "Delayed",
        (State::InProgress, _) => "In Progress",
        (State::Cancelling, _) => "Cancelling",
        (State::Success, _) => "Success",
        (State::Failed, Reason::NodeDeregistered {} | Reason::LostOnNode {}) => "Undeliverable",
        (State::Failed, Reason::UnsupportedPlatform { .. }) => "Invalid Platform",
        (State::Failed, _) => "Failed",
        (State::TimedOut, Reason::StepTimedOut { .. }) => "Execution Timed Out",
        (State::TimedOut, _) => "Delivery Timed Out",
        (State::Cancelled, Reason::ErrorThreshold { .. }) => "Terminated",
        (State::Cancelled, _) => "Cancelled",
    }
}

/// Whether a final state counts against the command's error limit: Failed and Execution Timed Out do
/// (reference, section 3.4).
#[must_use]
pub fn counts_as_error(state: State, reason: &Reason) -> bool {
    matches!(status_details(state, reason), "Failed" | "Execution Timed Out")
}

impl Reason {
    /// The code, for programs.
    #[must_use]
    pub fn code(&self) -> String {
        self.parts().0
    }

    /// The values that explain it, as texts.
    #[must_use]
    pub fn values(&self) -> Vec<(String, String)> {
        self.parts().1
    }

    fn parts(&self) -> (String, Vec<(String, String)>) {
        // The stored form is {"Code": {"value": …}}: one source for the record and for programs.
        let stored = serde_json::to_value(self).unwrap_or_default();
        let Some((code, values)) = stored.as_object().and_then(|object| object.iter().next()) else {
            return (String::new(), Vec::new());
        };
        let texts = values.as_object().into_iter().flatten().map(|(name, value)| {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            (name.clone(), text)
        });
        (code.clone(), texts.collect())
    }

    /// One line for people.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::WaitingForTurn {} => {
                "as many nodes as max concurrency allows are at work; its turn has not come".into()
            }
            Self::InMailbox {} => "sent; the node has not accepted it yet".into(),
            Self::NodeAway { last_seen } => {
                format!("the node is not connected ({}); it gets it when it is", seen(*last_seen))
            }
            Self::RefusedByNode { detail } => {
                format!("the node cannot take it now: {detail}; it is offered again")
            }
            Self::AcceptedByNode {} => "the node has it in its journal".into(),
            Self::QueuedOnNode {} => "the node has it and waits for a free worker".into(),
            Self::RunningStep { step } => format!("step {step} is running"),
            Self::Rebooting { step } => format!("step {step} asked for a reboot; the node comes back to it"),
            Self::CancelRequested { by } => {
                format!("{by} cancelled it; the node was told and has not answered yet")
            }
            Self::AllStepsDone {} => "every step succeeded or was skipped".into(),
            Self::StepFailed { step, detail } => format!("step {step} failed: {detail}"),
            Self::StepTimedOut { step, detail } => {
                format!("step {step} ran longer than its time-out: {detail}")
            }
            Self::Interrupted { step, detail } => {
                format!("step {step} was interrupted and not run again: {detail}")
            }
            Self::DocumentRefused { detail } => format!("the node cannot carry out the document: {detail}"),
            Self::NotStartedInTime {} => "the node had no free worker before the delivery time-out".into(),
            Self::NotDelivered { last_seen, .. } => {
                format!("the node did not get it before the delivery time-out ({})", seen(*last_seen))
            }
            Self::NoAnswer { last_seen, .. } => format!(
                "the node may have got it and gave no answer before delivery and execution time-out ({})",
                seen(*last_seen)
            ),
            Self::CancelledBeforeDelivery { by } => format!("{by} cancelled it before it left for the node"),
            Self::CancelledOnNode { by } => format!("{by} cancelled it and the node stopped it"),
            Self::ErrorThreshold { errors, limit } => {
                format!("never sent: {errors} nodes had failed and max errors is {limit}")
            }
            Self::LostOnNode {} => {
                "the node accepted it and does not know it any more: its journal was lost".into()
            }
            Self::NodeDeregistered {} => "the node was deregistered".into(),
            Self::SendInterrupted {} => {
                "the controller stopped while the command was written; nothing was sent".into()
            }
            Self::UnsupportedPlatform { platform } => format!("no step of the document runs on {platform}"),
        }
    }
}

fn seen(last_seen: Option<Timestamp>) -> String {
    last_seen.map_or_else(
        || "never seen".to_owned(),
        |moment| format!("last seen {}", crate::records::rfc3339(moment)),
    )
}

#[cfg(test)]
mod tests;
