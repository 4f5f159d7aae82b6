//! A rule as it stands in a line: `FREQ=MONTHLY;BYDAY=2TU`.

use std::str::FromStr;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, Weekday};
use fleetwright_schedule::Zone;

use super::{END_YEAR, Frequency, Rule, Work};
use crate::calendars::ical::CalendarFault;
use crate::calendars::lines::Line;
use crate::calendars::times;

const COUNT_MAX: u32 = 10_000;
const INTERVAL_MAX: u32 = 10_000;
const PARTS: &str = "FREQ, INTERVAL, COUNT, UNTIL, BYDAY, BYMONTHDAY, BYMONTH, BYSETPOS and WKST";

/// Reads the rule of an event that starts first then, on the wall of that zone.
pub(in crate::calendars) fn read(
    line: &Line,
    first: NaiveDateTime,
    zone: Zone,
    work: &mut Work,
) -> Result<Rule, CalendarFault> {
    let mut rule = Rule {
        frequency: frequency(line)?,
        interval: 1,
        months: Vec::new(),
        month_days: Vec::new(),
        week_days: Vec::new(),
        positions: Vec::new(),
        week_start: Weekday::Mon,
        first,
        last: end_of_calendars(),
    };
    let (mut count, mut until) = (None, None);
    for part in parts(line) {
        let (name, value) = part?;
        match name.as_str() {
            "FREQ" => {}
            "INTERVAL" => rule.interval = number::<u32>(line, &name, value, 1..=INTERVAL_MAX)?.into(),
            "COUNT" => count = Some(number(line, &name, value, 1..=COUNT_MAX)?),
            "UNTIL" => until = Some(moment_until(line, value, zone)?),
            "BYMONTH" => rule.months = list(line, &name, value, 1..=12)?,
            "BYMONTHDAY" => rule.month_days = signed(line, &name, value, 31)?,
            "BYSETPOS" => rule.positions = signed(line, &name, value, 366)?,
            "BYDAY" => {
                let days = value.split(',').map(|day| week_day(line, day));
                rule.week_days = days.collect::<Result<_, _>>()?;
            }
            "WKST" => rule.week_start = weekday(value).ok_or_else(|| wrong_day(line, value))?,
            _ => {
                return Err(line.fault(format!("{}: {name} is not read: {PARTS} are", line.name)));
            }
        }
    }
    refuse_nonsense(line, &rule, count.is_some() && until.is_some())?;
    fill_in(&mut rule);
    if let Some(until) = until {
        rule.last = rule.last.min(until);
    }
    if let Some(count) = count {
        rule.last = last_of(&rule, count, work);
    }
    if work.is_used_up() {
        return Err(line.fault(format!("{}: the rules of this calendar are too much work", line.name)));
    }
    Ok(rule)
}

fn parts(line: &Line) -> impl Iterator<Item = Result<(String, &str), CalendarFault>> {
    let parts = line.value.split(';').filter(|part| !part.is_empty());
    parts.map(|part| match part.split_once('=') {
        Some((name, value)) => Ok((name.to_ascii_uppercase(), value)),
        None => Err(line.fault(format!("{}: `{}` is no part of a rule: NAME=VALUE", line.name, shown(part)))),
    })
}

fn frequency(line: &Line) -> Result<Frequency, CalendarFault> {
    let mut said = "";
    for part in parts(line) {
        let (name, value) = part?;
        if name == "FREQ" {
            said = value;
        }
    }
    match said.to_ascii_uppercase().as_str() {
        "DAILY" => Ok(Frequency::Daily),
        "WEEKLY" => Ok(Frequency::Weekly),
        "MONTHLY" => Ok(Frequency::Monthly),
        "YEARLY" => Ok(Frequency::Yearly),
        "" => Err(line.fault(format!("{}: the rule has no FREQ", line.name))),
        other => Err(line.fault(format!(
            "{}: FREQ={} is not read: DAILY, WEEKLY, MONTHLY and YEARLY are",
            line.name,
            shown(other)
        ))),
    }
}

fn refuse_nonsense(line: &Line, rule: &Rule, both_ends: bool) -> Result<(), CalendarFault> {
    let weekly = matches!(rule.frequency, Frequency::Daily | Frequency::Weekly);
    let wrong = |message: &str| Err(line.fault(format!("{}: {message}", line.name)));
    if both_ends {
        return wrong("a rule has COUNT or UNTIL, and not both");
    }
    if weekly && rule.week_days.iter().any(|(number, _)| number.is_some()) {
        return wrong("a weekday with a number is for MONTHLY and YEARLY");
    }
    if rule.frequency == Frequency::Weekly && !rule.month_days.is_empty() {
        return wrong("BYMONTHDAY is not for WEEKLY");
    }
    let picks_of_none = rule.months.is_empty() && rule.month_days.is_empty() && rule.week_days.is_empty();
    if !rule.positions.is_empty() && picks_of_none {
        return wrong("BYSETPOS picks from what another BY… part names, and there is none");
    }
    Ok(())
}

