//! SSM's day rules by example, and against a reading of them that looks at one day at a time.

use chrono::{Datelike, Days, NaiveDate, Weekday};
use proptest::prelude::*;

use crate::{at, check, schedule};

#[test]
fn last_days_and_nearest_weekdays() {
    let utc = |text| schedule(text, "UTC");
    check(
        &utc("cron(0 2 LW * ? *)"),
        "2026-01-01T00:00:00Z",
        &["2026-01-30T02:00:00Z", "2026-02-27T02:00:00Z", "2026-03-31T02:00:00Z"],
    );
    check(
        &utc("cron(0 2 L-2 * ? *)"),
        "2026-02-01T00:00:00Z",
        &["2026-02-26T02:00:00Z", "2026-03-29T02:00:00Z"],
    );
    // 1 August 2026 is a Saturday and the month is not left; 31 May is a Sunday and it is not left either.
    check(&utc("cron(0 2 1W 8 ? *)"), "2026-01-01T00:00:00Z", &["2026-08-03T02:00:00Z"]);
    check(&utc("cron(0 2 31W 5 ? *)"), "2026-01-01T00:00:00Z", &["2026-05-29T02:00:00Z"]);
    check(
        &utc("cron(0 2 15W 2,3,8 ? *)"),
        "2026-01-01T00:00:00Z",
        &["2026-02-16T02:00:00Z", "2026-03-16T02:00:00Z", "2026-08-14T02:00:00Z"],
    );
}

#[test]
fn numbered_and_last_weekdays() {
    let utc = |text| schedule(text, "UTC");
    check(
        &utc("cron(0 2 ? * THU#3 *)"),
        "2026-01-01T00:00:00Z",
        &["2026-01-15T02:00:00Z", "2026-02-19T02:00:00Z"],
    );
    check(&utc("cron(0 2 ? * 5#3 *)"), "2026-01-01T00:00:00Z", &["2026-01-15T02:00:00Z"]);
    check(
        &utc("cron(0 2 ? * 6L *)"),
        "2026-01-01T00:00:00Z",
        &["2026-01-30T02:00:00Z", "2026-02-27T02:00:00Z"],
    );
    check(&utc("cron(0 2 ? * friL *)"), "2026-01-01T00:00:00Z", &["2026-01-30T02:00:00Z"]);
    check(
        &utc("cron(0 2 ? * MON#5 *)"),
        "2026-01-01T00:00:00Z",
        &["2026-03-30T02:00:00Z", "2026-06-29T02:00:00Z"],
    );
    // 1 is Sunday; `L` alone is the last day of the week; a range may go over the end of the week.
    check(&utc("cron(0 2 ? * 1 *)"), "2026-01-01T00:00:00Z", &["2026-01-04T02:00:00Z"]);
    check(
        &utc("cron(0 2 ? * L *)"),
        "2026-01-01T00:00:00Z",
        &["2026-01-03T02:00:00Z", "2026-01-10T02:00:00Z"],
    );
    check(
        &utc("cron(0 2 ? * FRI-SUN *)"),
        "2026-01-01T00:00:00Z",
        &["2026-01-02T02:00:00Z", "2026-01-03T02:00:00Z", "2026-01-04T02:00:00Z", "2026-01-09T02:00:00Z"],
    );
}

/// A part of a day field, with the text that means it.
#[derive(Debug, Clone)]
enum Rule {
    Number(u32),
    Range(u32, u32, u32),
    BeforeLast(u32),
    Nearest(u32),
    LastWeekday,
    Weekday(u32),
    Nth(u32, u32),
    LastOf(u32),
}

impl Rule {
    fn text(&self) -> String {
        match self {
            Self::Number(day) | Self::Weekday(day) => day.to_string(),
            Self::Range(first, last, step) => format!("{first}-{last}/{step}"),
            Self::BeforeLast(0) => "L".to_owned(),
            Self::BeforeLast(days) => format!("L-{days}"),
            Self::Nearest(day) => format!("{day}W"),
            Self::LastWeekday => "LW".to_owned(),
            Self::Nth(day, nth) => format!("{day}#{nth}"),
            Self::LastOf(day) => format!("{day}L"),
        }
    }

