//! Cut links, killed agents, full disks, reboots and controllers that misbehave.

use std::time::Duration;

use fleetwright_agent::executor::ExecutorLimits;
use fleetwright_agent::status::LinkStatus;
use fleetwright_proto::agent::accepted::Outcome;
use fleetwright_proto::agent::goodbye::Code;
use fleetwright_proto::agent::{Goodbye, InvocationStatus, ReasonCode, StepStatus};
use fleetwright_proto::ids::CommandId;

use crate::authority::OVER;
use crate::controller::{Controller, CutAt, Seen};
use crate::host::{Host, cancel, eventually, run, until_link};

fn nth_hello(number: usize) -> impl Fn(&Seen) -> Option<()> {
    move |seen| seen.hellos.get(number - 1).map(|_| ())
}

fn last_answer(seen: &Seen) -> Option<(Outcome, String)> {
    seen.accepted.last().map(|accepted| (accepted.outcome(), accepted.detail.clone()))
}

/// An answer that says no, whenever it came: the answer to what was taken may be held back longer.
fn refusal(seen: &Seen) -> Option<(Outcome, String)> {
    let refused = seen.accepted.iter().find(|accepted| accepted.outcome() == Outcome::Refused)?;
    Some((refused.outcome(), refused.detail.clone()))
}

fn is_disconnected(status: &LinkStatus) -> bool {
    matches!(status, LinkStatus::Disconnected { .. })
}

#[tokio::test]
async fn a_link_that_is_cut_anywhere_loses_nothing_and_doubles_nothing() {
    let moments = [
        CutAt::Hello,
        CutAt::Accepted,
        CutAt::OutputBeforeStored,
        CutAt::OutputAfterStored,
        CutAt::ReportBeforeStored,
        CutAt::ReportAfterStored,
    ];
    for moment in moments {
        let controller = Controller::start().await;
        let host = Host::of(&controller);
        let command = CommandId::random();
        controller.cut_at(moment);
        controller.deliver(run(&command, &[&["print 100000", "echo end"], &["echo more"]]));
        let agent = host.start_agent();
        let report = controller.final_report(command.as_str()).await;
        assert_eq!(report.status(), InvocationStatus::Success, "cut at {moment:?}");
        eventually("the report is acknowledged", || agent.open_commands() == 0).await;
        controller.seen(|seen| {
            assert_eq!(seen.stdout(command.as_str()).len(), 100_004, "cut at {moment:?}");
            assert!(seen.holes.is_empty() && seen.contradictions.is_empty(), "cut at {moment:?}: {seen:#?}");
        });
        assert_eq!(controller.network.dialled(), 2, "cut at {moment:?}");
        assert_eq!(host.runs(&command), 1, "cut at {moment:?}");
    }
}

#[tokio::test]
async fn work_goes_on_without_a_link_and_is_reported_when_it_is_back() {
    let controller = Controller::start().await;
    let host = Host::of(&controller);
    let agent = host.start_agent();
    let command = CommandId::random();
    controller.deliver(run(&command, &[&["echo begun", "sleep 1", "echo done"]]));
    controller
        .until("the first line", |seen| (!seen.stdout(command.as_str()).is_empty()).then_some(()))
        .await;
    controller.network.take_down();
    eventually("the command is over", || agent.load().running == 0).await;
    controller.network.bring_up();
    let report = controller.final_report(command.as_str()).await;
    assert_eq!(report.status(), InvocationStatus::Success);
    assert_eq!(controller.seen(|seen| seen.stdout(command.as_str())), "begun\ndone\n");
    assert_eq!(
        controller.seen(|seen| seen.hellos.last().unwrap().open_commands.clone()),
        [command.to_string()]
    );
}

#[tokio::test]
async fn a_step_that_ran_when_the_agent_was_killed_is_interrupted_and_never_run_again() {
    let controller = Controller::start().await;
    let mut host = Host::of(&controller);
    host.limits.workers = 1;
    let agent = host.start_agent();
    let [running, waiting] = [(); 2].map(|()| CommandId::random());
    controller.deliver(run(&running, &[&["echo begun", "hang"], &["echo never"]]));
    controller.deliver(run(&waiting, &[&["echo later"]]));
    controller
        .until("the first line", |seen| (!seen.stdout(running.as_str()).is_empty()).then_some(()))
        .await;
    controller.until("two answers", |seen| (seen.accepted.len() == 2).then_some(())).await;
    agent.kill();
    assert_eq!(host.platform.processes(), 1, "a killed agent leaves its processes alone");

    let _agent = host.start_agent();
    let report = controller.final_report(running.as_str()).await;
    assert_eq!((report.status(), report.reason()), (InvocationStatus::Failed, ReasonCode::Interrupted));
    assert_eq!(report.steps[0].status(), StepStatus::StepInterrupted);
    assert_eq!(host.platform.processes(), 0, "what was left running is ended");
    let report = controller.final_report(waiting.as_str()).await;
    assert_eq!(report.status(), InvocationStatus::Success);
    assert_eq!((host.runs(&running), host.runs(&waiting), host.platform.runs().len()), (1, 1, 2));
}

