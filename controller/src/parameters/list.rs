//! Lists: values below a path, and what there is without values. Each page touches what it shows and little more.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use fleetwright_proto::clock::Timestamp;
use fleetwright_store::Row;

use super::fault::{Fault, ParameterError};
use super::filters::{self, Filter, FilterWish, ListKind};
use super::kinds::{ParameterType, Tier};
use super::names::{Depth, ParameterKey, Path, Selector};
use super::policies::Policy;
use super::read::{self, Decryption, Parameter, choose, view};
use super::records::ParameterRecord;
use super::tags;
use crate::house::House;
use crate::mirror::Held;
use crate::nodes::records::Tags;

/// Keys that are looked at before other readers get their turn.
const LOOK_KEYS: usize = 256;

/// A page, and the key after which the next one starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<ParameterKey>,
}

/// What a caller wants to read below a path, unchecked.
#[derive(Debug, Clone)]
pub struct PathWish<'a> {
    pub path: String,
    pub depth: Depth,
    pub filters: Vec<FilterWish>,
    pub decryption: Decryption<'a>,
    pub after: Option<ParameterKey>,
    pub limit: usize,
}

/// Parameters with their values below a path, by name.
pub async fn by_path(house: &House, wish: &PathWish<'_>) -> Result<Page<Parameter>, ParameterError> {
    let path = Path::parse(&wish.path)?;
    let filters = filters::parse(&wish.filters, ListKind::ByPath)?;
    let labels = filters.iter().find_map(Filter::labels).unwrap_or_default();
    let mut items = Vec::new();
    let mut walk = Walk { path, depth: wish.depth, after: wish.after.clone(), ended: false };
    while let Some(rows) = walk.next(house, wish.limit - items.len()).await? {
        for row in rows {
            if !filters.iter().all(|filter| filter.passes(&row.key, &row.value, &Tags::new())) {
                continue;
            }
            for (chosen, selector) in labelled(house, &row, labels).await? {
                let name = row.value.written.clone();
                items.push(view(house, name, &row.key, &chosen, selector, wish.decryption).await?);
            }
        }
        // The versions of one parameter with several of the labels stay on one page.
        if items.len() >= wish.limit {
            break;
        }
    }
    Ok(Page { items, next: walk.rest(house).await? })
}

/// The latest version, or when labels are asked for each version that has one of them.
async fn labelled(
    house: &House,
    row: &Arc<Row<ParameterKey, ParameterRecord>>,
    labels: &[String],
) -> Result<Vec<(read::Chosen, Option<String>)>, ParameterError> {
    if labels.is_empty() {
        return Ok(vec![(choose(house, row, None).await?, None)]);
    }
    let mut found = BTreeMap::new();
    if row.value.labels.is_empty() {
        return Ok(Vec::new());
    }
    for label in labels {
        let selector = Selector::Label(label.clone());
        match choose(house, row, Some(&selector)).await {
            Ok(chosen) => {
                found.entry(chosen.number()).or_insert((chosen, Some(selector.to_string())));
            }
            Err(ParameterError { fault: Fault::ParameterVersionNotFound, .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found.into_values().collect())
}

/// What is told of a parameter without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    pub name: String,
    pub key: ParameterKey,
    pub parameter_type: ParameterType,
    pub key_id: Option<String>,
    pub modified: Timestamp,
    pub modified_by: String,
    pub description: Option<String>,
    pub allowed_pattern: Option<String>,
    pub version: u64,
    pub tier: Tier,
    pub policies: Vec<Policy>,
    pub data_type: String,
}

/// Parameters without their values, by name.
pub async fn describe(
    house: &House,
    filters: &[FilterWish],
    after: Option<ParameterKey>,
    limit: usize,
) -> Result<Page<Metadata>, ParameterError> {
    let filters = filters::parse(filters, ListKind::Describe)?;
    let needs_tags = filters.iter().any(Filter::needs_tags);
    let mut items = Vec::new();
    let mut walk = Walk { path: Path::parse("/")?, depth: Depth::Recursive, after, ended: false };
    while let Some(rows) = walk.next(house, limit - items.len()).await? {
        for row in rows {
            let tags = match needs_tags {
                true => tags::of_record(house, &row.value).await?,
                false => Tags::new(),
            };
            if filters.iter().all(|filter| filter.passes(&row.key, &row.value, &tags)) {
                items.push(metadata(&row));
            }
        }
        if items.len() >= limit {
            break;
        }
    }
    Ok(Page { items, next: walk.rest(house).await? })
}

fn metadata(row: &Row<ParameterKey, ParameterRecord>) -> Metadata {
    let latest = &row.value.latest;
    Metadata {
        name: row.value.written.clone(),
        key: row.key.clone(),
        parameter_type: latest.parameter_type,
        key_id: latest.key_id.clone(),
        modified: latest.modified,
        modified_by: latest.modified_by.clone(),
        description: latest.description.clone(),
        allowed_pattern: latest.allowed_pattern.clone(),
        version: row.value.version,
        tier: latest.tier,
        policies: latest.policies.clone(),
        data_type: latest.data_type.clone(),
    }
}

type Rows = BTreeMap<ParameterKey, Held<ParameterKey, ParameterRecord>>;

/// Walks the parameters below a path in the order of their names.
struct Walk {
    path: Path,
    depth: Depth,
    after: Option<ParameterKey>,
    ended: bool,
}

impl Walk {
    /// Some of the next rows, `most` at most; None after the last.
    async fn next(
        &mut self,
        house: &House,
        most: usize,
    ) -> Result<Option<Vec<Arc<Row<ParameterKey, ParameterRecord>>>>, ParameterError> {
        if self.ended {
            return Ok(None);
        }
        let most = most.min(LOOK_KEYS);
        let found = house.parameters.look(&*house.store, |rows| self.step(rows, most)).await?;
        self.ended = found.len() < most;
        let mut rows = Vec::with_capacity(found.len());
        for (key, held) in found {
            // Deleted since: it is not there any more.
            rows.extend(house.parameters.row(&*house.store, &key, Some(held)).await?);
            self.after = Some(key);
        }
        Ok(Some(rows))
    }

    /// Where the next page starts; None when nothing is left.
    async fn rest(&self, house: &House) -> Result<Option<ParameterKey>, ParameterError> {
        if self.ended {
            return Ok(None);
        }
        let more = house.parameters.look(&*house.store, |rows| !self.step(rows, 1).is_empty()).await?;
        Ok(self.after.clone().filter(|_| more))
    }

    fn step(&self, rows: &Rows, most: usize) -> Vec<(ParameterKey, Held<ParameterKey, ParameterRecord>)> {
        let prefix = self.path.prefix();
        let mut from = match &self.after {
            Some(after) if after.as_str() >= prefix => Bound::Excluded(after.clone()),
            _ => Bound::Included(ParameterKey::beginning(prefix)),
        };
        let mut found = Vec::new();
        'seek: while found.len() < most {
            for (key, held) in rows.range((from.clone(), Bound::Unbounded)) {
                let Some(below) = key.as_str().strip_prefix(prefix) else { break 'seek };
                if found.len() == most {
                    break 'seek;
                }
                match below.split_once('/') {
                    Some((level, _)) if self.depth == Depth::OneLevel => {
                        // The whole branch is passed over at once: `0` follows the slash.
                        from = Bound::Included(ParameterKey::beginning(&format!("{prefix}{level}0")));
                        continue 'seek;
                    }
                    _ => found.push((key.clone(), held.clone())),
                }
            }
            break;
        }
        found
    }
}
