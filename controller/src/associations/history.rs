//! What became of associations: on each node the last time, and in each execution on all of them.

use std::collections::BTreeMap;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{AssociationId, ExecutionId, NodeId};
use fleetwright_store::{Reverse, Row};

use super::fault::{AssociationError, Fault};
use super::find::{self, Overview};
use super::records::{Content, ExecutionRecord, RunRecord};
use crate::commands::state::State;
use crate::documents::find as documents;
use crate::documents::names::Reference;
use crate::house::House;
use crate::nodes::records::NodeRecord;
use crate::records::{Pages, next_key, note_unreadable};
use crate::tables::{ASSOCIATION_EXECUTION, ASSOCIATION_RUN, ASSOCIATION_STATUS};

/// The key of an execution.
pub type ExecutionKey = (AssociationId, Reverse<u64>, ExecutionId);

/// One execution with what its nodes made of it.
#[derive(Debug, Clone)]
pub struct Execution {
    pub id: ExecutionId,
    pub due: Timestamp,
    pub record: ExecutionRecord,
    pub counts: Overview,
    /// When a node last began or ended it.
    pub last: Timestamp,
    /// On how many nodes something was changed, or found different and left.
    pub changed: u32,
    pub different: u32,
}

impl Execution {
    /// SSM's word for how it went as a whole.
    #[must_use]
    pub fn status(&self) -> State {
        let counts = &self.counts;
        if counts.in_progress > 0 {
            State::InProgress
        } else if counts.failed > 0 {
            State::Failed
        } else if counts.timed_out > 0 {
            State::TimedOut
        } else if counts.cancelled > 0 {
            State::Cancelled
        } else {
            State::Success
        }
    }
}

/// Executions of an association, the latest first, and where the next page starts.
pub async fn executions(
    house: &House,
    wanted: &str,
    after: Option<ExecutionKey>,
    limit: usize,
) -> Result<(AssociationId, Vec<Execution>, Option<ExecutionKey>), AssociationError> {
    let id = find::resolve(house, wanted).await?;
    find::row(house, &id).await?;
    let page = ASSOCIATION_EXECUTION.scan(&*house.store, &id, after.as_ref(), limit).await?;
    note_unreadable("association-execution", &page.unreadable);
    let next = next_key(&page, limit);
    let mut found = Vec::with_capacity(page.rows.len());
    for row in page.rows {
        found.push(with_counts(house, row).await?);
    }
    Ok((id, found, next))
}

async fn with_counts(
    house: &House,
    row: Row<ExecutionKey, ExecutionRecord>,
) -> Result<Execution, AssociationError> {
    let (association, Reverse(due), id) = row.key;
    let mut execution = Execution {
        due: Timestamp::from_millis(i64::try_from(due).unwrap_or(i64::MAX)),
        last: row.value.heard,
        record: row.value,
        counts: Overview::default(),
        changed: 0,
        different: 0,
        id: id.clone(),
    };
    let mut pages = Pages::of(&ASSOCIATION_RUN, (association, id));
    while let Some(rows) = pages.next(&*house.store).await? {
        for row in rows {
            let run = &row.value;
            execution.counts.note(Some(run));
            execution.last = execution.last.max(run.finished.unwrap_or(run.started));
            execution.changed += u32::from(!run.changed.is_empty());
            execution.different += u32::from(!run.different.is_empty());
        }
    }
    Ok(execution)
}

/// The runs of an execution by node, and where the next page starts.
pub async fn targets(
    house: &House,
    wanted: &str,
    execution: &ExecutionId,
    after: Option<NodeId>,
    limit: usize,
) -> Result<(AssociationId, Vec<(NodeId, RunRecord)>, Option<NodeId>), AssociationError> {
    let id = find::resolve(house, wanted).await?;
    find::row(house, &id).await?;
    let is_first = after.is_none();
    let after = after.map(|node| (id.clone(), execution.clone(), node));
    let prefix = (id.clone(), execution.clone());
    let page = ASSOCIATION_RUN.scan(&*house.store, &prefix, after.as_ref(), limit).await?;
    note_unreadable("association-run", &page.unreadable);
    if is_first && page.rows.is_empty() {
        return Err(Fault::AssociationExecutionDoesNotExist.because(format!(
            "association {id} has no execution {execution}: `association history {id}` lists those that are kept"
        )));
    }
    let next = next_key(&page, limit).map(|key| key.2);
    Ok((id, page.rows.into_iter().map(|row| (row.key.2, row.value)).collect(), next))
}

/// One target of an association with its last run of the version that is wanted now.
pub type NodeStatus = (NodeId, NodeRecord, Option<RunRecord>);

/// The targets of an association by node id, and where the next page starts.
pub async fn nodes(
    house: &House,
    wanted: &str,
    after: Option<&NodeId>,
    limit: usize,
) -> Result<(AssociationId, Vec<NodeStatus>, Option<NodeId>), AssociationError> {
    let id = find::resolve(house, wanted).await?;
    find::row(house, &id).await?;
    let Some(known) = house.associations.get(&id) else { return Ok((id, Vec::new(), None)) };
    let mut found: Vec<NodeStatus> = Vec::new();
    for (node, record) in find::nodes(house).await? {
        if after.is_some_and(|after| node <= *after) || !known.takes(&node, &record) {
            continue;
        }
        if found.len() >= limit {
            let next = found.last().map(|(node, _, _)| node.clone());
            return Ok((id, found, next));
        }
        let status = status(house, &id, &node).await?;
        found.push((node, record, status));
    }
    Ok((id, found, None))
}

/// The last run of an association on a node.
pub async fn status(
    house: &House,
    id: &AssociationId,
    node: &NodeId,
) -> Result<Option<RunRecord>, AssociationError> {
    let row = ASSOCIATION_STATUS.get(&*house.store, &(id.clone(), node.clone())).await?;
    Ok(row.map(|row| row.value))
}

/// The parameters as they may be shown: what the document says is secret is covered. All of them, where nobody can say.
pub async fn covered(house: &House, content: &Content) -> BTreeMap<String, Vec<String>> {
    let cover = |values: &[String]| values.iter().map(|_| "****".to_owned()).collect::<Vec<_>>();
    let document = match Reference::parse(&content.document, &content.document_version) {
        Ok(reference) => documents::get(house, &reference).await.ok(),
        Err(_) => None,
    };
    let bound = document
        .and_then(|found| fleetwright_documents::parse(&found.content).ok())
        .and_then(|parsed| parsed.document.bind(&content.parameters).ok());
    let shown = content.parameters.iter().map(|(name, values)| {
        let is_open = bound.as_ref().is_some_and(|bound| !bound.is_secret(name));
        (name.clone(), if is_open { values.clone() } else { cover(values) })
    });
    shown.collect()
}
