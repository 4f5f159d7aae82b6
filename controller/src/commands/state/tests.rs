use super::*;
use crate::commands::limits::Limit;
use crate::commands::tests::command;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn wish() -> CancelWish {
    CancelWish { by: "ada".to_owned(), at: at(5) }
}

fn one() -> CommandRecord {
    command(1, Limit::Count(1), Limit::Count(0))
}

fn sent(presence: Presence) -> InvocationRecord {
    dispatched(waiting(&one()), Dispatch { at: at(1), seq: 7 }, presence)
}

fn report(seq: u64, state: State, reason: Reason) -> Report {
    Report { seq, state, reason, steps: Vec::new() }
}

fn applied(record: InvocationRecord, report: Report) -> InvocationRecord {
    match reported(record, report, &one(), at(10)) {
        Reported::Apply(record) => record,
        other => panic!("expected the report to be applied, got {other:?}"),
    }
}

#[test]
fn the_way_of_an_invocation_that_succeeds() {
    let record = sent(Presence::Connected);
    assert_eq!((record.state, &record.reason), (State::Pending, &Reason::InMailbox {}));
    assert_eq!(record.deadline, at(60));
    let record = accepted(record, &one()).unwrap();
    assert_eq!(record.state, State::InProgress);
    assert_eq!(record.deadline, at(190), "delivery, execution and grace");
    let record = applied(record, report(1, State::InProgress, Reason::RunningStep { step: "s".into() }));
    assert_eq!(record.state, State::InProgress);
    let record = applied(record, report(2, State::Success, Reason::AllStepsDone {}));
    assert_eq!((record.state, record.finished), (State::Success, Some(at(10))));
}

#[test]
fn a_report_stands_for_an_acceptance_that_was_lost() {
    let record = applied(sent(Presence::Connected), report(1, State::Success, Reason::AllStepsDone {}));
    assert_eq!(record.state, State::Success);
    assert_eq!(accepted(record, &one()), None);
}

#[test]
fn a_final_state_is_never_left() {
    let done = applied(sent(Presence::Connected), report(3, State::Failed, Reason::LostOnNode {}));
    assert_eq!(refused(done.clone(), "full".into()), None);
    assert_eq!(cancelled(done.clone(), wish(), true, at(20)), Cancelled::Nothing);
    assert_eq!(expired(done.clone(), &one(), true, None, at(9_999)), Expired::NotYet);
    assert_eq!(lost(done.clone(), Reason::NodeDeregistered {}, at(20)), None);
    assert_eq!(unknown_to_node(done.clone(), at(20)), None);
    assert_eq!(
        reported(done.clone(), report(3, State::Success, Reason::AllStepsDone {}), &one(), at(20)),
        Reported::Known
    );
    let Reported::Late { record, stop } =
        reported(done, report(4, State::Success, Reason::AllStepsDone {}), &one(), at(20))
    else {
        panic!("a newer report of an ended invocation is late");
    };
    assert_eq!(record.state, State::Failed);
    assert_eq!(record.late, Some(LateReport { state: State::Success, at: at(20) }));
    assert!(!stop, "a node that is done need not be stopped");
}

#[test]
fn a_node_that_works_on_an_ended_invocation_is_told_to_stop() {
    let Expired::Final { record, tell_node: true } =
        expired(accepted(sent(Presence::Connected), &one()).unwrap(), &one(), true, None, at(190))
    else {
        panic!("past the last deadline it ends, and the node is told");
    };
    assert_eq!(status_details(record.state, &record.reason), "Delivery Timed Out");
    let late = reported(record, report(1, State::InProgress, Reason::QueuedOnNode {}), &one(), at(200));
    assert!(matches!(late, Reported::Late { stop: true, .. }));
}

#[test]
fn cancelling_depends_on_whether_the_node_may_have_it() {
    let check = |record, received, expected: fn(&Cancelled) -> bool| {
        let decided = cancelled(record, wish(), received, at(6));
        assert!(expected(&decided), "{decided:?}");
    };
    check(waiting(&one()), true, |decided| matches!(decided, Cancelled::AtOnce(_)));
    check(sent(Presence::Away { last_seen: None }), false, |decided| matches!(decided, Cancelled::AtOnce(_)));
    check(sent(Presence::Connected), true, |decided| matches!(decided, Cancelled::TellNode(_)));
    check(
        accepted(sent(Presence::Connected), &one()).unwrap(),
        false,
        |decided| matches!(decided, Cancelled::TellNode(record) if record.state == State::Cancelling),
    );
}

#[test]
fn a_wish_to_cancel_stands_until_the_node_has_answered_it() {
    let Cancelled::TellNode(record) = cancelled(sent(Presence::Connected), wish(), true, at(6)) else {
        panic!("the node is to be told");
    };
    let record = applied(record, report(1, State::InProgress, Reason::RunningStep { step: "s".into() }));
    assert_eq!(record.state, State::Cancelling);
    assert_eq!(cancelled(record.clone(), wish(), true, at(7)), Cancelled::Nothing, "telling once is enough");
    let record =
        applied(record, report(2, State::Cancelled, Reason::CancelledOnNode { by: "the node".into() }));
    assert_eq!(record.reason, Reason::CancelledOnNode { by: "ada".into() });
}

#[test]
fn what_never_left_times_out_at_the_delivery_deadline() {
    let away = sent(Presence::Away { last_seen: Some(at(0)) });
    assert_eq!(expired(away.clone(), &one(), false, None, at(59)), Expired::NotYet);
    let Expired::Final { record, tell_node: false } = expired(away, &one(), false, Some(at(0)), at(60))
    else {
        panic!("it ends at its deadline");
    };
    assert_eq!(record.state, State::TimedOut);
    assert_eq!(record.reason, Reason::NotDelivered { deadline: at(60), last_seen: Some(at(0)) });
    assert!(!counts_as_error(record.state, &record.reason));
}

