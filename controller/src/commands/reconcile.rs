//! What happens to commands by itself: sending to the next nodes, stopping at the error limit, expiring, finishing.
//!
//! One task keeps a [`Live`] for every command without a final state: its record and a [`Tally`] of its invocations,
//! both fed by the store's changes. Whenever one of them changed or a deadline passed it asks the tally what to do
//! and writes that, with conditions on every row that it was decided from. It takes no input, may run twice, and may
//! be killed at any line: the next run starts from the rows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::{Batch, Change, CommitError, Row, RowChange, Watch, WatchError};
use futures::future::join_all;

use super::history;
use super::records::{CommandRecord, InvocationRecord, Outcome};
use super::report::{InvocationKey, tell_to_stop};
use super::send::dispatch;
use super::state::{self, Expired, Presence, Reason};
use super::tally::{Action, Counts, Tally, Verdict};
use crate::error::Refusal;
use crate::house::House;
use crate::meters::Ended;
use crate::records::{COMMIT_ATTEMPTS, Pages, With};
use crate::tables::{COMMAND, COMMAND_OPEN, INVOCATION, MAILBOX, NODE, PRESENCE};

/// How long to wait after the store failed before trying again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The commands without a final state, as far as this process has seen them.
#[derive(Debug, Default)]
pub struct Lives(Mutex<HashMap<CommandId, Live>>);

/// One of them.
#[derive(Debug)]
struct Live {
    row: Row<CommandId, CommandRecord>,
    tally: Tally,
    /// What to do for it may have changed since it was last asked.
    dirty: bool,
}

impl Lives {
    /// The commands that are open on a node.
    #[must_use]
    pub fn open_on(&self, node: &NodeId) -> Vec<CommandId> {
        let lives = self.lock();
        lives.iter().filter(|(_, live)| live.tally.is_open(node)).map(|(id, _)| id.clone()).collect()
    }

    /// The counts of an open command.
    #[must_use]
    pub fn counts(&self, command: &CommandId) -> Option<super::tally::Counts> {
        self.lock().get(command).map(|live| live.tally.counts())
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<CommandId, Live>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clear(&self) {
        self.lock().clear();
    }

    fn note_command(&self, row: Row<CommandId, CommandRecord>) {
        let mut lives = self.lock();
        if row.value.outcome.is_some() {
            lives.remove(&row.key);
            return;
        }
        match lives.get_mut(&row.key) {
            Some(live) if row.revision >= live.row.revision => (live.row, live.dirty) = (row, true),
            Some(_) => {}
            None => {
                lives.insert(row.key.clone(), Live { row, tally: Tally::default(), dirty: true });
            }
        }
    }

    /// Tells whether this row ended an invocation that was open.
    fn note_invocation(&self, row: &Row<InvocationKey, InvocationRecord>) -> Option<Ended> {
        let mut lives = self.lock();
        let live = lives.get_mut(&row.key.0)?;
        let was_open = live.tally.is_open(&row.key.1);
        live.tally.note(&row.key.1, &row.value, row.revision);
        live.dirty = true;
        Ended::of(row.value.state).filter(|_| was_open)
    }

    /// The first deadline of any open invocation.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.lock().values().filter_map(|live| live.tally.next_deadline()).min()
    }

    /// What is to be done for every command that changed or has a deadline behind it.
    fn due(&self, house: &House) -> Vec<Due> {
        let now = house.clock.now();
        let mut due = Vec::new();
        for live in self.lock().values_mut() {
            let overdue = live.tally.next_deadline().is_some_and(|deadline| deadline <= now);
            if !std::mem::take(&mut live.dirty) && !overdue {
                continue;
            }
            if let Some(action) = live.tally.next(&live.row.value, now, |node| house.lines.is_open(node)) {
                due.push(Due { command: live.row.clone(), action });
            }
        }
        due
    }

    fn mark_dirty(&self, command: &CommandId) {
        if let Some(live) = self.lock().get_mut(command) {
            live.dirty = true;
        }
    }
}

#[derive(Debug)]
struct Due {
    command: Row<CommandId, CommandRecord>,
    action: Action,
}

/// Runs until the store closes.
pub async fn run(house: Arc<House>) {
    loop {
        let watch = match load(&house).await {
            Ok(watch) => watch,
            Err(error) => {
                tracing::error!(%error, "cannot read the open commands; trying again");
                house.meters.reconciled(true);
                house.clock.sleep(RETRY_AFTER).await;
                continue;
            }
        };
        match follow(&house, watch).await {
            WatchError::Compacted => {}
            WatchError::Closed => return,
        }
    }
}

