//! What nodes say of their invocations: accepted, refused, reported, forgotten.
//!
//! Everything here is answered only when it is durable, and may be said any number of times.

use std::collections::BTreeSet;
use std::sync::Arc;

use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::{Batch, CommitError};

use super::output::{self, Piece};
use super::payload::{self, Payload};
use super::records::{CommandRecord, InvocationRecord};
use super::roster::{self, Found};
use super::state::{self, Reason, Report, Reported};
use crate::error::Refusal;
use crate::house::House;
use crate::mailbox::{Mail, MailboxRecord};
use crate::records::COMMIT_ATTEMPTS;
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

/// Notes the node's answer to what it was sent.
pub async fn taken(house: &House, key: &InvocationKey, answer: &Answer) -> Result<(), Refusal> {
    let Some(payload) = payload::load(house, &key.0).await? else { return Ok(()) };
    roster::change(house, key, |record| after(answer, record, &payload.record)).await
}

/// Notes the answer to the entry of the mailbox with this sequence. A refused one stays there.
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
            note_answer(house, &mut batch, &(command, node.clone()), &answer).await?;
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
    key: &InvocationKey,
    answer: &Answer,
) -> Result<(), Refusal> {
    let Some((found, command)) = find(house, key).await? else {
        return Ok(());
    };
    if let Some(record) = after(answer, found.record.clone(), &command.record) {
        found.write(batch, record)?;
    }
    Ok(())
}

fn after(answer: &Answer, record: InvocationRecord, command: &CommandRecord) -> Option<InvocationRecord> {
    match answer {
        Answer::Taken => state::accepted(record, command),
        Answer::Refused { detail } => state::refused(record, detail.clone()),
    }
}

/// Whether a command that was sent to this node is still to be delivered. To be asked right before it is: what is
/// known of open commands may be behind the rows.
pub async fn is_to_deliver(house: &House, command: &CommandId, node: &NodeId) -> Result<bool, Refusal> {
    let row = INVOCATION.get(&*house.store, &(command.clone(), node.clone())).await?;
    Ok(row.is_none_or(|row| {
        state::awaits_node(row.value.state, row.value.dispatched.is_some(), row.value.taken)
    }))
}

/// Ends what can never be delivered, so that the node gets what comes after it.
pub async fn undeliverable(house: &House, key: &InvocationKey, detail: String) -> Result<(), Refusal> {
    let reason = Reason::DocumentRefused { detail };
    roster::change(house, key, |record| state::lost(record, reason.clone(), house.clock.now())).await
}

/// Notes a report, together with the output that rides on it, in one commit.
pub async fn reported(
    house: &House,
    key: &InvocationKey,
    report: Report,
    pieces: &[Piece],
) -> Result<(), Refusal> {
    for _ in 0..COMMIT_ATTEMPTS {
        let Some((found, command)) = find(house, key).await? else {
            return Ok(());
        };
        let mut batch = Batch::new();
        for piece in pieces {
            output::add(house, &mut batch, piece).await?;
        }
        apply(house, &mut batch, found, report.clone(), &command.record)?;
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
    found: Found,
    report: Report,
    command: &CommandRecord,
) -> Result<(), Refusal> {
    match state::reported(found.record.clone(), report, command, house.clock.now()) {
        Reported::Known => Ok(()),
        Reported::Apply(record) => found.write(batch, record),
        Reported::Late { record, stop } => {
            if stop {
                tell_to_stop(house, batch, &found.key)?;
            }
            found.write(batch, record)
        }
    }
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
        let found = roster::find(house, &key).await?;
        if found.is_none_or(|found| found.record.state.is_final()) {
            // Its result, if it has one, comes by itself; what still runs is to end.
            let mut batch = Batch::new();
            tell_to_stop(house, &mut batch, &key)?;
            house.store.commit(batch).await?;
        }
    }
    Ok(())
}

async fn settle_unknown(house: &House, key: InvocationKey) -> Result<(), Refusal> {
    roster::change(house, &key, |record| state::unknown_to_node(record, house.clock.now())).await
}

/// Puts a wish to stop into the node's mailbox.
pub fn tell_to_stop(house: &House, batch: &mut Batch, key: &InvocationKey) -> Result<(), Refusal> {
    let (command, node) = key.clone();
    let mail = MailboxRecord { work: Mail::Cancel(command) };
    MAILBOX.put(batch, &(node, house.sequence.next()), &mail)?;
    Ok(())
}

/// An invocation with its command; None when either is gone.
async fn find(house: &House, key: &InvocationKey) -> Result<Option<(Found, Arc<Payload>)>, Refusal> {
    let Some(found) = roster::find(house, key).await? else {
        return Ok(None);
    };
    let payload = payload::load(house, &key.0).await?;
    Ok(payload.map(|payload| (found, payload)))
}

fn contended(node: &NodeId) -> Refusal {
    Refusal::unavailable(format!("the records of {node} are being changed from several sides: try again"))
}
