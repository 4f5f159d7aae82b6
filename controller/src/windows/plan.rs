//! What an execution does next. Pure: records, what is known of its commands, which calendar is closed, and the moment
//! go in; moves come out. Asked again after each move, it ends in an execution that has ended.
//!
//! ```text
//!  execution   InProgress ──────────────────────────────► Success, Failed, TimedOut, Cancelled
//!                                                          Skipped from the start: missed, overlapping, blackout
//!  task        Pending ──► InProgress ──► Cancelling ──►   the same; Skipped if it was not its turn to run
//!                  └─ cut-off, cancel, condition, blackout ─►
//!  invocation  Pending ──► InProgress ──► Cancelling ──►   the same
//! ```
//!
//! Tasks of one priority run together, the next priority when all of them have ended. A task's targets run one after
//! the other. After the cut-off nothing is started; at the end what runs is cancelled if its task says so, and goes on
//! otherwise.

use std::collections::{BTreeMap, BTreeSet};

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::CommandId;

use super::ids::TaskRunId;
use super::records::{Cutoff, Ended, ExecutionRecord, InvocationRecord, Reason, State, TaskRunRecord, Work};

/// How a command of an invocation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEnd {
    pub state: State,
    pub reason: Reason,
    /// More errors than its limit allows: the task's other targets are left alone.
    pub over_limit: bool,
}

/// Everything that a decision is made of.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    pub now: Timestamp,
    pub execution: &'a ExecutionRecord,
    /// In the order in which they run.
    pub tasks: &'a [(TaskRunId, TaskRunRecord)],
    /// Commands that have ended.
    pub ended: &'a BTreeMap<CommandId, CommandEnd>,
    /// Why nothing may be started now.
    pub closed: Option<&'a Reason>,
    /// Invocations whose command was not to be sent just now, and is tried again later.
    pub held_back: &'a BTreeSet<(usize, usize)>,
}

/// One step. Numbers are places: of a task in the execution, of an invocation in its task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// Lays out the invocations of a task.
    StartTask(usize),
    EndTask(usize, State, Reason),
    Send(usize, usize),
    EndInvocation(usize, usize, State, Reason),
    /// As [`Move::EndInvocation`] for one whose command may have been sent and not noted: that one is looked for first.
    DropInvocation(usize, usize, State, Reason),
    /// Asks the nodes to stop.
    CancelInvocation(usize, usize),
    EndExecution(State, Reason),
}

/// The moves that can be made now, in order. None left: it waits for [`next_look`] or for a command.
#[must_use]
pub fn next(facts: &Facts<'_>) -> Vec<Move> {
    if facts.execution.state.is_final() {
        return Vec::new();
    }
    let mut moves = Vec::new();
    for (at, (_, run)) in facts.tasks.iter().enumerate() {
        match run.state {
            State::Pending => moves.extend(begin(facts, at, run)),
            State::InProgress | State::Cancelling => go_on(facts, at, run, &mut moves),
            _ => {}
        }
    }
    if facts.tasks.iter().all(|(_, run)| run.state.is_final()) {
        let (state, reason) = execution_end(facts);
        moves.push(Move::EndExecution(state, reason));
    }
    moves
}

/// When time alone changes what is to be done.
#[must_use]
pub fn next_look(execution: &ExecutionRecord, now: Timestamp) -> Option<Timestamp> {
    [execution.cutoff, execution.end].into_iter().filter(|moment| *moment > now).min()
}

fn begin(facts: &Facts<'_>, at: usize, run: &TaskRunRecord) -> Option<Move> {
    let end = |state, reason| Some(Move::EndTask(at, state, reason));
    let execution = facts.execution;
    if let Some(cancel) = &execution.cancel {
        return end(State::Cancelled, cancel.clone());
    }
    let condition = run.task.after.as_ref().map(|after| {
        let other = facts.tasks.iter().find(|(_, other)| other.task_id == after.task);
        (after, other.map(|(_, other)| other.state))
    });
    if facts.now >= execution.cutoff {
        return end(State::TimedOut, Reason::AfterCutoff { cutoff: execution.cutoff });
    }
    let before = |other: &TaskRunRecord| other.task.priority < run.task.priority;
    if facts.tasks.iter().any(|(_, other)| before(other) && !other.state.is_final()) {
        return None;
    }
    match condition {
        None => {}
        Some((after, None)) => {
            return end(State::Skipped, Reason::ConditionMissing { task: after.task.clone() });
        }
        Some((_, Some(found))) if !found.is_final() => return None,
        Some((after, Some(found))) => {
            let met = match after.result {
                Ended::Success => found == State::Success,
                Ended::Failure => matches!(found, State::Failed | State::TimedOut | State::Cancelled),
            };
            if !met {
                let (task, wanted) = (after.task.clone(), after.result);
                return end(State::Skipped, Reason::ConditionNotMet { task, wanted, found });
            }
        }
    }
    if let Some(closed) = facts.closed {
        return end(State::Skipped, closed.clone());
    }
    match run.task.work {
        Work::RunCommand(_) => Some(Move::StartTask(at)),
        Work::Automation { .. } => end(State::Failed, Reason::NoAutomation {}),
    }
}

