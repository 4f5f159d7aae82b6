//! Cancelling: what never left ends at once, what may have left is told to stop and answers itself
//! (reference, section 3.5).

use std::collections::BTreeSet;

use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::{Batch, CommitError};

use super::records::{CancelWish, CommandRecord};
use super::report::{InvocationKey, tell_to_stop};
use super::state::{self, Cancelled};
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::operations::resolve;
use crate::records::{COMMIT_ATTEMPTS, Pages, With};
use crate::tables::{COMMAND, INVOCATION, MAILBOX, NODE, PRESENCE};

/// Cancels a command, on all its nodes or on those named. Durable when this returns: the wish on every invocation
/// that was open. Cancelling what has ended changes nothing.
pub async fn cancel(
    house: &House,
    id: &CommandId,
    nodes: &[String],
    by: &str,
) -> Result<CommandRecord, Refusal> {
    let wish = CancelWish { by: by.to_owned(), at: house.clock.now() };
    let mut wanted = BTreeSet::new();
    for node in nodes {
        wanted.insert(resolve(house, node).await?.0);
    }
    let record = if wanted.is_empty() {
        wish_whole(house, id, &wish).await?
    } else {
        super::operations::get(house, id).await?
    };
    for node in targets(house, id, &wanted).await? {
        cancel_one(house, (id.clone(), node), &wish).await?;
    }
    Ok(record)
}

async fn wish_whole(house: &House, id: &CommandId, wish: &CancelWish) -> Result<CommandRecord, Refusal> {
    for _ in 0..COMMIT_ATTEMPTS {
        let mut row = COMMAND.get(&*house.store, id).await?.ok_or_else(|| super::operations::unknown(id))?;
        if row.value.outcome.is_some() || row.value.cancel.is_some() {
            return Ok(row.value);
        }
        row.value.cancel = Some(wish.clone());
        let mut batch = Batch::new();
        COMMAND.replace(&mut batch, &row)?;
        match house.store.commit(batch).await {
            Ok(_) => return Ok(row.value),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::unavailable(format!("command {id} is being changed by somebody else: try again")))
}

async fn targets(house: &House, id: &CommandId, wanted: &BTreeSet<NodeId>) -> Result<Vec<NodeId>, Refusal> {
    let mut found = Vec::new();
    let mut pages = Pages::of(&INVOCATION, id.clone());
    while let Some(rows) = pages.next(&*house.store).await? {
        let open = rows.into_iter().filter(|row| !row.value.state.is_final());
        found.extend(open.map(|row| row.key.1).filter(|node| wanted.is_empty() || wanted.contains(node)));
    }
    Ok(found)
}

async fn cancel_one(house: &House, key: InvocationKey, wish: &CancelWish) -> Result<(), Refusal> {
    for _ in 0..COMMIT_ATTEMPTS {
        let Some(row) = INVOCATION.get(&*house.store, &key).await? else {
            return Ok(());
        };
        let presence = PRESENCE.get(&*house.store, &key.1).await?;
        let received = match (&presence, row.value.dispatched) {
            (Some(presence), Some(dispatch)) => presence.value.may_have_received(dispatch.at),
            _ => false,
        };
        let mut batch = Batch::new();
        // A stream that opens at this moment changes the row that `received` was judged from.
        match &presence {
            Some(presence) => batch.require(PRESENCE.unchanged(presence)),
            None => batch.require(PRESENCE.absent(&key.1)),
        };
        let dispatched = row.value.dispatched;
        match state::cancelled(row.value.clone(), wish.clone(), received, house.clock.now()) {
            Cancelled::Nothing => return Ok(()),
            Cancelled::AtOnce(record) => {
                if let Some(dispatch) = dispatched {
                    MAILBOX.delete(&mut batch, &(key.1.clone(), dispatch.seq));
                }
                INVOCATION.replace(&mut batch, &row.with(record))?;
            }
            Cancelled::TellNode(record) => {
                batch.require(NODE.exists(&key.1));
                tell_to_stop(house, &mut batch, &key)?;
                INVOCATION.replace(&mut batch, &row.with(record))?;
            }
        }
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
