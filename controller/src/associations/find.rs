//! Reading associations back, with how they are doing.

use std::collections::BTreeMap;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{AssociationId, NodeId};
use fleetwright_store::Row;

use super::fault::{AssociationError, Fault};
use super::records::{AssociationRecord, RunRecord, VersionRecord};
use super::wanted::{Known, next_moment};
use crate::commands::state::State;
use crate::documents::names::{Reference, shown};
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::operations::resolve as resolve_node;
use crate::nodes::records::NodeRecord;
use crate::records::{Pages, next_key, note_unreadable};
use crate::tables::{ASSOCIATION, ASSOCIATION_STATUS, ASSOCIATION_VERSION, NODE};

/// An association with how it is doing.
#[derive(Debug, Clone)]
pub struct View {
    pub id: AssociationId,
    pub record: AssociationRecord,
    pub overview: Overview,
    /// The version of the document that is applied now, and the parameters as they may be shown.
    pub document_version: String,
    pub shown_parameters: BTreeMap<String, Vec<String>>,
    pub next_run: Option<Timestamp>,
}

/// How the targets of an association are doing, the last time that each applied it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    pub targets: u32,
    pub pending: u32,
    pub in_progress: u32,
    pub success: u32,
    pub failed: u32,
    pub timed_out: u32,
    pub cancelled: u32,
    pub last_run: Option<Timestamp>,
    /// Why it cannot be applied at all as it stands.
    pub problem: Option<String>,
}

/// SSM's status of an association as a whole (reference, section 11.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Pending,
    Success,
    Failed,
}

impl Status {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Success => "Success",
            Self::Failed => "Failed",
        }
    }
}

impl Overview {
    pub(super) fn note(&mut self, run: Option<&RunRecord>) {
        self.targets += 1;
        let Some(run) = run else {
            self.pending += 1;
            return;
        };
        match run.state {
            State::Success => self.success += 1,
            State::Failed => self.failed += 1,
            State::TimedOut => self.timed_out += 1,
            State::Cancelled => self.cancelled += 1,
            State::Pending | State::Delayed | State::InProgress | State::Cancelling => self.in_progress += 1,
        }
        self.last_run = self.last_run.max(run.finished);
    }

    #[must_use]
    pub fn status(&self) -> Status {
        if self.problem.is_some() || self.failed + self.timed_out > 0 {
            Status::Failed
        } else if self.targets == 0 || self.pending + self.in_progress + self.cancelled > 0 {
            Status::Pending
        } else {
            Status::Success
        }
    }

    /// One line for people.
    #[must_use]
    pub fn details(&self) -> String {
        if let Some(problem) = &self.problem {
            return format!("cannot be applied: {problem}");
        }
        if self.targets == 0 {
            return "no node matches its targets".to_owned();
        }
        let parts = [
            (self.success, "applied"),
            (self.failed, "failed"),
            (self.timed_out, "timed out"),
            (self.cancelled, "stopped"),
            (self.in_progress, "at work"),
            (self.pending, "not applied yet"),
        ];
        let parts: Vec<_> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        format!("{} of {} nodes", parts.join(", "), self.targets)
    }

    /// How many are in each of SSM's states, those with any.
    #[must_use]
    pub fn by_status(&self) -> BTreeMap<&'static str, u32> {
        let all = [
            ("Success", self.success),
            ("Failed", self.failed),
            ("TimedOut", self.timed_out),
            ("Cancelled", self.cancelled),
            ("InProgress", self.in_progress),
            ("Pending", self.pending),
        ];
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// The answer to an association that does not exist.
#[must_use]
pub fn unknown(wanted: &str) -> AssociationError {
    Fault::AssociationDoesNotExist.because(format!(
        "there is no association `{}`: `association list` shows those that exist",
        shown(wanted)
    ))
}

pub(super) async fn row(
    house: &House,
    id: &AssociationId,
) -> Result<Row<AssociationId, AssociationRecord>, AssociationError> {
    ASSOCIATION.get(&*house.store, id).await?.ok_or_else(|| unknown(id.as_str()))
}

/// The association with this id, or the only one with this name.
pub async fn resolve(house: &House, wanted: &str) -> Result<AssociationId, AssociationError> {
    if let Ok(id) = wanted.parse::<AssociationId>() {
        return Ok(id);
    }
    let mut found = Vec::new();
    let mut pages = Pages::of(&ASSOCIATION, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        found.extend(
            rows.into_iter()
                .filter(|row| row.value.content.name.as_deref() == Some(wanted))
                .map(|row| row.key),
        );
    }
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(unknown(wanted)),
        several => Err(Fault::InvalidAssociation.because(format!(
            "`{}` is the name of {} associations: use the id",
            shown(wanted),
            several.len()
        ))),
    }
}

