//! A change calendar: iCalendar text, of which the events and what lies between them matter. Pure.
//!
//! A calendar is open by default and closed during its events, or the other way round if it says
//! `X-CALENDAR-TYPE:DEFAULT_CLOSED`. Times without a zone are in the calendar's (`X-WR-TIMEZONE`), else in UTC. Events
//! come again as their rules and dates say; one that is cancelled, or that another one replaces (`RECURRENCE-ID`),
//! counts for nothing. Everything else that calendars hold is passed over.

use std::collections::BTreeMap;

use fleetwright_schedule::{Instant, Zone};

use super::event::{Draft, Event, Replaced};
use super::lines;
use super::rule::Work;

/// Why a text is no calendar that can be used. The line is counted as people see it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct CalendarFault {
    pub line: usize,
    pub message: String,
}

/// What is in force outside of all events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    Open,
    Closed,
}

/// A calendar that was read.
#[derive(Debug, Clone)]
pub struct Calendar {
    default: Outside,
    events: Vec<Event>,
}

/// How many days of rules reading a calendar may look at, and one question about it.
const READING: u64 = 5_000_000;
const QUESTION: u64 = 2_000_000;

impl Calendar {
    pub fn parse(text: &str) -> Result<Self, CalendarFault> {
        let lines = lines::read(text)?;
        let calendar_zone = lines
            .iter()
            .find(|line| line.name == "X-WR-TIMEZONE")
            .and_then(|line| line.value.parse::<Zone>().ok())
            .unwrap_or_default();
        let mut calendar = Self { default: Outside::Open, events: Vec::new() };
        let mut inside: Vec<&str> = Vec::new();
        let mut event = Draft::default();
        let mut replaced = Vec::new();
        let mut work = Work::of_days(READING);
        for line in &lines {
            match (line.name.as_str(), line.value.as_str()) {
                ("BEGIN", component) => {
                    inside.push(component);
                    if inside == ["VCALENDAR", "VEVENT"] {
                        event = Draft::begun_at(line.number);
                    }
                }
                ("END", component) => {
                    if inside.pop() != Some(component) {
                        return Err(line.fault(format!("END:{component} ends what was not begun")));
                    }
                    if component == "VEVENT" && inside == ["VCALENDAR"] {
                        let read = std::mem::take(&mut event).finish(calendar_zone, &mut work)?;
                        calendar.events.extend(read.event);
                        replaced.extend(read.replaces);
                    }
                }
                ("X-CALENDAR-TYPE", kind) if inside == ["VCALENDAR"] => {
                    calendar.default = match kind {
                        "DEFAULT_OPEN" => Outside::Open,
                        "DEFAULT_CLOSED" => Outside::Closed,
                        _ => {
                            return Err(line.fault(format!(
                                "`{kind}` is not a type of calendar: DEFAULT_OPEN or DEFAULT_CLOSED"
                            )));
                        }
                    };
                }
                _ if inside == ["VCALENDAR", "VEVENT"] => event.add(line.clone()),
                _ => {}
            }
        }
        match inside.last() {
            None => {
                calendar.leave_out(replaced, calendar_zone);
                Ok(calendar)
            }
            Some(open) => Err(CalendarFault {
                line: lines.last().map_or(1, |line| line.number),
                message: format!("BEGIN:{open} is not ended"),
            }),
        }
    }

    /// What an event replaces is not also there by the rule that it was made by.
    fn leave_out(&mut self, replaced: Vec<Replaced>, own: Zone) {
        let mut by_uid: BTreeMap<String, Vec<Replaced>> = BTreeMap::new();
        for one in replaced {
            by_uid.entry(one.uid.clone()).or_default().push(one);
        }
        for event in &mut self.events {
            for one in event.uid().and_then(|uid| by_uid.get(uid)).into_iter().flatten() {
                event.leave_out(&one.at, own);
            }
        }
    }

    #[must_use]
    pub fn default_state(&self) -> Outside {
        self.default
    }

    /// What the events are called, in their order.
    #[must_use]
    pub fn summaries(&self) -> Vec<&str> {
        self.events.iter().map(|event| event.summary.as_str()).collect()
    }

    #[must_use]
    pub fn is_open_at(&self, at: Instant) -> bool {
        // A rule costs a few days each time: what is left over is never used up.
        let mut work = Work::of_days(u64::MAX);
        let covered = self.events.iter().any(|event| event.end_of_covering(at, &mut work).is_some());
        covered == (self.default == Outside::Closed)
    }

    /// What one question may cost, over all the calendars that it is about.
    pub(super) fn question() -> Work {
        Work::of_days(QUESTION)
    }

    /// When that changes; None if it never does, as far as anybody can tell with what is left of a question.
    pub(super) fn next_transition(&self, at: Instant, work: &mut Work) -> Option<Instant> {
        let covered = |moment, work: &mut Work| {
            self.events.iter().filter_map(|event| event.end_of_covering(moment, work)).max()
        };
        if covered(at, work).is_none() {
            return self.events.iter().filter_map(|event| event.next_start(at, work)).min();
        }
        let mut moment = at;
        while !work.is_used_up() {
            match covered(moment, work) {
                Some(end) => moment = end,
                None => return Some(moment),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