#[tokio::test]
async fn a_result_that_was_not_acknowledged_is_reported_by_the_next_agent() {
    let controller = Controller::start().await;
    let host = Host::of(&controller);
    let agent = host.start_agent();
    let command = CommandId::random();
    controller.deliver(run(&command, &[&["echo begun", "sleep 1"]]));
    controller
        .until("the first line", |seen| (!seen.stdout(command.as_str()).is_empty()).then_some(()))
        .await;
    controller.network.take_down();
    eventually("the command is over", || agent.load().running == 0).await;
    agent.kill();
    controller.network.bring_up();
    let agent = host.start_agent();
    controller.final_report(command.as_str()).await;
    eventually("the report is acknowledged", || agent.open_commands() == 0).await;
    assert_eq!(host.runs(&command), 1);
}

#[tokio::test]
async fn a_stopping_agent_gives_its_steps_time_and_then_ends_them() {
    let controller = Controller::start().await;
    let host = Host::of(&controller);
    let agent = host.start_agent();
    let command = CommandId::random();
    controller.deliver(run(&command, &[&["echo begun", "hang"], &["echo never"]]));
    controller
        .until("the first line", |seen| (!seen.stdout(command.as_str()).is_empty()).then_some(()))
        .await;
    agent.stop().await;
    assert_eq!(host.platform.processes(), 0);
    let _agent = host.start_agent();
    let report = controller.final_report(command.as_str()).await;
    assert_eq!((report.status(), report.reason()), (InvocationStatus::Failed, ReasonCode::Interrupted));
    assert_eq!(host.platform.runs().len(), 1);
}

#[tokio::test]
async fn a_step_that_asks_for_a_reboot_runs_again_after_it() {
    let controller = Controller::start().await;
    let host = Host::of(&controller);
    let agent = host.start_agent();
    let [reboots, waiting] = [(); 2].map(|()| CommandId::random());
    controller.deliver(run(&reboots, &[&["exit 194"], &["echo after"]]));
    eventually("a reboot is asked for", || host.platform.reboots_requested() == 1).await;
    controller.deliver(run(&waiting, &[&["echo later"]]));
    controller.until("two answers", |seen| (seen.accepted.len() == 2).then_some(())).await;
    let rebooting = |seen: &Seen| {
        seen.reports
            .get(reboots.as_str())
            .filter(|report| report.reason() == ReasonCode::Rebooting)
            .map(|_| ())
    };
    controller.until("the report of the reboot", rebooting).await;
    assert_eq!(host.runs(&waiting), 0, "nothing begins before a reboot");

    agent.kill();
    let agent = host.start_agent();
    eventually("the same reboot is asked for again", || host.platform.reboots_requested() == 2).await;
    assert_eq!(host.runs(&reboots), 1);
    agent.kill();
    host.platform.reboot_host();
    let _agent = host.start_agent();
    eventually("it ran again and asks again", || host.platform.reboots_requested() == 3).await;
    assert_eq!(host.runs(&reboots), 2);
    controller.deliver(cancel(&reboots));
    let report = controller.final_report(reboots.as_str()).await;
    assert_eq!(report.status(), InvocationStatus::Cancelled);
    assert_eq!(controller.final_report(waiting.as_str()).await.status(), InvocationStatus::Success);
}

#[tokio::test]
async fn a_full_disk_refuses_deliveries_and_loses_none() {
    let controller = Controller::start().await;
    let host = Host::of(&controller);
    let _agent = host.start_agent();
    let command = CommandId::random();
    host.journal.limit_to(0);
    controller.deliver(run(&command, &[&["echo hello"]]));
    let (outcome, detail) = controller.until("an answer", last_answer).await;
    assert_eq!(outcome, Outcome::Refused);
    assert!(detail.contains("no storage space"), "{detail}");
    host.journal.unlimit();
    host.platform.fill_disk();
    controller.try_again();
    controller.until("a second answer", |seen| (seen.accepted.len() == 2).then_some(())).await;
    let (outcome, detail) = controller.until("an answer", last_answer).await;
    assert_eq!(outcome, Outcome::Refused);
    assert!(detail.contains("bytes free"), "{detail}");
    host.platform.free_disk();
    controller.try_again();
    assert_eq!(controller.final_report(command.as_str()).await.status(), InvocationStatus::Success);
    assert_eq!(host.runs(&command), 1);
}