/// An association as it is now.
pub async fn get(house: &House, wanted: &str) -> Result<View, AssociationError> {
    let id = resolve(house, wanted).await?;
    let row = row(house, &id).await?;
    let nodes = nodes(house).await?;
    view(house, row, &nodes).await
}

/// An association as it was in a version; how it is doing is told as it is now.
pub async fn get_version(house: &House, wanted: &str, version: u64) -> Result<View, AssociationError> {
    let mut view = get(house, wanted).await?;
    if version == view.record.version {
        return Ok(view);
    }
    let row = ASSOCIATION_VERSION.get(&*house.store, &(view.id.clone(), version)).await?;
    let row = row.ok_or_else(|| {
        Fault::InvalidAssociationVersion.because(format!(
            "association {} has no version {version}: its latest is {}",
            view.id, view.record.version
        ))
    })?;
    view.shown_parameters = super::history::covered(house, &row.value.content).await;
    view.record.version = version;
    view.record.content = row.value.content;
    view.record.updated = row.value.created;
    Ok(view)
}

/// Narrows a list down.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub document: Option<String>,
    pub name: Option<String>,
    pub id: Option<AssociationId>,
    pub status: Option<String>,
    /// Of a node.
    pub node: Option<String>,
    pub updated_after: Option<Timestamp>,
    pub updated_before: Option<Timestamp>,
    pub last_run_after: Option<Timestamp>,
    pub last_run_before: Option<Timestamp>,
}

/// A page of associations and where the next one starts.
pub type Views = (Vec<View>, Option<AssociationId>);

/// Associations by id.
pub async fn list(
    house: &House,
    filter: &Filter,
    after: Option<AssociationId>,
    limit: usize,
) -> Result<Views, AssociationError> {
    let nodes = nodes(house).await?;
    let of_node = match &filter.node {
        Some(wanted) => Some(
            resolve_node(house, wanted)
                .await
                .map_err(|refusal| Fault::InvalidInstanceId.because(refusal.message))?,
        ),
        None => None,
    };
    let (mut found, mut after) = (Vec::new(), after);
    loop {
        let page = ASSOCIATION.scan(&*house.store, &(), after.as_ref(), limit).await?;
        note_unreadable("association", &page.unreadable);
        after = next_key(&page, limit);
        for row in page.rows {
            if !takes(filter, &row) {
                continue;
            }
            if let Some((id, node)) = &of_node
                && house.associations.get(&row.key).is_none_or(|known| !known.takes(id, node))
            {
                continue;
            }
            let view = view(house, row, &nodes).await?;
            if !takes_view(filter, &view) {
                continue;
            }
            found.push(view);
            if found.len() >= limit {
                let next = found.last().map(|view| view.id.clone());
                return Ok((found, next));
            }
        }
        if after.is_none() {
            return Ok((found, None));
        }
    }
}

fn takes(filter: &Filter, row: &Row<AssociationId, AssociationRecord>) -> bool {
    let content = &row.value.content;
    filter.document.as_ref().is_none_or(|document| *document == content.document)
        && filter.name.as_ref().is_none_or(|name| content.name.as_ref() == Some(name))
        && filter.id.as_ref().is_none_or(|id| *id == row.key)
        && filter.updated_after.is_none_or(|moment| row.value.updated > moment)
        && filter.updated_before.is_none_or(|moment| row.value.updated < moment)
}

