//! The compatibility list of the reference, section 12.3: one test for each of its cases that a command can meet, run by
//! a whole fleet in one process whose scripts are real processes.

use std::time::Duration;

use fleetwright_controller::commands::ssm_view::{Plugin, response_code};
use fleetwright_controller::commands::state::State;
use fleetwright_controller::documents::write::{self, NewDocument, VersionWish};
use fleetwright_controller::error::Kind;
use fleetwright_controller::nodes::records::Tags;
use fleetwright_controller::parameters::fault::Fault;
use fleetwright_controller::parameters::kinds::ParameterType;
use fleetwright_controller::parameters::labels;
use fleetwright_controller::parameters::put::{self, Overwrite, PutWish};
use fleetwright_controller::parameters::read::{self, Decryption};
use fleetwright_proto::ids::CommandId;
use fleetwright_tests::{Fleet, FleetSettings, Machine, Run};
use serde_json::{Value, json};

async fn machines(nodes: u32) -> Fleet {
    FleetSettings { machine: Machine::Real, ..FleetSettings::of(nodes) }.start().await
}

fn document(steps: &[Value]) -> Value {
    json!({ "schemaVersion": "2.2", "description": "a case", "mainSteps": steps })
}

fn script(name: &str, line: &str) -> Value {
    json!({ "action": "aws:runShellScript", "name": name, "inputs": { "runCommand": [line] } })
}

/// A script step with more inputs.
fn with(mut step: Value, inputs: &[(&str, &str)]) -> Value {
    for (key, value) in inputs {
        step["inputs"][*key] = Value::from(*value);
    }
    step
}

/// How each step ended, for example `first Failed 3`.
async fn steps(fleet: &Fleet, command: &CommandId) -> Vec<String> {
    let steps = fleet.invocation(command, fleet.host(0)).await.steps;
    steps.iter().map(|step| format!("{} {:?} {}", step.name, step.status, response_code(step))).collect()
}

/// Runs a document on one machine: its command's end, its steps' ends, and what they printed.
async fn check(steps_of_document: &[Value], end: &str, expected: &[&str], printed: &str) {
    let fleet = machines(1).await;
    let command = fleet.run(Run::document(&document(steps_of_document))).await;
    assert_eq!(fleet.wait_final(&command).await, end);
    assert_eq!(steps(&fleet, &command).await, expected);
    assert_eq!(fleet.output(&command, fleet.host(0)).await, printed);
    fleet.check().await;
}

const SUCCESS: &str = "Success: 1 Success (AllStepsDone)";
const FAILED: &str = "Failed: 1 Failed (StepFailed)";

#[tokio::test]
async fn shell_and_powershell_steps_with_preconditions_run_on_their_platform_only() {
    let shell = json!({ "action": "aws:runShellScript", "name": "linux",
        "precondition": { "StringEquals": ["platformType", "Linux"] },
        "inputs": { "runCommand": ["echo shell"] } });
    let powershell = json!({ "action": "aws:runPowerShellScript", "name": "windows",
        "precondition": { "StringEquals": ["platformType", "Windows"] },
        "inputs": { "runCommand": ["Write-Output never"] } });
    check(&[shell, powershell], SUCCESS, &["linux Success 0", "windows Skipped 0"], "shell\n").await;
}

#[tokio::test]
async fn a_failed_first_step_lets_the_second_run_and_the_document_fails() {
    let steps = [script("first", "exit 3"), script("second", "echo second")];
    let expected = ["first Failed 3", "second Success 0"];
    check(&steps, FAILED, &expected, "failed to run commands: exit status 3second\n").await;
}

#[tokio::test]
async fn on_failure_beside_the_inputs_is_ignored() {
    let mut first = script("first", "exit 3");
    first["onFailure"] = "exit".into();
    let expected = ["first Failed 3", "second Success 0"];
    let printed = "failed to run commands: exit status 3second\n";
    check(&[first, script("second", "echo second")], FAILED, &expected, printed).await;
}

