//! Reading and changing nodes.

use std::collections::BTreeSet;
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;
use fleetwright_store::{Batch, CommitError, Row};

use super::groups;
use super::records::{NodeRecord, PresenceRecord, Tags};
use super::targets::{self, Selector, unknown_node};
use crate::error::Refusal;
use crate::house::House;
use crate::records::{COMMIT_ATTEMPTS, Pages, next_key};
use crate::tables::{NODE, PRESENCE};

/// A node with what is known of its connection.
#[derive(Debug, Clone)]
pub struct NodeView {
    pub id: NodeId,
    pub record: NodeRecord,
    pub ping: Ping,
    pub last_seen: Option<Timestamp>,
}

/// SSM's ping status, and one more for nodes that never came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ping {
    Online,
    ConnectionLost,
    NeverConnected,
}

/// The node with this id, or the only one with this name.
pub async fn resolve(house: &House, wanted: &str) -> Result<(NodeId, NodeRecord), Refusal> {
    if let Ok(id) = wanted.parse::<NodeId>() {
        let row = NODE.get(&*house.store, &id).await?.ok_or_else(|| unknown_node(wanted))?;
        return Ok((id, row.value));
    }
    let mut found = matching(house, &[Selector::Nodes(vec![wanted.to_owned()])]).await?;
    found.pop().ok_or_else(|| unknown_node(wanted))
}

/// The node with what is known of its connection.
pub async fn view(house: &House, wanted: &str) -> Result<NodeView, Refusal> {
    let (id, record) = resolve(house, wanted).await?;
    with_presence(house, id, record).await
}

/// Every node that all selectors take, by id. Whoever is asked for by name must exist, and be the only one.
pub async fn matching(house: &House, selectors: &[Selector]) -> Result<Vec<(NodeId, NodeRecord)>, Refusal> {
    if let [Selector::Nodes(wanted)] = selectors
        && let Some(ids) = wanted.iter().map(|text| text.parse().ok()).collect::<Option<BTreeSet<NodeId>>>()
    {
        return by_ids(house, ids).await;
    }
    let groups = groups::named(house, selectors).await?;
    let (mut found, mut named) = (Vec::new(), Vec::new());
    let mut pages = Pages::of(&NODE, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        for Row { key: id, value: node, .. } in rows {
            if targets::is_named(selectors, &id, &node) {
                named.push((id.clone(), node.clone()));
            }
            if targets::matches(selectors, &groups, &id, &node) {
                found.push((id, node));
            }
        }
    }
    // Who is named has to exist, even where another key leaves it out.
    targets::check_named(selectors, &named)?;
    Ok(found)
}

async fn by_ids(house: &House, ids: BTreeSet<NodeId>) -> Result<Vec<(NodeId, NodeRecord)>, Refusal> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        let row = NODE.get(&*house.store, &id).await?.ok_or_else(|| unknown_node(id.as_str()))?;
        found.push((id, row.value));
    }
    Ok(found)
}

/// A page of nodes and where the next one starts.
pub type Nodes = (Vec<NodeView>, Option<NodeId>);

/// Nodes by id, narrowed to selectors and a ping status.
pub async fn list(
    house: &House,
    selectors: &[Selector],
    ping: Option<Ping>,
    after: Option<NodeId>,
    limit: usize,
) -> Result<Nodes, Refusal> {
    list_where(house, selectors, |node| ping.is_none_or(|ping| ping == node.ping), after, limit).await
}

/// Nodes by id, narrowed to selectors and to what `accept` takes.
pub async fn list_where(
    house: &House,
    selectors: &[Selector],
    accept: impl Fn(&NodeView) -> bool,
    after: Option<NodeId>,
    limit: usize,
) -> Result<Nodes, Refusal> {
    let groups = groups::named(house, selectors).await?;
    let (mut found, mut after) = (Vec::new(), after);
    loop {
        let page = NODE.scan(&*house.store, &(), after.as_ref(), limit).await?;
        crate::records::note_unreadable("node", &page.unreadable);
        after = next_key(&page, limit);
        for row in page.rows {
            if !targets::matches(selectors, &groups, &row.key, &row.value) {
                continue;
            }
            let key = row.key.clone();
            let view = with_presence(house, row.key, row.value).await?;
            if accept(&view) {
                found.push(view);
            }
            if found.len() >= limit {
                return Ok((found, Some(key)));
            }
        }
        if after.is_none() {
            return Ok((found, None));
        }
    }
}

