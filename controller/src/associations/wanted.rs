//! Which associations each node is to have, now.
//!
//! Nothing is kept for a node: its set follows from the associations, the groups that they name, the documents that they
//! run and the node's own row. [`follow`] watches these and tells the lines of the nodes whose set may be another one;
//! whoever serves a line asks [`of_node`] then, and sends when the revision is not the one that the node has. A cache
//! that may be dropped at any moment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{AssociationId, NodeId};
use fleetwright_store::{Revision, Row, RowChange, Watch, WatchError};
use sha2::{Digest, Sha256};

use super::records::{AssociationRecord, Content};
use super::write::{Prepared, prepare};
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::groups;
use crate::nodes::records::NodeRecord;
use crate::nodes::targets::{self, Groups};
use crate::records::Pages;
use crate::tables::{ASSOCIATION, DOCUMENT, GROUP, NODE};

/// How long to wait after the store failed before trying again.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// For so long a wish to apply an association at once is also that of a node which gets it only then.
const ASKED_LATELY: Duration = Duration::from_secs(600);

/// The associations of the fleet as this process has last seen them.
#[derive(Debug, Default)]
pub struct Wanted(Mutex<Arc<Vec<Arc<Known>>>>);

/// An association with all that its nodes are told.
#[derive(Debug)]
pub struct Known {
    pub id: AssociationId,
    pub record: AssociationRecord,
    row: Revision,
    groups: Groups,
    /// What is sent, or in one line why it cannot be applied as it stands.
    pub prepared: Result<Arc<Prepared>, String>,
}

impl Known {
    /// Whether the node is one of its targets.
    #[must_use]
    pub fn takes(&self, id: &NodeId, node: &NodeRecord) -> bool {
        targets::matches(&self.record.content.targets, &self.groups, id, node)
    }
}

impl Wanted {
    #[must_use]
    pub fn all(&self) -> Arc<Vec<Arc<Known>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[must_use]
    pub fn get(&self, id: &AssociationId) -> Option<Arc<Known>> {
        let all = self.all();
        all.binary_search_by(|known| known.id.cmp(id)).ok().map(|at| all[at].clone())
    }

    fn replace(&self, all: Vec<Arc<Known>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(all);
    }
}

/// What one node is to have.
#[derive(Debug)]
pub struct NodeSet {
    /// Stands for everything in the set.
    pub revision: String,
    pub associations: Vec<Entry>,
    /// Texts by their SHA-256, each once.
    pub documents: BTreeMap<String, Bytes>,
}

/// One association of a set.
#[derive(Debug)]
pub struct Entry {
    pub known: Arc<Known>,
    pub prepared: Arc<Prepared>,
    pub asked_lately: bool,
}

/// The set of a node; an empty one for who is no member.
pub async fn of_node(house: &House, node: &NodeId) -> Result<NodeSet, Refusal> {
    let row = NODE.get(&*house.store, node).await?;
    let all = house.associations.all();
    let now = house.clock.now();
    let mut set = NodeSet { revision: String::new(), associations: Vec::new(), documents: BTreeMap::new() };
    let mut digest = Sha256::new();
    for known in all.iter() {
        let Ok(prepared) = &known.prepared else { continue };
        if row.as_ref().is_none_or(|row| !known.takes(node, &row.value)) {
            continue;
        }
        let asked = known.record.asked.unwrap_or_default();
        digest.update(format!("{} {} {} ", known.id, known.record.version, asked.millis()));
        digest.update(&prepared.sha256);
        digest.update(&prepared.parameters_sha256);
        set.documents.insert(prepared.sha256.clone(), prepared.text.clone());
        let asked_lately = asked.plus(ASKED_LATELY) > now;
        set.associations.push(Entry { known: known.clone(), prepared: prepared.clone(), asked_lately });
    }
    set.revision = hex::encode(&digest.finalize()[..16]);
    Ok(set)
}