#[tokio::test]
async fn on_failure_exit_in_the_inputs_skips_all_but_a_last_finally_step() {
    let steps = [
        with(script("first", "exit 3"), &[("onFailure", "exit")]),
        script("second", "echo never"),
        with(script("last", "echo last"), &[("finallyStep", "true")]),
    ];
    let expected = ["first Failed 3", "second Skipped 0", "last Success 0"];
    check(&steps, FAILED, &expected, "failed to run commands: exit status 3last\n").await;
    let steps =
        [with(script("first", "exit 3"), &[("onFailure", "successAndExit")]), script("second", "echo never")];
    let fleet = machines(1).await;
    let command = fleet.run(Run::document(&document(&steps))).await;
    assert_eq!(fleet.wait_final(&command).await, SUCCESS);
    let statuses = fleet.invocation(&command, fleet.host(0)).await.steps;
    assert_eq!(format!("{:?} {:?}", statuses[0].status, statuses[1].status), "Success Skipped");
}

#[tokio::test]
async fn exit_168_succeeds_and_ends_the_document() {
    let steps = [script("first", "echo done; echo shown >&2; exit 168"), script("second", "echo never")];
    check(&steps, SUCCESS, &["first Success 168", "second Skipped 0"], "done\nshown\n").await;
}

#[tokio::test]
async fn exit_169_fails_and_ends_the_document() {
    let steps = [script("first", "echo done; exit 169"), script("second", "echo never")];
    let printed = "done\nfailed to run commands: exit status 169";
    check(&steps, FAILED, &["first Failed 169", "second Skipped 0"], printed).await;
}

#[tokio::test]
async fn exit_194_once_reboots_and_the_same_script_runs_again() {
    let fleet = machines(1).await;
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("rebooted");
    let once =
        format!("if [ -e {0} ]; then echo second; else touch {0}; echo first; exit 194; fi", mark.display());
    let steps_of_document =
        [script("before", "echo before"), script("reboots", &once), script("after", "echo after")];
    let command = fleet.run(Run::document(&document(&steps_of_document))).await;
    let host = fleet.host(0);
    fleet.until("the wish to reboot", async || (host.machine().reboots_requested() == 1).then_some(())).await;
    host.reboot();
    assert_eq!(fleet.wait_final_reconnecting(&command).await, SUCCESS);
    assert_eq!(fleet.output(&command, host).await, "before\nfirst\nsecond\nafter\n");
    assert_eq!(host.runs(&command), [(0, 1), (1, 2), (2, 1)]);
    fleet.check_but_reruns_of(&[&command]).await;
}

#[tokio::test]
async fn a_time_out_below_five_seconds_is_the_default_of_an_hour() {
    let fleet = machines(1).await;
    let step = with(script("waits", "sleep 1000000"), &[("timeoutSeconds", "3")]);
    let command = fleet.run(Run::document(&document(&[step]))).await;
    let host = fleet.host(0);
    fleet.until_state(&command, host, State::InProgress).await;
    fleet.until_run(&command, host).await;
    fleet.advance(Duration::from_secs(3590));
    assert_eq!(fleet.invocation(&command, host).await.state, State::InProgress);
    fleet.advance(Duration::from_secs(11));
    let end = fleet.wait_final_reconnecting(&command).await;
    assert_eq!(end, "Execution Timed Out: 1 Execution Timed Out (StepTimedOut)");
    let detail = &fleet.invocation(&command, host).await.steps[0].detail;
    assert_eq!(detail, "stopped after its time-out of 3600 s");
}

#[tokio::test]
async fn exit_137_of_the_script_itself_counts_as_timed_out() {
    let printed = "failed to run commands: exit status 137";
    let end = "Execution Timed Out: 1 Execution Timed Out (StepTimedOut)";
    check(&[script("first", "exit 137")], end, &["first TimedOut 137"], printed).await;
}

