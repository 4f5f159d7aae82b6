//! Which step comes next, and what a document's status is.

use fleetwright_documents::flow::{self, Next, ProcessEnd, StepOutcome, StepStatus};
use fleetwright_documents::{Platform, SkipReason};

use crate::{accepted, bound, plan};

/// Runs a document of shell steps with such inputs, each of which ends as said; tells what happened to each.
fn told(platform: Platform, steps: &[(&str, ProcessEnd)]) -> String {
    let mut text = "schemaVersion: '2.2'\nmainSteps:\n".to_owned();
    for (index, (inputs, _)) in steps.iter().enumerate() {
        text += &format!(
            "- name: s{index}\n  action: aws:runPowerShellScript\n  inputs: {{runCommand: [x], {inputs}}}\n"
        );
    }
    let document = accepted(&text).document;
    let plan = plan(&document, &bound(&document, &[]), platform);
    let mut results: Vec<Option<StepOutcome>> = vec![None; steps.len()];
    let mut told = Vec::new();
    loop {
        match flow::next(&plan, &results) {
            Next::Run(index) => {
                let outcome = StepOutcome::of_process(steps[index].1, platform, plan.steps[index].flow);
                told.push(format!("{:?} {}", outcome.status, outcome.code));
                results[index] = Some(outcome);
            }
            Next::Skip(index, reason) => {
                let outcome = StepOutcome::skipped(&reason);
                told.push(format!("{:?}", outcome.status));
                results[index] = Some(outcome);
            }
            Next::Fail(index, _) => results[index] = Some(StepOutcome::failed()),
            Next::RebootThen(index) => {
                told.push(format!("reboot, then s{index}"));
                break;
            }
            Next::Done(verdict) => {
                told.push(format!("= {verdict:?}"));
                break;
            }
        }
    }
    told.join(", ")
}

#[test]
fn the_end_of_a_step_decides_what_follows() {
    use ProcessEnd::{Cancelled, Exited, Interrupted, Killed, NotStarted, TimedOut};
    let ok = ("", Exited(0));
    for (steps, expected) in [
        (vec![ok, ok], "Success 0, Success 0, = Success"),
        (vec![("", Exited(3)), ok], "Failed 3, Success 0, = Failed"),
        (vec![("", NotStarted), ok], "Failed 1, Success 0, = Failed"),
        (vec![("", Killed { signal: 9 }), ok], "Failed -1, Success 0, = Failed"),
        (vec![("", TimedOut), ok], "TimedOut 137, Success 0, = TimedOut"),
        (vec![("", Exited(137)), ok], "TimedOut 137, Success 0, = TimedOut"),
        (vec![("onFailure: exit", TimedOut), ok], "TimedOut 137, Success 0, = TimedOut"),
        (vec![("", Cancelled), ok], "Cancelled 137, Cancelled, = Cancelled"),
        (vec![("", Interrupted), ok], "Interrupted -1, = Interrupted"),
        (vec![("", Exited(168)), ok], "Success 168, Skipped, = Success"),
        (vec![("", Exited(169)), ok], "Failed 169, Skipped, = Failed"),
        (vec![("onFailure: exit", Exited(2)), ok], "Failed 2, Skipped, = Failed"),
        (vec![("onFailure: exit", Exited(0)), ok], "Success 0, Success 0, = Success"),
        (vec![("onFailure: successAndExit", Exited(2)), ok], "Success 168, Skipped, = Success"),
        (vec![("onSuccess: exit", Exited(0)), ok], "Success 0, Skipped, = Success"),
        (vec![("onSuccess: exit", Exited(1)), ok], "Failed 1, Success 0, = Failed"),
        (vec![("onFailure: Abort", Exited(1)), ok], "Failed 1, Success 0, = Failed"),
        (
            vec![("onFailure: exit", Exited(1)), ok, ("finallyStep: true", Exited(0))],
            "Failed 1, Skipped, Success 0, = Failed",
        ),
        (
            vec![("onFailure: exit", Exited(1)), ("finallyStep: true", Exited(0)), ok],
            "Failed 1, Skipped, Skipped, = Failed",
        ),
        (vec![("", Exited(194)), ok], "SuccessAndReboot 194, reboot, then s0"),
        (vec![("", Exited(3010)), ok], "Failed 3010, Success 0, = Failed"),
    ] {
        assert_eq!(told(Platform::Linux, &steps), expected, "{steps:?}");
    }
    assert_eq!(told(Platform::Windows, &[("", Exited(3010)), ok]), "SuccessAndReboot 3010, reboot, then s0");
    assert_eq!(told(Platform::Windows, &[("", Exited(194)), ok]), "Failed 194, Success 0, = Failed");
    assert_eq!(told(Platform::Windows, &[("", TimedOut), ok]), "TimedOut -1, Success 0, = TimedOut");
}

#[test]
fn a_step_runs_again_when_its_reboot_is_taken_out() {
    let text = "schemaVersion: '2.2'\nmainSteps:\n- name: a\n  action: aws:runShellScript\n  inputs: {runCommand: [x]}\n";
    let document = accepted(text).document;
    let plan = plan(&document, &bound(&document, &[]), Platform::Linux);
    let reboot = StepOutcome { status: StepStatus::SuccessAndReboot, code: 194 };
    assert_eq!(flow::next(&plan, &[Some(reboot)]), Next::RebootThen(0));
    assert_eq!(flow::next(&plan, &[None]), Next::Run(0));
}

#[test]
fn who_asked_for_the_end_is_named() {
    let text = "schemaVersion: '2.2'\nmainSteps:\n- name: first\n  action: aws:runShellScript\n  inputs: {runCommand: [x]}\n- name: second\n  action: aws:runShellScript\n  inputs: {runCommand: [x]}\n";
    let document = accepted(text).document;
    let plan = plan(&document, &bound(&document, &[]), Platform::Linux);
    let exit = StepOutcome { status: StepStatus::Success, code: 168 };
    let Next::Skip(1, reason) = flow::next(&plan, &[Some(exit), None]) else {
        panic!("step 1 is not skipped")
    };
    assert_eq!(reason, SkipReason::ExitRequested { step: "first".to_owned() });
    assert_eq!(reason.to_string(), "step `first` asked for the end of the document");
}
