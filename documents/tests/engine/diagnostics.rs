//! What is told about a document, with its place.

use fleetwright_documents::parse;

/// Everything that is told about a document, refused or not.
fn told(text: &str) -> String {
    match parse(text.as_bytes()) {
        Ok(checked) => format!("accepted\n{}", checked.warnings),
        Err(found) => format!("refused\n{found}"),
    }
}

/// A Command document around the inputs of one shell step.
fn with_inputs(inputs: &str) -> String {
    format!(
        "schemaVersion: '2.2'\nmainSteps:\n- name: one\n  action: aws:runShellScript\n  inputs:\n{inputs}"
    )
}

#[test]
fn a_text_that_is_no_document() {
    insta::assert_snapshot!(told(""), @r"
    refused
    1:1: the text is empty; the document must be well-formed YAML or JSON
    ");
    insta::assert_snapshot!(told("just words"), @r"
    refused
    1:1: the document is a text; write a map with schemaVersion and mainSteps
    ");
    insta::assert_snapshot!(told("[1, 2]"), @r"
    refused
    1:1: the document is a list; write a map with schemaVersion and mainSteps
    ");
    insta::assert_snapshot!(told("{\n  \"schemaVersion\": \"2.2\",\n  \"mainSteps\": [\n    {\"name\": \"a\"\n  ]\n}"), @r"
    refused
    5:3: unexpected token in object; the document must be well-formed JSON or YAML
    ");
    insta::assert_snapshot!(told("{\n  \"schemaVersion\": \"2.2\",\n}"), @r"
    refused
    2:25: trailing commas are not allowed; the document must be well-formed JSON or YAML
    ");
    insta::assert_snapshot!(told("schemaVersion: '2.2'\nmainSteps:\n - name: a\n  action: b\n"), @r"
    refused
    4:3: while parsing a block collection, did not find expected '-' indicator; the document must be well-formed YAML or JSON
    ");
    insta::assert_snapshot!(told("schemaVersion: !Sub '2.2'\n"), @r"
    refused
    1:21: tag `!Sub` means nothing in a document; write the value itself; templates are filled in before a document is used
    ");
    insta::assert_snapshot!(told("a: 1\n---\nb: 2\n"), @r"
    refused
    2:1: a second YAML document begins; keep one document in a file
    ");
    insta::assert_snapshot!(parse(b"schemaVersion: \xff").unwrap_err(), @"1:16: this byte is no UTF-8; save the document as UTF-8");
}

#[test]
fn broken_json_is_told_where_it_broke() {
    insta::assert_snapshot!(told("{\n  \"schemaVersion\": \"2.2,\n  \"description\": \"x\"\n}"), @r"
    refused
    2:25: a text is not closed on its line; the document must be well-formed JSON or YAML
    ");
    insta::assert_snapshot!(told("{\n  \"schemaVersion\": \"2.2\"\n  \"description\": \"x\"\n}"), @r"
    refused
    2:25: expected comma; the document must be well-formed JSON or YAML
    ");
    insta::assert_snapshot!(told("{\n  \"schemaVersion\": \"2.2\",\n  \"mainSteps\": [\n    {\n\n"), @r"
    refused
    4:6: the text ends, but what begins in line 4 is not closed; the document must be well-formed JSON or YAML
    ");
}

#[test]
fn a_document_of_another_kind() {
    insta::assert_snapshot!(told("schemaVersion: '2.1'\nmainSteps: []\n"), @r"
    refused
    1:16: schemaVersion: schema version `2.1` is not supported; use 2.2 for Command, 2.0 for Policy, 0.3 for Automation; 1.2 and 2.0.x run as well
    ");
    insta::assert_snapshot!(told("mainSteps: []\n"), @r"
    refused
    1:1: schemaVersion: schemaVersion is missing; use 2.2 for Command, 2.0 for Policy, 0.3 for Automation; 1.2 and 2.0.x run as well
    ");
    insta::assert_snapshot!(told("schemaVersion: '1.0'\nsessionType: Standard_Stream\ninputs: {}\n"), @r"
    refused
    1:16: schemaVersion: a Session document cannot be run as a command; use a Command or Automation document
    ");
    insta::assert_snapshot!(told("schemaVersion: '2.2'\nruntimeConfig: {}\n"), @r"
    refused
    1:1: mainSteps: the document has no steps; runtimeConfig belongs to schema 1.2; write mainSteps
    2:1: warning: runtimeConfig: `runtimeConfig` means nothing in the document and is ignored
    ");
    insta::assert_snapshot!(told("schemaVersion: '1.2'\nmainSteps: []\n"), @r"
    refused
    1:1: runtimeConfig: the document has no steps; write runtimeConfig, or schemaVersion 2.2 for a document with mainSteps
    2:1: warning: mainSteps: `mainSteps` means nothing in the document and is ignored
    ");
}

#[test]
fn a_step_that_cannot_run() {
    insta::assert_snapshot!(told("schemaVersion: '2.2'\nmainSteps:\n- {}\n- 7\n- action: aws:runShelScript\n  name: x\n- action: aws:executeScript\n  name: y\n"), @r"
    refused
    3:3: mainSteps[0].name: the step has no name; give the step a name of letters, digits, _ and -
    3:3: mainSteps[0].action: the step has no action; write for example action: aws:runShellScript
    4:3: mainSteps[1]: a step is a number; write a map with action, name and inputs
    5:11: mainSteps[2].action: there is no action `aws:runShelScript`; did you mean aws:runShellScript?
    7:11: mainSteps[3].action: aws:executeScript belongs to an Automation document; such a document has schemaVersion 0.3
    ");
    insta::assert_snapshot!(told(&with_inputs("    runComand: [ls]\n")), @r"
    refused
    6:5: mainSteps[0].inputs.runCommand: aws:runShellScript has no `runCommand`; add `runCommand`
    6:5: warning: mainSteps[0].inputs.runComand: aws:runShellScript has no input `runComand`, it is ignored; did you mean `runCommand`?
    ");
    insta::assert_snapshot!(told(&with_inputs("    runCommand:\n    - echo one: two\n    - [nested]\n    timeoutSeconds: soon\n    workingDirectory: {}\n")), @r"
    refused
    7:7: mainSteps[0].inputs.runCommand[0]: a line is a map; put the line in quotes: a colon or bracket in it reads as a map or list
    8:7: mainSteps[0].inputs.runCommand[1]: a line is a list; put the line in quotes: a colon or bracket in it reads as a map or list
    9:21: warning: mainSteps[0].inputs.timeoutSeconds: `soon` cannot be used, so 3600 seconds are; write a number of seconds from 5 to 172800
    10:23: mainSteps[0].inputs.workingDirectory: found a map; write a path
    ");
}

#[test]
fn a_reference_to_nothing() {
    insta::assert_snapshot!(told(&with_inputs("    runCommand:\n    - |\n      echo first\n      echo {{ mesage }}\n")), @r"
    refused
    9:12: mainSteps[0].inputs.runCommand[0]: no parameter `mesage` is declared; declare it in parameters
    ");
    insta::assert_snapshot!(
        told("{\"schemaVersion\": \"2.2\", \"parameters\": {\"message\": {\"type\": \"String\"}},\n \"mainSteps\": [{\"name\": \"a\", \"action\": \"aws:runShellScript\",\n \"inputs\": {\"runCommand\": [\"\\n\\n{{ mesage }}\"]}}]}"),
        @r"
    refused
    3:33: mainSteps[0].inputs.runCommand[0]: no parameter `mesage` is declared; did you mean `message`?
    "
    );
}

#[test]
fn braces_of_other_owners_are_left_alone() {
    for line in [
        "docker ps --format '{{.Names}}'",
        "{% for item in list %}{{ item }}{% endfor %}",
        "python3 -c 'print(f\"{{x}}\")'",
        "style = '{{ font-family: serif }}'",
        "{{ name | upper }} {{ name }}",
        "echo {{ my_fact }} {{}} {{ }} {{{",
    ] {
        let text = format!(
            "schemaVersion: '2.2'\nmainSteps:\n- name: one\n  action: aws:runShellScript\n  inputs:\n    runCommand:\n    - |\n      {line}\n"
        );
        assert!(parse(text.as_bytes()).is_ok(), "{line}: {}", told(&text));
    }
}

#[test]
fn a_parameter_that_is_none() {
    insta::assert_snapshot!(told("schemaVersion: '2.2'\nparameters:\n  a b: {type: String}\n  c: {type: Text}\n  d: {type: Integer, default: many}\n  e: {type: String, allowedValues: [x, y], default: z}\n  f: {type: String, allowedPattern: '[a-'}\n  g: {type: String, maxChars: '3', default: long}\n  h: {type: String, minChars: few, alowedValues: []}\n  i: {}\n  j: x\nmainSteps:\n- name: one\n  action: aws:runShellScript\n  inputs: {runCommand: ['{{ c }}']}\n"), @r"
    refused
    3:3: parameters.a b: `a b` cannot be the name of a parameter; use letters and digits
    4:13: parameters.c.type: there is no parameter type `Text`; use one of String, StringList, Integer, Boolean, StringMap, MapList
    5:31: parameters.d.default: the default is a text; a parameter of type Integer needs a whole number
    6:53: parameters.e.default: the default `z` is not allowed; use one of x, y
    7:37: parameters.f.allowedPattern: the pattern is not valid: unclosed character class; write a regular expression in Java's dialect
    8:45: parameters.g.default: the default has 4 characters, at most 3 are allowed; change the default or the rule
    9:31: parameters.h.minChars: `few` is no count; write a number from 0
    9:36: warning: parameters.h.alowedValues: `alowedValues` means nothing in a parameter and is ignored; did you mean `allowedValues`?
    10:3: parameters.i.type: the type is missing; use one of String, StringList, Integer, Boolean, StringMap, MapList
    11:6: parameters.j: the definition is a text; write a map with at least a type
    ");
}

#[test]
fn a_precondition_that_is_none() {
    let with = |precondition: &str| {
        told(&format!(
            "schemaVersion: '2.2'\nmainSteps:\n- name: one\n  action: aws:runShellScript\n  precondition: {precondition}\n  inputs: {{runCommand: [ls]}}\n"
        ))
    };
    insta::assert_snapshot!(with("{StringEquals: [platformType]}"), @r"
    refused
    5:32: mainSteps[0].precondition.StringEquals: StringEquals does not have two texts; write for example [platformType, Linux]
    ");
    insta::assert_snapshot!(with("{StringLike: [platformType, Linux]}"), @r"
    refused
    5:18: mainSteps[0].precondition.StringLike: there is no operator `StringLike`; use StringEquals
    ");
    insta::assert_snapshot!(with("{StringEquals: [a, b]}"), @r#"
    refused
    5:32: mainSteps[0].precondition.StringEquals: neither side is platformType or refers to a parameter; write for example ["{{ mode }}", "full"]
    "#);
    insta::assert_snapshot!(with("{StringEquals: ['{{ p }}', '{{ p }}']}"), @r"
    refused
    5:32: mainSteps[0].precondition.StringEquals: both sides are the same; compare a parameter with a value
    5:34: mainSteps[0].precondition.StringEquals[0]: no parameter `p` is declared; declare it in parameters
    5:45: mainSteps[0].precondition.StringEquals[1]: no parameter `p` is declared; declare it in parameters
    ");
    insta::assert_snapshot!(with("{StringEquals: [platformType, '{{ p }}']}"), @r"
    refused
    5:32: mainSteps[0].precondition.StringEquals: platformType is compared with a reference; name Linux, Windows or MacOS
    5:48: mainSteps[0].precondition.StringEquals[1]: no parameter `p` is declared; declare it in parameters
    ");
    insta::assert_snapshot!(with("{StringEquals: ['{{ ssm:p }}', x]}"), @r"
    refused
    5:32: mainSteps[0].precondition.StringEquals: a precondition cannot refer to a stored parameter; refer to a parameter of the document
    ");
    insta::assert_snapshot!(with("{StringEquals: [platformType, Solaris]}"), @r"
    accepted
    5:32: warning: mainSteps[0].precondition.StringEquals: there is no platform `Solaris`, so the step never runs; name Linux, Windows or MacOS
    ");
    insta::assert_snapshot!(with("[x]"), @r"
    refused
    5:17: mainSteps[0].precondition: found a list; write StringEquals with a list of two texts
    ");
}

#[test]
fn habits_of_real_documents_are_accepted() {
    insta::assert_snapshot!(told("{\r\n\t\"schemaVersion\": 2.2,\r\n\t\"$schema\": \"x\",\r\n\t\"parameters\": null,\r\n\t\"mainSteps\": [{\r\n\t\t\"name\": \"a\",\r\n\t\t\"name\": \"b\",\r\n\t\t\"action\": \"aws:runShellScript\",\r\n\t\t\"description\": \"x\",\r\n\t\t\"isEnd\": \"true\",\r\n\t\t\"inputs\": {\"RunCommand\": [\"ls\", null, 5], \"TimeoutSeconds\": \"60\", \"maxAttempts\": 3, \"finallyStep\": \"yes\"}\r\n\t}]\r\n}"), @r"
    accepted
    6:3: warning: mainSteps[0].name: `name` is written more than once, only the last one counts; remove the others
    10:3: warning: mainSteps[0].isEnd: `isEnd` of a step has no effect in a Command document; write onSuccess: exit inside inputs
    11:69: warning: mainSteps[0].inputs.maxAttempts: aws:runShellScript has no input `maxAttempts`, it is ignored
    11:102: warning: mainSteps[0].inputs.finallyStep: `yes` has no effect; use true or false
    ");
    insta::assert_snapshot!(told("schemaVersion: 2.2\nparameters:\n  p: {type: String, default: null, allowedValues: null}\n  q: {type: String, default: yes, allowedValues: [yes, no]}\nmainSteps:\n- name: a\n  action: aws:runShellScript\n  inputs:\n    runCommand: [ls]\n    finallyStep: true\n- name: a\n  action: aws:runShellScript\n  inputs: {runCommand: [ls]}"), @r"
    accepted
    10:18: warning: mainSteps[0].inputs.finallyStep: finallyStep counts only on the last step; move the step to the end
    11:9: warning: mainSteps[1].name: an earlier step is named `a` as well; give each step its own name
    ");
}

#[test]
fn what_the_yaml_reader_notices_late_is_told_where_it_was_made() {
    let told_at = |text: &str, line: usize, words: &str| {
        let found = parse(text.as_bytes()).expect_err(text);
        let first = found.iter().next().expect("something is told");
        assert!(first.line == line && first.message.contains(words), "{found}\n\n{text}");
    };
    let steps = "mainSteps:\n- name: a\n  action: aws:runShellScript\n";
    told_at(
        &format!("schemaVersion: '2.2'\n{steps}\tinputs:\n    runCommand: [ls]\n"),
        5,
        "indent with spaces",
    );
    told_at(
        &format!("schemaVersion: \"2.2\ndescription: \"one\"\n{steps}  inputs: {{runCommand: [ls]}}\n"),
        1,
        "begins here ends in line 2",
    );
    told_at(
        &format!("description: x\nschemaVersion: '2.2\n{steps}  inputs: {{runCommand: ['ls']}}\n"),
        2,
        "begins here ends in line 6",
    );
    told_at("schemaVersion: \"2.2\" x\nmainSteps: []\n", 1, "after double-quoted scalar");
}