#[test]
fn what_may_have_left_is_waited_for_until_it_would_have_ended() {
    let Expired::Extended(record) = expired(sent(Presence::Connected), &one(), true, None, at(60)) else {
        panic!("an answer may still come");
    };
    assert_eq!((record.state, record.deadline), (State::Pending, at(190)));
    assert_eq!(expired(record.clone(), &one(), true, None, at(189)), Expired::NotYet);
    assert!(matches!(expired(record, &one(), true, None, at(190)), Expired::Final { tell_node: true, .. }));
}

#[test]
fn a_controller_that_slept_past_both_deadlines_ends_it_at_once() {
    assert!(matches!(expired(sent(Presence::Connected), &one(), true, None, at(500)), Expired::Final { .. }));
}

#[test]
fn a_refusal_delays_and_is_noted_once() {
    let record = refused(sent(Presence::Connected), "no disk space".into()).unwrap();
    assert_eq!(record.state, State::Delayed);
    assert_eq!(refused(record.clone(), "no disk space".into()), None);
    assert_eq!(accepted(record, &one()).unwrap().state, State::InProgress);
}

#[test]
fn only_an_accepted_invocation_is_lost_with_the_nodes_journal() {
    assert_eq!(unknown_to_node(sent(Presence::Connected), at(9)), None);
    let lost = unknown_to_node(accepted(sent(Presence::Connected), &one()).unwrap(), at(9)).unwrap();
    assert_eq!((lost.state, lost.reason), (State::Failed, Reason::LostOnNode {}));
}

#[test]
fn ssms_words_for_final_states() {
    let step = || "s".to_owned();
    for (state, reason, details, error) in [
        (State::Success, Reason::AllStepsDone {}, "Success", false),
        (State::Failed, Reason::StepFailed { step: step(), detail: String::new() }, "Failed", true),
        (State::Failed, Reason::Interrupted { step: step(), detail: String::new() }, "Failed", true),
        (State::Failed, Reason::NodeDeregistered {}, "Undeliverable", false),
        (State::Failed, Reason::UnsupportedPlatform { platform: step() }, "Invalid Platform", false),
        (
            State::TimedOut,
            Reason::StepTimedOut { step: step(), detail: String::new() },
            "Execution Timed Out",
            true,
        ),
        (State::TimedOut, Reason::NotStartedInTime {}, "Delivery Timed Out", false),
        (State::Cancelled, Reason::ErrorThreshold { errors: 1, limit: 0 }, "Terminated", false),
        (State::Cancelled, Reason::CancelledBeforeDelivery { by: step() }, "Cancelled", false),
    ] {
        assert_eq!(status_details(state, &reason), details, "{reason:?}");
        assert_eq!(counts_as_error(state, &reason), error, "{reason:?}");
        assert!(!reason.text().is_empty());
    }
}

#[test]
fn a_reason_has_a_code_and_values_for_programs() {
    let reason = Reason::ErrorThreshold { errors: 3, limit: 2 };
    assert_eq!(reason.code(), "ErrorThreshold");
    assert_eq!(
        reason.values(),
        [("errors".to_owned(), "3".to_owned()), ("limit".to_owned(), "2".to_owned())]
    );
    assert_eq!(Reason::AllStepsDone {}.code(), "AllStepsDone");
}

#[test]
fn every_final_state_has_the_words_of_the_reference() {
    let text = String::new;
    let cancelled = || Reason::CancelledOnNode { by: text() };
    let table = [
        // state, reason, words, counts against max errors
        (State::Pending, Reason::WaitingForTurn {}, "Pending", false),
        (State::InProgress, Reason::AcceptedByNode {}, "In Progress", false),
        (State::Delayed, Reason::NodeAway { last_seen: None }, "Delayed", false),
        (State::Success, Reason::AllStepsDone {}, "Success", false),
        (
            State::TimedOut,
            Reason::NotDelivered { deadline: at(1), last_seen: None },
            "Delivery Timed Out",
            false,
        ),
        (State::TimedOut, Reason::NoAnswer { deadline: at(1), last_seen: None }, "Delivery Timed Out", false),
        (State::TimedOut, Reason::NotStartedInTime {}, "Delivery Timed Out", false),
        (State::TimedOut, Reason::StepTimedOut { step: text(), detail: text() }, "Execution Timed Out", true),
        (State::Failed, Reason::StepFailed { step: text(), detail: text() }, "Failed", true),
        (State::Failed, Reason::Interrupted { step: text(), detail: text() }, "Failed", true),
        (State::Failed, Reason::DocumentRefused { detail: text() }, "Failed", true),
        (State::Failed, Reason::NodeDeregistered {}, "Undeliverable", false),
        (State::Failed, Reason::LostOnNode {}, "Undeliverable", false),
        (State::Failed, Reason::UnsupportedPlatform { platform: text() }, "Invalid Platform", false),
        (State::Cancelled, cancelled(), "Cancelled", false),
        (State::Cancelled, Reason::CancelledBeforeDelivery { by: text() }, "Cancelled", false),
        (State::Cancelled, Reason::ErrorThreshold { errors: 1, limit: 0 }, "Terminated", false),
        (State::Cancelled, Reason::SendInterrupted {}, "Cancelled", false),
    ];
    for (state, reason, words, error) in table {
        assert_eq!(
            (status_details(state, &reason), counts_as_error(state, &reason)),
            (words, error),
            "{reason:?}"
        );
    }
}
