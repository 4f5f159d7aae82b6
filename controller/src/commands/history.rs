//! The history of commands, newest first, narrowed down without reading what is not asked for.
//!
//! ```text
//! every command                       command-time
//! of a document, by an operator       command-facet "document NAME", "by NAME"
//! in one final status                 command-facet "status STATUS"
//! not ended                           command-open, few at any time
//! ```
//!
//! The rows of all four sort by the same key, so that a page token is good whichever of them a list is read from.

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{CommandId, NodeId};
use fleetwright_store::Batch;

use super::operations::{Status, counts, status};
use super::records::{CommandRecord, Mark};
use super::roster;
use super::send::newest_first;
use crate::error::Refusal;
use crate::house::House;
use crate::records::{Pages, next_key};
use crate::tables::{COMMAND, COMMAND_FACET, COMMAND_OPEN, COMMAND_TIME};

/// Commands looked at for one page, so that a filter that matches nothing answers soon.
const SCAN_MAX: usize = 10_000;
/// Rows read at once.
const PAGE: usize = 512;
/// Sorts behind every command of its millisecond.
const LAST_ID: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/// Where a list goes on.
pub type TimeKey = (fleetwright_store::Reverse<u64>, CommandId);

/// The place of a command in the list that is sorted newest first.
pub(super) fn time_key(id: &CommandId, record: &CommandRecord) -> TimeKey {
    (newest_first(record.requested), id.clone())
}

/// Behind every command of this moment and before every older one.
pub(super) fn before(moment: Timestamp) -> Option<TimeKey> {
    LAST_ID.parse().ok().map(|last| (newest_first(moment), last))
}

/// SSM's execution stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Executing,
    Complete,
}

/// What [`list`] is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Empty: all.
    pub statuses: Vec<Status>,
    pub stage: Option<Stage>,
    pub node: Option<NodeId>,
    pub document: Option<String>,
    pub requested_by: Option<String>,
    /// Requested at this moment or later.
    pub from: Option<Timestamp>,
    /// Requested before this moment.
    pub until: Option<Timestamp>,
}

/// A page of commands and where the next one starts.
pub type Commands = (Vec<(CommandId, CommandRecord)>, Option<TimeKey>);

/// The rows that a list is read from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    All,
    Facet(String),
    Open,
}

/// The smallest set of rows that holds every match.
fn source(filter: &Filter) -> Source {
    let only_open = !filter.statuses.is_empty() && filter.statuses.iter().all(|status| !status.is_final());
    if only_open || filter.stage == Some(Stage::Executing) {
        return Source::Open;
    }
    match (&filter.document, &filter.requested_by, filter.statuses.as_slice()) {
        (_, _, [only]) => Source::Facet(status_facet(*only)),
        (Some(name), _, _) => Source::Facet(document_facet(name)),
        (None, Some(name), _) => Source::Facet(operator_facet(name)),
        (None, None, _) => Source::All,
    }
}

fn status_facet(status: Status) -> String {
    format!("status {status:?}")
}

fn document_facet(name: &str) -> String {
    format!("document {name}")
}

fn operator_facet(name: &str) -> String {
    format!("by {name}")
}

/// Makes a new command findable, in the commit that writes it.
pub(super) fn enter(batch: &mut Batch, id: &CommandId, record: &CommandRecord) -> Result<(), Refusal> {
    let (time, _) = time_key(id, record);
    COMMAND_TIME.put(batch, &(time, id.clone()), &Mark {})?;
    for facet in lasting_facets(record) {
        COMMAND_FACET.put(batch, &(facet, time, id.clone()), &Mark {})?;
    }
    Ok(())
}

/// Notes that a command has ended, in the commit that writes its outcome.
pub(super) fn close(batch: &mut Batch, id: &CommandId, record: &CommandRecord) -> Result<(), Refusal> {
    COMMAND_OPEN.delete(batch, id);
    if let Some(outcome) = &record.outcome {
        let facet = status_facet(status(record, &outcome.counts));
        COMMAND_FACET.put(batch, &(facet, newest_first(record.requested), id.clone()), &Mark {})?;
    }
    Ok(())
}

