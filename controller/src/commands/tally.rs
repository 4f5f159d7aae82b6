//! What a whole command does next: send to more nodes, stop, expire, finish. Pure.
//!
//! A tally is a cache of the command's invocations, fed with their rows in any order and as often as one likes. It
//! answers in time that depends on what is to be done, not on how many nodes the command has.
//!
//! SSM starts with one node and doubles until max concurrency. Here the first wave is max concurrency at once: who says
//! fifty means fifty, and who wants the first failure to stop the rest says one. Whatever is at work when the error
//! limit is passed may still fail; nothing more is sent (reference, section 3.4).

use std::collections::{BTreeSet, HashMap};

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use fleetwright_store::Revision;
use serde::{Deserialize, Serialize};

use super::records::{CommandRecord, Dispatch, InvocationRecord, WaveRecord};
use super::roster::Standing;
use super::state::{Reason, State, awaits_node, counts_as_error};

/// The counts of a command's invocations by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub pending: u32,
    pub delayed: u32,
    pub in_progress: u32,
    pub cancelling: u32,
    pub success: u32,
    pub failed: u32,
    pub timed_out: u32,
    pub cancelled: u32,
    /// Of the failed and timed out ones, those that count against max errors.
    pub errors: u32,
    /// Of the errors, those that timed out.
    pub execution_timed_out: u32,
}

impl Counts {
    fn of(&mut self, state: State) -> &mut u32 {
        match state {
            State::Pending => &mut self.pending,
            State::Delayed => &mut self.delayed,
            State::InProgress => &mut self.in_progress,
            State::Cancelling => &mut self.cancelling,
            State::Success => &mut self.success,
            State::Failed => &mut self.failed,
            State::TimedOut => &mut self.timed_out,
            State::Cancelled => &mut self.cancelled,
        }
    }

    #[must_use]
    pub fn total(&self) -> u32 {
        self.open() + self.success + self.failed + self.timed_out + self.cancelled
    }

    #[must_use]
    pub fn open(&self) -> u32 {
        self.pending + self.delayed + self.in_progress + self.cancelling
    }

    fn note(&mut self, brief: &Brief, add: bool) {
        let execution_timed_out = brief.error && brief.state == State::TimedOut;
        let step = |counter: &mut u32| if add { *counter += 1 } else { *counter -= 1 };
        step(self.of(brief.state));
        if brief.error {
            step(&mut self.errors);
        }
        if execution_timed_out {
            step(&mut self.execution_timed_out);
        }
    }
}

/// How a command ended (reference, section 3.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    Success {},
    Failed {
        errors: u32,
        limit: u32,
    },
    ExecutionTimedOut {
        errors: u32,
        limit: u32,
    },
    DeliveryTimedOut {
        nodes: u32,
    },
    /// Tried everywhere, not successful everywhere, with fewer errors than the limit.
    Incomplete {
        unsuccessful: u32,
    },
    Cancelled {
        by: String,
    },
    /// No node was there when it was sent.
    NoTargets {},
    /// The controller stopped while the command was written; nothing was sent.
    SendInterrupted {},
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send to these.
    Dispatch(Vec<NodeId>),
    /// These are never sent, for this reason.
    DoNotSend(Vec<NodeId>, Reason),
    /// The deadlines of these have passed.
    Expire(Vec<NodeId>),
    Finish(Verdict),
}

/// Nodes of one action: one commit is not to grow without bound.
pub const ACTION_NODES_MAX: usize = 250;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Brief {
    state: State,
    /// Of its row; zero while it has none.
    revision: Revision,
    dispatch: Option<Dispatch>,
    taken: bool,
    deadline: Timestamp,
    error: bool,
}

impl Brief {
    fn of(record: &InvocationRecord, revision: Revision) -> Self {
        Self {
            state: record.state,
            revision,
            dispatch: record.dispatched,
            taken: record.taken,
            deadline: record.deadline,
            error: counts_as_error(record.state, &record.reason),
        }
    }

    fn is_open(&self) -> bool {
        !self.state.is_final()
    }

    fn waits(&self) -> bool {
        self.is_open() && self.dispatch.is_none()
    }
}

/// The cache.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    nodes: HashMap<NodeId, Brief>,
    counts: Counts,
    waves: u64,
    /// Never sent and not ended, in the order of their ids.
    waiting: BTreeSet<NodeId>,
    deadlines: BTreeSet<(Timestamp, NodeId)>,
}

