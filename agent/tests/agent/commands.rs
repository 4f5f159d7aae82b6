//! Commands on a network that works.

use std::time::Duration;

use fleetwright_agent::executor::Load;
use fleetwright_proto::agent::accepted::Outcome;
use fleetwright_proto::agent::{
    InvocationStatus, ReasonCode, Report, RunDocument, StepStatus, delivery, step_result,
};
use fleetwright_proto::ids::CommandId;
use serde_json::json;

use crate::controller::Controller;
use crate::host::{Host, cancel, eventually, run, run_document};

/// What makes a document one that cannot be carried out.
type Change = fn(&mut RunDocument);

fn check(report: &Report, status: InvocationStatus, reason: ReasonCode) {
    assert_eq!((report.status(), report.reason()), (status, reason), "{report:#?}");
}

#[tokio::test]
async fn a_command_runs_once_and_its_output_arrives() {
    let controller = Controller::start().await;
    let host = Host::of(&controller);
    let agent = host.start_agent();
    let command = CommandId::random();
    let work = run(&command, &[&["echo hello", "complain oh"]]);
    let seq = controller.deliver(work.clone());
    let report = controller.final_report(command.as_str()).await;
    check(&report, InvocationStatus::Success, ReasonCode::AllStepsDone);
    assert_eq!(report.steps[0].ended, Some(step_result::Ended::ExitCode(0)));
    assert_eq!((report.steps[0].stdout_bytes, report.steps[0].stderr_bytes), (6, 3));
    assert_eq!(controller.seen(|seen| seen.stdout(command.as_str())), "hello\n");
    eventually("the agent knows that the controller has the report", || agent.open_commands() == 0).await;

    controller.deliver_again(seq, work);
    let second = |seen: &crate::controller::Seen| {
        seen.accepted.get(1).map(fleetwright_proto::agent::Accepted::outcome)
    };
    assert_eq!(controller.until("the second answer", second).await, Outcome::Duplicate);
    assert_eq!(host.runs(&command), 1);
}

#[tokio::test]
async fn a_large_output_arrives_whole_before_the_report() {
    let controller = Controller::start().await;
    let host = Host::of(&controller);
    let _agent = host.start_agent();
    let command = CommandId::random();
    controller.deliver(run(&command, &[&["print 300000"]]));
    let report = controller.final_report(command.as_str()).await;
    assert!(report.output.iter().all(|output| output.data.len() < 16 * 1024));
    assert_eq!(report.steps[0].stdout_bytes, 300_000);
    let (stored, holes) = controller.seen(|seen| (seen.stdout(command.as_str()).len(), seen.holes.clone()));
    assert_eq!((stored, holes), (300_000, Vec::<String>::new()));
}

#[tokio::test]
async fn output_appears_while_the_step_runs() {
    let controller = Controller::start().await;
    let host = Host::of(&controller);
    let _agent = host.start_agent();
    let command = CommandId::random();
    controller.deliver(run(&command, &[&["echo begun", "hang"]]));
    controller
        .until("the first line", |seen| (seen.stdout(command.as_str()) == "begun\n").then_some(()))
        .await;
    let report = controller.seen(|seen| seen.reports[command.as_str()].clone());
    check(&report, InvocationStatus::InProgress, ReasonCode::RunningStep);
    assert_eq!(report.steps[0].status(), StepStatus::StepInProgress);
}

#[tokio::test]
async fn no_more_run_than_there_are_workers_and_in_order() {
    let controller = Controller::start().await;
    let mut host = Host::of(&controller);
    host.limits.workers = 1;
    let agent = host.start_agent();
    let commands: Vec<_> = (0..3).map(|_| CommandId::random()).collect();
    for command in &commands {
        controller.deliver(run(command, &[&["hang"]]));
    }
    eventually("one runs and two wait", || agent.load() == Load { waiting: 2, running: 1 }).await;
    let last = &commands[2];
    let queued = |seen: &crate::controller::Seen| {
        seen.reports
            .get(last.as_str())
            .filter(|report| report.reason() == ReasonCode::QueuedOnNode)
            .map(|_| ())
    };
    controller.until("a report that the last one waits", queued).await;
    // The first is the one that runs: its cancelling lets the second begin.
    controller.deliver(cancel(&commands[0]));
    controller.final_report(commands[0].as_str()).await;
    eventually("the second runs", || host.runs(&commands[1]) == 1).await;
    assert_eq!(host.runs(last), 0);
}

