//! The three forms and their mistakes.

use fleetwright_schedule::{Expression, PeriodError, Schedule, ScheduleError, Zone};

use crate::{at, expression, schedule};

fn refused(text: &str, expected: &str) {
    match text.parse::<Expression>() {
        Ok(read) => panic!("{text} was read as {read}"),
        Err(error) => assert_eq!(error.to_string(), expected, "{text}"),
    }
}

#[test]
fn what_is_read_prints_as_it_was_written() {
    for text in [
        "cron(0 2 ? * SUN *)",
        "cron(0 30 23 ? * TUE#3 *)",
        "cron(0/30 * * * ? *)",
        "cron(15 12 L * ? 2026-2199/2)",
        "cron(0 4 15W,LW,L-2 JAN,JUL-DEC ? *)",
        "cron(0 0 ? * SAT-SUN,6L *)",
        "cron(0 0 ? * 2/2 *)",
        "rate(1 minute)",
        "rate(30 minutes)",
        "rate(7 days)",
        "at(2028-02-29T23:59:59)",
    ] {
        assert_eq!(expression(text).to_string(), text);
    }
    assert_eq!(expression("  CRON( 0  2 ?  * sun * ) ").to_string(), "cron(0 2 ? * sun *)");
    assert_eq!(expression("Rate(2 HOURS)").to_string(), "rate(2 hours)");
}

#[test]
fn a_mistake_is_one_line_that_names_the_field() {
    refused("", "`` is not a schedule: write cron(…), rate(…) or at(…)");
    refused("0 2 * * *", "`0 2 * * *` is not a schedule: write cron(…), rate(…) or at(…)");
    refused("cron(0 2 ? * SUN *", "`cron(0 2 ? * SUN *` is not a schedule: write cron(…), rate(…) or at(…)");
    refused("every(5 minutes)", "`every(5 minutes)` is not a schedule: write cron(…), rate(…) or at(…)");
    refused(
        "cron(0 2 * * *)",
        "cron() takes six fields (minutes, hours, day of month, month, day of week, year), or seven with seconds in \
         front; this one has 5",
    );
    refused("cron(60 2 ? * * *)", "minutes: `60` is not right: 0 to 59, with `,` `-` `*` `/`");
    refused("cron(5, 2 ? * * *)", "minutes: `5,` is not right: 0 to 59, with `,` `-` `*` `/`");
    refused("cron(*/0 2 ? * * *)", "minutes: `*/0` is not right: 0 to 59, with `,` `-` `*` `/`");
    refused("cron(0 24 ? * * *)", "hours: `24` is not right: 0 to 23, with `,` `-` `*` `/`");
    refused("cron(0 9-5 ? * * *)", "hours: `9-5` is not right: 0 to 23, with `,` `-` `*` `/`");
    refused("cron(0 ? 1 * ? *)", "hours: `?` is not right: 0 to 23, with `,` `-` `*` `/`");
    let days = "1 to 31, with `,` `-` `*` `/`, or `?`, `L` (last day), `L-2`, `15W` (nearest weekday), `LW`";
    for wrong in ["0", "32", "W", "32W", "L-31", "L-0", "6#3", "MON", "?,1", "1W5"] {
        refused(
            &format!("cron(0 2 {wrong} * ? *)"),
            &format!("day of month: `{}` is not right: {days}", last(wrong)),
        );
    }
    refused("cron(0 2 1 13 ? *)", "month: `13` is not right: 1 to 12 or JAN to DEC, with `,` `-` `*` `/`");
    refused(
        "cron(0 2 1 JANFEB ? *)",
        "month: `JANFEB` is not right: 1 to 12 or JAN to DEC, with `,` `-` `*` `/`",
    );
    refused(
        "cron(0 2 1 January ? *)",
        "month: `JANUARY` is not right: 1 to 12 or JAN to DEC, with `,` `-` `*` `/`",
    );
    let weekdays = "1 (Sunday) to 7 or SUN to SAT, with `,` `-` `*` `/`, or `?`, `6L` (last Friday), `THU#3` (third \
                    Thursday)";
    for wrong in ["0", "8", "FOO", "MON#6", "MON#0", "#3", "15W", "MON#1#2", "LL"] {
        refused(
            &format!("cron(0 2 ? * {wrong} *)"),
            &format!("day of week: `{wrong}` is not right: {weekdays}"),
        );
    }
    refused("cron(0 2 ? * * 1969)", "year: `1969` is not right: 1970 to 2199, with `,` `-` `*` `/`");
    refused("cron(0 2 ? * * 2200)", "year: `2200` is not right: 1970 to 2199, with `,` `-` `*` `/`");
    refused(
        "cron(0 2 ? * * 2030-2026)",
        "year: `2030-2026` is not right: 1970 to 2199, with `,` `-` `*` `/`",
    );
    refused("cron(* 0 2 ? * * *)", "seconds: `*` is not right: one number from 0 to 59");
    refused("cron(60 0 2 ? * * *)", "seconds: `60` is not right: one number from 0 to 59");
    refused(
        "cron(0 2 * * * *)",
        "day of month and day of week: one of them must be `?`, since the other says which days are meant",
    );
    refused(
        "cron(0 2 ? * ? *)",
        "day of month and day of week: only one of them may be `?`, write `*` in the other for every day",
    );
}

