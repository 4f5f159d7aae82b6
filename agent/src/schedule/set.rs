//! The controller's set of this node's associations: gathered from its parts, and kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::agent;
use fleetwright_proto::clock::Timestamp;

use crate::explain::explain;
use crate::journal::{Association, Associations, Durability, Ledger, Record, ScheduleWords};

/// Texts and parameters of a whole set.
const SET_MAX_BYTES: u64 = 16 << 20;

/// A set of which not all parts have come.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    associations: Vec<agent::Association>,
    documents: Vec<agent::AssociationDocument>,
    revision: String,
    bytes: u64,
}

/// All of a set.
#[derive(Debug)]
pub(crate) struct NodeSet {
    pub(crate) revision: String,
    associations: Vec<Association>,
    documents: BTreeMap<String, Arc<str>>,
}

impl Gathering {
    /// The set, when this was its last part. `now` is this host's time.
    ///
    /// # Errors
    /// In one line, why this host cannot keep it.
    pub(crate) fn add(
        &mut self,
        part: agent::Associations,
        now: Timestamp,
    ) -> Result<Option<NodeSet>, String> {
        if part.revision != self.revision {
            *self = Self { revision: part.revision, ..Self::default() };
        }
        let texts = part.documents.iter().map(|document| document.content.len());
        let values = part.associations.iter().map(|association| association.parameters.len());
        self.bytes += texts.chain(values).map(|bytes| bytes as u64).sum::<u64>();
        if self.bytes > SET_MAX_BYTES {
            let problem = format!(
                "the associations of this node have {} bytes of documents and parameters: {SET_MAX_BYTES} at most",
                self.bytes
            );
            return Err(problem);
        }
        self.associations.extend(part.associations);
        self.documents.extend(part.documents);
        if part.last { std::mem::take(self).complete(now).map(Some) } else { Ok(None) }
    }

    fn complete(self, now: Timestamp) -> Result<NodeSet, String> {
        let text = |bytes: &[u8], what: &str| {
            String::from_utf8(bytes.to_vec())
                .map_err(|_| format!("{what} of an association is not UTF-8 text"))
        };
        let mut documents = BTreeMap::new();
        for document in self.documents {
            documents.insert(document.sha256, Arc::from(text(&document.content, "the document")?));
        }
        let mut associations = Vec::with_capacity(self.associations.len());
        for wire in self.associations {
            if !documents.contains_key(&wire.document_sha256) {
                return Err(format!("the text of {} is missing", wire.document_name));
            }
            let schedule = (!wire.schedule_expression.is_empty()).then_some(ScheduleWords {
                expression: wire.schedule_expression,
                zone: wire.schedule_timezone,
                offset_days: wire.schedule_offset_days,
            });
            let asked = Timestamp::from_millis(wire.asked_ms);
            associations.push(Association::wanted(
                wire.association_id.parse().map_err(|error| format!("{error}"))?,
                wire.version,
                (wire.name, wire.document_name, wire.document_version, wire.document_sha256),
                text(&wire.parameters, "the parameters")?,
                schedule,
                wire.apply_only_at_schedule,
                Timestamp::from_millis(wire.anchor_ms),
                (asked, if wire.asked_lately { Timestamp::default() } else { asked }),
                (wire.duration_ms > 0).then(|| Duration::from_millis(wire.duration_ms)),
                now,
            ));
        }
        Ok(NodeSet { revision: self.revision, associations, documents })
    }
}

/// Keeps the set. It is on the disk when this returns.
///
/// # Errors
/// In one line, why it is not.
pub(crate) async fn keep(ledger: &Ledger, set: NodeSet) -> Result<(), String> {
    let records = ledger.read(|state| changes(state.associations(), set));
    if records.is_empty() {
        return Ok(());
    }
    ledger.record(records, Durability::Synced).await.map_err(|error| explain(&error))
}

