//! The lists of all nodes in memory, so that a question about the fleet reads no rows.
//!
//! It is a cache of the rows of shared items: loaded at the start and kept up by following the store, whoever writes.
//! Equal lists are held once, and a question is asked of each list once. Nothing is decided from it but which nodes a
//! query finds; whoever changes the inventory reads rows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use fleetwright_store::{Revision, RowChange, WatchError};
use tokio::sync::watch;

use super::content::Content;
use super::items::{Items, SharedItem};
use crate::error::Refusal;
use crate::house::House;
use crate::records::Pages;
use crate::tables::INVENTORY_CONTENT;

/// When a load that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How long a question waits until the lists are in memory.
const LOADED_WITHIN: Duration = Duration::from_secs(30);

/// Whether a commit changed lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrote {
    Nothing,
    Lists,
}

/// A list of one node.
pub type NodeList = (NodeId, Arc<[u32]>);

/// See the head of this module.
#[derive(Debug)]
pub struct Catalogue {
    types: RwLock<HashMap<String, TypeLists>>,
    /// Everything up to here is in memory; None until the first load is done.
    followed: watch::Sender<Option<Revision>>,
    /// The last commit of this process that changed a list.
    expected: Mutex<Revision>,
    /// When each node was last found to be as it was told.
    looked: Mutex<HashMap<NodeId, Timestamp>>,
}

#[derive(Debug, Default)]
struct TypeLists {
    nodes: BTreeMap<NodeId, Arc<[u32]>>,
    lists: HashSet<Arc<[u32]>>,
    items: Items,
}

/// What is in memory of some items.
#[derive(Debug, Default)]
pub struct KnownItems {
    pub items: Items,
    pub missing: Vec<u32>,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self {
            types: RwLock::default(),
            followed: watch::channel(None).0,
            expected: Mutex::new(Revision::ZERO),
            looked: Mutex::default(),
        }
    }
}

impl TypeLists {
    fn set(&mut self, node: NodeId, ids: Vec<u32>) {
        let list = match self.lists.get(ids.as_slice()) {
            Some(known) => Arc::clone(known),
            None => {
                let list: Arc<[u32]> = ids.into();
                self.lists.insert(Arc::clone(&list));
                list
            }
        };
        let before = self.nodes.insert(node, list);
        self.let_go(before);
    }

    fn remove(&mut self, node: &NodeId) {
        let before = self.nodes.remove(node);
        self.let_go(before);
    }

    /// A list that no node has any more goes: two hold it then, the set and the caller.
    fn let_go(&mut self, list: Option<Arc<[u32]>>) {
        if let Some(list) = list
            && Arc::strong_count(&list) == 2
        {
            self.lists.remove(&list);
        }
    }
}

impl Catalogue {
    fn read<T>(&self, type_name: &str, look: impl FnOnce(&TypeLists) -> T) -> Option<T> {
        self.types.read().unwrap_or_else(PoisonError::into_inner).get(type_name).map(look)
    }

    fn change(&self, type_name: &str, change: impl FnOnce(&mut TypeLists)) {
        let mut types = self.types.write().unwrap_or_else(PoisonError::into_inner);
        change(types.entry(type_name.to_owned()).or_default());
    }

    pub(super) fn known_items(&self, type_name: &str, ids: impl IntoIterator<Item = u32>) -> KnownItems {
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        let lists = types.get(type_name);
        let mut known = KnownItems::default();
        for id in ids {
            match lists.and_then(|lists| lists.items.get(&id)) {
                Some(item) => drop(known.items.insert(id, Arc::clone(item))),
                None => known.missing.push(id),
            }
        }
        known
    }

    pub(super) fn remember(&self, type_name: &str, id: u32, item: &Arc<SharedItem>) {
        self.change(type_name, |lists| drop(lists.items.insert(id, Arc::clone(item))));
    }

    /// Lets items go that no list names.
    pub(super) fn prune(&self) {
        let mut types = self.types.write().unwrap_or_else(PoisonError::into_inner);
        for lists in types.values_mut() {
            lists.lists.retain(|list| Arc::strong_count(list) > 1);
            let used: HashSet<u32> = lists.lists.iter().flat_map(|list| list.iter().copied()).collect();
            lists.items.retain(|id, _| used.contains(id));
        }
    }

