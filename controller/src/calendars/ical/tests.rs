//! Calendars by example.

use chrono::{DateTime, Utc};

use super::*;

fn at(text: &str) -> Instant {
    DateTime::parse_from_rfc3339(text).unwrap().with_timezone(&Utc)
}

fn calendar(lines: &[&str]) -> Result<Calendar, CalendarFault> {
    let text = ["BEGIN:VCALENDAR", "VERSION:2.0"].iter().chain(lines).chain(&["END:VCALENDAR"]);
    Calendar::parse(&text.copied().collect::<Vec<_>>().join("\r\n"))
}

fn next(calendar: &Calendar, at: Instant) -> Option<Instant> {
    calendar.next_transition(at, &mut Calendar::question())
}

/// One event, and the moments at which the calendar is closed or open.
fn check(event: &[&str], closed: &[&str], open: &[&str]) {
    let lines: Vec<_> = [&["BEGIN:VEVENT"], event, &["END:VEVENT"]].concat();
    let calendar = calendar(&lines).unwrap();
    for moment in closed {
        assert!(!calendar.is_open_at(at(moment)), "{event:?} should be closed at {moment}");
    }
    for moment in open {
        assert!(calendar.is_open_at(at(moment)), "{event:?} should be open at {moment}");
    }
}

#[test]
fn a_calendar_is_closed_during_its_events() {
    check(
        &["DTSTART:20261224T180000Z", "DTEND:20261227T060000Z", "SUMMARY:Christmas"],
        &["2026-12-24T18:00:00Z", "2026-12-27T05:59:59Z"],
        &["2026-12-24T17:59:59Z", "2026-12-27T06:00:00Z"],
    );
    check(
        &["DTSTART:20261224T180000Z", "DURATION:PT90M"],
        &["2026-12-24T19:29:59Z"],
        &["2026-12-24T19:30:00Z"],
    );
    check(
        &["DTSTART;VALUE=DATE:20261224"],
        &["2026-12-24T00:00:00Z", "2026-12-24T23:59:59Z"],
        &["2026-12-25T00:00:00Z"],
    );
    check(
        &["DTSTART;TZID=\"Europe/Berlin\":20260329T013000", "DTEND;TZID=Europe/Berlin:20260329T033000"],
        &["2026-03-29T00:30:00Z", "2026-03-29T01:29:59Z"],
        &["2026-03-29T00:29:59Z", "2026-03-29T01:30:00Z"],
    );
    check(&["DTSTART:20261224T180000Z", "DURATION:PT1H", "STATUS:CANCELLED"], &[], &["2026-12-24T18:30:00Z"]);
    check(&["DTSTART:20261224T180000Z"], &[], &["2026-12-24T18:00:00Z"]);
}

#[test]
fn a_calendar_may_be_closed_outside_of_its_events() {
    let calendar = calendar(&[
        "X-CALENDAR-TYPE:DEFAULT_CLOSED",
        "X-WR-TIMEZONE:Asia/Tokyo",
        "BEGIN:VEVENT",
        "DTSTART:20260601T0900",
        " 00",
        "DURATION:PT1H",
        "BEGIN:VALARM",
        "DTSTART:20000101T000000",
        "END:VALARM",
        "END:VEVENT",
    ])
    .unwrap();
    assert!(calendar.is_open_at(at("2026-06-01T00:30:00Z")));
    assert!(!calendar.is_open_at(at("2026-06-01T09:30:00Z")));
    assert_eq!(next(&calendar, at("2026-05-01T00:00:00Z")), Some(at("2026-06-01T00:00:00Z")));
    assert_eq!(next(&calendar, at("2026-06-01T00:00:00Z")), Some(at("2026-06-01T01:00:00Z")));
    assert_eq!(next(&calendar, at("2026-06-01T01:00:00Z")), None);
}

#[test]
fn events_that_touch_are_one_to_whoever_waits() {
    let event = |start: &str, hours: u8| {
        let lines = [
            "BEGIN:VEVENT".to_owned(),
            format!("DTSTART:{start}"),
            format!("DURATION:PT{hours}H"),
            "END:VEVENT".to_owned(),
        ];
        lines.join("\n")
    };
    let text = [
        "BEGIN:VCALENDAR".to_owned(),
        event("20260601T000000Z", 2),
        event("20260601T020000Z", 2),
        event("20260601T033000Z", 1),
        "END:VCALENDAR".to_owned(),
    ];
    let calendar = Calendar::parse(&text.join("\n")).unwrap();
    assert_eq!(next(&calendar, at("2026-06-01T01:00:00Z")), Some(at("2026-06-01T04:30:00Z")));
}