/// Takes a command out of every list, in the commit that deletes it.
pub(super) fn forget(batch: &mut Batch, id: &CommandId, record: &CommandRecord) {
    let (time, _) = time_key(id, record);
    let ended = record.outcome.as_ref().map(|outcome| status_facet(status(record, &outcome.counts)));
    for facet in lasting_facets(record).into_iter().chain(ended) {
        COMMAND_FACET.delete(batch, &(facet, time, id.clone()));
    }
}

fn lasting_facets(record: &CommandRecord) -> [String; 2] {
    [document_facet(&record.document.name), operator_facet(&record.requested_by)]
}

/// Commands, newest first.
pub async fn list(
    house: &House,
    filter: &Filter,
    after: Option<TimeKey>,
    limit: usize,
) -> Result<Commands, Refusal> {
    let source = source(filter);
    let newest = filter.until.and_then(before);
    // In the order of the list the later key is the greater one.
    let mut after = after.max(newest);
    let (mut found, mut looked_at) = (Vec::new(), 0);
    loop {
        let (keys, next) = keys(house, &source, after.as_ref(), limit.clamp(1, PAGE)).await?;
        after = next;
        for key in keys {
            if filter.from.is_some_and(|from| key.0 > newest_first(from)) {
                return Ok((found, None));
            }
            looked_at += 1;
            if let Some(record) = passing(house, filter, &key.1).await? {
                found.push((key.1.clone(), record));
            }
            if found.len() >= limit || looked_at >= SCAN_MAX {
                return Ok((found, Some(key)));
            }
        }
        if after.is_none() {
            return Ok((found, None));
        }
    }
}

async fn keys(
    house: &House,
    source: &Source,
    after: Option<&TimeKey>,
    rows: usize,
) -> Result<(Vec<TimeKey>, Option<TimeKey>), Refusal> {
    match source {
        Source::All => {
            let page = COMMAND_TIME.scan(&*house.store, &(), after, rows).await?;
            let next = next_key(&page, rows);
            Ok((page.rows.into_iter().map(|row| row.key).collect(), next))
        }
        Source::Facet(facet) => {
            let after = after.map(|(time, id)| (facet.clone(), *time, id.clone()));
            let page = COMMAND_FACET.scan(&*house.store, facet, after.as_ref(), rows).await?;
            let next = next_key(&page, rows).map(|(_, time, id)| (time, id));
            Ok((page.rows.into_iter().map(|row| (row.key.1, row.key.2)).collect(), next))
        }
        Source::Open => {
            let mut keys = Vec::new();
            let mut pages = Pages::of(&COMMAND_OPEN, ());
            while let Some(marks) = pages.next(&*house.store).await? {
                for mark in marks {
                    let record = COMMAND.get(&*house.store, &mark.key).await?;
                    keys.extend(record.map(|row| time_key(&row.key, &row.value)));
                }
            }
            keys.retain(|key| after.is_none_or(|after| key > after));
            keys.sort();
            Ok((keys, None))
        }
    }
}

/// Whether it was requested in the time that the filter names.
pub(super) fn in_time(filter: &Filter, command: &CommandRecord) -> bool {
    filter.from.is_none_or(|from| command.requested >= from)
        && filter.until.is_none_or(|until| command.requested < until)
}

/// The command, when every part of the filter but its time takes it.
pub(super) async fn passing(
    house: &House,
    filter: &Filter,
    id: &CommandId,
) -> Result<Option<CommandRecord>, Refusal> {
    if let Some(node) = &filter.node
        && roster::find(house, &(id.clone(), node.clone())).await?.is_none()
    {
        return Ok(None);
    }
    let Some(row) = COMMAND.get(&*house.store, id).await? else { return Ok(None) };
    let record = row.value;
    let stage = if record.outcome.is_some() { Stage::Complete } else { Stage::Executing };
    let taken = filter.stage.is_none_or(|wanted| wanted == stage)
        && filter.document.as_ref().is_none_or(|wanted| *wanted == record.document.name)
        && filter.requested_by.as_ref().is_none_or(|wanted| *wanted == record.requested_by);
    if !taken {
        return Ok(None);
    }
    if filter.statuses.is_empty() {
        return Ok(Some(record));
    }
    let counts = counts(house, id, &record).await?;
    Ok(filter.statuses.contains(&status(&record, &counts)).then_some(record))
}
