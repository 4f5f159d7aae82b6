//! Windows and calendars that cannot be.

use super::{NOT_FOUND, REFUSED, USAGE, check};
use crate::site::Site;

const NOBODY: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";
const NO_WINDOW: &str = "mw-0123456789abcdef0";

/// `window create` of a good window with these words more; what is said twice counts as said last.
fn create<'a>(name: &'a str, schedule: &'a str, hours: [&'a str; 2], more: &[&'a str]) -> Vec<&'a str> {
    let [duration, cutoff] = hours;
    let fixed = [
        "window",
        "create",
        "--name",
        name,
        "--schedule",
        schedule,
        "--duration",
        duration,
        "--cutoff",
        cutoff,
    ];
    [&fixed[..], more].concat()
}

#[test]
fn what_an_operator_types_of_windows() {
    let site = Site::start();
    let nightly = "cron(0 2 ? * * *)";
    site.types(&create("nightly", nightly, ["4", "1"], &[])).expect_code(0);
    let target =
        site.types(&["window", "target", "add", "nightly", "--target", "tag:role=web", "-o", "json"]);
    let target = target.expect_code(0).json()["target_id"].as_str().unwrap().to_owned();
    let target = target.as_str();
    let good = |more: &[&'static str]| create("nightly-2", nightly, ["4", "1"], more);
    let add = |more: &[&str]| {
        let fixed = ["window", "task", "add", "nightly"];
        [&fixed[..], more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let table: Vec<(Vec<&str>, i32, &[&str])> = vec![
        (create("nightly-2", nightly, ["25", "1"], &[]), REFUSED, &["duration of 25 hours", "1 to 24"]),
        (create("nightly-2", nightly, ["0", "0"], &[]), REFUSED, &["duration of 0 hours"]),
        (
            create("nightly-2", nightly, ["4", "4"], &[]),
            REFUSED,
            &["cut-off of 4 hours", "less than the duration of 4"],
        ),
        (create("nightly-2", nightly, ["four", "1"], &[]), USAGE, &["`four`", "write 4"]),
        (create("a b", nightly, ["4", "1"], &[]), REFUSED, &["`a b`", "3 to 128"]),
        (create("nightly-2", "cron(0 0 30 2 ? *)", ["4", "1"], &[]), REFUSED, &["never comes"]),
        (create("nightly-2", "cron(0 2 * * *)", ["4", "1"], &[]), REFUSED, &["six fields"]),
        (create("nightly-2", "cron(0 25 ? * * *)", ["4", "1"], &[]), REFUSED, &["25"]),
        (create("nightly-2", "rate(1 days)", ["4", "1"], &[]), REFUSED, &["`day`"]),
        (create("nightly-2", "every night", ["4", "1"], &[]), REFUSED, &["schedule"]),
        (good(&["--timezone", "Europe/Berln"]), REFUSED, &["Europe/Berln", "Europe/Berlin"]),
        (good(&["--offset", "7"]), REFUSED, &["1 to 6 days"]),
        (good(&["--start-date", "tomorrow"]), REFUSED, &["`tomorrow`", "2026-11-04T02:00:00+01:00"]),
        (
            good(&["--start-date", "2031-08-01", "--end-date", "2031-07-01"]),
            REFUSED,
            &["2031-07-01", "not later than the start date 2031-08-01"],
        ),
        (good(&["--calendar", "freeze"]), REFUSED, &["calendar freeze"]),
        (good(&["--grace", "9999"]), REFUSED, &["9999 minutes", "0 to 1440"]),
        (vec!["window", "show", "weekly"], NOT_FOUND, &["`weekly`", "window list"]),
        (vec!["window", "show", NO_WINDOW], NOT_FOUND, &[NO_WINDOW, "does not exist", "window list"]),
        (vec!["window", "delete", NO_WINDOW], NOT_FOUND, &[NO_WINDOW]),
        (vec!["window", "update", "nightly", "--duration", "1"], REFUSED, &["cut-off of 1 hours"]),
        (vec!["window", "target", "remove", "nightly", NOBODY], NOT_FOUND, &[NOBODY, "window show"]),
        (vec!["window", "target", "update", "nightly", NOBODY, "--name", "webs"], NOT_FOUND, &[NOBODY]),
        (vec!["window", "target", "add", "nightly", "--target", "tag:role"], USAGE, &["tag:role"]),
        (vec!["window", "task", "remove", "nightly", NOBODY], NOT_FOUND, &[NOBODY, "window show"]),
        (vec!["window", "task", "update", "nightly", NOBODY, "--priority", "2"], NOT_FOUND, &[NOBODY]),
        (vec!["window", "task", "add", "nightly"], USAGE, &["--document"]),
        (vec!["window", "executions", "weekly"], NOT_FOUND, &["`weekly`"]),
        (vec!["window", "executions", "nightly", NOBODY], NOT_FOUND, &[NOBODY, "window executions"]),
        (vec!["window", "cancel", NOBODY], NOT_FOUND, &[NOBODY]),
        (vec!["window", "why", NOBODY], NOT_FOUND, &[NOBODY]),
        (vec!["window", "why", "seven"], REFUSED, &["`seven`"]),
        (vec!["calendar", "show", "freeze"], NOT_FOUND, &["freeze"]),
    ];
    for (words, code, wanted) in table {
        check(site.types(&words), code, wanted);
    }
    let tasks: Vec<(Vec<String>, i32, &[&str])> = vec![
        (add(&["--target-id", NOBODY, "--", "true"]), NOT_FOUND, &[NOBODY, "does not exist", "window show"]),
        (add(&["--target-id", "webs", "--", "true"]), REFUSED, &["`webs`"]),
        (add(&["--node", "nobody", "--", "true"]), NOT_FOUND, &["`nobody`", "node list"]),
        (add(&["--", "true"]), REFUSED, &["needs targets"]),
        (add(&["--target-id", target, "-d", "NoSuch"]), REFUSED, &["NoSuch"]),
        (add(&["--target-id", target, "--max-errors", "101%", "--", "true"]), REFUSED, &["101%"]),
        (add(&["--target-id", target, "--timeout", "5", "--", "true"]), REFUSED, &["5 seconds", "30 to"]),
        (add(&["--target-id", target, "--after", NOBODY, "--", "true"]), NOT_FOUND, &[NOBODY]),
        (
            add(&["--target-id", target, "--type", "LAMBDA", "--", "true"]),
            REFUSED,
            &["LAMBDA", "RUN_COMMAND"],
        ),
        (
            add(&["--target-id", target, "--", "echo", "{{TARGET_ID}}"]),
            REFUSED,
            &["TARGET_ID", "RUN_COMMAND"],
        ),
        (
            add(&["--target-id", target, "--", "echo", "{{WINDOW_NAME}}"]),
            REFUSED,
            &["WINDOW_NAME", "WINDOW_ID"],
        ),
    ];
    for (words, code, wanted) in tasks {
        check(site.types(&words.iter().map(String::as_str).collect::<Vec<_>>()), code, wanted);
    }
    // A start that is past means now, and an end that is past that it never opens.
    site.types(&good(&["--start-date", "2020-01-01"])).expect_code(0);
    let ended =
        create("ended", nightly, ["4", "1"], &["--start-date", "2020-01-01", "--end-date", "2020-02-01"]);
    assert!(site.types(&ended).expect_code(0).text().contains("never again"));
}

#[test]
fn calendars_that_cannot_be_read() {
    let site = Site::start();
    let file = site.path().join("freeze.ics");
    let path = file.to_str().unwrap();
    let put = |lines: &[&str]| {
        let text =
            [&["BEGIN:VCALENDAR", "BEGIN:VEVENT"], lines, &["END:VEVENT", "END:VCALENDAR", ""]].concat();
        std::fs::write(&file, text.join("\r\n")).unwrap();
        site.types(&["calendar", "put", "freeze", path])
    };
    check(put(&["SUMMARY:no start"]), REFUSED, &["line 2", "no DTSTART"]);
    check(put(&["DTSTART:20261224", "RRULE:FREQ=HOURLY"]), REFUSED, &["line 4", "HOURLY", "DAILY"]);
    check(put(&["DTSTART;TZID=Mars/Phobos:20261224T000000"]), REFUSED, &["line 3", "Mars/Phobos"]);
    check(site.types(&["calendar", "put", "freeze", "./no-such-file"]), USAGE, &["./no-such-file"]);
    put(&["DTSTART;VALUE=DATE:20201224", "DURATION:P3D", "RRULE:FREQ=YEARLY", "SUMMARY:Christmas"])
        .expect_code(0);
    let state = site.types(&["calendar", "state", "freeze", "--at", "2030-12-25T12:00:00Z", "-o", "json"]);
    assert_eq!(state.expect_code(0).json()["state"], "CLOSED");
    check(site.types(&["calendar", "state", "nope"]), NOT_FOUND, &["nope"]);
}
