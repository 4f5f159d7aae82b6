use proptest::prelude::*;

use super::*;
use crate::commands::limits::Limit;
use crate::commands::records::{CancelWish, Dispatch};
use crate::commands::state;
use crate::commands::tests::command;

fn node(number: u32) -> NodeId {
    format!("mi-{number:017x}").parse().unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// A command with its tally, and the shorthand to move invocations on.
struct Case {
    command: CommandRecord,
    tally: Tally,
    revision: u64,
}

impl Case {
    fn new(targets: u32, concurrency: Limit, errors: Limit) -> Self {
        let command = command(targets, concurrency, errors);
        let mut case = Self { command, tally: Tally::default(), revision: 0 };
        for number in 0..targets {
            let record = state::waiting(&case.command);
            case.note(number, &record);
        }
        case
    }

    fn note(&mut self, number: u32, record: &InvocationRecord) {
        self.revision += 1;
        self.tally.note(&node(number), record, Revision::from_u64(self.revision));
    }

    fn next(&self, now: i64) -> Option<Action> {
        self.tally.next(&self.command, at(now), |_| true)
    }

    fn dispatch(&mut self, number: u32) {
        let dispatch = Dispatch { at: at(0), seq: u64::from(number) };
        let record = state::dispatched(state::waiting(&self.command), dispatch, state::Presence::Connected);
        self.note(number, &record);
    }

    fn end(&mut self, number: u32, state: State, reason: Reason) {
        let mut record = state::waiting(&self.command);
        record.dispatched = Some(Dispatch { at: at(0), seq: u64::from(number) });
        (record.state, record.reason, record.finished) = (state, reason, Some(at(1)));
        self.note(number, &record);
    }

    fn succeed(&mut self, number: u32) {
        self.end(number, State::Success, Reason::AllStepsDone {});
    }

    fn fail(&mut self, number: u32) {
        self.end(
            number,
            State::Failed,
            Reason::StepFailed { step: "s".into(), detail: "exit code 1".into() },
        );
    }

    fn undelivered(&mut self, number: u32) {
        self.end(number, State::TimedOut, Reason::NotDelivered { deadline: at(1), last_seen: None });
    }
}

fn dispatched(numbers: &[u32]) -> Option<Action> {
    Some(Action::Dispatch(numbers.iter().map(|number| node(*number)).collect()))
}

#[test]
fn as_many_as_allowed_are_at_work_at_once() {
    let mut case = Case::new(5, Limit::Count(2), Limit::Count(0));
    assert_eq!(case.next(0), dispatched(&[0, 1]));
    case.dispatch(0);
    case.dispatch(1);
    assert_eq!(case.next(0), None);
    case.succeed(0);
    assert_eq!(case.next(0), dispatched(&[2]));
}

#[test]
fn connected_nodes_go_first() {
    let case = Case::new(4, Limit::Count(3), Limit::Count(0));
    let connected = |id: &NodeId| *id == node(2) || *id == node(3);
    let action = case.tally.next(&case.command, at(0), connected);
    assert_eq!(action, dispatched(&[2, 3, 0]));
}

#[test]
fn nothing_is_sent_before_all_targets_are_written() {
    let mut case = Case::new(2, Limit::Count(2), Limit::Count(0));
    case.command.targets_written = false;
    assert_eq!(case.next(0), None);
}

#[test]
fn one_error_more_than_borne_stops_the_rest() {
    let mut case = Case::new(4, Limit::Count(1), Limit::Count(1));
    case.fail(0);
    assert_eq!(case.next(0), dispatched(&[1]), "one error is borne");
    case.fail(1);
    let reason = Reason::ErrorThreshold { errors: 2, limit: 1 };
    assert_eq!(case.next(0), Some(Action::DoNotSend(vec![node(2), node(3)], reason.clone())));
    case.end(2, State::Cancelled, reason.clone());
    case.end(3, State::Cancelled, reason);
    assert_eq!(case.next(0), Some(Action::Finish(Verdict::Failed { errors: 2, limit: 1 })));
}

#[test]
fn nodes_that_cannot_be_reached_are_no_errors() {
    let mut case = Case::new(3, Limit::Count(1), Limit::Count(0));
    case.undelivered(0);
    assert_eq!(case.next(0), dispatched(&[1]));
    case.succeed(1);
    case.succeed(2);
    assert_eq!(case.next(0), Some(Action::Finish(Verdict::DeliveryTimedOut { nodes: 1 })));
}

/// How one node's part ends.
type End = fn(&mut Case, u32);

#[test]
fn how_a_command_ends() {
    let end = |errors, ends: &[End]| {
        let mut case = Case::new(u32::try_from(ends.len()).unwrap(), Limit::Count(10), errors);
        for (number, end) in (0u32..).zip(ends) {
            end(&mut case, number);
        }
        match case.next(0) {
            Some(Action::Finish(verdict)) => verdict.status_details(),
            other => panic!("expected the end, got {other:?}"),
        }
    };
    let (ok, bad, gone): (End, End, End) = (Case::succeed, Case::fail, Case::undelivered);
    let slow: End = |case, number| {
        case.end(number, State::TimedOut, Reason::StepTimedOut { step: "s".into(), detail: String::new() });
    };
    assert_eq!(end(Limit::Count(0), &[ok, ok]), "Success");
    assert_eq!(end(Limit::Count(0), &[ok, bad]), "Failed");
    assert_eq!(end(Limit::Count(5), &[ok, bad]), "Incomplete");
    assert_eq!(end(Limit::Count(0), &[ok, slow]), "Execution Timed Out");
    assert_eq!(end(Limit::Count(0), &[gone, ok]), "Delivery Timed Out");
    assert_eq!(end(Limit::Count(0), &[gone, bad]), "Failed");
    assert_eq!(end(Limit::Count(1), &[slow, bad]), "Failed");
}

#[test]
fn a_cancelled_command_sends_no_more() {
    let mut case = Case::new(3, Limit::Count(1), Limit::Count(0));
    case.dispatch(0);
    case.command.cancel = Some(CancelWish { by: "ada".into(), at: at(1) });
    let reason = Reason::CancelledBeforeDelivery { by: "ada".into() };
    assert_eq!(case.next(0), Some(Action::DoNotSend(vec![node(1), node(2)], reason.clone())));
    case.end(1, State::Cancelled, reason.clone());
    case.end(2, State::Cancelled, reason);
    assert_eq!(case.next(0), None, "the node at work has not answered");
    case.succeed(0);
    assert_eq!(case.next(0), Some(Action::Finish(Verdict::Cancelled { by: "ada".into() })));
}

#[test]
fn deadlines_wake_and_are_acted_on() {
    let mut case = Case::new(2, Limit::Count(1), Limit::Count(0));
    case.dispatch(0);
    assert_eq!(case.tally.next_deadline(), Some(at(60)));
    assert_eq!(case.next(59), None);
    assert_eq!(case.next(60), Some(Action::Expire(vec![node(0), node(1)])));
    case.undelivered(0);
    case.undelivered(1);
    assert_eq!(case.tally.next_deadline(), None);
}

proptest! {
    /// Rows come in any order and more than once; the tally is that of the newest of each node.
    #[test]
    fn a_tally_is_that_of_the_newest_rows(
        events in prop::collection::vec((0u32..6, 0u8..4, 1u64..40), 1..60),
        limit in 1u32..6,
    ) {
        let command = command(6, Limit::Count(limit), Limit::Count(100));
        let mut tally = Tally::default();
        let mut newest: HashMap<u32, (u64, InvocationRecord)> = HashMap::new();
        for (number, kind, revision) in events {
            let waiting = state::waiting(&command);
            let sent = state::dispatched(waiting.clone(), Dispatch { at: at(0), seq: 0 }, state::Presence::Connected);
            let record = match kind {
                0 => waiting,
                1 => sent,
                2 => state::accepted(sent, &command).unwrap(),
                _ => state::lost(sent, Reason::LostOnNode {}, at(1)).unwrap(),
            };
            tally.note(&node(number), &record, Revision::from_u64(revision));
            let entry = newest.entry(number).or_insert_with(|| (revision, record.clone()));
            if revision > entry.0 {
                *entry = (revision, record);
            }
        }
        let open = newest.values().filter(|(_, record)| !record.state.is_final()).count();
        prop_assert_eq!(usize::try_from(tally.counts().open()).unwrap(), open);
        prop_assert_eq!(usize::try_from(tally.counts().total()).unwrap(), newest.len());
        let first = newest.values().filter(|(_, r)| !r.state.is_final()).map(|(_, r)| r.deadline).min();
        prop_assert_eq!(tally.next_deadline(), first);
        let at_work = newest.values().filter(|(_, r)| !r.state.is_final() && r.dispatched.is_some()).count();
        if let Some(Action::Dispatch(nodes)) = tally.next(&command, at(0), |_| true) {
            prop_assert!(nodes.len() + at_work <= usize::try_from(limit).unwrap());
        }
    }
}