fn takes_view(filter: &Filter, view: &View) -> bool {
    filter.status.as_ref().is_none_or(|status| view.overview.status().name().eq_ignore_ascii_case(status))
        && filter.last_run_after.is_none_or(|moment| view.overview.last_run.is_some_and(|last| last > moment))
        && filter
            .last_run_before
            .is_none_or(|moment| view.overview.last_run.is_some_and(|last| last < moment))
}

/// All members of the fleet.
pub(super) async fn nodes(house: &House) -> Result<Vec<(NodeId, NodeRecord)>, Refusal> {
    let mut found = Vec::new();
    let mut pages = Pages::of(&NODE, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        found.extend(rows.into_iter().map(|row| (row.key, row.value)));
    }
    Ok(found)
}

async fn view(
    house: &House,
    row: Row<AssociationId, AssociationRecord>,
    nodes: &[(NodeId, NodeRecord)],
) -> Result<View, AssociationError> {
    let known = house.associations.get(&row.key);
    let mut overview = Overview::default();
    let mut document_version = String::new();
    if let Some(known) = &known {
        let mut last = BTreeMap::new();
        let mut pages = Pages::of(&ASSOCIATION_STATUS, row.key.clone());
        while let Some(rows) = pages.next(&*house.store).await? {
            last.extend(rows.into_iter().map(|row| (row.key.1, row.value)));
        }
        for (id, _) in nodes.iter().filter(|(id, node)| known.takes(id, node)) {
            overview.note(last.get(id).filter(|run| run.version == known.record.version));
        }
        match &known.prepared {
            Ok(prepared) => document_version.clone_from(&prepared.document_version),
            Err(problem) => overview.problem = Some(problem.clone()),
        }
    }
    let next_run = next_moment(&row.value, house.clock.now());
    let shown_parameters = super::history::covered(house, &row.value.content).await;
    Ok(View { id: row.key, record: row.value, overview, document_version, shown_parameters, next_run })
}

/// The versions of an association, oldest first, and where the next page starts.
pub async fn versions(
    house: &House,
    wanted: &str,
    after: Option<u64>,
    limit: usize,
) -> Result<(AssociationId, Vec<(u64, VersionRecord)>, Option<u64>), AssociationError> {
    let id = resolve(house, wanted).await?;
    row(house, &id).await?;
    let after = after.map(|after| (id.clone(), after));
    let page = ASSOCIATION_VERSION.scan(&*house.store, &id, after.as_ref(), limit).await?;
    note_unreadable("association-version", &page.unreadable);
    let next = next_key(&page, limit).map(|key| key.1);
    Ok((id, page.rows.into_iter().map(|row| (row.key.1, row.value)).collect(), next))
}

/// The associations that a node is to have.
pub async fn of_node(
    house: &House,
    wanted: &str,
) -> Result<(NodeId, Vec<std::sync::Arc<Known>>), AssociationError> {
    let (id, node) = resolve_node(house, wanted)
        .await
        .map_err(|refusal| Fault::InvalidInstanceId.because(refusal.message))?;
    let all = house.associations.all();
    Ok((id.clone(), all.iter().filter(|known| known.takes(&id, &node)).cloned().collect()))
}

/// An association that runs this document, whichever version: it is not deleted while there is one.
pub async fn applied_by(house: &House, document: &str) -> Result<Option<AssociationId>, Refusal> {
    let mut pages = Pages::of(&ASSOCIATION, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        let names = |content: &super::records::Content| {
            Reference::parse(&content.document, "").is_ok_and(|named| named.name.as_str() == document)
        };
        if let Some(row) = rows.into_iter().find(|row| names(&row.value.content)) {
            return Ok(Some(row.key));
        }
    }
    Ok(None)
}
