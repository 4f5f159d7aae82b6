//! Commands that nothing goes wrong with.

use fleetwright_proto::agent::accepted::Outcome;
use fleetwright_proto::agent::{InvocationStatus, ReasonCode, StepStatus, step_result};
use fleetwright_proto::ids::CommandId;

use crate::controller::Controller;
use crate::host::{Host, cancel, eventually, run, run_document};

#[tokio::test]
async fn a_command_runs_once_and_its_output_arrives() {
    let controller = Controller::start().await;
    let host = Host::of(&controller);
    let agent = host.start_agent();
    let command = CommandId::random();
    let work = run(&command, &[&["echo hello", "complain oh"]]);
    let seq = controller.deliver(work.clone());
    let report = controller.final_report(command.as_str()).await;
    assert_eq!((report.status(), report.reason()), (InvocationStatus::Success, ReasonCode::AllStepsDone));
    assert_eq!(report.steps[0].ended, Some(step_result::Ended::ExitCode(0)));
    assert_eq!((report.steps[0].stdout_bytes, report.steps[0].stderr_bytes), (6, 3));
    assert_eq!(controller.seen(|seen| seen.stdout(command.as_str())), "hello\n");
    eventually("the agent knows that the controller has the report", || agent.open_commands() == 0).await;

    controller.deliver_again(seq, work);
    let accepted = controller
        .until("two answers", |seen| (seen.accepted.len() == 2).then(|| seen.accepted[1].outcome()));
    assert_eq!(accepted.await, Outcome::Duplicate);
    assert_eq!(host.runs(&command), 1);
}
