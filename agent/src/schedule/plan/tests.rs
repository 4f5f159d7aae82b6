use std::time::Duration;

use super::*;
use crate::journal::{FinalReport, FinalStatus, LastRun, Reason, Record, State, Work};

const NODE: &str = "mi-0123456789abcdef0";
const NOON: i64 = 1_790_000_000_000 - 1_790_000_000_000 % 86_400_000 + 43_200_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(NOON + seconds * 1000)
}

fn id(number: u32) -> AssociationId {
    format!("00000000-0000-4000-8000-{number:012x}").parse().unwrap()
}

fn association(number: u32, expression: &str) -> Association {
    let schedule = (!expression.is_empty()).then(|| ScheduleWords {
        expression: expression.to_owned(),
        zone: String::new(),
        offset_days: 0,
    });
    let names = ("".to_owned(), "Motd".to_owned(), "1".to_owned(), "sum".to_owned());
    let asked = (Timestamp::default(), Timestamp::default());
    Association::wanted(id(number), 1, names, "{}".to_owned(), schedule, false, at(0), asked, None, at(0))
}

fn kept(association: Association, ran: Option<i64>) -> Kept {
    let ran = ran.map(|started| LastRun {
        version: 1,
        document_sha256: "sum".to_owned(),
        asked: Timestamp::default(),
        started: at(started),
    });
    Kept { association: Arc::new(association), ran, running: None, refresh: None }
}

/// What is wanted, with the delay of this node taken out of moments to come.
#[track_caller]
fn check(kept: &Kept, now: i64, wanted: &str) {
    let found = match next(kept, NODE, at(now)) {
        Next::Now { cause, due } => format!("{cause:?} {}", (due.millis() - NOON) / 1000),
        Next::At(moment) => {
            let delay = spread::delay(NODE, &kept.association.id, Some(Duration::from_secs(600)));
            format!("at {}", (moment.millis() - NOON - i64::try_from(delay.as_millis()).unwrap()) / 1000)
        }
        Next::Never => "never".to_owned(),
    };
    assert_eq!(found, wanted, "{kept:?} at {now}");
}

#[test]
fn what_is_new_or_changed_is_applied_at_once_and_then_by_its_schedule() {
    let ten_minutes = || association(1, "rate(10 minutes)");
    check(&kept(association(1, ""), None), 5, "Changed 0");
    check(&kept(association(1, ""), Some(5)), 6, "never");
    check(&kept(ten_minutes(), None), 5, "Changed 0");
    check(&kept(ten_minutes(), Some(5)), 6, "at 600");
    check(&kept(ten_minutes(), Some(5)), 660, "Schedule 600");
    check(&kept(ten_minutes(), Some(665)), 670, "at 1200");
    check(&kept(Association { version: 2, ..ten_minutes() }, Some(5)), 6, "Changed 0");
    check(&kept(Association { document_sha256: "new".to_owned(), ..ten_minutes() }, Some(5)), 6, "Changed 0");
}

#[test]
fn what_waits_for_its_schedule_is_not_applied_before() {
    let waits = || Association { only_at_schedule: true, ..association(1, "cron(0/10 * * * ? *)") };
    check(&kept(waits(), None), 5, "at 600");
    check(&kept(waits(), None), 661, "Schedule 600");
    check(&kept(Association { version: 2, since: at(100), ..waits() }, Some(5)), 101, "at 600");
    check(&kept(Association { since: at(1000), ..waits() }, None), 1001, "at 1200");
}

#[test]
fn what_was_missed_is_made_up_for_once() {
    check(&kept(association(1, "rate(10 minutes)"), Some(5)), 1_000_000, "Schedule 600");
    check(&kept(association(1, "rate(10 minutes)"), Some(1_000_000)), 1_000_001, "at 1000200");
    check(&kept(association(1, "at(2026-09-21T12:30:00)"), Some(1_000_000_000)), 1_000_000_001, "never");
}

#[test]
fn a_clock_that_was_ahead_holds_nothing_up() {
    check(&kept(association(1, "rate(10 minutes)"), Some(1_000_000)), 6, "at 600");
}

#[test]
fn a_wish_is_fulfilled_once() {
    let asked = |moment| Association { asked: at(moment), ..association(1, "rate(10 minutes)") };
    check(&kept(asked(10), Some(5)), 11, "Asked 10");
    let mut done = kept(asked(10), Some(11));
    done.ran.as_mut().unwrap().asked = at(10);
    check(&done, 12, "at 600");
    let before = Association { not_asked_before: at(10), only_at_schedule: true, ..asked(10) };
    check(&kept(before, None), 12, "at 600");
    let refreshed = Kept { refresh: Some(at(20)), ..kept(association(1, ""), Some(5)) };
    check(&refreshed, 21, "Refreshed 20");
}

