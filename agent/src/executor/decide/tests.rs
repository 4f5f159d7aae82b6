//! The decision table, and the promise behind it: whatever the moment at which the agent dies, no step runs twice and
//! every command gets one final report.

use std::collections::BTreeMap;
use std::sync::Arc;

use fleetwright_documents::{HostTraits, Platform};
use fleetwright_proto::ids::CommandId;

use super::*;
use crate::journal::{Record, State, StreamTotals, Work};

const DEADLINE: i64 = 60_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn id() -> CommandId {
    "00000000-0000-4000-8000-000000000001".parse().unwrap()
}

fn plan(steps: usize) -> Plan {
    let steps: Vec<_> = (0..steps)
        .map(|step| {
            serde_json::json!({
                "action": "aws:runShellScript",
                "name": format!("step{step}"),
                "inputs": { "runCommand": ["true"] },
            })
        })
        .collect();
    let text = serde_json::json!({ "schemaVersion": "2.2", "description": "a test", "mainSteps": steps });
    let document = fleetwright_documents::parse(text.to_string().as_bytes()).unwrap().document;
    let bound = document.bound_from_json(b"{}").unwrap();
    document.plan(&bound, &HostTraits { platform: Platform::Linux, supports: &|_| true })
}

fn accepted() -> Record {
    let document = ("Test".to_owned(), "1".to_owned());
    let work = Work::delivered(document, String::new(), "{}".to_owned(), (at(0), at(DEADLINE)));
    Record::Accepted { command: id(), work: Arc::new(work) }
}

fn started(step: u32) -> Record {
    let (name, action) = (format!("step{step}"), "aws:runShellScript".to_owned());
    Record::StepStarted { command: id(), step, name, action, at: at(1), process: None }
}

fn ended(step: u32, state: StepState) -> Record {
    let result = StepRecord {
        name: format!("step{step}"),
        action: "aws:runShellScript".to_owned(),
        state,
        code: 0,
        ended: None,
        started: at(1),
        finished: at(2),
        detail: "a detail".to_owned(),
        stdout: StreamTotals::default(),
        stderr: StreamTotals::default(),
        inner: Vec::new(),
    };
    Record::StepFinished { command: id(), step, result }
}

fn process() -> ProcessIdentity {
    let marker = fleetwright_platform::Marker { name: "STEP".to_owned(), value: "1".to_owned() };
    ProcessIdentity { pid: 1, start_time: 1, session: 1, boot_id: "boot-1".to_owned(), marker }
}

fn rebooting(boot_id: &str, count: u32) -> Record {
    Record::Rebooting { command: id(), step: 0, boot_id: boot_id.to_owned(), count }
}

fn cancel() -> Record {
    Record::CancelRequested { command: id() }
}

fn todo(records: &[Record], now: i64) -> Todo {
    let state = State::replay(records);
    let plan = plan(2);
    decide(state.command(&id()).unwrap(), Ok(&plan), Moment { now: at(now), boot_id: "boot-2" })
}

fn check_finish(records: &[Record], now: i64, wanted: (FinalStatus, Reason, &str)) {
    match todo(records, now) {
        Todo::Finish(report) => {
            assert_eq!((report.status, report.reason, report.reason_step.as_str()), wanted, "{records:#?}");
        }
        other => panic!("{records:#?} leads to {other:?}"),
    }
}

#[test]
fn a_command_begins_in_time_or_not_at_all() {
    assert_eq!(todo(&[accepted()], DEADLINE - 1), Todo::Run(0));
    check_finish(&[accepted()], DEADLINE, (FinalStatus::TimedOut, Reason::StartDeadlinePassed, ""));
    // What has begun may take its time.
    assert_eq!(todo(&[accepted(), started(0), ended(0, StepState::Success)], DEADLINE + 1), Todo::Run(1));
}

#[test]
fn steps_follow_each_other_and_end_in_a_verdict() {
    use StepState::{Failed, Success, TimedOut};
    let life = |first, second| [accepted(), started(0), ended(0, first), started(1), ended(1, second)];
    check_finish(&life(Success, Success), 0, (FinalStatus::Success, Reason::AllStepsDone, ""));
    check_finish(&life(Failed, Success), 0, (FinalStatus::Failed, Reason::StepFailed, "step0"));
    check_finish(&life(Success, TimedOut), 0, (FinalStatus::TimedOut, Reason::StepTimedOut, "step1"));
}

