//! Substitution, preconditions and the decision about each step.

use fleetwright_documents::{Platform, Reference};

use crate::{accepted, bound, plan, shown};

/// The lines of a script with such parameters, planned for Linux.
fn lines(parameters: &str, arguments: &[(&str, &[&str])], command: &str) -> String {
    let text = format!(
        "schemaVersion: '2.2'\nparameters: {parameters}\nmainSteps:\n- name: a\n  action: aws:runShellScript\n  inputs:\n    runCommand: {command}\n    environment: {{KEEP: '1'}}\n"
    );
    let document = accepted(&text).document;
    let bound = bound(&document, arguments);
    let line = shown(&plan(&document, &bound, Platform::Linux)).remove(0);
    let line = line.split(" KEEP=").next().unwrap_or_default();
    line.strip_prefix("a: run ").unwrap_or(line).to_owned()
}

#[test]
fn substitution() {
    let types = "{s: {type: String}, l: {type: StringList}, n: {type: Integer, default: 5}, m: {type: StringMap, default: {b: '2', a: '1'}}}";
    let given: &[(&str, &[&str])] = &[("s", &["{{ n }} \"$(x)\" '"]), ("l", &["one", "t\"wo"])];
    for (command, expected) in [
        // A whole token keeps its type, and spaces inside do not matter.
        ("'{{ l }}'", r#"["one", "t\"wo"]"#),
        ("'{{l}}'", r#"["one", "t\"wo"]"#),
        ("['{{ l }}', end]", r#"["one", "t\"wo", "end"]"#),
        ("['{{ s }}']", r#"["{{ n }} \"$(x)\" '"]"#),
        // Inside a text a value is verbatim, and compact JSON when it is no text.
        ("['echo {{s}}']", r#"["echo {{ n }} \"$(x)\" '"]"#),
        ("['echo {{ l }} {{ n }} {{ m }}']", r#"["echo [\"one\",\"t\\\"wo\"] 5 {\"b\":\"2\",\"a\":\"1\"}"]"#),
        // Braces that are not ours stay; one pair around a reference stays too.
        ("['--%{{{ n }}} {{ {{ n }} }} {{ x.y }} {{ n']", r#"["--%{5} {{ 5 }} {{ x.y }} {{ n"]"#),
        ("['PT{{n}}M']", r#"["PT5M"]"#),
        ("[null, 7, true]", r#"["", "7", "true"]"#),
    ] {
        assert_eq!(lines(types, given, command), expected, "{command}");
    }
}

#[test]
fn a_value_in_the_environment_replaces_no_text() {
    let types = "{p: {type: String, interpolationType: ENV_VAR}}";
    let given: &[(&str, &[&str])] = &[("p", &["$(reboot)"])];
    let expected = r#"["test -n \"${SSM_p+x}\" || SSM_p=\"${SSM_p}\""]"#;
    assert_eq!(lines(types, given, r#"['test -n "${SSM_p+x}" || SSM_p="{{ p }}"']"#), expected);
}

/// The decision about a step with such a precondition, on a platform.
fn decided(schema: &str, action: &str, precondition: &str, platform: Platform) -> String {
    let text = format!(
        "schemaVersion: '{schema}'\nparameters: {{p: {{type: String, default: x}}, q: {{type: String, default: x}}}}\nmainSteps:\n- name: a\n  action: {action}\n  {precondition}\n  inputs: {{runCommand: [ls], directoryId: d, directoryName: n, action: Install, source: s}}\n"
    );
    let document = accepted(&text).document;
    let bound = bound(&document, &[]);
    let line = shown(&plan(&document, &bound, platform)).remove(0);
    let decision = line.strip_prefix("a: ").unwrap_or(&line);
    if decision.starts_with("run") { "run".to_owned() } else { decision.to_owned() }
}

#[test]
fn the_decision_table() {
    use Platform::{Linux, MacOs, Windows};
    let shell = "aws:runShellScript";
    let unsatisfied = "skip unsatisfied preconditions";
    for (schema, action, precondition, platform, expected) in [
        ("2.2", shell, "", Linux, "run"),
        ("2.2", shell, "", MacOs, "run"),
        ("2.2", shell, "", Windows, "skip aws:runShellScript does not exist on Windows"),
        (
            "2.0",
            shell,
            "",
            Windows,
            "fail aws:runShellScript does not exist on Windows; schema 2.2 would skip the step",
        ),
        ("2.2", "aws:runPowerShellScript", "", Linux, "run"),
        ("2.2", "aws:applications", "", Linux, "skip aws:applications does not exist on Linux"),
        ("2.2", "aws:domainJoin", "", Linux, "fail this agent cannot run aws:domainJoin"),
        (
            "2.2",
            "aws:domainJoin",
            "precondition: {StringEquals: [platformType, Windows]}",
            Linux,
            unsatisfied,
        ),
        ("2.2", shell, "precondition: {StringEquals: [platformType, linux]}", Linux, "run"),
        ("2.2", shell, "precondition: {StringEquals: [LINUX, platformType]}", Linux, "run"),
        ("2.2", shell, "precondition: {StringEquals: [platformType, MacOS]}", Linux, unsatisfied),
        ("2.2", shell, "precondition: {StringEquals: ['{{ p }}', x]}", Linux, "run"),
        ("2.2", shell, "precondition: {StringEquals: ['{{ p }}', X]}", Linux, unsatisfied),
        ("2.2", shell, "precondition: {StringEquals: ['{{ p }}', '{{ q }}']}", Linux, "run"),
        ("2.2", shell, "precondition: {StringEquals: ['a-{{ p }}', a-x]}", Linux, "run"),
        (
            "2.0",
            shell,
            "precondition: {StringEquals: [platformType, Linux]}",
            Linux,
            "fail preconditions are not supported prior to schema 2.2",
        ),
    ] {
        assert_eq!(
            decided(schema, action, precondition, platform),
            expected,
            "{schema} {action} {precondition}"
        );
    }
}

#[test]
fn time_outs_outside_their_range_become_an_hour() {
    for (written, seconds) in [
        ("60", 60),
        ("'60'", 60),
        ("60.9", 60),
        ("3", 3600),
        ("'172800'", 172_800),
        ("172801", 3600),
        ("-5", 3600),
        ("1e999", 3600),
        ("never", 3600),
        ("'{{ t }}'", 90),
    ] {
        let text = format!(
            "schemaVersion: '2.2'\nparameters: {{t: {{type: String, default: '90'}}}}\nmainSteps:\n- name: a\n  action: aws:runShellScript\n  inputs: {{runCommand: [ls], timeoutSeconds: {written}}}\n- name: b\n  action: aws:refreshAssociation\n  inputs: {{}}\n"
        );
        let document = accepted(&text).document;
        let bound = bound(&document, &[]);
        assert_eq!(document.execution_timeout(&bound).as_secs(), seconds + 3600, "{written}");
    }
}

#[test]
fn stored_parameters_are_listed_once() {
    let text = "schemaVersion: '2.2'\nparameters: {p: {type: String, default: '{{ssm:/a/b:3}}'}}\nmainSteps:\n- name: a\n  action: aws:runShellScript\n  inputs: {runCommand: ['{{ p }} {{ ssm:plain }} {{ssm:plain}} {{ ssm-secure:token }}']}\n";
    let document = accepted(text).document;
    let bound = bound(&document, &[]);
    let reference = |name: &str, selector: Option<&str>, secure| Reference {
        name: name.to_owned(),
        selector: selector.map(str::to_owned),
        secure,
    };
    assert_eq!(
        document.references(&bound).into_iter().collect::<Vec<_>>(),
        [
            reference("/a/b", Some("3"), false),
            reference("plain", None, false),
            reference("token", None, true)
        ]
    );
}

#[test]
fn a_node_of_a_platform_without_steps_has_nothing_to_do() {
    let text = "schemaVersion: '2.2'\nmainSteps:\n- name: a\n  action: aws:runPowerShellScript\n  precondition: {StringEquals: [platformType, Windows]}\n  inputs: {runCommand: [ls]}\n";
    assert_eq!(accepted(text).document.platforms().collect::<Vec<_>>(), [Platform::Windows]);
}
