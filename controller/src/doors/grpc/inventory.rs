//! `fleetwright.control.v1.Inventory`.

use std::sync::Arc;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::control::inventory_server::Inventory;
use fleetwright_proto::control::{
    CountInventoryRequest, CountInventoryResponse, DiffInventoryRequest, DiffInventoryResponse,
    InventoryCount, InventoryDifference, InventoryEntry, InventoryMatch, InventoryTypeView,
    PutInventoryRequest, PutInventoryResponse, QueryInventoryRequest, QueryInventoryResponse,
    ShowInventoryRequest, ShowInventoryResponse, Target,
};
use fleetwright_proto::inventory::Attributes;
use tonic::{Request, Response, Status};

use super::page;
use crate::access::policy::Resource;
use crate::doors::access::Asker;
use crate::error::Refusal;
use crate::house::House;
use crate::inventory::keep::{self, ToldType};
use crate::inventory::query::{self, By, Found, Scope};
use crate::inventory::read::{self, Difference, TypeView};
use crate::nodes::groups;
use crate::nodes::operations::resolve;
use crate::nodes::targets::Selector;

/// Translates between the wire and [`crate::inventory`].
#[derive(Debug)]
pub struct InventoryDoor {
    house: Arc<House>,
}

impl InventoryDoor {
    #[must_use]
    pub fn new(house: Arc<House>) -> Self {
        Self { house }
    }
}

#[tonic::async_trait]
impl Inventory for InventoryDoor {
    async fn show_inventory(
        &self,
        request: Request<ShowInventoryRequest>,
    ) -> Result<Response<ShowInventoryResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let ShowInventoryRequest { node, type_name, at_ms, with_items } = request.into_inner();
        let house = &self.house;
        let (id, record) = resolve(house, &node).await?;
        asker.may(house, &Resource::Node(&id, &record))?;
        let at = moment(at_ms);
        let types = if !type_name.is_empty() {
            read::read(house, (&id, &record), &type_name, at).await?.into_iter().map(view).collect()
        } else if with_items || at.is_some() {
            read::all(house, (&id, &record), at).await?.into_iter().map(view).collect()
        } else {
            let summary = read::summary(house, &id, &record).await?.into_iter();
            summary
                .map(|told| InventoryTypeView {
                    type_name: told.type_name,
                    schema_version: told.schema,
                    since_ms: told.since.millis(),
                    item_count: told.items,
                    items: Vec::new(),
                })
                .collect()
        };
        let looked = house.catalogue.last_look(&id);
        Ok(Response::new(ShowInventoryResponse {
            node_name: record.name().to_owned(),
            node_id: id.into(),
            types,
            looked_ms: looked.map_or(0, Timestamp::millis),
        }))
    }

    async fn diff_inventory(
        &self,
        request: Request<DiffInventoryRequest>,
    ) -> Result<Response<DiffInventoryResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let DiffInventoryRequest { node, type_name, from_ms, to_ms } = request.into_inner();
        let (id, record) = resolve(&self.house, &node).await?;
        asker.may(&self.house, &Resource::Node(&id, &record))?;
        let from = moment(from_ms).ok_or_else(|| Refusal::invalid("a diff has a moment that it is from"))?;
        let to = moment(to_ms).unwrap_or_else(|| self.house.clock.now());
        let type_name = (!type_name.is_empty()).then_some(type_name.as_str());
        let types = read::diff(&self.house, (&id, &record), type_name, from, to).await?;
        let differences = types.into_iter().flat_map(|one| {
            let type_name = one.type_name;
            one.differences.into_iter().map(move |difference| wire_difference(type_name.clone(), difference))
        });
        Ok(Response::new(DiffInventoryResponse { node_id: id.into(), differences: differences.collect() }))
    }

    async fn query_inventory(
        &self,
        request: Request<QueryInventoryRequest>,
    ) -> Result<Response<QueryInventoryResponse>, Status> {
        let QueryInventoryRequest { query, targets, at_ms, missing, page_size, page_token } =
            request.into_inner();
        let query = query::parse(&query)?;
        let scope = scope(targets, at_ms)?;
        let after: Option<String> = page::after(&page_token)?;
        let found = match missing {
            false => query::run(&self.house, &query, &scope).await?,
            true => query::missing(&self.house, &query, &scope).await?,
        };
        let (nodes, items) = (found.len() as u64, found.iter().map(|found| found.items.len() as u64).sum());
        let limit = page::size(page_size);
        let rest = found
            .into_iter()
            .filter(|found| after.as_deref().is_none_or(|after| found.node.as_str() > after));
        let mut rest: Vec<Found> = rest.take(limit + 1).collect();
        let is_more = rest.len() > limit;
        rest.truncate(limit);
        let next = rest.last().filter(|_| is_more).map(|last| last.node.to_string());
        let matches = rest.into_iter().map(|found| InventoryMatch {
            node_id: found.node.into(),
            node_name: found.name,
            items: found.items.into_iter().map(entry).collect(),
        });
        Ok(Response::new(QueryInventoryResponse {
            matches: matches.collect(),
            nodes,
            items,
            next_page_token: page::token(next),
        }))
    }

    async fn count_inventory(
        &self,
        request: Request<CountInventoryRequest>,
    ) -> Result<Response<CountInventoryResponse>, Status> {
        let CountInventoryRequest { query, targets, at_ms, by } = request.into_inner();
        let query = query::parse(&query)?;
        let scope = scope(targets, at_ms)?;
        let by = count_by(&self.house, &by).await?;
        let counted = query::count(&self.house, &query, &scope, &by).await?;
        let counts = counted.into_iter().map(|count| InventoryCount {
            value: count.value,
            nodes: count.nodes,
            items: count.items,
        });
        Ok(Response::new(CountInventoryResponse { counts: counts.collect() }))
    }

    async fn put_inventory(
        &self,
        request: Request<PutInventoryRequest>,
    ) -> Result<Response<PutInventoryResponse>, Status> {
        let asker = Asker::of(request.extensions())?;
        let PutInventoryRequest { node, types } = request.into_inner();
        let (id, record) = resolve(&self.house, &node).await?;
        asker.may(&self.house, &Resource::Node(&id, &record))?;
        let now = self.house.clock.now();
        let types = types.into_iter().map(|told| {
            let captured = moment(told.since_ms).unwrap_or(now).min(now);
            let one = ToldType {
                type_name: told.type_name,
                schema: told.schema_version,
                added: told.items.into_iter().map(|item| item.attributes.into_iter().collect()).collect(),
                ..ToldType::default()
            };
            (one, captured)
        });
        keep::put(&self.house, &id, types.collect()).await?;
        Ok(Response::new(PutInventoryResponse {}))
    }
}

