//! What happens to commands by itself: sending to the next nodes, stopping at the error limit, expiring, finishing.
//!
//! One task feeds [`Lives`] with the store's changes. Whenever a command changed or a deadline passed it asks what to do
//! and writes that, with conditions on what it was decided from. It takes no input, may run twice, and may be killed at
//! any line: the next run starts from the rows.

use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::{Batch, Change, CommitError, Row, RowChange, Watch, WatchError};
use futures::future::join_all;

use super::history;
use super::lives::{Due, Lives};
use super::records::{CommandRecord, Outcome};
use super::report::{InvocationKey, tell_to_stop};
use super::roster::{self, Found, Roster, Standing};
use super::send::wave;
use super::state::{self, Expired, Reason};
use super::tally::{ACTION_NODES_MAX, Action, Counts, Verdict};
use crate::error::Refusal;
use crate::house::House;
use crate::records::Pages;
use crate::tables::{COMMAND, COMMAND_OPEN, COMMAND_TARGETS, COMMAND_WAVE, INVOCATION, PRESENCE};

/// How long to wait after the store failed before trying again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

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
    let roster = Roster::read(house, id).await?;
    let (mut counts, mut after) = (Counts::default(), None);
    loop {
        let (found, next) =
            roster::page(house, &roster, id, &row.value, after.as_ref(), ACTION_NODES_MAX).await?;
        let mut batch = Batch::new();
        for invocation in found {
            counts.cancelled += 1;
            if let Some(record) = state::not_sent(invocation.record.clone(), Reason::SendInterrupted {}, now)
            {
                invocation.write(&mut batch, record)?;
            }
        }
        house.store.commit(batch).await?;
        after = next;
        if after.is_none() {
            break;
        }
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
    // Beside the old ones, which stay until all of these are known: nothing that was sent is forgotten in between.
    let lives = Lives::default();
    let mut pages = Pages::of(&COMMAND_OPEN, ());
    while let Some(marks) = pages.next(&*house.store).await? {
        for mark in marks {
            load_command(house, &lives, &mark.key).await?;
        }
    }
    house.lives.become_these(lives);
    house.lines.nudge_all();
    Ok(watch)
}

async fn load_command(house: &House, lives: &Lives, id: &CommandId) -> Result<(), Refusal> {
    let Some(row) = COMMAND.get(&*house.store, id).await? else {
        return Ok(());
    };
    lives.note_command(row);
    let mut targets = Pages::of(&COMMAND_TARGETS, id.clone());
    while let Some(rows) = targets.next(&*house.store).await? {
        rows.iter().for_each(|row| lives.note_targets(row));
    }
    let mut waves = Pages::of(&COMMAND_WAVE, id.clone());
    while let Some(rows) = waves.next(&*house.store).await? {
        rows.iter().for_each(|row| lives.note_wave(row));
    }
    let mut pages = Pages::of(&INVOCATION, id.clone());
    while let Some(rows) = pages.next(&*house.store).await? {
        for row in &rows {
            lives.note_invocation(row);
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
    // A command before its targets, and they before the first wave: all are of one commit when it is sent.
    for command in COMMAND.decode_change(change) {
        if let RowChange::Put(row) = command {
            house.lives.note_command(row);
        }
    }
    for targets in COMMAND_TARGETS.decode_change(change) {
        if let RowChange::Put(row) = targets {
            house.lives.note_targets(&row);
        }
    }
    for wave in COMMAND_WAVE.decode_change(change) {
        if let RowChange::Put(row) = wave {
            house.lives.note_wave(&row);
            house.lines.nudge_each(&row.value.connected);
            house.lines.nudge_each(&row.value.away);
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
    let (id, command) = (&due.command.key, &due.command.value);
    match &due.action {
        Action::Finish(verdict) => finish(house, &mut batch, &due.command, verdict)?,
        Action::Dispatch(nodes) => {
            // Nothing is sent any more once a wish to cancel is there.
            batch.require(COMMAND.unchanged(&due.command));
            COMMAND_WAVE.insert(&mut batch, &(id.clone(), due.waves), &wave(house, nodes.clone()))?;
        }
        Action::DoNotSend(nodes, reason) => {
            for node in nodes {
                let key = (id.clone(), node.clone());
                let found = Found::without_row(key, Standing::Waiting, due.waves, command);
                let ended = state::not_sent(found.record.clone(), reason.clone(), house.clock.now());
                if let Some(record) = ended {
                    found.write(&mut batch, record)?;
                }
            }
        }
        Action::Expire(nodes) => {
            for node in nodes {
                if let Some(found) = roster::find(house, &(id.clone(), node.clone())).await? {
                    expire(house, &mut batch, found, command).await?;
                }
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
    found: Found,
    command: &CommandRecord,
) -> Result<(), Refusal> {
    let node = &found.key.1;
    let presence = PRESENCE.get(&*house.store, node).await?.map(|row| row.value);
    let received = match (&presence, found.record.dispatched) {
        (Some(presence), Some(dispatch)) => presence.may_have_received(dispatch.at),
        _ => false,
    };
    let last_seen = house.lines.last_seen(node).or(presence.map(|presence| presence.last_seen));
    match state::expired(found.record.clone(), command, received, last_seen, house.clock.now()) {
        Expired::NotYet => Ok(()),
        Expired::Extended(record) => found.write(batch, record),
        Expired::Final { record, tell_node } => {
            if tell_node {
                tell_to_stop(house, batch, &found.key)?;
            }
            found.write(batch, record)
        }
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
    roster::change(house, &key, |record| state::lost(record, Reason::NodeDeregistered {}, house.clock.now()))
        .await
}