#[test]
fn a_cancelled_command_runs_nothing_more() {
    check_finish(&[accepted(), cancel()], 0, (FinalStatus::Cancelled, Reason::CancelledOnNode, ""));
    let between = [accepted(), started(0), ended(0, StepState::Success), cancel()];
    assert!(matches!(todo(&between, 0), Todo::Record { step: 1, state: StepState::Cancelled, .. }));
    let during = [accepted(), started(0), cancel(), ended(0, StepState::Cancelled)];
    assert!(matches!(todo(&during, 0), Todo::Record { step: 1, state: StepState::Cancelled, .. }));
    let all = [&during[..], &[ended(1, StepState::Cancelled)]].concat();
    check_finish(&all, 0, (FinalStatus::Cancelled, Reason::CancelledOnNode, "step0"));
}

#[test]
fn a_step_whose_end_nobody_saw_is_interrupted_and_nothing_follows() {
    let records = [accepted(), started(0)];
    assert!(matches!(todo(&records, 0), Todo::Interrupt { step: Begun { step: 0, .. }, .. }));
    let records = [accepted(), started(0), ended(0, StepState::Interrupted)];
    check_finish(&records, 0, (FinalStatus::Failed, Reason::Interrupted, "step0"));
}

#[test]
fn a_step_between_two_steps_of_its_document_goes_on_there() {
    use StepState::{Success, SuccessAndReboot};
    let outer = |action: &str, process| match started(0) {
        Record::StepStarted { command, step, name, at, .. } => {
            Record::StepStarted { command, step, name, action: action.to_owned(), at, process }
        }
        other => other,
    };
    let inner_started = |way: &[u32], action: &str, process| Record::InnerStarted {
        command: id(),
        step: 0,
        inner: way.to_vec(),
        name: "inner".to_owned(),
        action: action.to_owned(),
        at: at(0),
        process,
    };
    let inner_ended = |way: &[u32], state| match ended(0, state) {
        Record::StepFinished { command, step, result } => {
            Record::InnerFinished { command, step, inner: way.to_vec(), result }
        }
        other => other,
    };
    let document = || outer("aws:runDocument", None);
    let script = |way: &[u32]| inner_started(way, "aws:runShellScript", Some(process()));
    let nested = inner_started(&[1], "aws:runDocument", None);
    let goes_on = |records: &[Record]| {
        let records = [&[accepted()], records].concat();
        todo(&records, DEADLINE + 1) == Todo::Run(0)
    };
    for (records, expected) in [
        (vec![document()], true),
        (vec![outer("aws:configurePackage", None)], true),
        (vec![outer("aws:downloadContent", None)], false),
        (vec![outer("aws:runDocument", Some(process()))], false),
        (vec![document(), script(&[0])], false),
        (vec![document(), script(&[0]), inner_ended(&[0], Success)], true),
        (vec![document(), script(&[0]), inner_ended(&[0], SuccessAndReboot)], false),
        (vec![document(), script(&[0]), inner_ended(&[0], Success), nested.clone()], true),
        (vec![document(), nested.clone(), script(&[1, 0])], false),
        (vec![document(), nested, script(&[1, 0]), inner_ended(&[1, 0], Success)], true),
    ] {
        assert_eq!(goes_on(&records), expected, "{records:#?}");
    }
    let cancelled = [accepted(), document(), script(&[0]), inner_ended(&[0], Success), cancel()];
    assert!(matches!(todo(&cancelled, 0), Todo::Record { step: 0, state: StepState::Cancelled, .. }));
}

#[test]
fn a_command_without_its_document_still_ends() {
    check_finish(&[cancel()], 0, (FinalStatus::Failed, Reason::Interrupted, ""));
    let state = State::replay(&[accepted()]);
    let moment = Moment { now: at(0), boot_id: "boot-2" };
    let Todo::Finish(report) = decide(state.command(&id()).unwrap(), Err("no such thing"), moment) else {
        panic!("a document that cannot be used ends its command")
    };
    assert_eq!((report.reason, report.reason_detail.as_str()), (Reason::DocumentRefused, "no such thing"));
}

