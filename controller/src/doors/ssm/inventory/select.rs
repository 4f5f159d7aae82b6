//! The API's filters and aggregators of inventory: `AWS:Application.Name` and what is asked of it.

use std::collections::BTreeMap;

use fleetwright_proto::ids::NodeId;
use fleetwright_proto::inventory::Attributes;
use serde::Deserialize;

use super::super::fault::Fault;
use crate::house::House;
use crate::inventory::query::evaluate;
use crate::inventory::query::parse::{Comparison, Condition, Query};
use crate::inventory::query::{self};
use crate::inventory::read;
use crate::inventory::schema;
use crate::nodes::records::NodeRecord;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WantedFilter {
    key: String,
    values: Vec<String>,
    r#type: Option<String>,
}

/// What is asked of the items of each type. All filters of one type are about the same item.
#[derive(Debug, Default)]
pub(super) struct Conditions(BTreeMap<String, Vec<Condition>>);

/// `AWS:Application.Name` as type and attribute.
fn place(text: &str, fault: &'static str) -> Result<(String, String), Fault> {
    let wrong = || {
        let shown: String = text.chars().take(200).collect();
        Fault::new(fault, format!("`{shown}` is no type and attribute of inventory, as AWS:Application.Name"))
    };
    let (type_name, attribute) = text.rsplit_once('.').ok_or_else(wrong)?;
    schema::check_type_name(type_name).map_err(|_| wrong())?;
    if attribute.is_empty() { Err(wrong()) } else { Ok((type_name.to_owned(), attribute.to_owned())) }
}

impl Conditions {
    pub(super) fn read(filters: Vec<WantedFilter>) -> Result<Self, Fault> {
        let mut conditions = Self::default();
        for filter in filters {
            let (type_name, attribute) = place(&filter.key, "InvalidFilter")?;
            conditions.0.entry(type_name).or_default().push(condition(attribute, filter));
        }
        Ok(conditions)
    }

    /// Filters of a list of one type, whose keys may leave the type out.
    pub(super) fn of_type(type_name: &str, filters: Vec<WantedFilter>) -> Result<Self, Fault> {
        let mut conditions = Self::default();
        for filter in filters {
            let attribute = match filter.key.strip_prefix(type_name).and_then(|rest| rest.strip_prefix('.')) {
                Some(attribute) => attribute.to_owned(),
                None if !filter.key.contains([':', '.']) => filter.key.clone(),
                None => {
                    return Err(Fault::new(
                        "InvalidFilter",
                        format!("`{}` is no attribute of {type_name}", filter.key),
                    ));
                }
            };
            conditions.0.entry(type_name.to_owned()).or_default().push(condition(attribute, filter));
        }
        Ok(conditions)
    }

    /// Whether an item of a type is wanted. Of a type without filters every item is.
    pub(super) fn hold(&self, type_name: &str, item: &Attributes) -> bool {
        let of_type = self.0.get(type_name).into_iter().flatten();
        of_type.into_iter().all(|condition| evaluate::holds(condition, item))
    }

    pub(super) fn queries(&self) -> Result<Vec<Query>, Fault> {
        let query = |(type_name, all): (&String, &Vec<Condition>)| Query {
            type_name: type_name.clone(),
            condition: Some(Condition::All(all.clone())),
        };
        Ok(self.0.iter().map(query).collect())
    }
}

