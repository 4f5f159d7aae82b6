//! What nodes say of their invocations: accepted, refused, reported, forgotten.
//!
//! Everything here is answered only when it is durable, and may be said any number of times.

use std::collections::BTreeSet;

use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::{Batch, CommitError, Row};

use super::output::{self, Piece};
use super::payload;
use super::records::{CommandRecord, InvocationRecord};
use super::state::{self, Report, Reported};
use crate::error::Refusal;
use crate::house::House;
use crate::mailbox::{Mail, MailboxRecord};
use crate::records::{COMMIT_ATTEMPTS, With};
use crate::tables::{INVOCATION, MAILBOX};

/// The key of an invocation.
pub type InvocationKey = (CommandId, NodeId);

/// The node's answer to a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// In its journal, now or from an earlier delivery.
    Taken,
    /// Not now.
    Refused { detail: String },
}

/// Notes the answer to the delivery with this sequence. A refused delivery stays in the mailbox.
pub async fn answered(house: &House, node: &NodeId, seq: u64, answer: Answer) -> Result<(), Refusal> {
    let mail_key = (node.clone(), seq);
    for _ in 0..COMMIT_ATTEMPTS {
        let Some(mail) = MAILBOX.get(&*house.store, &mail_key).await? else {
            return Ok(());
        };
        let mut batch = Batch::new();
        if answer == Answer::Taken {
            MAILBOX.delete(&mut batch, &mail_key);
        }
        if let Mail::Run(command) = mail.value.work {
            note_answer(house, &mut batch, (command, node.clone()), &answer).await?;
        }
        match house.store.commit(batch).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(contended(node))
}

async fn note_answer(
    house: &House,
    batch: &mut Batch,
    key: InvocationKey,
    answer: &Answer,
) -> Result<(), Refusal> {
    let Some((row, command)) = find(house, &key).await? else {
        return Ok(());
    };
    let changed = match answer {
        Answer::Taken => state::accepted(row.value.clone(), &command),
        Answer::Refused { detail } => state::refused(row.value.clone(), detail.clone()),
    };
    if let Some(record) = changed {
        INVOCATION.replace(batch, &row.with(record))?;
    }
    Ok(())
}

/// Notes a report, together with the output that rides on it, in one commit.
pub async fn reported(
    house: &House,
    key: &InvocationKey,
    report: Report,
    pieces: &[Piece],
) -> Result<(), Refusal> {
    for _ in 0..COMMIT_ATTEMPTS {
        let Some((row, command)) = find(house, key).await? else {
            return Ok(());
        };
        let mut batch = Batch::new();
        for piece in pieces {
            output::add(house, &mut batch, piece).await?;
        }
        apply(house, &mut batch, key, row, report.clone(), &command)?;
        // Without writes this is the barrier: what was found is durable before it is acknowledged.
        match house.store.commit(batch).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(contended(&key.1))
}

fn apply(
    house: &House,
    batch: &mut Batch,
    key: &InvocationKey,
    row: Row<InvocationKey, InvocationRecord>,
    report: Report,
    command: &CommandRecord,
) -> Result<(), Refusal> {
    let dispatched = row.value.dispatched;
    match state::reported(row.value.clone(), report, command, house.clock.now()) {
        Reported::Known => {}
        Reported::Apply(record) => {
            // A report says that the delivery arrived, should the answer to it have been lost.
            if let Some(dispatch) = dispatched {
                MAILBOX.delete(batch, &(key.1.clone(), dispatch.seq));
            }
            INVOCATION.replace(batch, &row.with(record))?;
        }
        Reported::Late { record, stop } => {
            if stop {
                tell_to_stop(house, batch, key)?;
            }
            INVOCATION.replace(batch, &row.with(record))?;
        }
    }
    Ok(())
}

/// The node reconnected and named the commands that it still works on or holds results of.
pub async fn reconnected(house: &House, node: &NodeId, named: &BTreeSet<CommandId>) -> Result<(), Refusal> {
    for command in house.lives.open_on(node) {
        if !named.contains(&command) {
            settle_unknown(house, (command, node.clone())).await?;
        }
    }
    for command in named {
        let key = (command.clone(), node.clone());
        let row = INVOCATION.get(&*house.store, &key).await?;
        if row.is_none_or(|row| row.value.state.is_final()) {
            // Its result, if it has one, comes by itself; what still runs is to end.
            let mut batch = Batch::new();
            tell_to_stop(house, &mut batch, &key)?;
            house.store.commit(batch).await?;
        }
    }
    Ok(())
}

async fn settle_unknown(house: &House, key: InvocationKey) -> Result<(), Refusal> {
    for _ in 0..COMMIT_ATTEMPTS {
        let Some(row) = INVOCATION.get(&*house.store, &key).await? else {
            return Ok(());
        };
        let waits_in_mailbox = match row.value.dispatched {
            Some(dispatch) => MAILBOX.get(&*house.store, &(key.1.clone(), dispatch.seq)).await?.is_some(),
            None => true,
        };
        if waits_in_mailbox {
            return Ok(());
        }
        let Some(record) = state::unknown_to_node(row.value.clone(), house.clock.now()) else {
            return Ok(());
        };
        let mut batch = Batch::new();
        INVOCATION.replace(&mut batch, &row.with(record))?;
        match house.store.commit(batch).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(contended(&key.1))
}

/// Puts a wish to stop into the node's mailbox.
pub fn tell_to_stop(house: &House, batch: &mut Batch, key: &InvocationKey) -> Result<(), Refusal> {
    let (command, node) = key.clone();
    let mail = MailboxRecord { work: Mail::Cancel(command) };
    MAILBOX.put(batch, &(node, house.sequence.next()), &mail)?;
    Ok(())
}

/// An invocation with its command; None when either is gone.
pub async fn find(
    house: &House,
    key: &InvocationKey,
) -> Result<Option<(Row<InvocationKey, InvocationRecord>, CommandRecord)>, Refusal> {
    let Some(row) = INVOCATION.get(&*house.store, key).await? else {
        return Ok(None);
    };
    let payload = payload::load(house, &key.0).await?;
    Ok(payload.map(|payload| (row, payload.record.clone())))
}

fn contended(node: &NodeId) -> Refusal {
    Refusal::unavailable(format!("the records of {node} are being changed from several sides: try again"))
}