#[test]
fn what_cannot_be_read_is_told_with_its_line() {
    let told = |lines: &[&str]| calendar(lines).unwrap_err().to_string();
    assert_eq!(told(&["nonsense"]), "line 3: this is no line of a calendar: NAME:VALUE");
    assert_eq!(told(&["BEGIN:VEVENT"]), "line 4: END:VCALENDAR ends what was not begun");
    assert_eq!(told(&["BEGIN:VEVENT", "END:VEVENT"]), "line 3: the event has no DTSTART");
    assert_eq!(
        told(&["X-CALENDAR-TYPE:OPEN"]),
        "line 3: `OPEN` is not a type of calendar: DEFAULT_OPEN or DEFAULT_CLOSED"
    );
    for (line, wanted) in [
        ("DTSTART:tomorrow", "DTSTART: `tomorrow` is not a time: write 20261224T180000Z or 20261224"),
        ("DTSTART:20260230", "DTSTART: `20260230` is not a time: write 20261224T180000Z or 20261224"),
        (
            "DTSTART;TZID=Mars/Phobos:20260101T000000",
            "`Mars/Phobos` is not a time zone: use a name of the IANA list, for example Europe/Berlin or UTC",
        ),
    ] {
        assert_eq!(told(&["BEGIN:VEVENT", line, "END:VEVENT"]), format!("line 4: {wanted}"));
    }
    for wrong in ["1H", "P", "PT", "P1H", "PT1", "PT1D", "P-1D", "PT99999999999H"] {
        let line = format!("DURATION:{wrong}");
        let told = told(&["BEGIN:VEVENT", "DTSTART:20260101T000000Z", &line, "END:VEVENT"]);
        assert_eq!(told, format!("line 5: DURATION: `{wrong}` is not a duration: write PT2H, P1D or P1W"));
    }
    let backwards = told(&["BEGIN:VEVENT", "DTSTART:20260102", "DTEND:20260101", "END:VEVENT"]);
    assert_eq!(backwards, "line 4: the event ends before it starts");
}

#[test]
fn an_event_comes_again_as_its_rule_says() {
    let weekly =
        ["DTSTART;TZID=Europe/Berlin:20260105T220000", "DURATION:PT4H", "RRULE:FREQ=WEEKLY;BYDAY=MO,WE"];
    check(
        &weekly,
        // On the wall it is always ten at night, in winter and in summer.
        &["2026-01-05T21:00:00Z", "2026-01-07T21:00:00Z", "2030-07-01T20:00:00Z", "2030-07-01T23:59:59Z"],
        &["2025-12-31T21:00:00Z", "2026-01-06T21:00:00Z", "2030-07-02T00:00:00Z", "2030-07-02T20:00:00Z"],
    );
    check(
        &["DTSTART;VALUE=DATE:20260113", "RRULE:FREQ=MONTHLY;BYDAY=2TU", "SUMMARY:patch day"],
        &["2026-02-10T12:00:00Z", "2026-03-10T00:00:00Z"],
        &["2026-02-09T23:59:59Z", "2026-02-11T00:00:00Z", "2026-02-17T12:00:00Z"],
    );
    check(
        &["DTSTART;VALUE=DATE:20251224", "DURATION:P4D", "RRULE:FREQ=YEARLY"],
        &["2025-12-24T00:00:00Z", "2199-12-27T23:59:59Z"],
        &["2199-12-28T00:00:00Z", "2024-12-24T00:00:00Z"],
    );
    // The last weekday of each month.
    check(
        &["DTSTART;VALUE=DATE:20260130", "RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"],
        &["2026-01-30T12:00:00Z", "2026-02-27T12:00:00Z", "2026-05-29T12:00:00Z"],
        &["2026-01-31T12:00:00Z", "2026-02-28T12:00:00Z"],
    );
    check(
        &["DTSTART:20260101T000000Z", "DURATION:PT1H", "RRULE:FREQ=DAILY;COUNT=3"],
        &["2026-01-01T00:30:00Z", "2026-01-03T00:30:00Z"],
        &["2026-01-04T00:30:00Z"],
    );
    check(
        &[
            "DTSTART;TZID=Asia/Tokyo:20260101T090000",
            "DURATION:PT1H",
            "RRULE:FREQ=DAILY;UNTIL=20260103T000000Z",
        ],
        &["2026-01-03T00:30:00Z"],
        &["2026-01-04T00:30:00Z"],
    );
    // The 29th of February comes in leap years alone.
    check(
        &["DTSTART;VALUE=DATE:20240229", "RRULE:FREQ=YEARLY"],
        &["2028-02-29T12:00:00Z"],
        &["2026-02-28T12:00:00Z", "2026-03-01T12:00:00Z", "2100-02-28T12:00:00Z", "2100-03-01T12:00:00Z"],
    );
}

