//! What may be wanted of an association. Pure: the document and the nodes are looked at by [`super::write`].

use std::collections::{BTreeMap, BTreeSet};

use chrono::DateTime;
use fleetwright_proto::clock::Timestamp;
use fleetwright_schedule::{Expression, Schedule, ScheduleError, Zone};

use super::fault::{AssociationError, Fault};
use super::records::{Content, ScheduleWords, Severity, SyncCompliance};
use crate::commands::limits::{parse_concurrency, parse_errors};
use crate::documents::names::shown;
use crate::nodes::targets::{Selector, TARGETS_MAX};

/// Names and values of parameters, all together: an association fits its row. Long scripts belong into a document.
pub const PARAMETERS_MAX_BYTES: usize = 20 * 1024;
const NAME_CHARS: std::ops::RangeInclusive<usize> = 3..=128;
const DURATION_HOURS_MAX: u32 = 24;
const CALENDARS_MAX: usize = 20;
const CALENDAR_MAX_CHARS: usize = 256;

/// What an operator asks for, unchecked. An empty text stands for what was not given.
#[derive(Debug, Clone, Default)]
pub struct AssociationWish {
    pub name: String,
    pub document: String,
    pub document_version: String,
    pub parameters: BTreeMap<String, Vec<String>>,
    pub targets: Vec<(String, Vec<String>)>,
    pub schedule_expression: String,
    pub schedule_zone: String,
    pub schedule_offset_days: u32,
    pub only_at_schedule: bool,
    pub severity: String,
    pub sync: String,
    pub max_concurrency: String,
    pub max_errors: String,
    pub calendars: Vec<String>,
    pub duration_hours: u32,
}

/// Everything that can be said without the fleet.
pub fn content(wish: AssociationWish, now: Timestamp) -> Result<Content, AssociationError> {
    check_name(&wish.name)?;
    check_sizes(&wish)?;
    let schedule = words(&wish);
    if let Some(words) = &schedule {
        check_schedule(words, now)?;
    }
    check_only_at_schedule(&wish)?;
    let limit = |text: &str, read: fn(&str) -> Result<_, _>| {
        if text.is_empty() { Ok(None) } else { read(text).map(Some) }
    };
    Ok(Content {
        name: (!wish.name.is_empty()).then_some(wish.name),
        targets: targets(wish.targets)?,
        severity: severity(&wish.severity)?,
        sync: sync(&wish.sync)?,
        max_concurrency: limit(&wish.max_concurrency, parse_concurrency)?,
        max_errors: limit(&wish.max_errors, parse_errors)?,
        document: wish.document,
        document_version: wish.document_version,
        parameters: wish.parameters,
        schedule,
        only_at_schedule: wish.only_at_schedule,
        calendars: wish.calendars,
        duration_hours: wish.duration_hours,
    })
}

fn check_name(name: &str) -> Result<(), AssociationError> {
    let good = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    if name.is_empty() || (NAME_CHARS.contains(&name.len()) && name.chars().all(good)) {
        return Ok(());
    }
    Err(Fault::Validation.because(format!(
        "`{}` is not a name of an association: 3 to 128 letters, digits, _ - and .",
        shown(name)
    )))
}

fn check_sizes(wish: &AssociationWish) -> Result<(), AssociationError> {
    let values = wish
        .parameters
        .iter()
        .map(|(name, values)| name.len() + values.iter().map(String::len).sum::<usize>());
    let bytes: usize = values.sum();
    if bytes > PARAMETERS_MAX_BYTES {
        return Err(Fault::InvalidParameters.because(format!(
            "the parameters are {bytes} bytes together: {PARAMETERS_MAX_BYTES} at most; put a long script into a document"
        )));
    }
    if wish.duration_hours > DURATION_HOURS_MAX {
        return Err(Fault::Validation.because(format!(
            "a duration of {} hours is too long: 1 to {DURATION_HOURS_MAX}",
            wish.duration_hours
        )));
    }
    if wish.calendars.len() > CALENDARS_MAX
        || wish.calendars.iter().any(|name| name.is_empty() || name.chars().count() > CALENDAR_MAX_CHARS)
    {
        return Err(Fault::Validation.because(format!(
            "calendars: at most {CALENDARS_MAX} names of 1 to {CALENDAR_MAX_CHARS} characters"
        )));
    }
    Ok(())
}

