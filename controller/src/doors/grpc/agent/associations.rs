//! A node's associations on its stream: sent when they are others than those that the node has.

use fleetwright_proto::agent::{Association, AssociationDocument, Associations, AssociationsKept, Hello};
use fleetwright_proto::ids::NodeId;

use crate::associations::wanted::{self, Entry, NodeSet};
use crate::error::Refusal;
use crate::house::House;

/// Texts and parameters of one part: a message has room for that and for all the rest of them.
const PART_BYTES: usize = 256 * 1024;

/// What the node has, and what was sent to it on this stream.
#[derive(Debug)]
pub(super) struct Offer {
    /// The revision that it has or will have when it has read everything.
    latest: String,
}

impl Offer {
    pub(super) fn of(hello: &Hello) -> Self {
        Self { latest: hello.associations_revision.clone() }
    }

    /// The parts of the node's set, when it is another than the one that it has.
    pub(super) async fn parts(&mut self, house: &House, node: &NodeId) -> Result<Vec<Associations>, Refusal> {
        let set = wanted::of_node(house, node).await?;
        let never_had_any = self.latest.is_empty() && set.associations.is_empty();
        if never_had_any || self.latest == set.revision {
            return Ok(Vec::new());
        }
        self.latest.clone_from(&set.revision);
        Ok(parts(set))
    }

    /// Whether all is well: the node keeps the set, or another one is on its way.
    pub(super) fn answered(&mut self, node: &NodeId, kept: &AssociationsKept) -> bool {
        if kept.problem.is_empty() || kept.revision != self.latest {
            return true;
        }
        let problem: String = kept.problem.chars().take(500).collect();
        tracing::warn!(%node, problem, "a node cannot keep its associations; they are sent again");
        // A revision that no set has.
        "refused".clone_into(&mut self.latest);
        false
    }
}

fn parts(set: NodeSet) -> Vec<Associations> {
    let NodeSet { revision, associations, documents } = set;
    let mut parts = vec![Associations { revision: revision.clone(), ..Associations::default() }];
    let mut room = PART_BYTES;
    let mut fit = |bytes: usize, parts: &mut Vec<Associations>| {
        if bytes > room {
            parts.push(Associations { revision: revision.clone(), ..Associations::default() });
            room = PART_BYTES;
        }
        room = room.saturating_sub(bytes);
        parts.len() - 1
    };
    for (sha256, content) in documents {
        let at = fit(content.len(), &mut parts);
        parts[at].documents.push(AssociationDocument { sha256, content });
    }
    for entry in associations {
        // The names and times of an association are a few hundred bytes.
        let at = fit(entry.prepared.parameters.len() + 1024, &mut parts);
        parts[at].associations.push(association(&entry));
    }
    if let Some(last) = parts.last_mut() {
        last.last = true;
    }
    parts
}

fn association(entry: &Entry) -> Association {
    let (known, prepared) = (&entry.known, &entry.prepared);
    let content = &known.record.content;
    let schedule = content.schedule.clone();
    Association {
        association_id: known.id.to_string(),
        version: known.record.version,
        name: content.name.clone().unwrap_or_default(),
        document_name: prepared.document.clone(),
        document_version: prepared.document_version.clone(),
        document_sha256: prepared.sha256.clone(),
        parameters: prepared.parameters.clone(),
        schedule_expression: schedule.as_ref().map(|words| words.expression.clone()).unwrap_or_default(),
        schedule_timezone: schedule.as_ref().map(|words| words.zone.clone()).unwrap_or_default(),
        schedule_offset_days: schedule.map_or(0, |words| words.offset_days),
        apply_only_at_schedule: content.only_at_schedule,
        anchor_ms: known.record.updated.millis(),
        asked_ms: known.record.asked.unwrap_or_default().millis(),
        duration_ms: u64::from(content.duration_hours) * 3_600_000,
        asked_lately: entry.asked_lately,
    }
}
