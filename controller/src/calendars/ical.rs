//! A change calendar: iCalendar text, of which the events and what lies between them matter. Pure.
//!
//! A calendar is open by default and closed during its events, or the other way round if it says
//! `X-CALENDAR-TYPE:DEFAULT_CLOSED`. Times without a zone are in the calendar's (`X-WR-TIMEZONE`), else in UTC. Events
//! that are cancelled count for nothing; everything else that calendars hold is passed over.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use fleetwright_schedule::{Instant, Zone};

use super::lines::{self, Line};

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

/// Times of one event, on the wall of its zone.
#[derive(Debug, Clone)]
struct Event {
    summary: String,
    zone: Zone,
    starts: Vec<NaiveDateTime>,
    /// On the wall: a whole day is one, however long it is.
    length: TimeDelta,
}

/// How many steps a question may take.
const STEPS_MAX: usize = 10_000;

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
        for line in &lines {
            match (line.name.as_str(), line.value.as_str()) {
                ("BEGIN", component) => {
                    inside.push(component);
                    if inside == ["VCALENDAR", "VEVENT"] {
                        event = Draft { line: line.number, ..Draft::default() };
                    }
                }
                ("END", component) => {
                    if inside.pop() != Some(component) {
                        return Err(line.fault(format!("END:{component} ends what was not begun")));
                    }
                    if component == "VEVENT" && inside == ["VCALENDAR"] {
                        calendar.events.extend(std::mem::take(&mut event).finish(calendar_zone)?);
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
                _ if inside == ["VCALENDAR", "VEVENT"] => event.lines.push(line.clone()),
                _ => {}
            }
        }
        match inside.last() {
            None => Ok(calendar),
            Some(open) => Err(CalendarFault {
                line: lines.last().map_or(1, |line| line.number),
                message: format!("BEGIN:{open} is not ended"),
            }),
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
        let covered = self.events.iter().any(|event| event.end_of_covering(at).is_some());
        covered == (self.default == Outside::Closed)
    }

    /// When that changes; None if it never does, as far as anybody can tell.
    #[must_use]
    pub fn next_transition(&self, at: Instant) -> Option<Instant> {
        let covered = |moment| self.events.iter().filter_map(|event| event.end_of_covering(moment)).max();
        if covered(at).is_none() {
            return self.events.iter().filter_map(|event| event.next_start(at)).min();
        }
        let mut moment = at;
        for _ in 0..STEPS_MAX {
            match covered(moment) {
                Some(end) => moment = end,
                None => return Some(moment),
            }
        }
        None
    }
}

impl Event {
    fn occurrence(&self, start: NaiveDateTime) -> (Instant, Instant) {
        let end = start.checked_add_signed(self.length).unwrap_or(start);
        (self.zone.moment_of(start), self.zone.moment_of(end))
    }

    /// When the last of the occurrences ends in which the moment lies.
    fn end_of_covering(&self, at: Instant) -> Option<Instant> {
        let occurrences = self.starts.iter().map(|start| self.occurrence(*start));
        occurrences.filter(|(start, end)| *start <= at && at < *end).map(|(_, end)| end).max()
    }

    fn next_start(&self, at: Instant) -> Option<Instant> {
        let occurrences = self.starts.iter().map(|start| self.occurrence(*start));
        occurrences.filter(|(start, end)| *start > at && start < end).map(|(start, _)| start).min()
    }
}

/// The lines of an event that is being read.
#[derive(Debug, Default)]
struct Draft {
    line: usize,
    lines: Vec<Line>,
}

/// A time as it stands in a line.
#[derive(Debug, Clone, Copy)]
struct Moment {
    wall: NaiveDateTime,
    /// None: the calendar's.
    zone: Option<Zone>,
    whole_day: bool,
}

impl Draft {
    fn finish(self, calendar_zone: Zone) -> Result<Option<Event>, CalendarFault> {
        let by_name: BTreeMap<&str, &Line> =
            self.lines.iter().map(|line| (line.name.as_str(), line)).collect();
        if by_name.get("STATUS").is_some_and(|line| line.value.eq_ignore_ascii_case("CANCELLED")) {
            return Ok(None);
        }
        let Some(start_line) = by_name.get("DTSTART") else {
            return Err(CalendarFault { line: self.line, message: "the event has no DTSTART".to_owned() });
        };
        if let Some(rule) = ["RRULE", "EXRULE", "RDATE"].iter().find_map(|name| by_name.get(name)) {
            return Err(rule.fault(format!("{} is not read: write each event by itself", rule.name)));
        }
        let start = moment(start_line)?;
        let zone = start.zone.unwrap_or(calendar_zone);
        let length = match (by_name.get("DTEND"), by_name.get("DURATION")) {
            (Some(line), _) => {
                let end = moment(line)?;
                let end_zone = end.zone.unwrap_or(calendar_zone);
                let wall =
                    if end_zone == zone { end.wall } else { zone.wall_at(end_zone.moment_of(end.wall)) };
                wall - start.wall
            }
            (None, Some(line)) => duration(line)?,
            (None, None) if start.whole_day => TimeDelta::days(1),
            (None, None) => TimeDelta::zero(),
        };
        if length < TimeDelta::zero() {
            return Err(start_line.fault("the event ends before it starts".to_owned()));
        }
        let summary = by_name.get("SUMMARY").map(|line| line.value.clone()).unwrap_or_default();
        Ok(Some(Event { summary, zone, starts: vec![start.wall], length }))
    }
}

fn moment(line: &Line) -> Result<Moment, CalendarFault> {
    let wrong = || {
        line.fault(format!(
            "{}: `{}` is not a time: write 20261224T180000Z or 20261224",
            line.name, line.value
        ))
    };
    let zone = match line.parameters.get("TZID") {
        Some(name) => Some(name.parse::<Zone>().map_err(|error| line.fault(error.to_string()))?),
        None => None,
    };
    if let Ok(day) = NaiveDate::parse_from_str(&line.value, "%Y%m%d") {
        let wall = day.and_hms_opt(0, 0, 0).ok_or_else(wrong)?;
        return Ok(Moment { wall, zone, whole_day: true });
    }
    let (text, zone) = match line.value.strip_suffix('Z') {
        Some(text) => (text, Some(Zone::default())),
        None => (line.value.as_str(), zone),
    };
    let wall = NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").map_err(|_| wrong())?;
    Ok(Moment { wall, zone, whole_day: false })
}

/// `P1W`, `P2DT3H`, `PT30M`.
fn duration(line: &Line) -> Result<TimeDelta, CalendarFault> {
    let wrong = || line.fault(format!("DURATION: `{}` is not one: write PT2H, P1D or P1W", line.value));
    let rest = line.value.strip_prefix('+').unwrap_or(&line.value);
    let (mut seconds, mut number, mut timed) = (0_i64, None::<i64>, false);
    for letter in rest.strip_prefix('P').ok_or_else(wrong)?.chars() {
        if let Some(digit) = letter.to_digit(10) {
            let next = number.unwrap_or(0).checked_mul(10).and_then(|tens| tens.checked_add(digit.into()));
            number = Some(next.filter(|next| *next < 1_000_000_000).ok_or_else(wrong)?);
            continue;
        }
        let unit = match (letter, timed) {
            ('T', false) if number.is_none() => {
                timed = true;
                continue;
            }
            ('W', false) => 7 * 86_400,
            ('D', false) => 86_400,
            ('H', true) => 3_600,
            ('M', true) => 60,
            ('S', true) => 1,
            _ => return Err(wrong()),
        };
        seconds += number.take().ok_or_else(wrong)? * unit;
    }
    if number.is_some() || seconds == 0 {
        return Err(wrong());
    }
    TimeDelta::try_seconds(seconds).ok_or_else(wrong)
}

#[cfg(test)]
mod tests;