/// Of a list, the part that is wrong is named.
fn last(text: &str) -> &str {
    if text == "?,1" { "?" } else { text }
}

#[test]
fn what_never_comes_or_comes_too_often_is_refused() {
    for never in
        ["0 0 30 2 ? *", "0 0 31 4,6,9,11 ? *", "0 0 29 2 ? 2026-2027", "0 0 29 2 ? 2100", "0 0 31W 2 ? *"]
    {
        refused(&format!("cron({never})"), &format!("cron({never}) never comes: no year has such a day"));
    }
    for often in ["*", "*/4", "0,4", "58,2", "0-59/3"] {
        refused(
            &format!("cron({often} * ? * * *)"),
            &format!(
                "minutes: `{often}` comes more often than every five minutes, which a cron() schedule may not"
            ),
        );
    }
    expression("cron(*/5 * ? * * *)");
    expression("cron(58,2 3 ? * * *)");
    expression("cron(0 0 29 2 ? *)");
}

#[test]
fn a_rate_says_its_number_and_its_unit() {
    refused("rate(5)", "rate(): `5` is not right: write a number and a unit, for example rate(7 days)");
    refused("rate(0 days)", "rate(): the value is `0`, and must be a whole number from 1 to 1000000");
    refused("rate(-1 days)", "rate(): the value is `-1`, and must be a whole number from 1 to 1000000");
    refused("rate(1.5 days)", "rate(): the value is `1.5`, and must be a whole number from 1 to 1000000");
    refused(
        "rate(2 weeks)",
        "rate(): `weeks` is not a unit: write minute, hour or day with the value 1, minutes, hours or days with others",
    );
    refused("rate(1 days)", "rate(): with the value 1 the unit is `day`, not `days`");
    refused("rate(5 minute)", "rate(): with the value 5 the unit is `minutes`, not `minute`");
}

#[test]
fn at_is_a_moment_that_exists() {
    for wrong in [
        "2026-02-30T00:00:00",
        "2026-1-1T00:00:00",
        "2026-01-01T24:00:00",
        "2026-01-01T00:00:60",
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "1969-12-31T23:59:59",
        "tomorrow at 3 o'clk",
    ] {
        refused(
            &format!("at({wrong})"),
            &format!(
                "at(): `{wrong}` is not a moment of the years 1970 to 2199: write at(YYYY-MM-DDThh:mm:ss), in the \
                 schedule's time zone"
            ),
        );
    }
}

#[test]
fn a_long_text_is_not_read() {
    let text = format!("cron({} 2 ? * * *)", vec!["5"; 200].join(","));
    refused(&text, &format!("a schedule has at most 256 characters; this one has {}", text.len()));
}

#[test]
fn an_unknown_zone_is_told_with_a_name_that_is_close() {
    let told = |text: &str| text.parse::<Zone>().unwrap_err().to_string();
    assert_eq!(
        told("Europe/Berlln"),
        "`Europe/Berlln` is not a time zone: use a name of the IANA list, perhaps Europe/Berlin"
    );
    assert_eq!(
        told("+02:00"),
        "`+02:00` is not a time zone: use a name of the IANA list, for example Europe/Berlin or UTC"
    );
}

#[test]
fn an_offset_is_for_cron_and_a_period_ends_after_it_starts() {
    let weekly = schedule("cron(0 2 ? * TUE#2 *)", "UTC");
    assert_eq!(weekly.clone().put_off(0), Err(ScheduleError::Offset(0)));
    assert_eq!(weekly.clone().put_off(7), Err(ScheduleError::Offset(7)));
    assert_eq!(schedule("rate(7 days)", "UTC").put_off(1), Err(ScheduleError::OffsetWithoutCron));
    assert_eq!(ScheduleError::Offset(7).to_string(), "schedule offset: 7 is not 1 to 6 days");
    let moment = at("2026-06-01T00:00:00Z");
    assert_eq!(weekly.clone().active(Some(moment), Some(moment)), Err(PeriodError));
    assert!(weekly.active(Some(moment), None).is_ok());
}

/// Whatever is written, there is an answer.
#[test]
fn no_text_and_no_moment_panics() {
    use proptest::prelude::*;
    let mut runner = proptest::test_runner::TestRunner::default();
    let fields = "[0-9LW#?*/,A-Z-]{0,6}";
    let text =
        proptest::collection::vec(fields, 6..8).prop_map(|fields| format!("cron({})", fields.join(" ")));
    let moment = prop_oneof![Just(i64::MIN), Just(i64::MAX), any::<i64>()];
    runner
        .run(&(text, ".{0,40}", moment), |(cron, other, moment)| {
            let _ = other.parse::<Expression>();
            let moment = chrono::DateTime::from_timestamp_millis(
                moment.clamp(-8_334_601_228_800_000, 8_210_266_876_799_999),
            )
            .ok_or_else(|| TestCaseError::fail("no such moment"))?;
            for text in
                [cron.as_str(), "cron(0 2 ? * SUN *)", "rate(1000000 days)", "at(2199-12-31T23:59:59)"]
            {
                if let Ok(read) = text.parse::<Expression>() {
                    let due = Schedule::new(read, at("2026-01-01T00:00:00Z")).next_after(moment);
                    prop_assert!(due.is_none_or(|due| due > moment));
                }
            }
            Ok(())
        })
        .unwrap();
}
