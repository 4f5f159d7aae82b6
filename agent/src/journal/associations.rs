//! What this host is to keep as it should be, and when it last did: the journal's part that is about no one command.
//!
//! ```text
//! AssociationDocument, AssociationKept, AssociationGone … AssociationsAre: a set of the controller, whole with the last
//! Accepted (of an association) ─► its last run, and it runs ── Finished ─► it runs no more
//! ```
//!
//! A set that a crash cut short has the revision of the one before: the controller sends it again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{AssociationId, CommandId, ExecutionId};
use serde::{Deserialize, Serialize};

use super::Record;

/// A document that this host applies by itself.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Association {
    pub id: AssociationId,
    pub version: u64,
    pub name: String,
    pub document_name: String,
    pub document_version: String,
    /// Which of the kept texts, hex.
    pub document_sha256: String,
    /// JSON object. Empty in a record whose parameters are sealed.
    pub parameters: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    /// The parameters as a file has them.
    pub(crate) sealed: Option<String>,
    /// None: applied once.
    #[serde(default)]
    pub schedule: Option<ScheduleWords>,
    /// Not when it is new or changed.
    #[serde(default)]
    pub only_at_schedule: bool,
    /// When this version was made; `rate()` counts from here. By the controller's clock.
    pub anchor: Timestamp,
    /// When somebody last wanted it at once. By the controller's clock.
    #[serde(default)]
    pub asked: Timestamp,
    /// A run is stopped after this long.
    #[serde(default)]
    pub duration: Option<Duration>,
    /// Since when this host has this version.
    pub since: Timestamp,
    /// Wishes up to this one are not this host's: they are from before it had the association.
    #[serde(default)]
    pub not_asked_before: Timestamp,
}

/// A schedule as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleWords {
    pub expression: String,
    /// Empty: UTC.
    #[serde(default)]
    pub zone: String,
    /// Days; 0: none.
    #[serde(default)]
    pub offset_days: u32,
}

impl Association {
    /// As the controller wants it, on a host that never had it before `now`. Wishes up to the second of `asked` are not
    /// this host's.
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "a record's fields, where sealed ones cannot be named")]
    pub fn wanted(
        id: AssociationId,
        version: u64,
        (name, document_name, document_version, document_sha256): (String, String, String, String),
        parameters: String,
        schedule: Option<ScheduleWords>,
        only_at_schedule: bool,
        anchor: Timestamp,
        (asked, not_asked_before): (Timestamp, Timestamp),
        duration: Option<Duration>,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            version,
            name,
            document_name,
            document_version,
            document_sha256,
            parameters,
            sealed: None,
            schedule,
            only_at_schedule,
            anchor,
            asked,
            duration,
            since: now,
            not_asked_before,
        }
    }

    /// The same, on a host that had it already: wishes since then are its own, and a version that it has stays as old
    /// as it is.
    #[must_use]
    pub fn after(self, here: Option<&Self>) -> Self {
        let Some(here) = here else { return self };
        let is_same = here.version == self.version && here.document_sha256 == self.document_sha256;
        let since = if is_same { here.since } else { self.since };
        Self { since, not_asked_before: here.not_asked_before, ..self }
    }

    /// What it holds beside the document's text.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        (self.parameters.len() + self.document_name.len() + self.name.len()) as u64
    }

    /// The same but for what only this host says of it.
    #[must_use]
    pub fn is_as_wanted(&self, wanted: &Self) -> bool {
        let here = Self {
            since: self.since,
            not_asked_before: self.not_asked_before,
            sealed: self.sealed.clone(),
            ..wanted.clone()
        };
        *self == here
    }

    /// Whether it is another work than that of `run`.
    #[must_use]
    pub fn differs_from(&self, run: &LastRun) -> bool {
        self.version != run.version || self.document_sha256 != run.document_sha256
    }
}

impl fmt::Debug for Association {
    /// Without parameters: what is printed for debugging ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Association")
            .field("id", &self.id)
            .field("version", &self.version)
            .field("document_name", &self.document_name)
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}

/// Why an association is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// New to this host, or changed.
    Changed,
    Schedule,
    /// An operator wanted it.
    Asked,
    /// A step of a document on this host wanted it.
    Refreshed,
}