/// Ends the commands that an earlier run of the controller was still writing when it stopped: their callers never
/// got an answer. To be done before anything is sent.
pub async fn end_half_written(house: &House) -> Result<(), Refusal> {
    let mut pages = Pages::of(&COMMAND_OPEN, ());
    while let Some(marks) = pages.next(&*house.store).await? {
        for mark in marks {
            abandon(house, &mark.key).await?;
        }
    }
    Ok(())
}

/// Ends a command of which not every invocation was written. Nothing of it was sent.
pub async fn abandon(house: &House, id: &CommandId) -> Result<(), Refusal> {
    let Some(row) = COMMAND.get(&*house.store, id).await? else {
        return Ok(());
    };
    if row.value.targets_written {
        return Ok(());
    }
    let now = house.clock.now();
    let mut counts = Counts::default();
    let mut pages = Pages::of(&INVOCATION, id.clone());
    while let Some(invocations) = pages.next(&*house.store).await? {
        let mut batch = Batch::new();
        for invocation in invocations {
            counts.cancelled += 1;
            if let Some(record) = state::not_sent(invocation.value.clone(), Reason::SendInterrupted {}, now) {
                INVOCATION.replace(&mut batch, &invocation.with(record))?;
            }
        }
        house.store.commit(batch).await?;
    }
    let mut ended = row;
    ended.value.target_count = counts.total();
    ended.value.targets_written = true;
    ended.value.outcome = Some(Outcome { verdict: Verdict::SendInterrupted {}, finished: now, counts });
    let mut batch = Batch::new();
    COMMAND.replace(&mut batch, &ended)?;
    history::close(&mut batch, id, &ended.value)?;
    house.store.commit(batch).await?;
    Ok(())
}

/// Reads every open command and returns a watch of what comes after. Also to be done before the first line opens, so
/// that a node that reconnects is compared with what is known of it.
pub async fn load(house: &House) -> Result<Watch, Refusal> {
    let revision = house.store.revision();
    let watch = house.store.watch(b"", revision);
    house.lives.clear();
    let mut pages = Pages::of(&COMMAND_OPEN, ());
    while let Some(marks) = pages.next(&*house.store).await? {
        for mark in marks {
            load_command(house, &mark.key).await?;
        }
    }
    Ok(watch)
}

async fn load_command(house: &House, id: &CommandId) -> Result<(), Refusal> {
    let Some(row) = COMMAND.get(&*house.store, id).await? else {
        return Ok(());
    };
    house.lives.note_command(row);
    let mut pages = Pages::of(&INVOCATION, id.clone());
    while let Some(rows) = pages.next(&*house.store).await? {
        for row in &rows {
            house.lives.note_invocation(row);
        }
    }
    Ok(())
}

async fn follow(house: &Arc<House>, mut watch: Watch) -> WatchError {
    loop {
        let failed = act(house).await;
        house.meters.reconciled(failed);
        let deadline = house.lives.next_deadline();
        let wake = async {
            match (failed, deadline) {
                (true, _) => house.clock.sleep(RETRY_AFTER).await,
                (false, Some(deadline)) => house.clock.sleep_until(deadline).await,
                (false, None) => std::future::pending().await,
            }
        };
        tokio::select! {
            change = watch.next() => match change {
                Ok(change) => note(house, &change),
                Err(error) => return error,
            },
            () = wake => {}
        }
        // A burst of changes is taken as one, so that its actions are decided, and committed, together.
        while let Some(change) = watch.try_next() {
            match change {
                Ok(change) => note(house, &change),
                Err(error) => return error,
            }
        }
    }
}

fn note(house: &House, change: &Change) {
    // A command before its invocations: they are of one commit when it is sent.
    for command in COMMAND.decode_change(change) {
        if let RowChange::Put(row) = command {
            house.lives.note_command(row);
        }
    }
    for invocation in INVOCATION.decode_change(change) {
        if let RowChange::Put(row) = invocation
            && let Some(ended) = house.lives.note_invocation(&row)
        {
            house.meters.invocations_ended.add(ended);
        }
    }
}

/// Does what is due, until nothing is. Returns whether something failed and is to be tried again later.
async fn act(house: &House) -> bool {
    let due = house.lives.due(house);
    let results = join_all(due.iter().map(|due| apply(house, due))).await;
    let mut failed = false;
    for (due, result) in due.iter().zip(results) {
        match result {
            // The changes that the commit made come back through the watch; the next action follows from them.
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(command = %due.command.key, %error, "could not carry a command on; trying again");
                house.lives.mark_dirty(&due.command.key);
                failed = true;
            }
        }
    }
    failed
}

