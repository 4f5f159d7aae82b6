//! What the records mean together.
//!
//! ```text
//!              Accepted            StepStarted                     Finished              Acknowledged
//!  (unknown) ───────────► queued ──────────────► running/between ───────────► finished ──────────────► (id kept)
//!       └──────────────────── Finished: refused or cancelled before it began ──┘
//! ```
//!
//! The fold never fails: a record that fits nothing is the sign of a record that was lost, and is taken for what it
//! proves.

use std::collections::BTreeMap;
use std::sync::Arc;

use fleetwright_platform::ProcessIdentity;
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::CommandId;

use super::associations::{Associations, Run};
use super::record::{FinalReport, Record, StepRecord, StepState, Work};

/// Every command that is not over for both sides, the ids of those that are, and what this host is to keep.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    commands: BTreeMap<CommandId, Command>,
    /// Acknowledged commands, until when a duplicate of them is recognised.
    acknowledged: BTreeMap<CommandId, Timestamp>,
    associations: Associations,
    accepted_count: u64,
    work_bytes: u64,
}

/// One open command.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Command {
    /// Place in the order of acceptance.
    pub order: u64,
    /// None when it ended before it was queued, or when its record was unreadable.
    pub work: Option<Arc<Work>>,
    pub steps: BTreeMap<u32, StepProgress>,
    /// The steps of documents that a step runs, by the step and the way inside it.
    pub inner: BTreeMap<(u32, Vec<u32>), StepProgress>,
    pub reboot: Option<Reboot>,
    pub cancel_requested: bool,
    pub finished: Option<Finish>,
    /// The number of its latest report: one for each record, so it grows over restarts as well.
    pub report_seq: u64,
    /// The association that it applies.
    pub run: Option<Arc<Run>>,
}

/// The end of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Finish {
    pub report: FinalReport,
    pub start_deadline: Timestamp,
}

/// The latest reboot that a command asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reboot {
    pub step: u32,
    pub boot_id: String,
    pub count: u32,
    /// The step has begun again since, so the reboot it was for is over.
    pub is_past: bool,
}

/// How far a step is.
#[derive(Debug, Clone, PartialEq)]
pub enum StepProgress {
    Started { name: String, action: String, at: Timestamp, process: Option<ProcessIdentity> },
    Finished(StepRecord),
}

/// How long after its start deadline an acknowledged command's id is still known.
const KEPT_AFTER_DEADLINE: std::time::Duration = std::time::Duration::from_secs(3600);

impl State {
    #[must_use]
    pub fn replay<'r>(records: impl IntoIterator<Item = &'r Record>) -> Self {
        let mut state = Self::default();
        records.into_iter().for_each(|record| state.apply(record));
        state
    }

    pub fn apply(&mut self, record: &Record) {
        let Some(id) = record.command() else { return self.associations.apply(record) };
        if let Record::Acknowledged { forget_after, .. } = record {
            let known = self.commands.remove(id);
            self.work_bytes -= known.as_ref().map_or(0, Command::work_bytes);
            // Nobody delivers the run of an association, so no duplicate of it can come.
            if known.is_none_or(|command| command.run.is_none()) {
                self.acknowledged.insert(id.clone(), *forget_after);
            }
            return;
        }
        if self.acknowledged.contains_key(id) {
            return;
        }
        let order = self.accepted_count;
        let mut is_new = false;
        let command = self.commands.entry(id.clone()).or_insert_with(|| {
            is_new = true;
            Command { order, ..Command::default() }
        });
        if command.finished.is_some() {
            // A cancellation that came too late, for example.
            return;
        }
        command.report_seq += 1;
        self.work_bytes -= command.work_bytes();
        command.apply(record);
        self.work_bytes += command.work_bytes();
        match (&command.run, record) {
            (Some(run), Record::Accepted { .. }) => self.associations.begun(id, run),
            (Some(run), Record::Finished { .. }) => self.associations.ended(id, run),
            _ => {}
        }
        self.accepted_count += u64::from(is_new);
    }

    #[must_use]
    pub fn command(&self, id: &CommandId) -> Option<&Command> {
        self.commands.get(id)
    }

    /// What this host is to keep as it should be.
    #[must_use]
    pub fn associations(&self) -> &Associations {
        &self.associations
    }

    /// Whether a delivery of this id is a duplicate.
    #[must_use]
    pub fn knows(&self, id: &CommandId) -> bool {
        self.commands.contains_key(id) || self.acknowledged.contains_key(id)
    }

    /// Not finished, or finished and not acknowledged; in order of acceptance.
    #[must_use]
    pub fn open_commands(&self) -> Vec<(&CommandId, &Command)> {
        let mut open: Vec<_> = self.commands.iter().collect();
        open.sort_by_key(|(_, command)| command.order);
        open
    }

    #[must_use]
    pub fn open_count(&self) -> usize {
        self.commands.len()
    }

    /// Documents and parameters of what is open.
    #[must_use]
    pub fn work_bytes(&self) -> u64 {
        self.work_bytes
    }

    /// The tombstone of a finished command; `None` when it is not finished.
    #[must_use]
    pub fn acknowledgement(&self, id: &CommandId, now: Timestamp) -> Option<Record> {
        let finish = self.commands.get(id)?.finished.as_ref()?;
        let forget_after = finish.start_deadline.max(now).plus(KEPT_AFTER_DEADLINE);
        Some(Record::Acknowledged { command: id.clone(), forget_after })
    }

    /// The fewest records that replay to this state, without the ids that `now` may be forgotten.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> Vec<Record> {
        let kept = self.acknowledged.iter().filter(|(_, forget_after)| **forget_after > now);
        let mut records: Vec<Record> =
            kept.map(|(id, at)| Record::Acknowledged { command: id.clone(), forget_after: *at }).collect();
        self.associations.append_records(&mut records);
        for (id, command) in self.open_commands() {
            command.append_records(id, &mut records);
        }
        records
    }

    pub(super) fn forget_expired(&mut self, now: Timestamp) {
        self.acknowledged.retain(|_, forget_after| *forget_after > now);
    }
}

