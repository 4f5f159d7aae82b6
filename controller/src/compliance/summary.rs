//! How many findings there are, by type, node or group.

use std::collections::{BTreeMap, BTreeSet};

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::NodeId;

use super::records::{Counts, SetRecord, Standing};
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::groups;
use crate::nodes::operations::matching;
use crate::nodes::targets::Selector;
use crate::records::Pages;
use crate::tables::COMPLIANCE_SET;

/// By what findings are summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    Type,
    Node,
    Group,
}

impl By {
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            "" | "type" => Ok(Self::Type),
            "node" => Ok(Self::Node),
            "group" => Ok(Self::Group),
            other => Err(Refusal::invalid(format!(
                "findings are not summed up by `{}`: type, node or group",
                other.chars().take(40).collect::<String>().escape_debug()
            ))),
        }
    }
}

/// The findings of a type, node or group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    pub of: String,
    /// Only by node.
    pub node_name: String,
    pub counts: Counts,
    /// When the latest of them were found.
    pub executed: Timestamp,
    pub nodes: u64,
    pub non_compliant_nodes: u64,
}

#[derive(Debug, Default)]
struct Sum {
    counts: Counts,
    executed: Timestamp,
    nodes: BTreeSet<NodeId>,
    bad: BTreeSet<NodeId>,
}

/// Groups that are read at once.
const GROUPS_AT_ONCE: usize = 500;

/// Summaries in the order of what they are of.
pub async fn summarize(
    house: &House,
    targets: &[Selector],
    compliance_type: Option<&str>,
    by: By,
) -> Result<Vec<Summary>, Refusal> {
    if let Some(wanted) = compliance_type {
        super::put::check_type(wanted)?;
    }
    let nodes: BTreeMap<_, _> = matching(house, targets).await?.into_iter().collect();
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    let groups = if by == By::Group { members(house).await? } else { BTreeMap::new() };
    sums.extend(groups.keys().map(|name| (name.clone(), Sum::default())));
    let mut pages = Pages::of(&COMPLIANCE_SET, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        for row in rows {
            let (node, found_type) = row.key;
            if !nodes.contains_key(&node) || compliance_type.is_some_and(|wanted| wanted != found_type) {
                continue;
            }
            let places: Vec<String> = match by {
                By::Type => vec![found_type],
                By::Node => vec![node.to_string()],
                By::Group => groups
                    .iter()
                    .filter(|(_, members)| members.contains(&node))
                    .map(|(name, _)| name.clone())
                    .collect(),
            };
            for place in places {
                let sum = sums.entry(place).or_default();
                sum.counts.add_all(&row.value.counts);
                sum.executed = sum.executed.max(row.value.execution.at);
                sum.nodes.insert(node.clone());
                if row.value.counts.standing() == Standing::NonCompliant {
                    sum.bad.insert(node.clone());
                }
            }
        }
    }
    let summary = |(of, sum): (String, Sum)| {
        let node = (by == By::Node).then(|| sum.nodes.first().and_then(|node| nodes.get(node))).flatten();
        Summary {
            of,
            node_name: node.map(|record| record.name().to_owned()).unwrap_or_default(),
            counts: sum.counts,
            executed: sum.executed,
            nodes: sum.nodes.len() as u64,
            non_compliant_nodes: sum.bad.len() as u64,
        }
    };
    Ok(sums.into_iter().map(summary).collect())
}

async fn members(house: &House) -> Result<BTreeMap<String, BTreeSet<NodeId>>, Refusal> {
    let mut found = BTreeMap::new();
    let mut after = None;
    loop {
        let page = groups::list(house, after, GROUPS_AT_ONCE).await?;
        after = page.last().map(|(name, _)| name.clone());
        let ended = page.len() < GROUPS_AT_ONCE;
        for (name, _) in page {
            let nodes = matching(house, &[Selector::Group(vec![name.clone()])]).await?;
            found.insert(name, nodes.into_iter().map(|(node, _)| node).collect());
        }
        if ended {
            return Ok(found);
        }
    }
}

/// What is known of each type on each node after `after`, by node and type.
pub async fn sets(
    house: &House,
    after: Option<(NodeId, String)>,
    limit: usize,
) -> Result<Vec<((NodeId, String), SetRecord)>, Refusal> {
    let page = COMPLIANCE_SET.scan(&*house.store, &(), after.as_ref(), limit).await?;
    crate::records::note_unreadable(COMPLIANCE_SET.name(), &page.unreadable);
    Ok(page.rows.into_iter().map(|row| (row.key, row.value)).collect())
}