#[test]
fn an_event_at_a_time_that_no_wall_shows_starts_when_the_clocks_go_forward() {
    check(
        &["DTSTART;TZID=Europe/Berlin:20260328T023000", "DURATION:PT1H", "RRULE:FREQ=DAILY"],
        &["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:29:59Z", "2026-03-30T00:30:00Z"],
        &["2026-03-29T00:59:59Z", "2026-03-29T01:30:00Z"],
    );
    // Shown twice: the first time it starts, and so it lasts from the one to the other.
    check(
        &["DTSTART;TZID=Europe/Berlin:20261024T023000", "DURATION:PT30M", "RRULE:FREQ=DAILY"],
        &["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"],
        &["2026-10-25T00:29:59Z", "2026-10-25T02:00:00Z"],
    );
}

#[test]
fn what_is_left_out_or_added_by_date_counts() {
    check(
        &[
            "DTSTART;TZID=Europe/Berlin:20260101T100000",
            "DURATION:PT1H",
            "RRULE:FREQ=DAILY",
            "EXDATE;TZID=Europe/Berlin:20260102T100000,20260103T100000",
            "EXDATE;VALUE=DATE:20260105",
            "EXRULE:FREQ=WEEKLY;BYDAY=SU",
            "RDATE:20260110T200000Z",
            "RDATE;VALUE=PERIOD:20260111T200000Z/PT3H,20260112T200000Z/20260112T220000Z",
        ],
        &[
            "2026-01-01T09:30:00Z",
            "2026-01-06T09:30:00Z",
            "2026-01-10T20:30:00Z",
            "2026-01-11T22:59:59Z",
            "2026-01-12T21:59:59Z",
        ],
        &[
            "2026-01-02T09:30:00Z",
            "2026-01-03T09:30:00Z",
            "2026-01-04T09:30:00Z",
            "2026-01-05T09:30:00Z",
            "2026-01-10T21:00:00Z",
            "2026-01-12T22:00:00Z",
        ],
    );
}

#[test]
fn an_event_that_replaces_one_of_another_takes_its_place() {
    let replaced = calendar(&[
        "BEGIN:VEVENT",
        "UID:nightly",
        "DTSTART:20260101T000000Z",
        "DURATION:PT1H",
        "RRULE:FREQ=DAILY",
        "END:VEVENT",
        "BEGIN:VEVENT",
        "UID:nightly",
        "RECURRENCE-ID:20260102T000000Z",
        "DTSTART:20260102T120000Z",
        "DURATION:PT1H",
        "END:VEVENT",
        "BEGIN:VEVENT",
        "UID:nightly",
        "RECURRENCE-ID:20260103T000000Z",
        "DTSTART:20260103T000000Z",
        "STATUS:CANCELLED",
        "END:VEVENT",
    ])
    .unwrap();
    let open = ["2026-01-02T00:30:00Z", "2026-01-03T00:30:00Z", "2026-01-03T12:30:00Z"];
    let closed = ["2026-01-01T00:30:00Z", "2026-01-02T12:30:00Z", "2026-01-04T00:30:00Z"];
    assert!(open.iter().all(|moment| replaced.is_open_at(at(moment))));
    assert!(closed.iter().all(|moment| !replaced.is_open_at(at(moment))));
}

#[test]
fn the_next_change_is_found_however_far_it_is() {
    let lines = |lines: &[&str]| calendar(&[&["BEGIN:VEVENT"], lines, &["END:VEVENT"]].concat()).unwrap();
    let leap = lines(&["DTSTART;VALUE=DATE:20240229", "RRULE:FREQ=YEARLY"]);
    assert_eq!(next(&leap, at("2096-03-01T00:00:00Z")), Some(at("2104-02-29T00:00:00Z")));
    assert_eq!(next(&leap, at("2104-02-29T01:00:00Z")), Some(at("2104-03-01T00:00:00Z")));
    assert_eq!(next(&leap, at("2199-12-31T00:00:00Z")), None);
    let nights = lines(&["DTSTART:20200101T220000Z", "DURATION:PT2H", "RRULE:FREQ=DAILY"]);
    assert_eq!(next(&nights, at("2026-06-01T12:00:00Z")), Some(at("2026-06-01T22:00:00Z")));
    assert_eq!(next(&nights, at("2026-06-01T23:00:00Z")), Some(at("2026-06-02T00:00:00Z")));
    // One day after the other without a gap: it never ends, and the question does.
    let always = lines(&["DTSTART;VALUE=DATE:20200101", "RRULE:FREQ=DAILY"]);
    assert_eq!(next(&always, at("2026-06-01T12:00:00Z")), Some(at("2200-01-02T00:00:00Z")));
    let never = lines(&["DTSTART;VALUE=DATE:20200101", "RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"]);
    assert_eq!(next(&never, at("2020-01-02T12:00:00Z")), None);
}

