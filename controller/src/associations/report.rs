//! What nodes say of their runs: kept once, however often it is said, and acknowledged when it is durable.

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{AssociationId, CommandId, ExecutionId, NodeId};
use fleetwright_store::{Batch, CommitError, Reverse};

use super::records::{Cause, ExecutionRecord, PrintedRecord, RunRecord};
use crate::commands::output::{self, Piece};
use crate::commands::state::Report;
use crate::error::Refusal;
use crate::house::House;
use crate::records::COMMIT_ATTEMPTS;
use crate::tables::{
    ASSOCIATION, ASSOCIATION_EXECUTION, ASSOCIATION_PRINTED, ASSOCIATION_RUN, ASSOCIATION_STATUS,
};

/// Which run of what a report is about, free of the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunTold {
    pub association: AssociationId,
    pub version: u64,
    pub document: String,
    pub document_version: String,
    pub execution: ExecutionId,
    pub cause: Cause,
    pub due: Timestamp,
    pub started: Timestamp,
    pub changed: Vec<String>,
    pub different: Vec<String>,
}

/// Notes a report, together with the output that rides on it, in one commit. Of an association that is no more, nothing
/// is kept.
pub async fn reported(
    house: &House,
    node: &NodeId,
    run: &CommandId,
    told: &RunTold,
    report: &Report,
    pieces: &[Piece],
) -> Result<(), Refusal> {
    for _ in 0..COMMIT_ATTEMPTS {
        if ASSOCIATION.get(&*house.store, &told.association).await?.is_none() {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.require(ASSOCIATION.exists(&told.association));
        add(house, &mut batch, node, run, told, report, pieces).await?;
        // Without writes this is the barrier: what was found is durable before it is acknowledged.
        match house.store.commit(batch).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::unavailable(format!("the runs of {node} are being changed from several sides: try again")))
}

async fn add(
    house: &House,
    batch: &mut Batch,
    node: &NodeId,
    run: &CommandId,
    told: &RunTold,
    report: &Report,
    pieces: &[Piece],
) -> Result<(), Refusal> {
    let key = (told.association.clone(), told.execution.clone(), node.clone());
    let known = ASSOCIATION_RUN.get(&*house.store, &key).await?;
    let record = record(run, told, report, house.clock.now());
    if known.as_ref().is_some_and(|known| !is_news(&known.value, &record)) {
        return Ok(());
    }
    match known {
        Some(mut row) => {
            row.value = record.clone();
            ASSOCIATION_RUN.replace(batch, &row)?;
        }
        None => ASSOCIATION_RUN.insert(batch, &key, &record)?,
    }
    let status_key = (told.association.clone(), node.clone());
    let status = ASSOCIATION_STATUS.get(&*house.store, &status_key).await?;
    let latest = RunRecord { steps: Vec::new(), ..record };
    match status {
        Some(row) if !is_news(&row.value, &latest) => {}
        Some(mut row) => {
            row.value = latest;
            ASSOCIATION_STATUS.replace(batch, &row)?;
        }
        None => ASSOCIATION_STATUS.insert(batch, &status_key, &latest)?,
    }
    let due = Reverse(u64::try_from(told.due.millis()).unwrap_or(0));
    let execution = (told.association.clone(), due, told.execution.clone());
    if ASSOCIATION_EXECUTION.get(&*house.store, &execution).await?.is_none() {
        // Whichever node is first: they all say the same.
        let heard = ExecutionRecord { version: told.version, cause: told.cause, heard: house.clock.now() };
        ASSOCIATION_EXECUTION.put(batch, &execution, &heard)?;
    }
    if !report.state.is_final() || !pieces.is_empty() {
        let printed =
            PrintedRecord { association: told.association.clone(), execution: told.execution.clone() };
        ASSOCIATION_PRINTED.put(batch, &(run.clone(), node.clone()), &printed)?;
    }
    for piece in pieces {
        output::add(house, batch, piece).await?;
    }
    Ok(())
}

fn record(run: &CommandId, told: &RunTold, report: &Report, now: Timestamp) -> RunRecord {
    RunRecord {
        run: run.clone(),
        execution: told.execution.clone(),
        version: told.version,
        document: told.document.clone(),
        document_version: told.document_version.clone(),
        cause: told.cause,
        due: told.due,
        started: told.started,
        finished: report.state.is_final().then(|| finished(report, now)),
        state: report.state,
        reason: report.reason.clone(),
        report_seq: report.seq,
        steps: report.steps.clone(),
        changed: told.changed.clone(),
        different: told.different.clone(),
    }
}

/// When its last step ended, by the clock that the node took for the controller's; now, where none ran.
fn finished(report: &Report, now: Timestamp) -> Timestamp {
    let last = report.steps.iter().map(|step| step.finished_ms).max().filter(|millis| *millis > 0);
    last.map_or(now, |millis| Timestamp::from_millis(millis).min(now))
}

/// Whether it is of a later run, or a later word of the same one that had not ended.
fn is_news(known: &RunRecord, told: &RunRecord) -> bool {
    if known.run == told.run {
        !known.state.is_final() && told.report_seq > known.report_seq
    } else {
        told.started >= known.started
    }
}

/// Whether this is a run that printed something which is kept.
pub async fn keeps_output(house: &House, run: &CommandId, node: &NodeId) -> Result<bool, Refusal> {
    Ok(ASSOCIATION_PRINTED.get(&*house.store, &(run.clone(), node.clone())).await?.is_some())
}
