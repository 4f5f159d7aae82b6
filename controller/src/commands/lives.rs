//! The commands without a final state, as far as this process has seen them.
//!
//! A cache that [`super::reconcile`] feeds with the store's rows: for each command its record and a [`Tally`] of its
//! invocations, and for each node what it is to be told to run. It may be behind the store; whoever decides from it
//! writes under conditions, and whoever sends from it looks at the row first.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::Row;

use super::records::{CommandRecord, InvocationRecord, TargetsRecord, WaveRecord};
use super::report::InvocationKey;
use super::roster::{Found, Standing};
use super::tally::{Action, Counts, Tally};
use crate::house::House;
use crate::meters::Ended;

/// See the head of this module.
#[derive(Debug, Default)]
pub struct Lives(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    commands: HashMap<CommandId, Live>,
    /// What each node is to be told to run and has not taken yet, by sequence.
    deliveries: HashMap<NodeId, BTreeMap<u64, CommandId>>,
}

/// One of them.
#[derive(Debug)]
struct Live {
    row: Row<CommandId, CommandRecord>,
    tally: Tally,
    /// What to do for it may have changed since it was last asked.
    dirty: bool,
}

/// What is to be done for a command.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) command: Row<CommandId, CommandRecord>,
    pub(super) action: Action,
    /// How many waves the action was decided from.
    pub(super) waves: u64,
}

impl Lives {
    /// The commands that are open on a node.
    #[must_use]
    pub fn open_on(&self, node: &NodeId) -> Vec<CommandId> {
        let known = self.lock();
        known.commands.iter().filter(|(_, live)| live.tally.is_open(node)).map(|(id, _)| id.clone()).collect()
    }

    /// What the node is to be told to run, oldest first.
    #[must_use]
    pub fn deliveries(&self, node: &NodeId) -> Vec<(u64, CommandId)> {
        let known = self.lock();
        let of_node = known.deliveries.get(node).into_iter().flatten();
        of_node.map(|(seq, command)| (*seq, command.clone())).collect()
    }

    /// An invocation that was sent and of which no row was seen.
    #[must_use]
    pub fn sent(&self, key: &InvocationKey) -> Option<Found> {
        let known = self.lock();
        let live = known.commands.get(&key.0)?;
        let standing = live.tally.standing(&key.1).filter(|standing| *standing != Standing::Waiting)?;
        Some(Found::without_row(key.clone(), standing, live.tally.waves(), &live.row.value))
    }

    /// The counts of an open command.
    #[must_use]
    pub fn counts(&self, command: &CommandId) -> Option<Counts> {
        self.lock().commands.get(command).map(|live| live.tally.counts())
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().commands.len()
    }

    /// The first deadline of any open invocation.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.lock().commands.values().filter_map(|live| live.tally.next_deadline()).min()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what it knew for what the others know.
    pub(super) fn become_these(&self, others: Self) {
        *self.lock() = others.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    }

    pub(super) fn note_command(&self, row: Row<CommandId, CommandRecord>) {
        let mut known = self.lock();
        if row.value.outcome.is_some() {
            known.forget(&row.key);
            return;
        }
        match known.commands.get_mut(&row.key) {
            Some(live) if row.revision >= live.row.revision => (live.row, live.dirty) = (row, true),
            Some(_) => {}
            None => {
                known.commands.insert(row.key.clone(), Live { row, tally: Tally::default(), dirty: true });
            }
        }
    }

    pub(super) fn note_targets(&self, row: &Row<(CommandId, u64), TargetsRecord>) {
        let mut known = self.lock();
        let Some(live) = known.commands.get_mut(&row.key.0) else { return };
        for node in &row.value.nodes {
            live.tally.note_target(node, &live.row.value);
        }
        live.dirty = true;
    }

    pub(super) fn note_wave(&self, row: &Row<(CommandId, u64), WaveRecord>) {
        let mut known = self.lock();
        let Known { commands, deliveries } = &mut *known;
        let (id, number) = &row.key;
        let Some(live) = commands.get_mut(id) else { return };
        live.tally.note_wave(*number, &row.value, &live.row.value);
        live.dirty = true;
        for (node, _) in row.value.standings() {
            if let Some(seq) = live.tally.delivery(node) {
                deliveries.entry(node.clone()).or_default().insert(seq, id.clone());
            }
        }
    }

    /// Tells whether this row ended an invocation that was open.
    pub(super) fn note_invocation(&self, row: &Row<InvocationKey, InvocationRecord>) -> Option<Ended> {
        let mut known = self.lock();
        let (id, node) = &row.key;
        let live = known.commands.get_mut(id)?;
        let (was_open, before) = (live.tally.is_open(node), live.tally.delivery(node));
        live.tally.note(node, &row.value, row.revision);
        live.dirty = true;
        let after = live.tally.delivery(node);
        known.delivery_changed(id, node, before, after);
        Ended::of(row.value.state).filter(|_| was_open)
    }

    /// What is to be done for every command that changed or has a deadline behind it.
    pub(super) fn due(&self, house: &House) -> Vec<Due> {
        let now = house.clock.now();
        let mut due = Vec::new();
        for live in self.lock().commands.values_mut() {
            let overdue = live.tally.next_deadline().is_some_and(|deadline| deadline <= now);
            if !std::mem::take(&mut live.dirty) && !overdue {
                continue;
            }
            if let Some(action) = live.tally.next(&live.row.value, now, |node| house.lines.is_open(node)) {
                due.push(Due { command: live.row.clone(), action, waves: live.tally.waves() });
            }
        }
        due
    }

    pub(super) fn mark_dirty(&self, command: &CommandId) {
        if let Some(live) = self.lock().commands.get_mut(command) {
            live.dirty = true;
        }
    }
}

impl Known {
    fn delivery_changed(&mut self, id: &CommandId, node: &NodeId, before: Option<u64>, after: Option<u64>) {
        if before == after {
            return;
        }
        if let Some(seq) = after {
            self.deliveries.entry(node.clone()).or_default().insert(seq, id.clone());
        }
        if let Some(seq) = before
            && let Some(of_node) = self.deliveries.get_mut(node)
        {
            of_node.remove(&seq);
            if of_node.is_empty() {
                self.deliveries.remove(node);
            }
        }
    }

    fn forget(&mut self, id: &CommandId) {
        let Some(live) = self.commands.remove(id) else { return };
        for node in live.tally.nodes() {
            self.delivery_changed(id, node, live.tally.delivery(node), None);
        }
    }
}
