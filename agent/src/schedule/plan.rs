//! What to begin, what to end and when to look again. Pure.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::{AssociationId, CommandId, ExecutionId};
use fleetwright_schedule::{Expression, Instant, Schedule, Zone};
use sha2::{Digest, Sha256};

use super::spread;
use crate::journal::{Association, Associations, Cause, Command, Kept, Run, ScheduleWords};

/// Between the beginnings of two runs that a schedule wants.
const APART: Duration = Duration::from_secs(1);

/// When the next run that a schedule wants may begin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Pace(Timestamp);

impl Pace {
    pub(super) fn after(begun: Timestamp) -> Self {
        Self(begun.plus(APART))
    }
}

/// Whether runs of this cause come one after the other. What somebody waits for does not.
pub(super) fn is_paced(cause: Cause) -> bool {
    cause == Cause::Schedule
}

/// The next move.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) begin: Option<(Arc<Association>, Run)>,
    /// Runs that have taken as long as they may.
    pub(super) end: Vec<CommandId>,
    /// When to look again by itself.
    pub(super) wake: Option<Timestamp>,
}

/// When an association is to be applied next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Now {
        cause: Cause,
        due: Timestamp,
    },
    At(Timestamp),
    /// Not before something changes.
    Never,
}

impl Plan {
    /// `places` is how many associations are applied at the same time.
    pub(super) fn make<'s>(
        associations: &'s Associations,
        command: impl Fn(&CommandId) -> Option<&'s Command>,
        node: &str,
        now: Timestamp,
        places: usize,
        pace: Pace,
    ) -> Self {
        let mut plan = Self::default();
        let (mut running, mut ready) = (0, Vec::new());
        for (id, kept) in associations.iter() {
            if let Some(running_command) = &kept.running {
                running += 1;
                let until = command(running_command).and_then(|command| command.run.as_ref()?.until);
                match until {
                    Some(until) if until <= now => plan.end.push(running_command.clone()),
                    Some(until) => plan.look_again(until),
                    None => {}
                }
                continue;
            }
            match next(kept, node, now) {
                Next::Now { cause, due } => ready.push((due, id, cause, kept)),
                Next::At(moment) => plan.look_again(moment),
                Next::Never => {}
            }
        }
        if running >= places {
            // Its end wakes whoever waits.
            return plan;
        }
        ready.sort_by_key(|(due, id, cause, _)| (is_paced(*cause), *due, *id));
        match ready.first() {
            Some((_, _, cause, _)) if is_paced(*cause) && now < pace.0 => plan.look_again(pace.0),
            Some((due, id, cause, kept)) => {
                plan.begin = Some((Arc::clone(&kept.association), run(kept, id, (*cause, *due), node, now)));
            }
            None => {}
        }
        plan
    }

    fn look_again(&mut self, moment: Timestamp) {
        self.wake = Some(self.wake.map_or(moment, |wake| wake.min(moment)));
    }
}

fn next(kept: &Kept, node: &str, now: Timestamp) -> Next {
    let association = &kept.association;
    let is_new = kept.ran.as_ref().is_none_or(|ran| association.differs_from(ran));
    if is_new && !association.only_at_schedule {
        return Next::Now { cause: Cause::Changed, due: association.anchor };
    }
    let asked_before = kept.ran.as_ref().map_or(association.not_asked_before, |ran| ran.asked);
    if association.asked > asked_before.max(association.not_asked_before) {
        return Next::Now { cause: Cause::Asked, due: association.asked };
    }
    if let Some(at) = kept.refresh {
        return Next::Now { cause: Cause::Refreshed, due: at };
    }
    let Some(schedule) = association.schedule.as_ref().and_then(|words| schedule(words, association.anchor))
    else {
        return Next::Never;
    };
    let last = kept.ran.as_ref().map_or(association.since, |ran| ran.started.max(association.since));
    // A clock that was ahead and is right now must not hold everything up until then.
    let (Some(after), Some(_)) = (instant(last.min(now)), instant(now)) else { return Next::Never };
    let Some(due) = schedule.next_after(after) else { return Next::Never };
    let period = schedule.next_after(due).and_then(|following| (following - due).to_std().ok());
    let due = Timestamp::from_millis(due.timestamp_millis());
    let moment = due.plus(spread::delay(node, &association.id, period));
    if moment <= now { Next::Now { cause: Cause::Schedule, due } } else { Next::At(moment) }
}

/// None for what only a newer controller can read.
fn schedule(words: &ScheduleWords, anchor: Timestamp) -> Option<Schedule> {
    let expression: Expression = words.expression.parse().ok()?;
    let zone: Zone = if words.zone.is_empty() { Zone::default() } else { words.zone.parse().ok()? };
    let schedule = Schedule::new(expression, instant(anchor)?).in_zone(zone);
    match words.offset_days {
        0 => Some(schedule),
        days => schedule.put_off(days).ok(),
    }
}

fn instant(moment: Timestamp) -> Option<Instant> {
    DateTime::from_timestamp_millis(moment.millis())
}

fn run(kept: &Kept, id: &AssociationId, why: (Cause, Timestamp), node: &str, now: Timestamp) -> Run {
    let association = &kept.association;
    let (cause, due) = why;
    Run {
        association: id.clone(),
        version: association.version,
        document_name: association.document_name.clone(),
        document_version: association.document_version.clone(),
        document_sha256: association.document_sha256.clone(),
        execution: execution(association, cause, due, node),
        cause,
        due,
        asked: association.asked,
        started: now,
        until: association.duration.map(|duration| now.plus(duration)),
    }
}

/// The same id on every node for what was due at the same moment. What a step of a document wanted is the node's own.
fn execution(association: &Association, cause: Cause, due: Timestamp, node: &str) -> ExecutionId {
    let word = match cause {
        Cause::Changed => "changed",
        Cause::Schedule => "schedule",
        Cause::Asked => "asked",
        Cause::Refreshed => node,
    };
    let text = format!(
        "{} {} {} {word} {}",
        association.id,
        association.version,
        association.document_sha256,
        due.millis()
    );
    ExecutionId::of_digest(&Sha256::digest(text).into())
}

#[cfg(test)]
mod tests;