/// Reads everything anew. Also to be done before the first line opens.
pub async fn load(house: &House) -> Result<(), Refusal> {
    let before = house.associations.all();
    let mut all = Vec::new();
    let mut pages = Pages::of(&ASSOCIATION, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        for row in rows {
            let at = before.binary_search_by(|known| known.id.cmp(&row.key)).ok();
            all.push(Arc::new(known(house, row, at.map(|at| &*before[at])).await?));
        }
    }
    house.associations.replace(all);
    Ok(())
}

async fn known(
    house: &House,
    row: Row<AssociationId, AssociationRecord>,
    before: Option<&Known>,
) -> Result<Known, Refusal> {
    let Row { key: id, value: record, revision, .. } = row;
    let before = before.filter(|known| known.row == revision).and_then(|known| known.prepared.as_ref().ok());
    let groups = groups_of(house, &record.content).await?;
    let prepared = match prepare(house, &record.content, before).await {
        Ok(prepared) => Ok(prepared),
        // Of the store, and not of the association: the old knowledge is better than none.
        Err(error) if Refusal::from(error.clone()).kind == crate::error::Kind::Unavailable => {
            return Err(error.into());
        }
        Err(error) => Err(error.message),
    };
    Ok(Known { id, record, row: revision, groups, prepared })
}

/// A group that was deleted has nobody in it.
async fn groups_of(house: &House, content: &Content) -> Result<Groups, Refusal> {
    let mut found = Groups::default();
    for selector in &content.targets {
        match groups::named(house, std::slice::from_ref(selector)).await {
            Ok(groups) => {
                found.targets.extend(groups.targets);
                found.found.extend(groups.found);
            }
            Err(refusal) if refusal.kind == crate::error::Kind::NotFound => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(found)
}

/// Watches what sets follow from. Runs until the store closes.
pub async fn follow(house: Arc<House>) {
    loop {
        let from = house.store.revision();
        let mut watches = Watches {
            associations: ASSOCIATION.watch(&*house.store, &(), from),
            groups: GROUP.watch(&*house.store, &(), from),
            documents: DOCUMENT.watch(&*house.store, &(), from),
            nodes: NODE.watch(&*house.store, &(), from),
        };
        match watches.follow(&house).await {
            WatchError::Compacted => {}
            WatchError::Closed => return,
        }
    }
}

struct Watches {
    associations: Watch,
    groups: Watch,
    documents: Watch,
    nodes: Watch,
}

impl Watches {
    async fn follow(&mut self, house: &House) -> WatchError {
        reload(house).await;
        loop {
            let change = tokio::select! {
                change = self.associations.next() => change,
                change = self.groups.next() => change,
                change = self.documents.next() => change,
                change = self.nodes.next() => match change {
                    Ok(change) => {
                        if !house.associations.all().is_empty() {
                            for row in NODE.decode_change(&change) {
                                if let RowChange::Put(row) = row {
                                    house.lines.nudge_associations(&row.key);
                                }
                            }
                        }
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            match change {
                // A burst of changes is taken as one.
                Ok(_) => match self.rest() {
                    Ok(()) => reload(house).await,
                    Err(error) => return error,
                },
                Err(error) => return error,
            }
        }
    }

    fn rest(&mut self) -> Result<(), WatchError> {
        for watch in [&mut self.associations, &mut self.groups, &mut self.documents] {
            while let Some(change) = watch.try_next() {
                change?;
            }
        }
        Ok(())
    }
}

async fn reload(house: &House) {
    while let Err(error) = load(house).await {
        tracing::error!(%error, "cannot read the associations; trying again");
        house.clock.sleep(RETRY_AFTER).await;
    }
    house.lines.nudge_associations_of_all();
}

/// When the schedule of an association names the next moment.
#[must_use]
pub fn next_moment(record: &AssociationRecord, now: Timestamp) -> Option<Timestamp> {
    let schedule = super::check::schedule(record.content.schedule.as_ref()?, record.updated).ok()?;
    let next = schedule.next_after(chrono::DateTime::from_timestamp_millis(now.millis())?)?;
    Some(Timestamp::from_millis(next.timestamp_millis()))
}