async fn apply(house: &House, due: &Due) -> Result<(), Refusal> {
    let mut batch = Batch::new();
    match &due.action {
        Action::Finish(verdict) => finish(house, &mut batch, &due.command, verdict)?,
        Action::Dispatch(nodes) => {
            for row in rows(house, &due.command.key, nodes).await? {
                batch.require(NODE.exists(&row.key.1));
                let record = dispatch(house, &mut batch, &row.key.0, &row.key.1, row.value.clone())?;
                INVOCATION.replace(&mut batch, &row.with(record))?;
            }
        }
        Action::DoNotSend(nodes, reason) => {
            for row in rows(house, &due.command.key, nodes).await? {
                if let Some(record) = state::not_sent(row.value.clone(), reason.clone(), house.clock.now()) {
                    INVOCATION.replace(&mut batch, &row.with(record))?;
                }
            }
        }
        Action::Expire(nodes) => {
            for row in rows(house, &due.command.key, nodes).await? {
                expire(house, &mut batch, row, &due.command.value).await?;
            }
        }
    }
    match house.store.commit(batch).await {
        Ok(_) => Ok(()),
        // Whoever changed a row has also changed what is to be done; that change is on its way to us.
        Err(CommitError::Conflict { .. }) => {
            house.lives.mark_dirty(&due.command.key);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

async fn rows(
    house: &House,
    command: &CommandId,
    nodes: &[NodeId],
) -> Result<Vec<Row<InvocationKey, InvocationRecord>>, Refusal> {
    let mut rows = Vec::with_capacity(nodes.len());
    for node in nodes {
        rows.extend(INVOCATION.get(&*house.store, &(command.clone(), node.clone())).await?);
    }
    Ok(rows)
}

fn finish(
    house: &House,
    batch: &mut Batch,
    command: &Row<CommandId, CommandRecord>,
    verdict: &Verdict,
) -> Result<(), Refusal> {
    let mut ended = command.clone();
    let counts = house.lives.counts(&command.key).unwrap_or_default();
    ended.value.outcome = Some(Outcome { verdict: verdict.clone(), finished: house.clock.now(), counts });
    COMMAND.replace(batch, &ended)?;
    history::close(batch, &command.key, &ended.value)?;
    Ok(())
}

async fn expire(
    house: &House,
    batch: &mut Batch,
    row: Row<InvocationKey, InvocationRecord>,
    command: &CommandRecord,
) -> Result<(), Refusal> {
    let presence = PRESENCE.get(&*house.store, &row.key.1).await?.map(|row| row.value);
    let received = match (&presence, row.value.dispatched) {
        (Some(presence), Some(dispatch)) => presence.may_have_received(dispatch.at),
        _ => false,
    };
    let last_seen = house.lines.last_seen(&row.key.1).or(presence.map(|presence| presence.last_seen));
    let dispatched = row.value.dispatched;
    match state::expired(row.value.clone(), command, received, last_seen, house.clock.now()) {
        Expired::NotYet => {}
        Expired::Extended(record) => INVOCATION.replace(batch, &row.with(record))?,
        Expired::Final { record, tell_node } => {
            if let Some(dispatch) = dispatched {
                MAILBOX.delete(batch, &(row.key.1.clone(), dispatch.seq));
            }
            if tell_node {
                tell_to_stop(house, batch, &row.key)?;
            }
            INVOCATION.replace(batch, &row.with(record))?;
        }
    }
    Ok(())
}

/// Whether the node is there now.
pub(super) fn presence_of(house: &House, node: &NodeId) -> Presence {
    match house.lines.last_seen(node) {
        Some(_) => Presence::Connected,
        None => Presence::Away { last_seen: None },
    }
}

/// Ends what is open on a node that has left the fleet. Read from the rows, because a command that was sent just
/// before may not be among [`Lives`] yet.
pub async fn end_on_node(house: &House, node: &NodeId) -> Result<(), Refusal> {
    let mut open = Pages::of(&COMMAND_OPEN, ());
    while let Some(marks) = open.next(&*house.store).await? {
        for mark in marks {
            end_one(house, (mark.key, node.clone())).await?;
        }
    }
    Ok(())
}

async fn end_one(house: &House, key: InvocationKey) -> Result<(), Refusal> {
    for _ in 0..COMMIT_ATTEMPTS {
        let Some(row) = INVOCATION.get(&*house.store, &key).await? else { return Ok(()) };
        let ended = state::lost(row.value.clone(), Reason::NodeDeregistered {}, house.clock.now());
        let Some(record) = ended else { return Ok(()) };
        let mut batch = Batch::new();
        INVOCATION.replace(&mut batch, &row.with(record))?;
        match house.store.commit(batch).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::unavailable(format!(
        "{} on {} is being changed from several sides: try again",
        key.0, key.1
    )))
}
