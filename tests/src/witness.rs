//! Sees every commit of every life of the controller, and remembers what must never be seen: a final state that is
//! left, an outcome that changes, a row that cannot be read.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fleetwright_controller::commands::records::InvocationRecord;
use fleetwright_controller::commands::state::{Reason, State};
use fleetwright_controller::commands::tally::Verdict;
use fleetwright_controller::tables::{COMMAND, COMMAND_WAVE, INVOCATION};
use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::{Revision, RowChange, Write};

use crate::wire::Wire;

#[derive(Debug, Default)]
pub(crate) struct Witness {
    state: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    invocations: BTreeMap<(CommandId, NodeId), Brief>,
    outcomes: BTreeMap<CommandId, Verdict>,
    at_work: BTreeMap<CommandId, AtWork>,
    wrongs: Vec<String>,
    traps: Vec<Trap>,
}

#[derive(Debug, Clone, PartialEq)]
struct Brief {
    state: State,
    reason: Reason,
    dispatched: bool,
}

/// How many nodes had a command without having ended it, now and at most.
#[derive(Debug, Default, Clone, Copy)]
struct AtWork {
    now: usize,
    peak: usize,
}

/// Cuts a wire in the moment in which its node's invocation is durably in a state.
#[derive(Debug)]
struct Trap {
    node: NodeId,
    state: State,
    wire: Wire,
}

impl Witness {
    /// Cuts `wire` at the commit that brings an invocation of `node` into `state`, before anybody is told of it.
    pub(crate) fn cut_at(&self, node: NodeId, state: State, wire: Wire) {
        self.lock().traps.push(Trap { node, state, wire });
    }

    /// What should never have been.
    pub(crate) fn wrongs(&self) -> Vec<String> {
        self.lock().wrongs.clone()
    }

    /// The most nodes that had the command at once without having ended it.
    pub(crate) fn peak_at_work(&self, command: &CommandId) -> usize {
        self.lock().at_work.get(command).map_or(0, |at_work| at_work.peak)
    }

    pub(crate) fn saw(&self, revision: Revision, writes: &[Write]) {
        let mut seen = self.lock();
        for write in writes {
            if let Some(RowChange::Put(row)) = COMMAND_WAVE.decode_write(revision, write) {
                row.value.standings().for_each(|(node, _)| seen.sent(&row.key.0, node));
            }
            match INVOCATION.decode_write(revision, write) {
                Some(RowChange::Put(row)) => seen.invocation(&row.key, &row.value),
                Some(RowChange::Unreadable(row)) => seen.wrongs.push(format!("unreadable: {row:?}")),
                Some(RowChange::Deleted(_)) | None => {}
            }
            if let Some(RowChange::Put(row)) = COMMAND.decode_write(revision, write)
                && let Some(outcome) = row.value.outcome
            {
                seen.outcome(&row.key, &outcome.verdict);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// An invocation without a row is at work from its wave on.
    fn sent(&mut self, command: &CommandId, node: &NodeId) {
        let sent = Brief { state: State::Pending, reason: Reason::InMailbox {}, dispatched: true };
        self.invocations.entry((command.clone(), node.clone())).or_insert_with(|| {
            let at_work = self.at_work.entry(command.clone()).or_default();
            at_work.now += 1;
            at_work.peak = at_work.peak.max(at_work.now);
            sent
        });
    }

    fn invocation(&mut self, key: &(CommandId, NodeId), record: &InvocationRecord) {
        let now = Brief {
            state: record.state,
            reason: record.reason.clone(),
            dispatched: record.dispatched.is_some(),
        };
        let before = self.invocations.insert(key.clone(), now.clone());
        if let Some(before) = &before
            && before.state.is_final()
            && (before.state, &before.reason) != (now.state, &now.reason)
        {
            self.wrongs.push(format!("{key:?} left a final state: {before:?}, then {now:?}"));
        }
        let was = before.is_some_and(|brief| brief.is_at_work());
        let at_work = self.at_work.entry(key.0.clone()).or_default();
        at_work.now = at_work.now + usize::from(now.is_at_work()) - usize::from(was);
        at_work.peak = at_work.peak.max(at_work.now);
        self.traps.retain(|trap| {
            let springs = trap.node == key.1 && trap.state == now.state;
            if springs {
                trap.wire.cut();
            }
            !springs
        });
    }

    fn outcome(&mut self, command: &CommandId, verdict: &Verdict) {
        let before = self.outcomes.insert(command.clone(), verdict.clone());
        if let Some(before) = before.filter(|before| before != verdict) {
            self.wrongs.push(format!("the outcome of {command} changed: {before:?}, then {verdict:?}"));
        }
    }
}

impl Brief {
    fn is_at_work(&self) -> bool {
        self.dispatched && !self.state.is_final()
    }
}