fn condition(attribute: String, filter: WantedFilter) -> Condition {
    let WantedFilter { values, r#type, .. } = filter;
    let each = |make: &dyn Fn(String) -> Condition| values.iter().cloned().map(make).collect::<Vec<_>>();
    let compare = |comparison| {
        let attribute = attribute.clone();
        move |value| Condition::Compare { attribute: attribute.clone(), comparison, value }
    };
    match r#type.as_deref() {
        Some("NotEqual") => Condition::All(each(&compare(Comparison::NotEqual))),
        Some("LessThan") => Condition::Any(each(&compare(Comparison::Less))),
        Some("GreaterThan") => Condition::Any(each(&compare(Comparison::Greater))),
        Some("BeginWith") => {
            Condition::Any(each(&|value| Condition::BeginsWith { attribute: attribute.clone(), value }))
        }
        Some("Exists") => Condition::Exists { attribute },
        _ => Condition::Any(each(&compare(Comparison::Equal))),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Aggregator {
    expression: Option<String>,
    #[serde(default)]
    aggregators: Vec<Aggregator>,
    #[serde(default)]
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Group {
    name: String,
    filters: Vec<WantedFilter>,
}

type Nodes = [(NodeId, NodeRecord)];

impl Aggregator {
    /// The type under which its counts are answered.
    pub(super) fn type_name(&self) -> Result<String, Fault> {
        match (&self.expression, self.groups.first()) {
            (Some(expression), _) => Ok(place(expression, "InvalidAggregatorException")?.0),
            (None, Some(group)) => {
                let first = group.filters.first().map(|filter| filter.key.as_str()).unwrap_or_default();
                Ok(place(first, "InvalidInventoryGroupException")?.0)
            }
            (None, None) => {
                Err(Fault::new("InvalidAggregatorException", "an aggregator has an expression or groups"))
            }
        }
    }

    /// How many nodes have each value, and each combination with the values of inner aggregators.
    pub(super) async fn count(&self, house: &House, nodes: &Nodes) -> Result<Vec<Attributes>, Fault> {
        let mut found = Vec::new();
        for group in &self.groups {
            found.push(group.count(house, nodes).await?);
        }
        let Some(expression) = &self.expression else { return Ok(found) };
        let mut wanted = vec![place(expression, "InvalidAggregatorException")?];
        for inner in &self.aggregators {
            let expression = inner.expression.as_deref().unwrap_or_default();
            wanted.push(place(expression, "InvalidAggregatorException")?);
        }
        let mut counted: BTreeMap<BTreeMap<String, String>, u64> = BTreeMap::new();
        for (node, record) in nodes {
            let mut rows = vec![BTreeMap::new()];
            for (type_name, attribute) in &wanted {
                let values = values(house, (node, record), type_name, attribute).await?;
                let with = |row: &BTreeMap<String, String>, value: &String| {
                    let mut row = row.clone();
                    row.insert(attribute.clone(), value.clone());
                    row
                };
                rows = rows.iter().flat_map(|row| values.iter().map(move |value| with(row, value))).collect();
            }
            for row in rows {
                *counted.entry(row).or_default() += 1;
            }
        }
        found.extend(counted.into_iter().map(|(mut row, count)| {
            row.insert("Count".to_owned(), count.to_string());
            row
        }));
        Ok(found)
    }
}

/// The different values that a node has.
async fn values(
    house: &House,
    node: (&NodeId, &NodeRecord),
    type_name: &str,
    attribute: &str,
) -> Result<Vec<String>, Fault> {
    let view = read::read(house, node, type_name, None).await?;
    let items = view.map(|view| view.items).unwrap_or_default();
    let mut values: Vec<_> = items.iter().filter_map(|item| item.get(attribute).cloned()).collect();
    values.sort();
    values.dedup();
    Ok(values)
}

impl Group {
    async fn count(&self, house: &House, nodes: &Nodes) -> Result<Attributes, Fault> {
        let conditions = Conditions::read(self.filters.clone())?;
        let mut have: Option<std::collections::BTreeSet<NodeId>> = None;
        for wanted in conditions.queries()? {
            let found = query::node_ids(house, &wanted).await?;
            have = Some(match have {
                Some(have) => have.intersection(&found).cloned().collect(),
                None => found,
            });
        }
        let have = have.unwrap_or_default();
        let matching = nodes.iter().filter(|(node, _)| have.contains(node)).count();
        Ok(Attributes::from([
            ("Name".to_owned(), self.name.clone()),
            ("MatchingCount".to_owned(), matching.to_string()),
            ("NonMatchingCount".to_owned(), (nodes.len() - matching).to_string()),
        ]))
    }
}
