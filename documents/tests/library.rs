//! The shipped documents: accepted without a word, bound and planned as people call them.

use std::collections::BTreeMap;
use std::time::Duration;

use fleetwright_documents::{
    Bound, Decision, Document, HostTraits, Interpreter, Platform, ScriptInputs, StepInputs, library, parse,
};

fn document(name: &str) -> Document {
    let shipped = library::get(name).unwrap_or_else(|| panic!("{name} is not shipped"));
    let checked =
        parse(shipped.text.as_bytes()).unwrap_or_else(|found| panic!("{name} is refused:\n{found}"));
    assert!(checked.warnings.is_empty(), "{}", checked.warnings);
    checked.document
}

fn bind(document: &Document, arguments: &[(&str, &[&str])]) -> Result<Bound, String> {
    let arguments: BTreeMap<String, Vec<String>> = arguments
        .iter()
        .map(|(name, values)| ((*name).to_owned(), values.iter().map(|value| (*value).to_owned()).collect()))
        .collect();
    document
        .bind(&arguments)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn planned(document: &Document, bound: &Bound, platform: Platform) -> Vec<Decision> {
    let plan = document.plan(bound, &HostTraits { platform, supports: &|_| true });
    plan.steps.into_iter().map(|step| step.decision).collect()
}

#[test]
fn every_document_is_accepted_without_a_warning() {
    for shipped in library::all() {
        document(shipped.name);
    }
}

#[test]
fn a_shell_script_gets_its_lines_as_they_are() {
    let document = document("AWS-RunShellScript");
    let bound = bind(&document, &[("commands", &["echo \"{{ workingDirectory }}\" $$", ""])]).unwrap();
    let expected = ScriptInputs {
        interpreter: Interpreter::Shell,
        lines: vec!["echo \"{{ workingDirectory }}\" $$".to_owned(), String::new()],
        working_directory: None,
        timeout: Duration::from_secs(3600),
        environment: [("SSM_executionTimeout", "3600"), ("SSM_workingDirectory", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    };
    let decisions = planned(&document, &bound, Platform::Linux);
    assert_eq!(decisions, [Decision::Run(StepInputs::RunScript(expected))]);
    assert_eq!(document.execution_timeout(&bound), Duration::from_secs(3600));
    assert!(matches!(planned(&document, &bound, Platform::Windows)[..], [Decision::Skip { .. }]));
    assert_eq!(document.platforms().collect::<Vec<_>>(), [Platform::Linux, Platform::MacOs]);
}

#[test]
fn what_was_bound_is_read_back_from_its_json() {
    let document = document("AWS-RunPowerShellScript");
    let bound = bind(&document, &[("commands", &["Get-Date"]), ("executionTimeout", &["60"])]).unwrap();
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