#[tokio::test]
async fn a_disk_that_fills_up_later_holds_a_command_back_and_loses_nothing() {
    let controller = Controller::start().await;
    let host = Host::of(&controller);
    let _agent = host.start_agent();
    let command = CommandId::random();
    // Room for the acceptance and the start, not for the result.
    host.journal.limit_to(2);
    controller.deliver(run(&command, &[&["echo hello"]]));
    controller.until("the output", |seen| (!seen.stdout(command.as_str()).is_empty()).then_some(())).await;
    assert!(!controller.seen(|seen| crate::controller::is_final(&seen.reports[command.as_str()])));
    host.journal.unlimit();
    assert_eq!(controller.final_report(command.as_str()).await.status(), InvocationStatus::Success);
    assert_eq!(host.runs(&command), 1);
}

#[tokio::test]
async fn more_than_the_queue_holds_is_refused() {
    for limits in [
        ExecutorLimits { open_commands: 1, ..ExecutorLimits::default() },
        // The first document is accepted whatever its size.
        ExecutorLimits { work_bytes: 1, ..ExecutorLimits::default() },
    ] {
        check_refusal(limits, "limit").await;
    }
}

#[tokio::test]
async fn nothing_new_is_accepted_into_a_journal_that_is_full() {
    let limits = ExecutorLimits { journal_bytes: 1, ..ExecutorLimits::default() };
    check_refusal(limits, "the journal has 0 bytes, and its limit is 1").await;
}

async fn check_refusal(limits: ExecutorLimits, wanted: &str) {
    let controller = Controller::start().await;
    let mut host = Host::of(&controller);
    host.limits = ExecutorLimits { stop_timeout: host.limits.stop_timeout, ..limits };
    let _agent = host.start_agent();
    controller.deliver(run(&CommandId::random(), &[&["hang"]]));
    controller.deliver(run(&CommandId::random(), &[&["hang"]]));
    controller.until("two answers", |seen| (seen.accepted.len() == 2).then_some(())).await;
    let (outcome, detail) = controller.until("a refusal", refusal).await;
    assert_eq!(outcome, Outcome::Refused);
    assert!(detail.contains(wanted), "{detail}");
}

#[tokio::test]
async fn a_controller_that_falls_silent_is_left_for_a_new_connection() {
    let controller = Controller::with_heartbeat(Duration::from_millis(100)).await;
    let host = Host::of(&controller);
    let agent = host.start_agent();
    until_link(&agent, "connected", |status| matches!(status, LinkStatus::Connected { .. })).await;
    controller.fall_silent();
    let status = until_link(&agent, "disconnected", is_disconnected).await;
    let LinkStatus::Disconnected { error, .. } = status else { unreachable!("it was waited for") };
    assert!(error.contains("nothing was heard"), "{error}");
    controller.until("a new connection", nth_hello(2)).await;
}

#[tokio::test]
async fn goodbyes_are_followed() {
    for (code, comes_back_at_once) in [(Code::Restart, true), (Code::Deregistered, false)] {
        let controller = Controller::start().await;
        let host = Host::of(&controller);
        let agent = host.start_agent();
        until_link(&agent, "connected", |status| matches!(status, LinkStatus::Connected { .. })).await;
        controller.say_goodbye(Goodbye { code: code.into(), detail: "by an operator".to_owned() });
        until_link(&agent, "disconnected", is_disconnected).await;
        controller.welcome_again();
        if comes_back_at_once {
            controller.until("a new connection", nth_hello(2)).await;
        } else {
            let LinkStatus::Disconnected { error, .. } = agent.status().borrow().clone() else {
                panic!("a deregistered node does not come back by itself")
            };
            assert!(error.contains("deregistered (by an operator)"), "{error}");
            assert_eq!(controller.network.dialled(), 1);
        }
    }
}

#[tokio::test]
async fn why_there_is_no_link_is_told_in_one_line() {
    let controller = Controller::start().await;
    let stranger = Controller::start().await;
    let mut foreign = Host::of(&stranger);
    foreign.go_to(&controller);
    let expired = Host::with_certificate(&controller, OVER);
    let nowhere = Host::of(&stranger);
    stranger.network.take_down();
    for (host, wanted) in [
        (&foreign, "not signed by the authority that this agent enrolled with"),
        (&expired, "certificate expired on"),
        (&nowhere, "the connection was refused"),
    ] {
        let agent = host.start_agent();
        let status = until_link(&agent, "disconnected", is_disconnected).await;
        let LinkStatus::Disconnected { error, .. } = status else { unreachable!("it was waited for") };
        assert!(error.contains(wanted) && !error.contains('\n'), "`{error}` does not say `{wanted}`");
    }
}
