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
    assert_eq!(calendar.next_transition(at("2026-05-01T00:00:00Z")), Some(at("2026-06-01T00:00:00Z")));
    assert_eq!(calendar.next_transition(at("2026-06-01T00:00:00Z")), Some(at("2026-06-01T01:00:00Z")));
    assert_eq!(calendar.next_transition(at("2026-06-01T01:00:00Z")), None);
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
    assert_eq!(calendar.next_transition(at("2026-06-01T01:00:00Z")), Some(at("2026-06-01T04:30:00Z")));
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
        assert_eq!(told, format!("line 5: DURATION: `{wrong}` is not one: write PT2H, P1D or P1W"));
    }
    let backwards = told(&["BEGIN:VEVENT", "DTSTART:20260102", "DTEND:20260101", "END:VEVENT"]);
    assert_eq!(backwards, "line 4: the event ends before it starts");
}