/// Nothing is now.
fn moment(millis: i64) -> Option<Timestamp> {
    (millis != 0).then(|| Timestamp::from_millis(millis))
}

fn scope(targets: Vec<Target>, at_ms: i64) -> Result<Scope, Refusal> {
    Ok(Scope { targets: selectors(targets)?, at: moment(at_ms) })
}

/// No target is every node.
pub(super) fn selectors(targets: Vec<Target>) -> Result<Vec<Selector>, Refusal> {
    if targets.is_empty() {
        return Ok(vec![Selector::All]);
    }
    targets.into_iter().map(|target| Selector::parse(&target.key, target.values)).collect()
}

async fn count_by(house: &House, text: &str) -> Result<By, Refusal> {
    match text.split_once(':') {
        None if text.is_empty() => Err(Refusal::invalid(
            "it is not said by what to count: an attribute, platform, tag:KEY, group or group:NAME",
        )),
        None if text == "platform" => Ok(By::Platform),
        None if text == "group" => {
            let (mut names, mut after) = (Vec::new(), None);
            loop {
                let page = groups::list(house, after, 500).await?;
                let ended = page.len() < 500;
                names.extend(page.into_iter().map(|(name, _)| name));
                after = names.last().cloned();
                if ended {
                    return Ok(By::Groups(names));
                }
            }
        }
        Some(("tag", key)) if !key.is_empty() => Ok(By::Tag(key.to_owned())),
        Some(("group", name)) if !name.is_empty() => Ok(By::Groups(vec![name.to_owned()])),
        _ => Ok(By::Attribute(text.to_owned())),
    }
}

fn entry(attributes: Attributes) -> InventoryEntry {
    InventoryEntry { attributes: attributes.into_iter().collect() }
}

fn view(view: TypeView) -> InventoryTypeView {
    InventoryTypeView {
        type_name: view.type_name,
        schema_version: view.schema,
        since_ms: view.since.millis(),
        item_count: u32::try_from(view.items.len()).unwrap_or(u32::MAX),
        items: view.items.into_iter().map(entry).collect(),
    }
}

fn wire_difference(type_name: String, difference: Difference) -> InventoryDifference {
    let (before, after) = match difference {
        Difference::Added(after) => (None, Some(after)),
        Difference::Removed(before) => (Some(before), None),
        Difference::Changed(before, after) => (Some(before), Some(after)),
    };
    InventoryDifference { type_name, before: before.map(entry), after: after.map(entry) }
}