impl Command {
    fn apply(&mut self, record: &Record) {
        match record {
            Record::Accepted { work, .. } => {
                self.run.clone_from(&work.run);
                self.work = Some(Arc::clone(work));
            }
            Record::OfAssociation { run, .. } => self.run = Some(Arc::clone(run)),
            // One was counted for the record itself.
            Record::Compacted { records, .. } => self.report_seq += records.saturating_sub(1),
            Record::StepStarted { step, name, action, at, process, .. } => {
                let started = StepProgress::Started {
                    name: name.clone(),
                    action: action.clone(),
                    at: *at,
                    process: process.clone(),
                };
                self.steps.insert(*step, started);
                self.step_goes_on(*step);
            }
            Record::StepFinished { step, result, .. } => {
                self.steps.insert(*step, StepProgress::Finished(result.clone()));
                self.step_goes_on(*step);
                if result.state != StepState::SuccessAndReboot {
                    self.inner.retain(|(outer, _), _| outer != step);
                }
            }
            Record::InnerStarted { step, inner, name, action, at, process, .. } => {
                let started = StepProgress::Started {
                    name: name.clone(),
                    action: action.clone(),
                    at: *at,
                    process: process.clone(),
                };
                self.inner.insert((*step, inner.clone()), started);
            }
            Record::InnerFinished { step, inner, result, .. } => {
                let is_below = |way: &[u32]| way.len() > inner.len() && way.starts_with(inner);
                if result.state != StepState::SuccessAndReboot {
                    self.inner.retain(|(outer, way), _| outer != step || !is_below(way));
                }
                self.inner.insert((*step, inner.clone()), StepProgress::Finished(result.clone()));
            }
            Record::Rebooting { step, boot_id, count, .. } => {
                self.reboot =
                    Some(Reboot { step: *step, boot_id: boot_id.clone(), count: *count, is_past: false });
            }
            Record::CancelRequested { .. } => self.cancel_requested = true,
            Record::Finished { report, start_deadline, .. } => {
                let finish = Finish { report: report.clone(), start_deadline: *start_deadline };
                *self = Self {
                    order: self.order,
                    report_seq: self.report_seq,
                    finished: Some(finish),
                    run: self.run.take(),
                    ..Self::default()
                };
            }
            Record::Acknowledged { .. }
            | Record::AssociationDocument { .. }
            | Record::AssociationKept { .. }
            | Record::AssociationGone { .. }
            | Record::AssociationsAre { .. }
            | Record::AssociationRan { .. }
            | Record::AssociationRefresh { .. } => unreachable!("handled by the state"),
        }
    }

    fn step_goes_on(&mut self, step: u32) {
        if let Some(reboot) = self.reboot.as_mut().filter(|reboot| reboot.step == step) {
            reboot.is_past = true;
        }
    }