fn words(wish: &AssociationWish) -> Option<ScheduleWords> {
    let is_given = !wish.schedule_expression.is_empty()
        || !wish.schedule_zone.is_empty()
        || wish.schedule_offset_days != 0;
    is_given.then(|| ScheduleWords {
        expression: wish.schedule_expression.clone(),
        zone: wish.schedule_zone.clone(),
        offset_days: wish.schedule_offset_days,
    })
}

fn check_schedule(words: &ScheduleWords, now: Timestamp) -> Result<(), AssociationError> {
    if words.expression.is_empty() {
        return Err(Fault::InvalidSchedule.because(
            "a time zone or an offset means nothing without a schedule: write cron(…), rate(…) or at(…)",
        ));
    }
    let schedule = schedule(words, now)?;
    let now = DateTime::from_timestamp_millis(now.millis()).unwrap_or_default();
    match schedule.next_after(now) {
        Some(_) => Ok(()),
        None => Err(Fault::InvalidSchedule.because(format!(
            "the schedule {} lies in the past: it would never be applied",
            shown(&words.expression)
        ))),
    }
}

/// The schedule behind the words; `anchor` is where a `rate()` counts from.
pub fn schedule(words: &ScheduleWords, anchor: Timestamp) -> Result<Schedule, AssociationError> {
    let wrong = |error: ScheduleError| Fault::InvalidSchedule.because(error.to_string());
    let expression: Expression = words.expression.parse().map_err(wrong)?;
    let zone: Zone = match words.zone.as_str() {
        "" => Zone::default(),
        zone => zone.parse().map_err(|error| Fault::InvalidSchedule.because(format!("{error}")))?,
    };
    let anchor = DateTime::from_timestamp_millis(anchor.millis()).unwrap_or_default();
    let schedule = Schedule::new(expression, anchor).in_zone(zone);
    match words.offset_days {
        0 => Ok(schedule),
        days => schedule.put_off(days).map_err(wrong),
    }
}

fn check_only_at_schedule(wish: &AssociationWish) -> Result<(), AssociationError> {
    let is_rate = wish.schedule_expression.trim_start().to_ascii_lowercase().starts_with("rate");
    match (wish.only_at_schedule, wish.schedule_expression.is_empty(), is_rate) {
        (true, true, _) => Err(Fault::InvalidSchedule.because(
            "it is to be applied only when its schedule says, and has no schedule: it would never be applied",
        )),
        (true, false, true) => Err(Fault::InvalidSchedule.because(
            "applied only when its schedule says goes with cron() and at(): a rate() begins at once",
        )),
        _ => Ok(()),
    }
}

fn targets(targets: Vec<(String, Vec<String>)>) -> Result<Vec<Selector>, AssociationError> {
    let invalid = |message: String| Fault::InvalidTarget.because(message);
    if targets.is_empty() {
        return Err(invalid("no target: name nodes, a tag, a platform, a group, or all".to_owned()));
    }
    if targets.len() > TARGETS_MAX {
        return Err(invalid(format!("{} targets are too many: {TARGETS_MAX} at most", targets.len())));
    }
    let mut keys = BTreeSet::new();
    if let Some((twice, _)) = targets.iter().find(|(key, _)| !keys.insert(key.clone())) {
        return Err(invalid(format!(
            "target `{}` stands there twice: put its values together",
            shown(twice)
        )));
    }
    let parsed = targets.into_iter().map(|(key, values)| Selector::parse(&key, values));
    parsed.collect::<Result<_, _>>().map_err(|refusal| invalid(refusal.message))
}

fn severity(text: &str) -> Result<Severity, AssociationError> {
    if text.is_empty() {
        return Ok(Severity::default());
    }
    Severity::ALL.iter().copied().find(|known| known.name().eq_ignore_ascii_case(text)).ok_or_else(|| {
        Fault::Validation.because(format!(
            "`{}` is not a severity: it is one of CRITICAL, HIGH, MEDIUM, LOW, UNSPECIFIED",
            shown(text)
        ))
    })
}