#[test]
fn a_reboot_is_asked_for_once_and_the_step_runs_again_after_it() {
    let asked = [accepted(), started(0), ended(0, StepState::SuccessAndReboot)];
    assert_eq!(todo(&asked, 0), Todo::Reboot { step: 0, count: 1 });
    let not_yet = [&asked[..], &[rebooting("boot-2", 1)]].concat();
    assert_eq!(todo(&not_yet, 0), Todo::Reboot { step: 0, count: 1 });
    let done = [&asked[..], &[rebooting("boot-1", 1)]].concat();
    assert_eq!(todo(&done, 0), Todo::Run(0));
    let again = [&done[..], &[started(0), ended(0, StepState::SuccessAndReboot)]].concat();
    assert_eq!(todo(&again, 0), Todo::Reboot { step: 0, count: 2 });
    let cancelled = [&asked[..], &[cancel()]].concat();
    assert!(matches!(todo(&cancelled, 0), Todo::Record { step: 0, state: StepState::Cancelled, .. }));
}

#[test]
fn reboots_have_a_limit() {
    let asks_again = |count| {
        let before = [rebooting("boot-1", count), started(0), ended(0, StepState::SuccessAndReboot)];
        todo(&[&[accepted()], &before[..]].concat(), 0)
    };
    assert_eq!(asks_again(REBOOT_LIMIT - 1), Todo::Reboot { step: 0, count: REBOOT_LIMIT });
    assert!(matches!(asks_again(REBOOT_LIMIT), Todo::Record { step: 0, state: StepState::Failed, .. }));
}

/// Does what was decided in a world where every step succeeds, dies after `lives` records, and starts again from the
/// journal. Returns how often each step was let go, and the journal.
fn live(mut journal: Vec<Record>, dies_after: usize) -> (BTreeMap<usize, u32>, Vec<Record>) {
    let plan = plan(2);
    let mut runs = BTreeMap::new();
    let mut boot = 1;
    let mut has_died = false;
    let mut dies =
        |journal: &Vec<Record>| journal.len() == dies_after && !std::mem::replace(&mut has_died, true);
    for _ in 0..100 {
        let boot_id = format!("boot-{boot}");
        let state = State::replay(&journal);
        let command = state.command(&id()).unwrap();
        match decide(command, Ok(&plan), Moment { now: at(0), boot_id: &boot_id }) {
            Todo::Nothing => return (runs, journal),
            Todo::Run(step) => {
                journal.push(started(u32::try_from(step).unwrap()));
                if dies(&journal) {
                    continue;
                }
                let run = runs.entry(step).or_insert(0);
                *run += 1;
                let first_asks = step == 0 && *run == 1;
                let state = if first_asks { StepState::SuccessAndReboot } else { StepState::Success };
                journal.push(ended(u32::try_from(step).unwrap(), state));
            }
            Todo::Record { step, state, .. } => journal.push(ended(u32::try_from(step).unwrap(), state)),
            Todo::Interrupt { step, .. } => journal.push(ended(step.step, StepState::Interrupted)),
            Todo::Reboot { count, .. } => {
                if command.reboot.as_ref().is_none_or(|reboot| reboot.count != count) {
                    journal.push(rebooting(&boot_id, count));
                }
                if !dies(&journal) {
                    boot += 1;
                }
            }
            Todo::Finish(report) => {
                journal.push(Record::Finished { command: id(), report, start_deadline: at(DEADLINE) });
            }
        }
    }
    panic!("no end: {journal:#?}")
}

#[test]
fn wherever_the_agent_dies_each_step_runs_as_often_as_without_it_or_less() {
    let (runs, journal) = live(vec![accepted()], usize::MAX);
    // Step 0 asked for a reboot, so its second run is its own wish.
    assert_eq!(runs, BTreeMap::from([(0, 2), (1, 1)]));
    for dies_after in 1..=journal.len() {
        let (again, journal) = live(vec![accepted()], dies_after);
        let more = again.iter().find(|(step, run)| **run > runs[*step]);
        assert_eq!(more, None, "killed after record {dies_after}: {journal:#?}");
        let ends = journal.iter().filter(|record| matches!(record, Record::Finished { .. })).count();
        assert_eq!(ends, 1, "killed after record {dies_after}: {journal:#?}");
    }
}