impl Tally {
    /// Takes a row; one that is older than what is known changes nothing.
    pub fn note(&mut self, node: &NodeId, record: &InvocationRecord, revision: Revision) {
        if self.nodes.get(node).is_none_or(|known| known.revision < revision) {
            self.set(node, Brief::of(record, revision));
        }
    }

    /// The command is for this node. Changes nothing of what is known of it already.
    pub fn note_target(&mut self, node: &NodeId, command: &CommandRecord) {
        if !self.nodes.contains_key(node) {
            self.set(node, Brief::of(&Standing::Waiting.record(command), Revision::ZERO));
        }
    }

    /// The command was sent to these nodes.
    pub fn note_wave(&mut self, number: u64, wave: &WaveRecord, command: &CommandRecord) {
        self.waves = self.waves.max(number + 1);
        for (node, standing) in wave.standings() {
            let waits = |known: &Brief| known.revision == Revision::ZERO && known.dispatch.is_none();
            if self.nodes.get(node).is_none_or(waits) {
                self.set(node, Brief::of(&standing.record(command), Revision::ZERO));
            }
        }
    }

    fn set(&mut self, node: &NodeId, brief: Brief) {
        self.counts.note(&brief, true);
        if brief.waits() {
            self.waiting.insert(node.clone());
        } else {
            self.waiting.remove(node);
        }
        let (deadline, open) = (brief.deadline, brief.is_open());
        if let Some(old) = self.nodes.insert(node.clone(), brief) {
            self.counts.note(&old, false);
            if old.is_open() && open && old.deadline == deadline {
                return;
            }
            self.deadlines.remove(&(old.deadline, node.clone()));
        }
        if open {
            self.deadlines.insert((deadline, node.clone()));
        }
    }

    /// How many waves were seen: the number of the next one.
    #[must_use]
    pub fn waves(&self) -> u64 {
        self.waves
    }

    /// How a node stands of which no row was seen.
    #[must_use]
    pub fn standing(&self, node: &NodeId) -> Option<Standing> {
        let brief = self.nodes.get(node).filter(|brief| brief.revision == Revision::ZERO)?;
        Some(match brief.dispatch {
            None => Standing::Waiting,
            Some(dispatch) => Standing::Sent { dispatch, away: brief.state == State::Delayed },
        })
    }

    /// The sequence under which the command is to be delivered to the node, until the node has it.
    #[must_use]
    pub fn delivery(&self, node: &NodeId) -> Option<u64> {
        let brief = self.nodes.get(node)?;
        let dispatch = brief.dispatch.filter(|_| awaits_node(brief.state, true, brief.taken))?;
        Some(dispatch.seq)
    }

    /// The nodes of the command.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        self.nodes.keys()
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether the node is one of the command's and has no final state.
    #[must_use]
    pub fn is_open(&self, node: &NodeId) -> bool {
        self.nodes.get(node).is_some_and(Brief::is_open)
    }

    /// The next moment at which [`Tally::next`] may say something new by itself.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// What is to be done now; nothing when it is somebody else's turn. Nodes that are `connected` go first, so that
    /// the places of a command are not taken by nodes that are away.
    #[must_use]
    pub fn next(
        &self,
        command: &CommandRecord,
        now: Timestamp,
        connected: impl Fn(&NodeId) -> bool,
    ) -> Option<Action> {
        if command.outcome.is_some() || !command.targets_written {
            return None;
        }
        if self.counts.total() == command.target_count && self.counts.open() == 0 {
            return Some(Action::Finish(self.verdict(command)));
        }
        let overdue = self.overdue(now);
        if !overdue.is_empty() {
            return Some(Action::Expire(overdue));
        }
        if self.waiting.is_empty() {
            return None;
        }
        let limit = command.max_errors.errors(command.target_count);
        if let Some(wish) = &command.cancel {
            return Some(Action::DoNotSend(
                self.waiting(ACTION_NODES_MAX),
                Reason::CancelledBeforeDelivery { by: wish.by.clone() },
            ));
        }
        if self.counts.errors > limit {
            let reason = Reason::ErrorThreshold { errors: self.counts.errors, limit };
            return Some(Action::DoNotSend(self.waiting(ACTION_NODES_MAX), reason));
        }
        let at_work = self.counts.open() - u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        let room = command.max_concurrency.concurrency(command.target_count).saturating_sub(at_work);
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(ACTION_NODES_MAX);
        (room > 0).then(|| Action::Dispatch(self.by_presence(room, connected)))
    }