/// The records that make `here` to be `set`; none when it is.
fn changes(here: &Associations, set: NodeSet) -> Vec<Record> {
    if here.revision() == set.revision {
        return Vec::new();
    }
    let mut records = Vec::new();
    for (sha256, content) in set.documents {
        if here.document(&sha256).is_none() {
            records.push(Record::AssociationDocument { sha256, content });
        }
    }
    let wanted: BTreeSet<_> = set.associations.iter().map(|association| association.id.clone()).collect();
    let gone = here.iter().map(|(id, _)| id).filter(|id| !wanted.contains(*id));
    records.extend(gone.map(|id| Record::AssociationGone { association: id.clone() }));
    for association in set.associations {
        let kept = here.get(&association.id).map(|kept| &*kept.association);
        if kept.is_some_and(|kept| kept.is_as_wanted(&association)) {
            continue;
        }
        let association = association.after(kept);
        records.push(Record::AssociationKept { association: Arc::new(association) });
    }
    records.push(Record::AssociationsAre { revision: set.revision });
    records
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::journal::State;

    fn part(revision: &str, ids: &[(u32, u64)], last: bool) -> agent::Associations {
        let associations = ids.iter().map(|(number, version)| agent::Association {
            association_id: format!("00000000-0000-4000-8000-{number:012x}"),
            version: *version,
            document_name: "Motd".to_owned(),
            document_sha256: format!("sum{version}"),
            parameters: Bytes::from_static(b"{}"),
            ..agent::Association::default()
        });
        let documents = ids.iter().map(|(_, version)| agent::AssociationDocument {
            sha256: format!("sum{version}"),
            content: Bytes::from(format!("text {version}")),
        });
        agent::Associations {
            revision: revision.to_owned(),
            last,
            associations: associations.collect(),
            documents: documents.collect(),
        }
    }

    fn whole(revision: &str, ids: &[(u32, u64)]) -> NodeSet {
        Gathering::default().add(part(revision, ids, true), Timestamp::from_millis(5)).unwrap().unwrap()
    }

    fn names(records: &[Record]) -> Vec<String> {
        let name = |record: &Record| match record {
            Record::AssociationDocument { sha256, .. } => format!("text {sha256}"),
            Record::AssociationKept { association } => format!("kept v{}", association.version),
            Record::AssociationGone { .. } => "gone".to_owned(),
            Record::AssociationsAre { revision } => format!("are {revision}"),
            other => panic!("{other:?}"),
        };
        records.iter().map(name).collect()
    }

    #[test]
    fn only_what_changed_is_written() {
        let mut state = State::default();
        let apply = |state: &mut State, set| {
            let records = changes(state.associations(), set);
            records.iter().for_each(|record| state.apply(record));
            names(&records)
        };
        assert_eq!(
            apply(&mut state, whole("a", &[(1, 1), (2, 1)])),
            ["text sum1", "kept v1", "kept v1", "are a"]
        );
        assert!(apply(&mut state, whole("a", &[(1, 1), (2, 1)])).is_empty());
        assert_eq!(apply(&mut state, whole("b", &[(1, 1), (2, 2)])), ["text sum2", "kept v2", "are b"]);
        assert_eq!(apply(&mut state, whole("c", &[(2, 2)])), ["gone", "are c"]);
        assert!(state.associations().document("sum1").is_none(), "what nobody runs is dropped");
        assert_eq!(apply(&mut state, whole("d", &[])), ["gone", "are d"]);
        let snapshot = state.snapshot(Timestamp::default());
        assert_eq!(State::replay(&snapshot).associations(), state.associations());
    }

    #[test]
    fn a_set_counts_when_its_last_part_is_there() {
        let (mut gathering, now) = (Gathering::default(), Timestamp::default());
        assert!(gathering.add(part("a", &[(1, 1)], false), now).unwrap().is_none());
        assert!(gathering.add(part("b", &[(2, 1)], false), now).unwrap().is_none(), "another set began");
        let set = gathering.add(part("b", &[(3, 1)], true), now).unwrap().unwrap();
        assert_eq!((set.revision.as_str(), set.associations.len()), ("b", 2));
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let mut broken = part("a", &[(1, 1)], true);
        broken.documents.clear();
        let check = |part, wanted: &str| {
            let problem = Gathering::default().add(part, Timestamp::default()).unwrap_err();
            assert!(problem.contains(wanted), "{problem}");
        };
        check(broken, "the text of Motd is missing");
        let mut broken = part("a", &[(1, 1)], true);
        broken.associations[0].parameters = Bytes::from_static(b"\xff");
        check(broken, "not UTF-8");
        let mut broken = part("a", &[(1, 1)], true);
        broken.documents[0].content = Bytes::from(vec![b'x'; 17 << 20]);
        check(broken, "at most");
        let mut broken = part("a", &[(1, 1)], true);
        broken.associations[0].association_id = "x".to_owned();
        check(broken, "not an association id");
    }
}
