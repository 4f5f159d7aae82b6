//! Cancelling: what never left ends at once, what may have left is told to stop and answers itself
//! (reference, section 3.5).

use std::collections::BTreeSet;

use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::{Batch, CommitError};
use futures::{StreamExt, TryStreamExt};

use super::records::{CancelWish, CommandRecord};
use super::report::{InvocationKey, tell_to_stop};
use super::roster::{self, Roster};
use super::state::{self, Cancelled};
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::operations::resolve;
use crate::records::COMMIT_ATTEMPTS;
use crate::tables::{COMMAND, NODE, PRESENCE};

/// Invocations that are cancelled at the same time: they share commits.
const AT_ONCE: usize = 64;
/// Invocations read at once.
const PAGE: usize = 512;

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
    // Read after the wish is durable: no wave follows those that it has.
    let roster = Roster::of(house, id, &record).await?;
    let targets = targets(house, &roster, id, &record, &wanted).await?;
    futures::stream::iter(targets)
        .map(|node| cancel_one(house, &roster, &record, (id.clone(), node), &wish))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
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

async fn targets(
    house: &House,
    roster: &Roster,
    id: &CommandId,
    command: &CommandRecord,
    wanted: &BTreeSet<NodeId>,
) -> Result<Vec<NodeId>, Refusal> {
    let (mut targets, mut after) = (Vec::new(), None);
    loop {
        let (found, next) = roster::page(house, roster, id, command, after.as_ref(), PAGE).await?;
        let open = found.into_iter().filter(|found| !found.record.state.is_final());
        targets
            .extend(open.map(|found| found.key.1).filter(|node| wanted.is_empty() || wanted.contains(node)));
        after = next;
        if after.is_none() {
            return Ok(targets);
        }
    }
}

async fn cancel_one(
    house: &House,
    roster: &Roster,
    command: &CommandRecord,
    key: InvocationKey,
    wish: &CancelWish,
) -> Result<(), Refusal> {
    let mut found = roster::find_in(house, roster, &key, command).await?;
    for _ in 0..COMMIT_ATTEMPTS {
        let Some(invocation) = found else { return Ok(()) };
        let presence = PRESENCE.get(&*house.store, &key.1).await?;
        let record = invocation.record.clone();
        let received = match (&presence, record.dispatched) {
            (Some(presence), Some(dispatch)) => presence.value.may_have_received(dispatch.at),
            _ => false,
        };
        let mut batch = Batch::new();
        // A stream that opens at this moment changes the row that `received` was judged from.
        match &presence {
            Some(presence) => batch.require(PRESENCE.unchanged(presence)),
            None => batch.require(PRESENCE.absent(&key.1)),
        };
        match state::cancelled(record, wish.clone(), received, house.clock.now()) {
            Cancelled::Nothing => return Ok(()),
            Cancelled::AtOnce(record) => invocation.write(&mut batch, record)?,
            Cancelled::TellNode(record) => {
                batch.require(NODE.exists(&key.1));
                tell_to_stop(house, &mut batch, &key)?;
                invocation.write(&mut batch, record)?;
            }
        }
        match house.store.commit(batch).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let roster = Roster::of(house, &key.0, command).await?;
        found = roster::find_in(house, &roster, &key, command).await?;
    }
    Err(roster::contended(&key))
}