    fn by_presence(&self, most: usize, connected: impl Fn(&NodeId) -> bool) -> Vec<NodeId> {
        let mut chosen: Vec<_> =
            self.waiting.iter().filter(|node| connected(node)).take(most).cloned().collect();
        let away = self.waiting.iter().filter(|node| !connected(node)).take(most - chosen.len());
        chosen.extend(away.cloned());
        chosen
    }

    fn waiting(&self, most: usize) -> Vec<NodeId> {
        self.waiting.iter().take(most).cloned().collect()
    }

    fn overdue(&self, now: Timestamp) -> Vec<NodeId> {
        self.deadlines
            .iter()
            .take_while(|(deadline, _)| *deadline <= now)
            .take(ACTION_NODES_MAX)
            .map(|(_, node)| node.clone())
            .collect()
    }

    /// How the command ended, once every invocation has. Where SSM leaves the order of the rules open, the worse
    /// news comes first: failed, execution timed out, delivery timed out.
    fn verdict(&self, command: &CommandRecord) -> Verdict {
        let counts = &self.counts;
        let limit = command.max_errors.errors(command.target_count);
        let enough = |number: u32| number >= limit.max(1);
        let failed = counts.errors - counts.execution_timed_out;
        let undelivered = counts.timed_out - counts.execution_timed_out;
        if let Some(wish) = command.cancel.as_ref().filter(|_| counts.cancelled > 0) {
            return Verdict::Cancelled { by: wish.by.clone() };
        }
        let unsuccessful = counts.failed + counts.timed_out + counts.cancelled;
        if unsuccessful == 0 {
            Verdict::Success {}
        } else if enough(failed) || (counts.errors > limit && failed > 0) {
            Verdict::Failed { errors: counts.errors, limit }
        } else if enough(counts.execution_timed_out) {
            Verdict::ExecutionTimedOut { errors: counts.errors, limit }
        } else if enough(undelivered) {
            Verdict::DeliveryTimedOut { nodes: undelivered }
        } else {
            Verdict::Incomplete { unsuccessful }
        }
    }
}

impl Verdict {
    /// SSM's words for it.
    #[must_use]
    pub fn status_details(&self) -> &'static str {
        match self {
            Self::Success {} => "Success",
            Self::Failed { .. } => "Failed",
            Self::ExecutionTimedOut { .. } => "Execution Timed Out",
            Self::DeliveryTimedOut { .. } => "Delivery Timed Out",
            Self::Incomplete { .. } => "Incomplete",
            Self::Cancelled { .. } | Self::SendInterrupted {} => "Cancelled",
            Self::NoTargets {} => "No Instances In Tag",
        }
    }

    /// The code, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Success {} => "AllSucceeded",
            Self::Failed { .. } => "TooManyFailed",
            Self::ExecutionTimedOut { .. } => "TooManyTimedOut",
            Self::DeliveryTimedOut { .. } => "NotDelivered",
            Self::Incomplete { .. } => "Incomplete",
            Self::Cancelled { .. } => "Cancelled",
            Self::SendInterrupted {} => "SendInterrupted",
            Self::NoTargets {} => "NoTargets",
        }
    }

    /// One line for people.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Success {} => "every node succeeded".into(),
            Self::Failed { errors, limit } => format!("{errors} failed and max errors is {limit}"),
            Self::ExecutionTimedOut { errors, limit } => {
                format!("{errors} ran into their time-out and max errors is {limit}")
            }
            Self::DeliveryTimedOut { nodes } => format!("{nodes} gave no answer in time"),
            Self::Incomplete { unsuccessful } => {
                format!("{unsuccessful} did not succeed, which is within max errors")
            }
            Self::Cancelled { by } => format!("{by} cancelled it"),
            Self::NoTargets {} => "no node matched the targets when it was sent".into(),
            Self::SendInterrupted {} => {
                "the controller stopped while it was written; nothing was sent".into()
            }
        }
    }
}

#[cfg(test)]
mod tests;