fn sync(text: &str) -> Result<SyncCompliance, AssociationError> {
    match text.to_ascii_uppercase().as_str() {
        "" | "AUTO" => Ok(SyncCompliance::Auto),
        "MANUAL" => Ok(SyncCompliance::Manual),
        _ => Err(Fault::Validation
            .because(format!("`{}` is not a way to sync compliance: it is AUTO or MANUAL", shown(text)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    fn wish() -> AssociationWish {
        AssociationWish {
            document: "Motd".to_owned(),
            targets: vec![("tag:role".to_owned(), vec!["web".to_owned()])],
            ..AssociationWish::default()
        }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut AssociationWish), wanted: Result<(), (Fault, &str)>) {
        let mut wish = wish();
        change(&mut wish);
        match (content(wish.clone(), now()), wanted) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err((fault, text))) => {
                assert_eq!(error.fault, fault, "{error}");
                assert!(error.message.contains(text), "{error}");
            }
            (found, wanted) => panic!("{wish:?}: {found:?}, and not {wanted:?}"),
        }
    }

    #[test]
    fn what_is_good_is_taken() {
        check(|_| {}, Ok(()));
        check(|wish| wish.name = "Motd-of.webs_1".to_owned(), Ok(()));
        check(|wish| wish.schedule_expression = "rate(30 minutes)".to_owned(), Ok(()));
        check(|wish| wish.severity = "critical".to_owned(), Ok(()));
        check(
            |wish| {
                wish.schedule_expression = "cron(0 2 ? * SUN *)".to_owned();
                wish.schedule_zone = "Europe/Berlin".to_owned();
                wish.schedule_offset_days = 2;
                wish.only_at_schedule = true;
                wish.duration_hours = 4;
            },
            Ok(()),
        );
    }

    #[test]
    fn what_is_wrong_is_refused_in_one_line() {
        use Fault::{InvalidParameters, InvalidSchedule, InvalidTarget, Validation};
        check(|wish| wish.name = "a b".to_owned(), Err((Validation, "`a b` is not a name")));
        check(|wish| wish.targets.clear(), Err((InvalidTarget, "no target")));
        check(
            |wish| wish.targets = vec![wish.targets[0].clone(); 2],
            Err((InvalidTarget, "`tag:role` stands there twice")),
        );
        check(
            |wish| wish.targets[0].0 = "role".to_owned(),
            Err((InvalidTarget, "`role` is not a target key")),
        );
        check(|wish| wish.severity = "BAD".to_owned(), Err((Validation, "`BAD` is not a severity")));
        check(|wish| wish.sync = "SOMETIMES".to_owned(), Err((Validation, "AUTO or MANUAL")));
        check(|wish| wish.duration_hours = 25, Err((Validation, "25 hours")));
        check(
            |wish| wish.max_concurrency = "0".to_owned(),
            Err((Fault::Other(crate::error::Kind::Invalid), "max concurrency")),
        );
        check(|wish| wish.calendars = vec![String::new()], Err((Validation, "calendars")));
        check(
            |wish| drop(wish.parameters.insert("script".to_owned(), vec!["x".repeat(PARAMETERS_MAX_BYTES)])),
            Err((InvalidParameters, "put a long script into a document")),
        );
        for (expression, wanted) in [
            ("sometimes", "`sometimes` is not a schedule"),
            ("cron(0 25 * * ? *)", "hours: `25`"),
            ("cron(* * * * ? *)", "more often than every five minutes"),
            ("rate(0 hours)", "from 1"),
            ("at(2001-01-01T00:00:00)", "lies in the past"),
            ("cron(0 2 1 1 ? 2001)", "lies in the past"),
        ] {
            check(|wish| wish.schedule_expression = expression.to_owned(), Err((InvalidSchedule, wanted)));
        }
        check(
            |wish| wish.schedule_zone = "UTC".to_owned(),
            Err((InvalidSchedule, "nothing without a schedule")),
        );
        check(|wish| wish.only_at_schedule = true, Err((InvalidSchedule, "has no schedule")));
        check(
            |wish| {
                wish.only_at_schedule = true;
                wish.schedule_expression = "rate(1 day)".to_owned();
            },
            Err((InvalidSchedule, "begins at once")),
        );
        check(
            |wish| {
                wish.schedule_offset_days = 7;
                wish.schedule_expression = "cron(0 2 * * ? *)".to_owned();
            },
            Err((InvalidSchedule, "7 is not 1 to 6 days")),
        );
        check(
            |wish| {
                wish.schedule_zone = "Europe/Berlim".to_owned();
                wish.schedule_expression = "cron(0 2 * * ? *)".to_owned();
            },
            Err((InvalidSchedule, "perhaps Europe/Berlin")),
        );
    }
}
