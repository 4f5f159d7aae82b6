//! The shipped documents: accepted without a word, bound and planned as people call them.

use std::time::Duration;

use fleetwright_documents::{Decision, Document, FailReason, HostTraits, Platform, library};
use sha2::{Digest, Sha256};

use crate::{accepted, bind, bound, plan, shown};

fn document(name: &str) -> Document {
    let shipped = library::get(name).unwrap_or_else(|| panic!("{name} is not shipped"));
    let checked = accepted(shipped.text);
    assert!(checked.warnings.is_empty(), "{}", checked.warnings);
    checked.document
}

#[test]
fn every_document_is_accepted_without_a_warning() {
    for shipped in library::all() {
        document(shipped.name);
        let hash = hex::encode(Sha256::digest(shipped.text));
        assert_eq!(hash, shipped.sha256, "{} has changed: raise its version and hash", shipped.name);
    }
    assert!(library::all().is_sorted_by_key(|document| document.name));
    assert!(library::get("AWS-RunShellscript").is_none());
}

#[test]
fn a_shell_script_gets_its_lines_as_they_are() {
    let document = document("AWS-RunShellScript");
    let bound = bound(&document, &[("commands", &["echo \"{{ workingDirectory }}\" $$", ""])]);
    assert_eq!(
        shown(&plan(&document, &bound, Platform::Linux)),
        [
            "runShellScript: run [\"echo \\\"{{ workingDirectory }}\\\" $$\", \"\"] SSM_executionTimeout=3600 SSM_workingDirectory="
        ]
    );
    assert_eq!(
        shown(&plan(&document, &bound, Platform::Windows)),
        ["runShellScript: skip aws:runShellScript does not exist on Windows"]
    );
    assert_eq!(document.execution_timeout(&bound), Duration::from_secs(3600));
    assert_eq!(document.platforms().collect::<Vec<_>>(), [Platform::Linux, Platform::MacOs]);
}

#[test]
fn a_script_for_the_command_prompt_runs_on_windows_alone() {
    let document = document("Fleetwright-RunCmdScript");
    let bound = bound(&document, &[("commands", &["ver"])]);
    assert_eq!(
        shown(&plan(&document, &bound, Platform::Windows)),
        ["runCmdScript: run [\"ver\"] SSM_executionTimeout=3600 SSM_workingDirectory="]
    );
    assert_eq!(
        shown(&plan(&document, &bound, Platform::Linux)),
        ["runCmdScript: skip fleetwright:runCmdScript does not exist on Linux"]
    );
    assert_eq!(document.platforms().collect::<Vec<_>>(), [Platform::Windows]);
}

#[test]
fn what_was_bound_is_read_back_from_its_json() {
    let document = document("AWS-RunPowerShellScript");
    let bound = bound(&document, &[("commands", &["Get-Date"]), ("executionTimeout", &["60"])]);
    assert_eq!(document.bound_from_json(bound.to_json().as_bytes()).unwrap(), bound);
    assert_eq!(document.execution_timeout(&bound), Duration::from_secs(60));
}

#[test]
fn wrong_values_are_told_all_at_once() {
    let document = document("AWS-RunShellScript");
    let told = bind(&document, &[("executionTimeout", &["172801"]), ("command", &["ls"])]).unwrap_err();
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "parameter `commands` has no value and no default",
            "parameter `executionTimeout` is `172801`; it must match \
             ([1-9][0-9]{0,4})|(1[0-6][0-9]{4})|(17[0-1][0-9]{3})|(172[0-…",
            "the document has no parameter `command`; did you mean `commands`?",
        ]
    );
}

/// Arguments for the parameters that have no default.
fn required(name: &str) -> &'static [(&'static str, &'static [&'static str])] {
    match name {
        "AWS-ApplyAnsiblePlaybooks" => {
            &[("SourceType", &["S3"]), ("SourceInfo", &["{\"path\": \"https://host/bucket/x\"}"])]
        }
        "AWS-ConfigureAWSPackage" => &[("action", &["Install"]), ("name", &["agent"])],
        "AWS-ConfigureDocker" => &[("action", &["Install"])],
        "AWS-RunDockerAction" => &[("action", &["Ps"])],
        "AWS-InstallApplication" | "AWS-InstallPowerShellModule" => &[("source", &["https://host/x"])],
        "AWS-JoinDirectoryServiceDomain" => &[("directoryId", &["d-1"]), ("directoryName", &["a.b"])],
        "AWS-RunDocument" => &[("sourceType", &["SSMDocument"]), ("sourceInfo", &["{\"name\": \"mine\"}"])],
        "AWS-RunRemoteScript" => {
            &[("sourceType", &["S3"]), ("sourceInfo", &["{\"path\": \"https://host/bucket/x\"}"])]
        }
        "AWS-RunPowerShellScript" | "AWS-RunShellScript" | "Fleetwright-RunCmdScript" => {
            &[("commands", &["ls"])]
        }
        _ => &[],
    }
}

#[test]
fn every_step_of_every_document_has_inputs_that_an_agent_can_use() {
    for shipped in library::all() {
        let document = document(shipped.name);
        let bound = bound(&document, required(shipped.name));
        for platform in [Platform::Linux, Platform::Windows] {
            let host = HostTraits { platform, supports: &|_| true };
            for step in document.plan(&bound, &host).steps {
                let fails = matches!(&step.decision, Decision::Fail { reason: FailReason::BadInputs { .. } });
                assert!(!fails, "{} on {platform}: {:?}", shipped.name, step.decision);
            }
        }
    }
}

#[test]
fn a_command_line_reaches_the_shell_and_everything_else_only_variables() {
    let document = document("AWS-RunSaltState");
    let bound = bound(&document, &[("state", &["$(reboot) '\"{{ test }}"])]);
    let line = shown(&plan(&document, &bound, Platform::Linux)).remove(0);
    let (script, variables) = line.split_once("] SSM_").unwrap();
    assert!(!script.contains("reboot") && variables.contains("state=$(reboot) '\"{{ test }}"), "{line}");
}
