//! The program as people use it: what it prints and its exit codes.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use fleetwright_proto::ids::ActivationId;
use tokio::process::{Child, Command};
use tonic::Status;

use crate::controller::Controller;

fn program(arguments: &[&str], state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fleetwright-agent"));
    command.args(arguments).arg("--state-dir").arg(state).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn enroll(controller: &Controller, state: &Path, more: &[&str]) -> Output {
    let mut code = tempfile::NamedTempFile::new().unwrap();
    code.write_all(b"open sesame\n").unwrap();
    let (address, activation) = (controller.address.to_string(), ActivationId::random().to_string());
    let authority = controller.authority.fingerprint().to_string();
    let code_file = code.path().to_str().unwrap();
    let arguments = ["enroll", "--controller", &address, "--activation-id", &activation];
    let arguments = [&arguments[..], &["--authority", &authority, "--activation-code-file", code_file], more];
    program(&arguments.concat(), state).output().await.unwrap()
}

/// One line on standard error, nothing secret in it, and the exit code.
fn check_failure(output: &Output, code: i32, wanted: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(wanted) && text.trim_end().lines().count() == 1, "{text}");
    assert!(!text.contains("sesame") && output.stdout.is_empty(), "{output:?}");
}

async fn status(state: &Path) -> (i32, serde_json::Value) {
    let output = program(&["status", "-o", "json"], state).output().await.unwrap();
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
}

async fn until_status(state: &Path, code: i32) -> serde_json::Value {
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let (found, status) = status(state).await;
            if found == code {
                return status;
            }
        }
    });
    waited.await.expect("the status never came")
}

fn stop(agent: &Child) {
    let pid = agent.id().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
}

/// Whatever an agent writes in its folder has a limit, which its status shows.
fn check_bounds(state: &Path, status: &serde_json::Value) {
    let folders = status["folders"].as_array().unwrap();
    for entry in std::fs::read_dir(state).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let bound = folders.iter().find(|bound| bound["entry"] == name.as_str());
        let bound = bound.unwrap_or_else(|| panic!("`{name}` has no line in bounds.rs"));
        assert!(bound["used"].as_u64() <= bound["limit"].as_u64(), "{bound}");
    }
}

#[tokio::test]
async fn a_host_enrols_runs_tells_its_status_and_stops() {
    let controller = Controller::start().await;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    check_failure(&program(&["status"], &state).output().await.unwrap(), 3, "not enrolled");
    check_failure(&program(&["run"], &state).output().await.unwrap(), 3, "not enrolled");

    let output = enroll(&controller, &state, &[]).await;
    assert!(output.status.success(), "{output:?}");
    let node = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    check_failure(&enroll(&controller, &state, &[]).await, 3, &node);

    let (code, before) = status(&state).await;
    assert_eq!((code, before["link"]["state"].as_str()), (1, Some("not_running")));
    let mut agent = program(&["run"], &state).spawn().unwrap();
    let connected = until_status(&state, 0).await;
    assert_eq!(connected["node_id"], node.as_str());
    check_bounds(&state, &connected);
    let second = program(&["run"], &state).output().await.unwrap();
    let complaint = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(3), "{complaint}");
    assert!(complaint.contains("another agent runs with the state folder"), "{complaint}");

    stop(&agent);
    assert!(agent.wait().await.unwrap().success());
    until_status(&state, 1).await;
}

#[tokio::test]
async fn an_enrolment_that_fails_says_why_by_its_exit_code() {
    let controller = Controller::start().await;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    controller.refuse_enrolments(Status::permission_denied("activation has been used up"));
    check_failure(&enroll(&controller, &state, &[]).await, 3, "activation has been used up");
    let nobody = ["enroll", "--controller", "localhost:1", "--activation-code", "open sesame"];
    let (activation, authority) = (ActivationId::random(), controller.authority.fingerprint());
    let named =
        ["--activation-id", activation.as_str(), "--authority", &authority.to_string()].map(str::to_owned);
    let named: Vec<&str> = named.iter().map(String::as_str).collect();
    let output = program(&[&nobody[..], &named[..]].concat(), &state).output().await.unwrap();
    check_failure(&output, 5, "nothing listens at localhost:1");
    let output = enroll(&controller, &state, &["--controller", "nonsense"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