    fn means(&self, day: NaiveDate) -> bool {
        let last = last_of_month(day);
        let weekday = day.weekday().number_from_sunday();
        match *self {
            Self::Number(wanted) => day.day() == wanted,
            Self::Range(first, end, step) => {
                (first..=end).step_by(step as usize).any(|wanted| wanted == day.day())
            }
            Self::BeforeLast(days) => day == last - Days::new(days.into()) && days < last.day(),
            Self::Nearest(wanted) => day.with_day(wanted).is_some_and(|wanted| day == nearest(wanted)),
            Self::LastWeekday => {
                let mut wanted = last;
                while is_week_end(wanted) {
                    wanted = wanted - Days::new(1);
                }
                day == wanted
            }
            Self::Weekday(wanted) => weekday == wanted,
            Self::Nth(wanted, nth) => weekday == wanted && day.day().div_ceil(7) == nth,
            Self::LastOf(wanted) => weekday == wanted && (day + Days::new(7)).month() != day.month(),
        }
    }
}

fn last_of_month(day: NaiveDate) -> NaiveDate {
    let same = |other: &NaiveDate| other.month() == day.month();
    day.iter_days().take_while(same).last().expect("the day itself")
}

fn is_week_end(day: NaiveDate) -> bool {
    matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

/// The closest weekday of the same month, the earlier of two that are as close.
fn nearest(wanted: NaiveDate) -> NaiveDate {
    (0..=3)
        .flat_map(|by| [wanted - Days::new(by), wanted + Days::new(by)])
        .find(|day| !is_week_end(*day) && day.month() == wanted.month())
        .expect("a month has weekdays")
}

fn of_month() -> impl Strategy<Value = Rule> {
    prop_oneof![
        (1..=31_u32).prop_map(Rule::Number),
        (1..=31_u32, 0..=30_u32, 1..=9_u32).prop_map(|(first, more, step)| Rule::Range(
            first,
            (first + more).min(31),
            step
        )),
        (0..=30_u32).prop_map(Rule::BeforeLast),
        (1..=31_u32).prop_map(Rule::Nearest),
        Just(Rule::LastWeekday),
    ]
}

fn of_week() -> impl Strategy<Value = Rule> {
    prop_oneof![
        (1..=7_u32).prop_map(Rule::Weekday),
        (1..=7_u32, 1..=5_u32).prop_map(|(day, nth)| Rule::Nth(day, nth)),
        (1..=7_u32).prop_map(Rule::LastOf),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_same_days_as_one_day_at_a_time(
        rules in prop_oneof![prop::collection::vec(of_month(), 1..4), prop::collection::vec(of_week(), 1..4)],
        months in prop::collection::btree_set(1..=12_u32, 1..5),
        from in 1970..2180_i32,
    ) {
        let field = rules.iter().map(Rule::text).collect::<Vec<_>>().join(",");
        let of_week = matches!(rules[0], Rule::Weekday(_) | Rule::Nth(..) | Rule::LastOf(_));
        let (first, second) = if of_week { ("?", field.as_str()) } else { (field.as_str(), "?") };
        let months_text = months.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let text = format!("cron(0 12 {first} {months_text} {second} *)");
        let Ok(expression) = text.parse::<fleetwright_schedule::Expression>() else {
            // Then no day of the calendar fits.
            let mut days = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap().iter_days().take(366 * 28);
            prop_assert!(!days.any(|day| months.contains(&day.month()) && rules.iter().any(|rule| rule.means(day))), "{text}");
            return Ok(());
        };
        let start = NaiveDate::from_ymd_opt(from, 1, 1).unwrap();
        let end = NaiveDate::from_ymd_opt(from + 9, 1, 1).unwrap();
        let expected: Vec<NaiveDate> = start
            .iter_days()
            .take_while(|day| *day < end)
            .filter(|day| months.contains(&day.month()) && rules.iter().any(|rule| rule.means(*day)))
            .collect();
        let schedule = fleetwright_schedule::Schedule::new(expression, at("2026-01-01T00:00:00Z"));
        let instant = |day: NaiveDate| day.and_hms_opt(0, 0, 0).unwrap().and_utc();
        let found: Vec<NaiveDate> =
            schedule.occurrences(instant(start)..instant(end)).map(|due| due.date_naive()).collect();
        prop_assert_eq!(found, expected, "{}", text);
    }
}