    /// A node was found to be as it was told.
    pub(super) fn looked(&self, node: &NodeId, at: Timestamp) {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner).insert(node.clone(), at);
    }

    /// When that was, if it was in this life of the controller.
    #[must_use]
    pub fn last_look(&self, node: &NodeId) -> Option<Timestamp> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner).get(node).copied()
    }

    pub(super) fn forget(&self, node: &NodeId) {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner).remove(node);
    }

    /// A commit of this process: whoever asks from here on sees it.
    pub(super) fn expect(&self, revision: Revision, wrote: Wrote) {
        if wrote == Wrote::Lists {
            let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
            *expected = revision.max(*expected);
        }
    }

    /// Waits until everything that this process has answered is in memory.
    pub(super) async fn until_followed(&self, house: &House) -> Result<(), Refusal> {
        let expected = *self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        let mut followed = self.followed.subscribe();
        let there = followed.wait_for(|followed| followed.is_some_and(|followed| followed >= expected));
        tokio::select! {
            there = there => there.map(drop).map_err(|_| Refusal::unavailable("the controller is stopping")),
            () = house.clock.sleep(LOADED_WITHIN) => {
                Err(Refusal::unavailable("the inventory of the fleet is not in memory yet: try again"))
            }
        }
    }

    /// The lists of a type, by node.
    pub(super) fn lists(&self, type_name: &str) -> Vec<NodeList> {
        let all =
            |lists: &TypeLists| lists.nodes.iter().map(|(id, list)| (id.clone(), Arc::clone(list))).collect();
        self.read(type_name, all).unwrap_or_default()
    }

    fn apply(&self, change: RowChange<(String, NodeId), Content>) {
        match change {
            RowChange::Put(row) => {
                let (type_name, node) = row.key;
                match row.value {
                    Content::Shared(ids) => self.change(&type_name, |lists| lists.set(node, ids)),
                    Content::Own(_) | Content::Blob(_) => {
                        self.change(&type_name, |lists| lists.remove(&node));
                    }
                }
            }
            RowChange::Deleted((type_name, node)) => self.change(&type_name, |lists| lists.remove(&node)),
            RowChange::Unreadable(row) => {
                crate::records::note_unreadable(INVENTORY_CONTENT.name(), &[row]);
            }
        }
    }

    async fn load(&self, house: &House) -> Result<(), Refusal> {
        let mut seen: HashMap<String, HashSet<NodeId>> = HashMap::new();
        let mut pages = Pages::of(&INVENTORY_CONTENT, ());
        while let Some(rows) = pages.next(&*house.store).await? {
            for row in rows {
                seen.entry(row.key.0.clone()).or_default().insert(row.key.1.clone());
                self.apply(RowChange::Put(row));
            }
        }
        let mut types = self.types.write().unwrap_or_else(PoisonError::into_inner);
        for (name, lists) in types.iter_mut() {
            let gone =
                lists.nodes.keys().filter(|node| !seen.get(name).is_some_and(|seen| seen.contains(*node)));
            for node in gone.cloned().collect::<Vec<_>>() {
                lists.remove(&node);
            }
        }
        Ok(())
    }
}

/// Keeps the catalogue up. Runs until the store closes.
pub async fn follow(house: Arc<House>) {
    loop {
        let from = house.store.revision();
        let mut watch = INVENTORY_CONTENT.watch(&*house.store, &(), from);
        if let Err(error) = house.catalogue.load(&house).await {
            tracing::warn!(%error, "the inventory of the fleet cannot be read now; it is tried again");
            house.clock.sleep(RETRY).await;
            continue;
        }
        house.catalogue.followed.send_replace(Some(from));
        loop {
            match watch.next().await {
                Ok(change) => {
                    for row in INVENTORY_CONTENT.decode_change(&change) {
                        house.catalogue.apply(row);
                    }
                    house.catalogue.followed.send_replace(Some(change.revision));
                }
                Err(WatchError::Compacted) => break,
                Err(WatchError::Closed) => return,
            }
        }
    }
}