fn go_on(facts: &Facts<'_>, at: usize, run: &TaskRunRecord, moves: &mut Vec<Move>) {
    let execution = facts.execution;
    let at_end = facts.now >= execution.end && run.task.cutoff == Cutoff::Cancel;
    let over_limit = run
        .invocations
        .iter()
        .any(|one| one.state.is_final() && end_of(facts, one).is_some_and(|end| end.over_limit));
    let mut busy = false;
    for (place, one) in run.invocations.iter().enumerate() {
        if one.state.is_final() {
            continue;
        }
        if let Some(end) = end_of(facts, one) {
            let (state, reason) = told(one, end);
            moves.push(Move::EndInvocation(at, place, state, reason));
            busy = true;
        } else if one.state == State::Pending {
            if let Some(cancel) = &execution.cancel {
                moves.push(Move::DropInvocation(at, place, State::Cancelled, cancel.clone()));
            } else if facts.now >= execution.cutoff {
                let reason = Reason::AfterCutoff { cutoff: execution.cutoff };
                moves.push(Move::DropInvocation(at, place, State::TimedOut, reason));
            } else if over_limit {
                moves.push(Move::DropInvocation(at, place, State::Cancelled, Reason::ErrorLimit {}));
            } else if !busy {
                busy = true;
                if !facts.held_back.contains(&(at, place)) {
                    moves.push(Move::Send(at, place));
                }
            }
        } else {
            busy = true;
            if one.state == State::InProgress && (execution.cancel.is_some() || at_end) {
                moves.push(Move::CancelInvocation(at, place));
            }
        }
    }
    if run.invocations.iter().all(|one| one.state.is_final()) {
        let (state, reason) = task_end(run);
        moves.push(Move::EndTask(at, state, reason));
    }
}

fn end_of<'a>(facts: &'a Facts<'_>, one: &InvocationRecord) -> Option<&'a CommandEnd> {
    facts.ended.get(one.command.as_ref()?)
}

/// A command that was cancelled because the window ended is told so.
fn told(one: &InvocationRecord, end: &CommandEnd) -> (State, Reason) {
    match (&one.state, &one.reason, end.state) {
        (State::Cancelling, Reason::EndOfWindow { .. }, State::Cancelled) => {
            (State::TimedOut, one.reason.clone())
        }
        (State::Cancelling, cancelled, State::Cancelled) => (State::Cancelled, cancelled.clone()),
        _ => (end.state, end.reason.clone()),
    }
}

fn task_end(run: &TaskRunRecord) -> (State, Reason) {
    if let [only] = run.invocations.as_slice() {
        return (only.state, only.reason.clone());
    }
    together(run.invocations.iter().map(|one| one.state))
}

fn execution_end(facts: &Facts<'_>) -> (State, Reason) {
    if facts.tasks.is_empty() {
        return (State::Success, Reason::NoTasks {});
    }
    let (state, reason) = together(facts.tasks.iter().map(|(_, run)| run.state));
    match &facts.execution.cancel {
        Some(cancel) if state != State::Success => (State::Cancelled, cancel.clone()),
        _ => (state, reason),
    }
}

/// The worst of the parts; what was skipped for a reason spoils nothing.
fn together(states: impl Iterator<Item = State>) -> (State, Reason) {
    let (mut failed, mut timed_out, mut cancelled, mut skipped) = (0, 0, 0, 0);
    for state in states {
        match state {
            State::Failed => failed += 1,
            State::TimedOut => timed_out += 1,
            State::Cancelled => cancelled += 1,
            State::Skipped => skipped += 1,
            _ => {}
        }
    }
    let parts = Reason::Parts { failed, timed_out, cancelled, skipped };
    match (failed, timed_out, cancelled, skipped) {
        (0, 0, 0, 0) => (State::Success, Reason::Succeeded {}),
        (0, 0, 0, _) => (State::Success, parts),
        (0, 0, ..) => (State::Cancelled, parts),
        (0, ..) => (State::TimedOut, parts),
        _ => (State::Failed, parts),
    }
}