#[tokio::test]
async fn a_string_list_as_the_whole_of_run_command_is_its_lines_verbatim() {
    let fleet = machines(1).await;
    let mut list = document(&[json!({ "action": "aws:runShellScript", "name": "run",
        "inputs": { "runCommand": "{{ commands }}" } })]);
    list["parameters"] = json!({ "commands": { "type": "StringList" } });
    let lines = ["cat <<'END'", r#"it's "$5" & {{ other }} \n $(false)"#, "END"];
    let lines = lines.map(str::to_owned).to_vec();
    let command = fleet.run(Run::document(&list).parameter("commands", lines)).await;
    assert_eq!(fleet.wait_final(&command).await, SUCCESS);
    let printed = fleet.output(&command, fleet.host(0)).await;
    assert_eq!(printed, "it's \"$5\" & {{ other }} \\n $(false)\n");
}

#[tokio::test]
async fn a_list_inside_a_text_is_json() {
    let fleet = machines(1).await;
    let mut list = document(&[script("run", "echo 'got {{ p }}'")]);
    list["parameters"] = json!({ "p": { "type": "StringList" } });
    let values = vec!["a b".to_owned(), "c".to_owned()];
    let command = fleet.run(Run::document(&list).parameter("p", values)).await;
    assert_eq!(fleet.wait_final(&command).await, SUCCESS);
    assert_eq!(fleet.output(&command, fleet.host(0)).await, "got [\"a b\",\"c\"]\n");
}

#[tokio::test]
async fn a_reference_that_cannot_be_resolved_stops_the_command_before_its_first_step() {
    let fleet = machines(1).await;
    let steps = [script("first", "echo never"), script("second", "echo '{{ssm:/no/such/parameter}}'")];
    let refusal = fleet.send(Run::document(&document(&steps))).await.unwrap_err();
    assert!(matches!(refusal.kind, Kind::Invalid | Kind::NotFound), "{refusal}");
    assert!(refusal.message.contains("/no/such/parameter"), "{refusal}");
    assert!(fleet.commands().await.is_empty());
}

async fn only_plugin(line: &str) -> Plugin {
    let fleet = machines(1).await;
    let command = fleet.run(Run::document(&document(&[script("run", line)]))).await;
    assert_eq!(fleet.wait_final(&command).await, SUCCESS);
    fleet.check().await;
    fleet.plugins(&command, fleet.host(0)).await.remove(0)
}

#[tokio::test]
async fn thirty_thousand_bytes_are_shown_as_24000_with_the_mark_at_their_end() {
    let plugin = only_plugin("head -c 30000 /dev/zero | tr '\\0' x").await;
    assert_eq!(plugin.standard_output.len(), 24_000);
    assert!(plugin.standard_output.ends_with("x--output truncated--"));
    assert!(plugin.output.len() <= 2_500 && plugin.output.ends_with("\n---Output truncated---"));
}

#[tokio::test]
async fn two_long_streams_share_the_combined_output() {
    let print = "head -c 2000 /dev/zero | tr '\\0' x; head -c 2000 /dev/zero | tr '\\0' y >&2";
    let plugin = only_plugin(print).await;
    assert!(plugin.output.len() <= 2_500, "{}", plugin.output.len());
    let (out, err) = plugin.output.split_once("\n----------ERROR-------\n").unwrap();
    assert!(out.starts_with('x') && out.ends_with("\n---Output truncated---"), "{out}");
    assert!(err.starts_with('y') && err.ends_with("\n---Error truncated----"), "{err}");
    assert_eq!((plugin.standard_output.len(), plugin.standard_error.len()), (2000, 2000));
}

#[tokio::test]
async fn documents_in_documents_end_at_the_fourth() {
    let fleet = machines(1).await;
    let calls = |name: &str| {
        json!({ "action": "aws:runDocument", "name": format!("to{name}"),
            "inputs": { "documentType": "SSMDocument", "documentPath": name } })
    };
    let kept = [
        ("Depth1", document(&[script("one", "echo one"), calls("Depth2")])),
        ("Depth2", document(&[script("two", "echo two"), calls("Depth3")])),
        ("Depth3", document(&[script("three", "echo three"), calls("Depth4")])),
        ("Depth4", document(&[script("four", "echo never")])),
    ];
    for (name, text) in &kept {
        let version = VersionWish {
            content: text.to_string().into(),
            author: "tester".to_owned(),
            ..VersionWish::default()
        };
        let wish = NewDocument { name: (*name).to_owned(), document_type: None, tags: Tags::new(), version };
        write::create(fleet.house(), wish).await.unwrap();
    }
    let three = fleet.run(Run::document(&document(&[calls("Depth2")]))).await;
    let four = fleet.run(Run::document(&document(&[calls("Depth1")]))).await;
    assert_eq!(fleet.wait_final(&four).await, FAILED);
    assert_eq!(fleet.wait_final(&three).await, SUCCESS);
    let printed = fleet.output(&four, fleet.host(0)).await;
    assert!(printed.starts_with("one\ntwo\nthree\n") && !printed.contains("never"), "{printed}");
    let detail = &fleet.invocation(&four, fleet.host(0)).await.steps[0].detail;
    assert!(detail.contains("maximum depth for document execution exceeded"), "{detail}");
}

#[tokio::test]
async fn a_command_that_is_delivered_twice_runs_once() {
    let fleet = machines(1).await;
    let command = fleet.run(Run::document(&document(&[script("run", "echo once")]))).await;
    let host = fleet.host(0);
    fleet.duplicate_delivery(&command, host).await;
    assert_eq!(fleet.wait_final(&command).await, SUCCESS);
    fleet.duplicate_delivery(&command, host).await;
    host.restart_agent();
    fleet.until_connected().await;
    assert_eq!(fleet.output(&command, host).await, "once\n");
    assert_eq!(host.runs(&command), [(0, 1)]);
    fleet.check().await;
}

#[tokio::test]
async fn the_first_failure_ends_a_command_that_allows_none() {
    let fleet = machines(4).await;
    let run = Run::document(&document(&[script("run", "exit 1")])).max_concurrency("1").max_errors("0");
    let command = fleet.run(run).await;
    let end = "Failed: 1 Failed (StepFailed), 3 Terminated (ErrorThreshold)";
    assert_eq!(fleet.wait_final(&command).await, end);
    assert_eq!(fleet.runs(&command), 1);
    fleet.check().await;
}

#[tokio::test]
async fn fewer_failures_than_are_allowed_leave_a_command_incomplete() {
    let fleet = machines(10).await;
    let bad = fleet.host(4).node();
    let line = format!("[ \"$AWS_SSM_INSTANCE_ID\" != {bad} ]");
    let command = fleet.run(Run::document(&document(&[script("run", &line)])).max_errors("5")).await;
    let end = "Incomplete: 1 Failed (StepFailed), 9 Success (AllStepsDone)";
    assert_eq!(fleet.wait_final(&command).await, end);
    fleet.check().await;
}

async fn put(fleet: &Fleet, value: &str, overwrite: Overwrite) -> Result<u64, Fault> {
    let wish = PutWish { overwrite, ..PutWish::new("/app/name", value, ParameterType::String, "tester") };
    put::put(fleet.house(), wish).await.map(|put| put.version).map_err(|error| error.fault)
}

#[tokio::test]
async fn getting_unknown_parameters_tells_them_apart_from_the_known() {
    let fleet = Fleet::start(0).await;
    put(&fleet, "x", Overwrite::No).await.unwrap();
    let names = ["/app/name".to_owned(), "/no/such".to_owned()];
    let found = read::get_many(fleet.house(), &names, Decryption::No).await.unwrap();
    assert_eq!((found.parameters.len(), found.invalid.as_slice()), (1, &names[1..]));
}

#[tokio::test]
async fn putting_what_is_there_needs_overwrite() {
    let fleet = Fleet::start(0).await;
    assert_eq!(put(&fleet, "x", Overwrite::No).await, Ok(1));
    assert_eq!(put(&fleet, "y", Overwrite::No).await, Err(Fault::ParameterAlreadyExists));
    assert_eq!(put(&fleet, "y", Overwrite::Yes).await, Ok(2));
}

#[tokio::test]
async fn the_version_after_a_hundred_does_not_push_out_a_labelled_one() {
    let fleet = Fleet::start(0).await;
    for version in 1..=100 {
        assert_eq!(put(&fleet, &format!("v{version}"), Overwrite::Yes).await, Ok(version));
    }
    labels::label(fleet.house(), "/app/name", Some(1), &["stable".to_owned()], None).await.unwrap();
    let refused = put(&fleet, "v101", Overwrite::Yes).await;
    assert_eq!(refused, Err(Fault::ParameterMaxVersionLimitExceeded));
    labels::label(fleet.house(), "/app/name", Some(2), &["stable".to_owned()], None).await.unwrap();
    assert_eq!(put(&fleet, "v101", Overwrite::Yes).await, Ok(101));
}
