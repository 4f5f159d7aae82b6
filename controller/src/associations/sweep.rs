//! Nothing grows for ever: old executions go, with what their runs printed, and so does what is left of associations and
//! nodes that are no more.

use std::collections::BTreeSet;
use std::time::Duration;

use fleetwright_proto::ids::{AssociationId, CommandId, ExecutionId, NodeId};
use fleetwright_store::{Batch, Row};

use super::find;
use super::records::RunRecord;
use crate::commands::payload;
use crate::error::Refusal;
use crate::house::House;
use crate::records::{Pages, delete_below};
use crate::tables::{
    ASSOCIATION_EXECUTION, ASSOCIATION_LEAVING, ASSOCIATION_PRINTED, ASSOCIATION_RUN, ASSOCIATION_STATUS,
    ASSOCIATION_VERSION, OUTPUT, OUTPUT_LENGTH,
};

/// How often [`run_once`] is due.
pub const INTERVAL: Duration = Duration::from_secs(600);
/// Executions of one association that are kept, as long as they have no more runs than [`RUNS_MAX`] together.
pub const EXECUTIONS_MAX: usize = 100;
/// Runs of one association that are kept; its latest executions are, however many nodes they have.
pub const RUNS_MAX: usize = 20_000;
const EXECUTIONS_MIN: usize = 2;

/// Deletes what is beyond the limits, and what was left in the middle.
pub async fn run_once(house: &House) -> Result<(), Refusal> {
    let mut leaving = Pages::of(&ASSOCIATION_LEAVING, ());
    while let Some(rows) = leaving.next(&*house.store).await? {
        for row in rows {
            finish(house, &row.key).await?;
        }
    }
    let all = house.associations.all();
    let nodes = if all.is_empty() { Vec::new() } else { find::nodes(house).await? };
    for known in all.iter() {
        let here: BTreeSet<&NodeId> =
            nodes.iter().filter(|(id, node)| known.takes(id, node)).map(|(id, _)| id).collect();
        forget_strangers(house, &known.id, &here).await?;
        forget_old(house, &known.id).await?;
    }
    forget_unowned(house).await
}

/// What was printed by runs of which nothing else is kept: a later one of the same execution took their place.
async fn forget_unowned(house: &House) -> Result<(), Refusal> {
    let mut pages = Pages::of(&ASSOCIATION_PRINTED, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        for row in rows {
            let (run, node) = &row.key;
            let key = (row.value.association, row.value.execution, node.clone());
            let owner = ASSOCIATION_RUN.get(&*house.store, &key).await?;
            if owner.is_none_or(|owner| owner.value.run != *run) {
                delete_output(house, run, node).await?;
            }
        }
    }
    Ok(())
}

/// Deletes everything that is kept of an association whose row is gone. What a crash leaves is finished later.
pub(super) async fn finish(house: &House, id: &AssociationId) -> Result<(), Refusal> {
    let mut runs = Pages::of(&ASSOCIATION_RUN, id.clone());
    while let Some(rows) = runs.next(&*house.store).await? {
        delete_runs(house, rows).await?;
    }
    delete_below(&*house.store, &ASSOCIATION_STATUS, id.clone()).await?;
    delete_below(&*house.store, &ASSOCIATION_EXECUTION, id.clone()).await?;
    delete_below(&*house.store, &ASSOCIATION_VERSION, id.clone()).await?;
    let mut batch = Batch::new();
    ASSOCIATION_LEAVING.delete(&mut batch, id);
    house.store.commit(batch).await?;
    Ok(())
}

/// The last runs of nodes that are no targets any more.
async fn forget_strangers(
    house: &House,
    id: &AssociationId,
    here: &BTreeSet<&NodeId>,
) -> Result<(), Refusal> {
    let mut pages = Pages::of(&ASSOCIATION_STATUS, id.clone());
    while let Some(rows) = pages.next(&*house.store).await? {
        let mut batch = Batch::new();
        for row in rows.iter().filter(|row| !here.contains(&row.key.1)) {
            ASSOCIATION_STATUS.delete(&mut batch, &row.key);
        }
        house.store.commit(batch).await?;
    }
    Ok(())
}

async fn forget_old(house: &House, id: &AssociationId) -> Result<(), Refusal> {
    let (mut executions, mut runs) = (0, 0);
    let mut pages = Pages::of(&ASSOCIATION_EXECUTION, id.clone());
    while let Some(rows) = pages.next(&*house.store).await? {
        for row in rows {
            let within = executions < EXECUTIONS_MIN || (executions < EXECUTIONS_MAX && runs < RUNS_MAX);
            let (_, _, execution) = &row.key;
            if within {
                runs += count(house, id, execution).await?;
                executions += 1;
                continue;
            }
            let mut of_execution = Pages::of(&ASSOCIATION_RUN, (id.clone(), execution.clone()));
            while let Some(rows) = of_execution.next(&*house.store).await? {
                delete_runs(house, rows).await?;
            }
            let mut batch = Batch::new();
            ASSOCIATION_EXECUTION.delete(&mut batch, &row.key);
            house.store.commit(batch).await?;
        }
    }
    Ok(())
}

async fn count(house: &House, id: &AssociationId, execution: &ExecutionId) -> Result<usize, Refusal> {
    let mut count = 0;
    let mut pages = Pages::of(&ASSOCIATION_RUN, (id.clone(), execution.clone()));
    while let Some(rows) = pages.next(&*house.store).await? {
        count += rows.len();
    }
    Ok(count)
}

type RunKey = (AssociationId, ExecutionId, NodeId);

async fn delete_runs(house: &House, rows: Vec<Row<RunKey, RunRecord>>) -> Result<(), Refusal> {
    for row in &rows {
        delete_output(house, &row.value.run, &row.key.2).await?;
    }
    let mut batch = Batch::new();
    for row in rows {
        ASSOCIATION_RUN.delete(&mut batch, &row.key);
    }
    house.store.commit(batch).await?;
    Ok(())
}

async fn delete_output(house: &House, run: &CommandId, node: &NodeId) -> Result<(), Refusal> {
    let key = (run.clone(), node.clone());
    if ASSOCIATION_PRINTED.get(&*house.store, &key).await?.is_none() {
        return Ok(());
    }
    delete_below(&*house.store, &OUTPUT, key.clone()).await?;
    delete_below(&*house.store, &OUTPUT_LENGTH, key.clone()).await?;
    // A run is one node's alone, and so is its folder.
    house.blobs.delete_prefix(&payload::folder(run).parse()?).await?;
    let mut batch = Batch::new();
    ASSOCIATION_PRINTED.delete(&mut batch, &key);
    house.store.commit(batch).await?;
    Ok(())
}
