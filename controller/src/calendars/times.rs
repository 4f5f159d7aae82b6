//! Times and durations as they stand in the lines of iCalendar text. Pure.

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use fleetwright_schedule::Zone;

use super::ical::CalendarFault;
use super::lines::Line;

/// A time as it stands in a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) wall: NaiveDateTime,
    /// None: the calendar's.
    pub(super) zone: Option<Zone>,
    pub(super) whole_day: bool,
}

impl Moment {
    /// What a wall of `zone` shows then; a time without a zone is one of `own`.
    pub(super) fn on_the_wall_of(&self, zone: Zone, own: Zone) -> NaiveDateTime {
        let written = self.zone.unwrap_or(own);
        if written == zone || self.whole_day {
            return self.wall;
        }
        zone.wall_at(written.moment_of(self.wall))
    }
}

/// The zone that a line names.
pub(super) fn zone(line: &Line) -> Result<Option<Zone>, CalendarFault> {
    match line.parameters.get("TZID") {
        Some(name) => name.parse::<Zone>().map(Some).map_err(|error| line.fault(error.to_string())),
        None => Ok(None),
    }
}

/// The only time of a line.
pub(super) fn moment(line: &Line) -> Result<Moment, CalendarFault> {
    read(line, &line.value, zone(line)?)
}

/// A time of a line, in that zone if it names none itself.
pub(super) fn read(line: &Line, text: &str, zone: Option<Zone>) -> Result<Moment, CalendarFault> {
    let wrong = || {
        line.fault(format!(
            "{}: `{}` is not a time: write 20261224T180000Z or 20261224",
            line.name,
            text.chars().take(80).collect::<String>().escape_debug()
        ))
    };
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y%m%d") {
        let wall = day.and_hms_opt(0, 0, 0).ok_or_else(wrong)?;
        return Ok(Moment { wall, zone, whole_day: true });
    }
    let (text, zone) = match text.strip_suffix('Z') {
        Some(text) => (text, Some(Zone::default())),
        None => (text, zone),
    };
    let wall = NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").map_err(|_| wrong())?;
    Ok(Moment { wall, zone, whole_day: false })
}

/// `P1W`, `P2DT3H`, `PT30M`.
pub(super) fn duration(line: &Line, text: &str) -> Result<TimeDelta, CalendarFault> {
    let wrong = || {
        let text = text.chars().take(80).collect::<String>().escape_debug().to_string();
        line.fault(format!("{}: `{text}` is not a duration: write PT2H, P1D or P1W", line.name))
    };
    let rest = text.strip_prefix('+').unwrap_or(text);
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
