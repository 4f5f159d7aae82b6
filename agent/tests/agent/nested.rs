//! Documents in steps, through the whole agent: fetched from the controller, rebooted in, cancelled, killed, secret.

use std::time::Duration;

use fleetwright_proto::agent::{InvocationStatus, ReasonCode, Report, StepStatus};
use fleetwright_proto::ids::CommandId;
use serde_json::json;

use crate::controller::Controller;
use crate::host::{Host, cancel, eventually, run_document};

fn inner(scripts: &[&[&str]]) -> String {
    let steps: Vec<_> = scripts
        .iter()
        .enumerate()
        .map(|(index, lines)| {
            json!({ "action": "aws:runShellScript", "name": format!("inner{index}"), "inputs": { "runCommand": lines } })
        })
        .collect();
    json!({ "schemaVersion": "2.2", "description": "inner", "mainSteps": steps }).to_string()
}

fn outer(name: &str) -> serde_json::Value {
    json!({
        "schemaVersion": "2.2",
        "description": "outer",
        "mainSteps": [
            { "action": "aws:runDocument", "name": "outer", "inputs": { "documentType": "SSMDocument", "documentPath": name } },
            { "action": "aws:runShellScript", "name": "after", "inputs": { "runCommand": ["echo after"] } },
        ],
    })
}

fn inner_states(report: &Report) -> Vec<StepStatus> {
    report.steps[0].inner.iter().map(fleetwright_proto::agent::StepResult::status).collect()
}

#[tokio::test]
async fn the_controller_gives_the_document_and_sees_every_inner_result() {
    let controller = Controller::start().await;
    let host = Host::of(&controller);
    let _agent = host.start_agent();
    controller.keep_document("Inner", &inner(&[&["echo one"], &["exit 3"]]));
    let command = CommandId::random();
    controller.deliver(run_document(&command, &outer("Inner")));
    let report = controller.final_report(command.as_str()).await;
    assert_eq!((report.status(), report.reason()), (InvocationStatus::Failed, ReasonCode::StepFailed));
    assert_eq!(report.reason_detail, "its step `inner1`: exit code 3");
    assert_eq!(inner_states(&report), [StepStatus::StepSuccess, StepStatus::StepFailedStatus]);
    assert_eq!(report.steps[1].status(), StepStatus::StepSuccess);
    assert_eq!(controller.seen(|seen| seen.stdout(command.as_str())), "one\n");
    let unknown = CommandId::random();
    controller.deliver(run_document(&unknown, &outer("Nobody")));
    let report = controller.final_report(unknown.as_str()).await;
    assert!(report.reason_detail.contains("`Nobody`"), "{report:#?}");
}

#[tokio::test]
async fn a_reboot_inside_comes_back_inside_and_a_loop_of_them_ends() {
    let controller = Controller::start().await;
    let host = Host::of(&controller);
    controller.keep_document("Inner", &inner(&[&["echo one"], &["echo two", "exit 194"]]));
    let command = CommandId::random();
    controller.deliver(run_document(&command, &outer("Inner")));
    let mut agent = host.start_agent();
    for reboot in 1..=15 {
        eventually("a reboot is asked for", || host.platform.reboots_requested() == reboot).await;
        agent.kill();
        host.platform.reboot_host();
        agent = host.start_agent();
    }
    let report = controller.final_report(command.as_str()).await;
    assert_eq!(report.status(), InvocationStatus::Failed);
    assert!(report.reason_detail.contains("15 reboots"), "{report:#?}");
    let runs = host.platform.runs();
    let of = |step: &str| runs[&format!("{command}/{step}")];
    assert_eq!((of("0/0"), of("0/1")), (1, 16));
}

#[tokio::test]
async fn an_agent_that_is_stopped_between_two_inner_steps_goes_on_with_the_second() {
    let controller = Controller::start().await;
    let mut host = Host::of(&controller);
    host.limits.stop_timeout = Duration::from_secs(20);
    let agent = host.start_agent();
    controller.keep_document("Inner", &inner(&[&["echo one", "sleep 1"], &["echo two"]]));
    let command = CommandId::random();
    controller.deliver(run_document(&command, &outer("Inner")));
    eventually("the first runs", || host.platform.processes() == 1).await;
    // Lets the running step end, and begins no other.
    agent.stop().await;
    let runs = host.platform.runs();
    assert_eq!(runs.keys().filter(|step| step.starts_with(command.as_str())).count(), 1, "{runs:?}");
    let _agent = host.start_agent();
    let report = controller.final_report(command.as_str()).await;
    assert_eq!((report.status(), report.reason()), (InvocationStatus::Success, ReasonCode::AllStepsDone));
    assert_eq!(inner_states(&report), [StepStatus::StepSuccess; 2]);
    let runs = host.platform.runs();
    let of = |step: &str| runs.get(&format!("{command}/{step}")).copied();
    assert_eq!((of("0/0"), of("0/1"), of("1")), (Some(1), Some(1), Some(1)));
    assert_eq!(controller.seen(|seen| seen.stdout(command.as_str())), "one\ntwo\n");
}

#[tokio::test]
async fn a_cancel_and_a_killed_agent_reach_the_inner_process() {
    let controller = Controller::start().await;
    let host = Host::of(&controller);
    let agent = host.start_agent();
    controller.keep_document("Inner", &inner(&[&["echo begun", "hang"], &["echo never"]]));
    let [cancelled, killed] = [(); 2].map(|()| CommandId::random());
    controller.deliver(run_document(&cancelled, &outer("Inner")));
    eventually("it runs", || host.platform.processes() == 1).await;
    controller.deliver(cancel(&cancelled));
    let report = controller.final_report(cancelled.as_str()).await;
    assert_eq!(report.status(), InvocationStatus::Cancelled);
    assert_eq!(inner_states(&report), [StepStatus::StepCancelled; 2]);

    controller.deliver(run_document(&killed, &outer("Inner")));
    eventually("it runs", || host.platform.processes() == 1).await;
    agent.kill();
    let _agent = host.start_agent();
    let report = controller.final_report(killed.as_str()).await;
    assert_eq!(report.reason(), ReasonCode::Interrupted);
    assert_eq!(inner_states(&report), [StepStatus::StepInterrupted]);
    assert_eq!(host.platform.processes(), 0, "what was left running is ended");
}