#[tokio::test]
async fn a_cancelled_command_ends_with_a_report_wherever_it_is() {
    let controller = Controller::start().await;
    let mut host = Host::of(&controller);
    host.limits.workers = 1;
    let agent = host.start_agent();
    let [running, waiting, unknown] = [(); 3].map(|()| CommandId::random());
    controller.deliver(run(&running, &[&["ignore-terminate", "hang"], &["echo never"]]));
    controller.deliver(run(&waiting, &[&["echo never"]]));
    eventually("one runs and one waits", || agent.load() == Load { waiting: 1, running: 1 }).await;
    for command in [&unknown, &waiting, &running] {
        controller.deliver(cancel(command));
        let report = controller.final_report(command.as_str()).await;
        check(&report, InvocationStatus::Cancelled, ReasonCode::CancelledOnNode);
    }
    // It comes after all: its end is known already.
    controller.deliver(run(&unknown, &[&["echo never"]]));
    let last = |seen: &crate::controller::Seen| {
        seen.accepted.get(5).map(fleetwright_proto::agent::Accepted::outcome)
    };
    assert_eq!(controller.until("the sixth answer", last).await, Outcome::Duplicate);
    assert_eq!(host.platform.runs().len(), 1, "{:?}", host.platform.runs());
    assert_eq!(host.platform.processes(), 0);
}

#[tokio::test]
async fn what_cannot_be_run_ends_with_the_reason() {
    let controller = Controller::start().await;
    let host = Host::of(&controller);
    let _agent = host.start_agent();
    let changed = |change: fn(&mut RunDocument)| {
        move |command: &CommandId| match run(command, &[&["echo never"]]) {
            delivery::Work::Run(mut document) => {
                change(&mut document);
                delivery::Work::Run(document)
            }
            delivery::Work::Cancel(_) => unreachable!("a document is run"),
        }
    };
    let cases: [(&str, Change); 4] = [
        ("cannot be used", |document| document.content = "{".into()),
        ("not UTF-8", |document| document.content = vec![0xff, 0xfe].into()),
        ("parameters", |document| document.parameters = "[]".into()),
        ("no worker was free", |document| document.start_within_ms = 0),
    ];
    for (wanted, change) in cases {
        let command = CommandId::random();
        // A deadline of zero has passed at the next millisecond, which a worker may be faster than.
        controller.deliver(changed(change)(&command));
        let report = controller.final_report(command.as_str()).await;
        let late_or_lucky = wanted == "no worker was free" && report.status() == InvocationStatus::Success;
        assert!(report.reason_detail.contains(wanted) || late_or_lucky, "{wanted}: {report:#?}");
    }
}

#[tokio::test]
async fn an_action_that_the_host_has_no_program_for_fails_its_step_and_says_so() {
    let controller = Controller::start().await;
    let host = Host::of(&controller);
    let _agent = host.start_agent();
    let command = CommandId::random();
    let document = json!({
        "schemaVersion": "2.2",
        "description": "a test",
        "mainSteps": [{ "action": "aws:configureDocker", "name": "docker", "inputs": { "action": "Install" } }],
    });
    controller.deliver(run_document(&command, &document));
    let report = controller.final_report(command.as_str()).await;
    check(&report, InvocationStatus::Failed, ReasonCode::StepFailed);
    assert!(report.reason_detail.starts_with("installing docker is not possible on Linux"), "{report:#?}");
}

#[tokio::test]
async fn a_certificate_is_renewed_in_the_second_half_of_its_life() {
    for (life, renewals) in [(crate::authority::ONE_DAY, 0), (crate::authority::PAST_HALF, 1)] {
        let controller = Controller::with_heartbeat(Duration::from_millis(100)).await;
        let host = Host::with_certificate(&controller, life);
        let _agent = host.start_agent();
        controller.until("two heartbeats", |seen| (seen.heartbeats >= 2).then_some(())).await;
        controller.network.cut();
        controller.until("a second connection", |seen| seen.hellos.get(1).map(|_| ())).await;
        controller.until("two more heartbeats", |seen| (seen.heartbeats >= 4).then_some(())).await;
        assert_eq!(controller.seen(|seen| seen.renewals), renewals);
    }
}