#[test]
fn hostile_rules_cost_a_bounded_time() {
    let many = |rule: &str, count: usize| {
        let event = ["BEGIN:VEVENT", "DTSTART;VALUE=DATE:20200101", "DURATION:P366D", rule, "END:VEVENT"];
        let lines: Vec<_> = std::iter::repeat_n(event, count).flatten().collect();
        calendar(&lines)
    };
    let begun = std::time::Instant::now();
    let error = many("RRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=10000", 700).unwrap_err();
    assert!(error.message.contains("too much work"), "{error}");
    let heavy = many("RRULE:FREQ=DAILY;BYDAY=MO", 700).unwrap();
    assert!(!heavy.is_open_at(at("2100-01-01T00:00:00Z")));
    assert_eq!(next(&heavy, at("2100-01-01T00:00:00Z")), None);
    // What it costs is a matter of milliseconds; a machine that is busy with other things may take long.
    assert!(begun.elapsed() < std::time::Duration::from_secs(30), "{:?}", begun.elapsed());
}

#[test]
fn a_rule_that_is_not_right_is_told_with_its_line() {
    let told = |rule: &str| {
        let lines = ["BEGIN:VEVENT", "DTSTART:20260101T000000Z", "DURATION:PT1H", rule, "END:VEVENT"];
        calendar(&lines).unwrap_err().to_string()
    };
    for (rule, wanted) in [
        ("RRULE:FREQ=HOURLY", "RRULE: FREQ=HOURLY is not read: DAILY, WEEKLY, MONTHLY and YEARLY are"),
        ("RRULE:INTERVAL=2", "RRULE: the rule has no FREQ"),
        (
            "RRULE:FREQ=DAILY;BYHOUR=9",
            "RRULE: BYHOUR is not read: FREQ, INTERVAL, COUNT, UNTIL, BYDAY, BYMONTHDAY, BYMONTH, BYSETPOS and WKST are",
        ),
        ("RRULE:FREQ=DAILY;COUNT=0", "RRULE: COUNT: `0` is not right: 1 to 10000"),
        ("RRULE:FREQ=DAILY;INTERVAL=x", "RRULE: INTERVAL: `x` is not right: 1 to 10000"),
        ("RRULE:FREQ=YEARLY;BYMONTH=13", "RRULE: BYMONTH: `13` is not right: 1 to 12"),
        ("RRULE:FREQ=MONTHLY;BYMONTHDAY=0", "RRULE: BYMONTHDAY: 0 is none"),
        ("RRULE:FREQ=MONTHLY;BYDAY=2XX", "RRULE: `2XX` is not a weekday: MO, TU, 2WE, -1FR"),
        ("RRULE:FREQ=MONTHLY;BYDAY=ü", "RRULE: `ü` is not a weekday: MO, TU, 2WE, -1FR"),
        ("RRULE:FREQ=WEEKLY;BYDAY=1MO", "RRULE: a weekday with a number is for MONTHLY and YEARLY"),
        ("RRULE:FREQ=WEEKLY;BYMONTHDAY=1", "RRULE: BYMONTHDAY is not for WEEKLY"),
        (
            "RRULE:FREQ=DAILY;BYSETPOS=1",
            "RRULE: BYSETPOS picks from what another BY… part names, and there is none",
        ),
        ("RRULE:FREQ=DAILY;COUNT=2;UNTIL=20260201", "RRULE: a rule has COUNT or UNTIL, and not both"),
        ("RRULE:FREQ=DAILY;UNTIL=soon", "RRULE: `soon` is not a time: write 20261224T180000Z or 20261224"),
        ("RRULE:often", "RRULE: `often` is no part of a rule: NAME=VALUE"),
        ("EXDATE:never", "EXDATE: `never` is not a time: write 20261224T180000Z or 20261224"),
        ("RDATE:20260101T000000Z/x", "RDATE: `x` is not a time: write 20261224T180000Z or 20261224"),
        ("RDATE:20260102T000000Z/20260101T000000Z", "RDATE: it ends before it starts"),
        (
            "RECURRENCE-ID;RANGE=THISANDFUTURE:20260101T000000Z",
            "RECURRENCE-ID with RANGE is not read: write a new event",
        ),
    ] {
        assert_eq!(told(rule), format!("line 6: {wanted}"));
    }
    let long =
        ["BEGIN:VEVENT", "DTSTART:20260101T000000Z", "DURATION:P400D", "RRULE:FREQ=YEARLY", "END:VEVENT"];
    let told = calendar(&long).unwrap_err().to_string();
    assert_eq!(told, "line 6: RRULE: an event of more than 366 days does not come again");
}