/// One time that an association is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    pub association: AssociationId,
    pub version: u64,
    pub document_name: String,
    pub document_version: String,
    pub document_sha256: String,
    pub execution: ExecutionId,
    pub cause: Cause,
    /// What the schedule named, or when the wish was made.
    pub due: Timestamp,
    /// The latest wish that this run fulfils.
    pub asked: Timestamp,
    pub started: Timestamp,
    /// When it is stopped, however far it is.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// What is known of the latest run when its command is over and gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    pub version: u64,
    pub document_sha256: String,
    pub asked: Timestamp,
    pub started: Timestamp,
}

impl From<&Run> for LastRun {
    fn from(run: &Run) -> Self {
        Self {
            version: run.version,
            document_sha256: run.document_sha256.clone(),
            asked: run.asked,
            started: run.started,
        }
    }
}

/// An association with how this host stands to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    pub association: Arc<Association>,
    pub ran: Option<LastRun>,
    /// The command that applies it now.
    pub running: Option<CommandId>,
    /// A step of a document wanted it at that moment.
    pub refresh: Option<Timestamp>,
}

/// Everything that this host is to keep.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Associations {
    revision: String,
    documents: BTreeMap<String, Arc<str>>,
    kept: BTreeMap<AssociationId, Kept>,
}

impl Associations {
    /// The revision of the set; empty when there never was one.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    #[must_use]
    pub fn get(&self, id: &AssociationId) -> Option<&Kept> {
        self.kept.get(id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&AssociationId, &Kept)> {
        self.kept.iter()
    }

    #[must_use]
    pub fn document(&self, sha256: &str) -> Option<&Arc<str>> {
        self.documents.get(sha256)
    }

    pub(super) fn apply(&mut self, record: &Record) {
        match record {
            Record::AssociationDocument { sha256, content } => {
                self.documents.insert(sha256.clone(), Arc::clone(content));
            }
            Record::AssociationKept { association } => {
                let fresh =
                    Kept { association: Arc::clone(association), ran: None, running: None, refresh: None };
                let kept = self.kept.entry(association.id.clone()).or_insert(fresh);
                kept.association = Arc::clone(association);
            }
            Record::AssociationGone { association } => {
                self.kept.remove(association);
            }
            Record::AssociationsAre { revision } => {
                self.revision.clone_from(revision);
                let used =
                    |sha256: &str| self.kept.values().any(|kept| kept.association.document_sha256 == sha256);
                let unused: Vec<String> =
                    self.documents.keys().filter(|sha256| !used(sha256)).cloned().collect();
                for sha256 in unused {
                    self.documents.remove(&sha256);
                }
            }
            Record::AssociationRan { association, ran } => {
                if let Some(kept) = self.kept.get_mut(association) {
                    kept.ran = Some(ran.clone());
                }
            }
            Record::AssociationRefresh { associations, at } => {
                for association in associations {
                    if let Some(kept) = self.kept.get_mut(association) {
                        kept.refresh = Some(*at);
                    }
                }
            }
            // All others are about a command.
            _ => {}
        }
    }

    pub(super) fn begun(&mut self, command: &CommandId, run: &Run) {
        if let Some(kept) = self.kept.get_mut(&run.association) {
            kept.ran = Some(run.into());
            kept.running = Some(command.clone());
            kept.refresh = kept.refresh.filter(|at| *at > run.started);
        }
    }

    pub(super) fn ended(&mut self, command: &CommandId, run: &Run) {
        if let Some(kept) = self.kept.get_mut(&run.association) {
            kept.running = kept.running.take().filter(|running| running != command);
        }
    }

    pub(super) fn append_records(&self, records: &mut Vec<Record>) {
        let documents = self.documents.iter().map(|(sha256, content)| Record::AssociationDocument {
            sha256: sha256.clone(),
            content: Arc::clone(content),
        });
        records.extend(documents);
        for (id, kept) in &self.kept {
            records.push(Record::AssociationKept { association: Arc::clone(&kept.association) });
            if let Some(ran) = &kept.ran {
                records.push(Record::AssociationRan { association: id.clone(), ran: ran.clone() });
            }
            if let Some(at) = kept.refresh {
                records.push(Record::AssociationRefresh { associations: vec![id.clone()], at });
            }
        }
        if !self.revision.is_empty() {
            records.push(Record::AssociationsAre { revision: self.revision.clone() });
        }
    }
}