async fn with_presence(house: &House, id: NodeId, record: NodeRecord) -> Result<NodeView, Refusal> {
    if let Some(last_seen) = house.lines.last_seen(&id) {
        return Ok(NodeView { id, record, ping: Ping::Online, last_seen: Some(last_seen) });
    }
    let presence = PRESENCE.get(&*house.store, &id).await?.map(|row| row.value);
    let ping = if presence.is_some() { Ping::ConnectionLost } else { Ping::NeverConnected };
    let last_seen = presence.as_ref().map(PresenceRecord::last_moment);
    Ok(NodeView { id, record, ping, last_seen })
}

/// Sets and removes tags, in one commit.
pub async fn change_tags(
    house: &House,
    wanted: &str,
    set: Tags,
    remove: &[String],
) -> Result<NodeView, Refusal> {
    if let Some(both) = remove.iter().find(|key| set.contains_key(*key)) {
        return Err(Refusal::invalid(format!("tag `{both}` is to be set and removed at once: name it once")));
    }
    let (id, _) = resolve(house, wanted).await?;
    let changed = update(house, &id, |record| {
        for key in remove {
            record.tags.remove(key);
        }
        targets::check_tags(&set, &record.tags)?;
        record.tags.extend(set.clone());
        Ok(())
    })
    .await?;
    with_presence(house, id, changed).await
}

/// Notes what the host says of itself; nothing is written when nothing changed.
pub async fn note_facts(house: &House, id: &NodeId, facts: super::records::Facts) -> Result<(), Refusal> {
    update(house, id, |record| {
        record.facts = facts.clone();
        Ok(())
    })
    .await?;
    Ok(())
}

async fn update(
    house: &House,
    id: &NodeId,
    change: impl Fn(&mut NodeRecord) -> Result<(), Refusal>,
) -> Result<NodeRecord, Refusal> {
    for _ in 0..COMMIT_ATTEMPTS {
        let mut row = NODE.get(&*house.store, id).await?.ok_or_else(|| unknown_node(id.as_str()))?;
        let before = row.value.clone();
        change(&mut row.value)?;
        if row.value == before {
            return Ok(before);
        }
        let mut batch = Batch::new();
        NODE.replace(&mut batch, &row)?;
        match house.store.commit(batch).await {
            Ok(_) => return Ok(row.value),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Refusal::unavailable(format!("{id} is being changed by somebody else: try again")))
}

/// Waits until as many nodes as wanted are connected: `count`, or with 0 all that match and at least one.
pub async fn wait(
    house: &House,
    selectors: &[Selector],
    count: usize,
    timeout: Duration,
) -> Result<Vec<NodeView>, Refusal> {
    let deadline = house.clock.now().plus(timeout);
    loop {
        let mut lines = house.lines.watch();
        let nodes = matching(house, selectors).await?;
        let (here, missing): (Vec<_>, Vec<_>) =
            nodes.into_iter().partition(|(id, _)| house.lines.is_open(id));
        let enough = if count == 0 { missing.is_empty() && !here.is_empty() } else { here.len() >= count };
        if enough {
            let mut views = Vec::with_capacity(here.len());
            for (id, record) in here {
                views.push(with_presence(house, id, record).await?);
            }
            return Ok(views);
        }
        tokio::select! {
            _ = lines.changed() => {}
            () = house.clock.sleep_until(deadline) => return Err(still_missing(here.len(), count, &missing)),
        }
    }
}

fn still_missing(here: usize, count: usize, missing: &[(NodeId, NodeRecord)]) -> Refusal {
    let names: Vec<_> =
        missing.iter().take(5).map(|(id, record)| format!("{id} ({})", record.name())).collect();
    let wanted = if count == 0 { here + missing.len() } else { count };
    let rest = match names.len() {
        0 => "no other node matches".to_owned(),
        _ => format!("not connected: {}{}", names.join(", "), if missing.len() > 5 { ", …" } else { "" }),
    };
    Refusal::timed_out(format!("{here} of {wanted} nodes are connected; {rest}"))
}

/// Checks that a caller with this key is the node that its certificate names.
pub async fn member(
    house: &House,
    id: &NodeId,
    key_fingerprint: &str,
) -> Result<Row<NodeId, NodeRecord>, Refusal> {
    let row = NODE.get(&*house.store, id).await?;
    row.filter(|row| row.value.key_fingerprint == key_fingerprint)
        .ok_or_else(|| super::enrolment::not_a_member(id))
}

/// How many nodes the fleet has.
pub async fn count(house: &House) -> Result<usize, Refusal> {
    let mut count = 0;
    let mut pages = Pages::of(&NODE, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        count += rows.len();
    }
    Ok(count)
}