    fn work_bytes(&self) -> u64 {
        self.work.as_ref().map_or(0, |work| work.size_bytes())
    }

    /// The step that was begun and whose end is not known.
    #[must_use]
    pub fn running_step(&self) -> Option<(u32, &StepProgress)> {
        self.steps
            .iter()
            .find(|(_, progress)| matches!(progress, StepProgress::Started { .. }))
            .map(|(step, progress)| (*step, progress))
    }

    /// Every process that a step has going, its own and those of documents in it.
    #[must_use]
    pub fn processes(&self, of: u32) -> Vec<ProcessIdentity> {
        let inner = self.inner.iter().filter(|((step, _), _)| *step == of).map(|(_, progress)| progress);
        let all = self.steps.get(&of).into_iter().chain(inner);
        all.filter_map(|progress| match progress {
            StepProgress::Started { process, .. } => process.clone(),
            StepProgress::Finished(_) => None,
        })
        .collect()
    }

    /// The steps directly below a step, or below a step in it, in the order of their document.
    pub fn inner_steps<'c>(
        &'c self,
        step: u32,
        below: &'c [u32],
    ) -> impl Iterator<Item = (u32, &'c StepProgress)> {
        self.inner.iter().filter_map(move |((outer, way), progress)| match way.split_last() {
            Some((last, before)) if *outer == step && before == below => Some((*last, progress)),
            _ => None,
        })
    }

    /// The results so far. A step that asked for a reboot which has happened since is to run again: it has none.
    pub fn results<'c>(&'c self, boot_id: &str) -> impl Iterator<Item = (u32, &'c StepRecord)> {
        let happened = |reboot: &&Reboot| reboot.boot_id != boot_id && !reboot.is_past;
        let again = self.reboot.as_ref().filter(happened).map(|reboot| reboot.step);
        self.steps.iter().filter_map(move |(step, progress)| match progress {
            StepProgress::Finished(result)
                if result.state == StepState::SuccessAndReboot && again == Some(*step) =>
            {
                None
            }
            StepProgress::Finished(result) => Some((*step, result)),
            StepProgress::Started { .. } => None,
        })
    }

    fn append_records(&self, id: &CommandId, records: &mut Vec<Record>) {
        let mut kept = self.kept_records(id);
        let dropped = self.report_seq.saturating_sub(kept.len() as u64);
        if dropped > 0 {
            records.push(Record::Compacted { command: id.clone(), records: dropped });
        }
        records.append(&mut kept);
    }

    fn kept_records(&self, id: &CommandId) -> Vec<Record> {
        let command = || id.clone();
        let mut records = Vec::new();
        if let (None, Some(run)) = (&self.work, &self.run) {
            records.push(Record::OfAssociation { command: command(), run: Arc::clone(run) });
        }
        if let Some(work) = &self.work {
            records.push(Record::Accepted { command: command(), work: Arc::clone(work) });
        }
        let reboot = self.reboot.clone().map(|Reboot { step, boot_id, count, is_past }| {
            (Record::Rebooting { command: command(), step, boot_id, count }, is_past)
        });
        // What follows a reboot is what makes it past.
        let (before, after) = match reboot {
            Some((record, true)) => (Some(record), None),
            Some((record, false)) => (None, Some(record)),
            None => (None, None),
        };
        records.extend(before);
        for (step, progress) in &self.steps {
            records.push(match progress.clone() {
                StepProgress::Started { name, action, at, process } => {
                    Record::StepStarted { command: command(), step: *step, name, action, at, process }
                }
                StepProgress::Finished(result) => {
                    Record::StepFinished { command: command(), step: *step, result }
                }
            });
        }
        for ((step, inner), progress) in &self.inner {
            let (step, inner) = (*step, inner.clone());
            records.push(match progress.clone() {
                StepProgress::Started { name, action, at, process } => {
                    Record::InnerStarted { command: command(), step, inner, name, action, at, process }
                }
                StepProgress::Finished(result) => {
                    Record::InnerFinished { command: command(), step, inner, result }
                }
            });
        }
        records.extend(after);
        if self.cancel_requested {
            records.push(Record::CancelRequested { command: command() });
        }
        if let Some(Finish { report, start_deadline }) = self.finished.clone() {
            records.push(Record::Finished { command: command(), report, start_deadline });
        }
        records
    }
}