#[test]
fn words_that_only_a_newer_controller_knows_are_no_schedule() {
    check(&kept(association(1, "whenever()"), Some(5)), 6, "never");
    let mut elsewhere = association(1, "rate(10 minutes)");
    elsewhere.schedule.as_mut().unwrap().zone = "Mars/Olympus".to_owned();
    check(&kept(elsewhere, Some(5)), 6, "never");
}

#[test]
fn nodes_and_moments_have_executions_of_their_own() {
    let one = association(1, "");
    let execution = |cause, due, node| execution(&one, cause, at(due), node);
    assert_eq!(execution(Cause::Schedule, 5, "a"), execution(Cause::Schedule, 5, "b"));
    assert_ne!(execution(Cause::Schedule, 5, "a"), execution(Cause::Schedule, 6, "a"));
    assert_ne!(execution(Cause::Schedule, 5, "a"), execution(Cause::Changed, 5, "a"));
    assert_ne!(execution(Cause::Refreshed, 5, "a"), execution(Cause::Refreshed, 5, "b"));
}

fn state_with(associations: impl IntoIterator<Item = Association>) -> State {
    let mut state = State::default();
    for association in associations {
        state.apply(&Record::AssociationKept { association: Arc::new(association) });
    }
    state
}

fn plan(state: &State, now: i64, pace: Pace) -> Plan {
    Plan::make(state.associations(), |id| state.command(id), NODE, at(now), 2, pace)
}

/// As the executor does: the run is in the journal when it is begun.
fn begin(state: &mut State, plan: Plan) -> CommandId {
    let (_, run) = plan.begin.unwrap();
    let command = CommandId::random();
    let names = ("Motd".to_owned(), "1".to_owned());
    let work = Work::delivered(names, String::new(), "{}".to_owned(), (run.started, run.started));
    state.apply(&Record::Accepted { command: command.clone(), work: Arc::new(work.of_association(run)) });
    command
}

fn end(state: &mut State, command: CommandId) {
    let report = FinalReport {
        status: FinalStatus::Success,
        reason: Reason::AllStepsDone,
        reason_step: String::new(),
        reason_detail: String::new(),
        steps: Vec::new(),
        drift: crate::journal::Drift::default(),
    };
    state.apply(&Record::Finished { command, report, start_deadline: at(0) });
}

#[test]
fn only_a_few_run_at_once_and_the_next_begins_when_one_ends() {
    let mut state = state_with((1..=3).map(|number| association(number, "")));
    let first = {
        let plan = plan(&state, 1, Pace::default());
        begin(&mut state, plan)
    };
    let next_plan = plan(&state, 1, Pace::default());
    begin(&mut state, next_plan);
    let waiting = plan(&state, 1, Pace::default());
    assert!(waiting.begin.is_none() && waiting.wake.is_none(), "{waiting:?}");
    end(&mut state, first);
    let third = plan(&state, 1, Pace::default());
    assert_eq!(third.begin.as_ref().unwrap().0.id, id(3));
    begin(&mut state, third);
}

#[test]
fn a_hundred_with_one_schedule_begin_one_after_the_other() {
    let mut state = state_with((1..=100).map(|number| association(number, "cron(0/10 * * * ? *)")));
    for record in (1..=100).map(|number| Record::AssociationRan {
        association: id(number),
        ran: LastRun {
            version: 1,
            document_sha256: "sum".into(),
            asked: Timestamp::default(),
            started: at(1),
        },
    }) {
        state.apply(&record);
    }
    let (mut now, mut pace, mut begun) = (at(590), Pace::default(), Vec::new());
    while begun.len() < 100 {
        let made = Plan::make(state.associations(), |id| state.command(id), NODE, now, 2, pace);
        match made.wake {
            _ if made.begin.is_some() => {
                begun.push(now);
                pace = Pace::after(now);
                let command = begin(&mut state, made);
                end(&mut state, command);
            }
            Some(wake) => now = wake,
            None => panic!("{} begun and nothing to wait for", begun.len()),
        }
    }
    assert!(begun.windows(2).all(|two| two[0].until(two[1]) >= APART), "{begun:?}");
    assert!(at(600).until(begun[99]) < Duration::from_secs(200), "{begun:?}");
}

#[test]
fn a_run_that_takes_too_long_is_ended() {
    let limited = Association { duration: Some(Duration::from_secs(3600)), ..association(1, "") };
    let mut state = state_with([limited]);
    let first = plan(&state, 0, Pace::default());
    let command = begin(&mut state, first);
    let waits = plan(&state, 10, Pace::default());
    assert_eq!((waits.end.len(), waits.wake), (0, Some(at(3600))));
    assert_eq!(plan(&state, 3600, Pace::default()).end, [command]);
}