/// What a rule does not say follows from the first day.
fn fill_in(rule: &mut Rule) {
    use chrono::Datelike;
    if !rule.month_days.is_empty() || !rule.week_days.is_empty() {
        return;
    }
    let day = rule.first.date();
    match rule.frequency {
        Frequency::Daily => {}
        Frequency::Weekly => rule.week_days.push((None, day.weekday())),
        Frequency::Monthly => rule.month_days.push(day.day().cast_signed()),
        Frequency::Yearly => {
            if rule.months.is_empty() {
                rule.months.push(day.month());
            }
            rule.month_days.push(day.day().cast_signed());
        }
    }
}

/// The start that is that many: the first start of the event counts, whether the rule names it or not.
fn last_of(rule: &Rule, count: u32, work: &mut Work) -> NaiveDateTime {
    let (mut last, mut left) = (rule.first, count.saturating_sub(1));
    let mut from = rule.first.date().succ_opt();
    while let Some(day) = from.filter(|_| left > 0) {
        let starts = rule.next(day, work);
        let Some(end) = starts.last() else { break };
        from = end.date().succ_opt();
        for start in starts.into_iter().take(left as usize) {
            last = start;
            left -= 1;
        }
    }
    last
}

fn end_of_calendars() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(END_YEAR, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN)
}

/// To the end of the day where it is one.
fn moment_until(line: &Line, value: &str, zone: Zone) -> Result<NaiveDateTime, CalendarFault> {
    let until = times::read(line, value, Some(zone))?;
    if until.whole_day {
        return Ok(until.wall.date().and_hms_opt(23, 59, 59).unwrap_or(until.wall));
    }
    Ok(until.on_the_wall_of(zone, zone))
}

fn number<T: FromStr + PartialOrd + std::fmt::Display + Copy>(
    line: &Line,
    name: &str,
    text: &str,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, CalendarFault> {
    text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        line.fault(format!(
            "{}: {name}: `{}` is not right: {} to {}",
            line.name,
            shown(text),
            range.start(),
            range.end()
        ))
    })
}

fn list(
    line: &Line,
    name: &str,
    text: &str,
    range: std::ops::RangeInclusive<u32>,
) -> Result<Vec<u32>, CalendarFault> {
    text.split(',').map(|one| number(line, name, one, range.clone())).collect()
}

fn signed(line: &Line, name: &str, text: &str, most: i32) -> Result<Vec<i32>, CalendarFault> {
    let one = |one: &str| match number(line, name, one, -most..=most)? {
        0 => Err(line.fault(format!("{}: {name}: 0 is none", line.name))),
        number => Ok(number),
    };
    text.split(',').map(one).collect()
}

/// `TU`, `2TU` or `-1FR`.
fn week_day(line: &Line, text: &str) -> Result<(Option<i32>, Weekday), CalendarFault> {
    let at = text.len().checked_sub(2).filter(|at| text.is_char_boundary(*at));
    let (number, day) = at.map(|at| text.split_at(at)).ok_or_else(|| wrong_day(line, text))?;
    let day = weekday(day).ok_or_else(|| wrong_day(line, text))?;
    if number.is_empty() {
        return Ok((None, day));
    }
    let number = number.parse().ok().filter(|number: &i32| (1..=53).contains(&number.abs()));
    Ok((Some(number.ok_or_else(|| wrong_day(line, text))?), day))
}

fn wrong_day(line: &Line, text: &str) -> CalendarFault {
    line.fault(format!("{}: `{}` is not a weekday: MO, TU, 2WE, -1FR", line.name, shown(text)))
}

fn weekday(text: &str) -> Option<Weekday> {
    Some(match text.to_ascii_uppercase().as_str() {
        "MO" => Weekday::Mon,
        "TU" => Weekday::Tue,
        "WE" => Weekday::Wed,
        "TH" => Weekday::Thu,
        "FR" => Weekday::Fri,
        "SA" => Weekday::Sat,
        "SU" => Weekday::Sun,
        _ => return None,
    })
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect::<String>().escape_debug().to_string()
}
