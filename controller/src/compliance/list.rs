//! Findings, each with its reason.

use fleetwright_proto::ids::NodeId;

use super::records::{Execution, FindingRecord, Severity, Standing};
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::operations::matching;
use crate::nodes::targets::Selector;
use crate::records::Pages;
use crate::tables::{COMPLIANCE_FINDING, COMPLIANCE_SET};

/// A finding with where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingView {
    pub node: NodeId,
    pub node_name: String,
    pub compliance_type: String,
    pub id: String,
    pub record: FindingRecord,
    pub execution: Execution,
}

/// Which findings.
#[derive(Debug, Clone)]
pub struct Filter {
    pub targets: Vec<Selector>,
    pub compliance_type: Option<String>,
    pub standing: Option<Standing>,
    pub severity: Option<Severity>,
}

/// Where a page starts: behind this node, type and id.
pub type Place = (NodeId, String, String);

/// Findings after `after`, by node, type and id, and where the next page starts.
pub async fn list(
    house: &House,
    filter: &Filter,
    after: Option<Place>,
    limit: usize,
) -> Result<(Vec<FindingView>, Option<Place>), Refusal> {
    if let Some(wanted) = &filter.compliance_type {
        super::put::check_type(wanted)?;
    }
    let mut nodes = matching(house, &filter.targets).await?;
    nodes.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut found: Vec<FindingView> = Vec::new();
    for (node, record) in
        nodes.iter().filter(|(node, _)| after.as_ref().is_none_or(|(from, ..)| node >= from))
    {
        let mut sets = Pages::of(&COMPLIANCE_SET, node.clone());
        while let Some(rows) = sets.next(&*house.store).await? {
            for set in rows {
                let compliance_type = set.key.1;
                if filter.compliance_type.as_ref().is_some_and(|wanted| *wanted != compliance_type) {
                    continue;
                }
                let of = (node.clone(), compliance_type.clone(), set.value.generation);
                let mut pages = Pages::of(&COMPLIANCE_FINDING, of);
                while let Some(rows) = pages.next(&*house.store).await? {
                    for row in rows {
                        let id = row.key.3;
                        let place = (node, &compliance_type, &id);
                        let is_before = after.as_ref().is_some_and(|(a, b, c)| place <= (a, b, c));
                        if is_before || !is_wanted(filter, &row.value) {
                            continue;
                        }
                        if found.len() == limit {
                            let last = found.last().map(|last| {
                                (last.node.clone(), last.compliance_type.clone(), last.id.clone())
                            });
                            return Ok((found, last));
                        }
                        found.push(FindingView {
                            node: node.clone(),
                            node_name: record.name().to_owned(),
                            compliance_type: compliance_type.clone(),
                            id,
                            record: row.value,
                            execution: set.value.execution.clone(),
                        });
                    }
                }
            }
        }
    }
    Ok((found, None))
}

fn is_wanted(filter: &Filter, finding: &FindingRecord) -> bool {
    filter.standing.is_none_or(|standing| finding.standing == standing)
        && filter.severity.is_none_or(|severity| finding.severity == severity)
}

impl FindingView {
    /// One line for people: why it is so.
    #[must_use]
    pub fn reason(&self) -> String {
        let FindingRecord { severity, standing, details, .. } = &self.record;
        let what = match standing {
            Standing::Compliant => "is as it should be".to_owned(),
            Standing::NonCompliant => format!("is not as it should be ({})", severity.name()),
        };
        let Execution { at, id, kind } = &self.execution;
        let by = match (kind.is_empty(), id.is_empty()) {
            (true, true) => String::new(),
            (false, true) => format!(" by {kind}"),
            (true, false) => format!(" by {id}"),
            (false, false) => format!(" by {kind} {id}"),
        };
        let details: Vec<_> = details.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let because = if details.is_empty() { String::new() } else { format!(": {}", details.join(", ")) };
        format!("{what}, found{by} at {}{because}", crate::records::rfc3339(*at))
    }
}
