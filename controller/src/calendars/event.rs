//! An event of a calendar: when it is for the first time, when it comes again, and when not. Pure.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate, NaiveDateTime, TimeDelta};
use fleetwright_schedule::{Instant, Zone};

use super::ical::CalendarFault;
use super::lines::Line;
use super::rule::{self, Rule, Work};
use super::times::{self, Moment};

/// Longest event that comes again: a question looks so far back.
const AGAIN_MAX_DAYS: i64 = 366;
/// What an event costs to look at without any rule, in days of one.
const EVENT_COST: u64 = 1;

/// Times of one event, on the wall of its zone.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) summary: String,
    uid: Option<String>,
    /// It replaces one of another event.
    replaces: bool,
    zone: Zone,
    /// Without those that rules make; each with its length: a whole day is one on the wall, however long it is.
    starts: Vec<(NaiveDateTime, TimeDelta)>,
    length: TimeDelta,
    rules: Vec<Rule>,
    left_out: LeftOut,
}

#[derive(Debug, Clone, Default)]
struct LeftOut {
    starts: BTreeSet<NaiveDateTime>,
    days: BTreeSet<NaiveDate>,
    rules: Vec<Rule>,
}

/// That an event takes the place of one of another.
#[derive(Debug)]
pub(super) struct Replaced {
    pub(super) uid: String,
    pub(super) at: Moment,
}

/// What was read of an event.
#[derive(Debug)]
pub(super) struct Read {
    /// None: it was cancelled.
    pub(super) event: Option<Event>,
    pub(super) replaces: Option<Replaced>,
}

impl Event {
    /// None for one that takes another's place itself.
    pub(super) fn uid(&self) -> Option<&str> {
        self.uid.as_deref().filter(|_| !self.replaces)
    }

    pub(super) fn leave_out(&mut self, at: &Moment, own: Zone) {
        if at.whole_day {
            self.left_out.days.insert(at.wall.date());
        } else {
            self.left_out.starts.insert(at.on_the_wall_of(self.zone, own));
        }
    }

    /// When the last of the occurrences ends in which the moment lies.
    pub(super) fn end_of_covering(&self, at: Instant, work: &mut Work) -> Option<Instant> {
        work.look_at(EVENT_COST + self.starts.len() as u64);
        let mut found: Vec<_> = self.starts.clone();
        if !self.rules.is_empty() {
            // What started a day more ago than it lasts is over, whatever the clocks did meanwhile.
            let wall = self.zone.wall_at(at).date();
            let back = u64::try_from(self.length.num_days()).unwrap_or(0) + 2;
            let from = wall.checked_sub_days(Days::new(back)).unwrap_or(wall);
            let to = wall.checked_add_days(Days::new(1)).unwrap_or(wall);
            for rule in &self.rules {
                found.extend(rule.between(from, to, work).into_iter().map(|start| (start, self.length)));
            }
        }
        let mut covering = None;
        for one in found {
            let (start, end) = self.moments(one);
            if start <= at && at < end && !self.is_left_out(one.0, work) {
                covering = covering.max(Some(end));
            }
        }
        covering
    }

    /// The first start after the moment.
    pub(super) fn next_start(&self, at: Instant, work: &mut Work) -> Option<Instant> {
        work.look_at(EVENT_COST + self.starts.len() as u64);
        let mut next = None;
        for one in &self.starts {
            next = earlier(next, self.start_after(at, *one, work));
        }
        let wall = self.zone.wall_at(at).date();
        for rule in &self.rules {
            let mut from = wall.checked_sub_days(Days::new(1));
            while let Some(day) = from
                && !work.is_used_up()
            {
                let starts = rule.next(day, work);
                let Some(last) = starts.last() else { break };
                from = last.date().succ_opt();
                let mut after =
                    starts.iter().filter_map(|start| self.start_after(at, (*start, self.length), work));
                if let Some(found) = after.next() {
                    next = earlier(next, Some(found));
                    break;
                }
            }
        }
        next
    }

    fn start_after(&self, at: Instant, one: (NaiveDateTime, TimeDelta), work: &mut Work) -> Option<Instant> {
        let (start, end) = self.moments(one);
        (start > at && start < end && !self.is_left_out(one.0, work)).then_some(start)
    }

    fn moments(&self, (start, length): (NaiveDateTime, TimeDelta)) -> (Instant, Instant) {
        let end = start.checked_add_signed(length).unwrap_or(start);
        (self.zone.moment_of(start), self.zone.moment_of(end))
    }

    fn is_left_out(&self, start: NaiveDateTime, work: &mut Work) -> bool {
        self.left_out.starts.contains(&start)
            || self.left_out.days.contains(&start.date())
            || self.left_out.rules.iter().any(|rule| rule.contains(start, work))
    }
}

fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    one.into_iter().chain(other).min()
}

/// The lines of an event that is being read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    begin: usize,
    lines: Vec<Line>,
}

impl Draft {
    pub(super) fn begun_at(line: usize) -> Self {
        Self { begin: line, lines: Vec::new() }
    }

    pub(super) fn add(&mut self, line: Line) {
        self.lines.push(line);
    }

    fn line(&self, name: &str) -> Option<&Line> {
        self.lines.iter().rev().find(|line| line.name == name)
    }

    fn every(&self, name: &'static str) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(move |line| line.name == name)
    }

    pub(super) fn finish(self, own: Zone, work: &mut Work) -> Result<Read, CalendarFault> {
        let uid = self.line("UID").map(|line| line.value.clone());
        let replaces = match self.line("RECURRENCE-ID") {
            None => None,
            Some(line) if line.parameters.contains_key("RANGE") => {
                return Err(line.fault("RECURRENCE-ID with RANGE is not read: write a new event".to_owned()));
            }
            Some(line) => {
                let at = times::moment(line)?;
                uid.clone().map(|uid| Replaced { uid, at })
            }
        };
        if self.line("STATUS").is_some_and(|line| line.value.eq_ignore_ascii_case("CANCELLED")) {
            return Ok(Read { event: None, replaces });
        }
        let Some(start_line) = self.line("DTSTART") else {
            return Err(CalendarFault { line: self.begin, message: "the event has no DTSTART".to_owned() });
        };
        let start = times::moment(start_line)?;
        let zone = start.zone.unwrap_or(own);
        let length = self.length(&start, zone, own)?;
        if length < TimeDelta::zero() {
            return Err(start_line.fault("the event ends before it starts".to_owned()));
        }
        let mut event = Event {
            summary: self.line("SUMMARY").map(|line| line.value.clone()).unwrap_or_default(),
            uid,
            replaces: replaces.is_some(),
            zone,
            starts: vec![(start.wall, length)],
            length,
            rules: self.rules("RRULE", start.wall, zone, length, work)?,
            left_out: LeftOut {
                rules: self.rules("EXRULE", start.wall, zone, length, work)?,
                ..LeftOut::default()
            },
        };
        for line in self.every("EXDATE") {
            for text in line.value.split(',') {
                event.leave_out(&times::read(line, text, times::zone(line)?)?, own);
            }
        }
        for line in self.every("RDATE") {
            for text in line.value.split(',') {
                event.starts.push(again(line, text, zone, own, length)?);
            }
        }
        Ok(Read { event: Some(event), replaces })
    }

    fn length(&self, start: &Moment, zone: Zone, own: Zone) -> Result<TimeDelta, CalendarFault> {
        Ok(match (self.line("DTEND"), self.line("DURATION")) {
            (Some(line), _) => times::moment(line)?.on_the_wall_of(zone, own) - start.wall,
            (None, Some(line)) => times::duration(line, &line.value)?,
            (None, None) if start.whole_day => TimeDelta::days(1),
            (None, None) => TimeDelta::zero(),
        })
    }

    fn rules(
        &self,
        name: &'static str,
        first: NaiveDateTime,
        zone: Zone,
        length: TimeDelta,
        work: &mut Work,
    ) -> Result<Vec<Rule>, CalendarFault> {
        let read = |line: &Line, work: &mut Work| {
            if length > TimeDelta::days(AGAIN_MAX_DAYS) {
                let message =
                    format!("{name}: an event of more than {AGAIN_MAX_DAYS} days does not come again");
                return Err(line.fault(message));
            }
            rule::read(line, first, zone, work)
        };
        self.every(name).map(|line| read(line, work)).collect()
    }
}

/// A start of `RDATE`, which may say its own length: `20261224T180000Z/PT2H`.
fn again(
    line: &Line,
    text: &str,
    zone: Zone,
    own: Zone,
    length: TimeDelta,
) -> Result<(NaiveDateTime, TimeDelta), CalendarFault> {
    let written = times::zone(line)?;
    let Some((start, end)) = text.split_once('/') else {
        return Ok((times::read(line, text, written)?.on_the_wall_of(zone, own), length));
    };
    let start = times::read(line, start, written)?.on_the_wall_of(zone, own);
    let length = match end.starts_with(['P', '+']) {
        true => times::duration(line, end)?,
        false => times::read(line, end, written)?.on_the_wall_of(zone, own) - start,
    };
    if length < TimeDelta::zero() {
        return Err(line.fault("RDATE: it ends before it starts".to_owned()));
    }
    Ok((start, length))
}
