//! Automation documents: attributes, flow, references.

use fleetwright_documents::{Kind, Otherwise, parse};

use crate::accepted;

fn told(steps: &str, rest: &str) -> String {
    let text = format!("schemaVersion: '0.3'\nmainSteps:\n{steps}\n{rest}");
    match parse(text.as_bytes()) {
        Ok(checked) => format!("accepted\n{}", checked.warnings),
        Err(found) => format!("refused\n{found}"),
    }
}

#[test]
fn a_runbook_is_read() {
    let text = "schemaVersion: '0.3'\nassumeRole: '{{ role }}'\nparameters: {role: {type: AWS::IAM::Role::Arn}}\nvariables: {count: {type: Integer, default: 0}}\noutputs: [get.Id]\nmainSteps:\n- name: get\n  action: aws:executeAwsApi\n  maxAttempts: '3'\n  timeoutSeconds: 60\n  isCritical: 'false'\n  onFailure: step:clean\n  inputs: {Service: ec2, Api: DescribeInstances}\n  outputs: [{Name: Id, Selector: $.Id, Type: String}]\n- name: choose\n  action: aws:branch\n  inputs:\n    Choices:\n    - {NextStep: clean, Variable: '{{ get.Id }}', StringEquals: x}\n    - {NextStep: get, Or: [{Variable: '{{ variable:count }}', NumericGreater: 1}, {Not: {Variable: '{{ global:REGION }}', StringEquals: y}}]}\n    Default: clean\n- name: clean\n  action: aws:sleep\n  isEnd: true\n  inputs: {Duration: PT5S}\n";
    let checked = accepted(text);
    assert!(checked.warnings.is_empty(), "{}", checked.warnings);
    let document = checked.document;
    assert_eq!(document.kind(), Kind::Automation);
    assert_eq!(document.runbook().map(|runbook| runbook.outputs.len()), Some(1));
    let step = document.steps()[0].runbook.as_deref().unwrap();
    assert_eq!((step.max_attempts, step.timeout_seconds, step.is_critical), (Some(3), Some(60), Some(false)));
    assert_eq!(step.on_failure, Otherwise::Step("clean".to_owned()));
    assert!(!step.counts_as_critical());
    assert_eq!(document.platforms().count(), 0);
}

#[test]
fn steps_that_lead_nowhere_are_told() {
    insta::assert_snapshot!(told("- name: a\n  action: aws:sleep\n  nextStep: c\n  onFailure: step:x\n  onCancel: Retry\n  inputs: {Duration: PT1S}\n- name: b\n  action: aws:branch\n  inputs: {Choices: [{NextStep: q, Variable: '{{ a.X }}', StringEqual: x}, {Variable: y}], Default: a}", ""), @r"
    refused
    5:13: mainSteps[0].nextStep: there is no step `c`; name a step of the document
    6:14: mainSteps[0].onFailure: there is no step `x`; name a step of the document
    7:13: mainSteps[0].onCancel: `Retry` says nothing; use Abort or step:NAME
    11:33: mainSteps[1].inputs.Choices[0].NextStep: there is no step `q`; name a step of the document
    11:59: mainSteps[1].inputs.Choices[0].StringEqual: there is no operator `StringEqual`; did you mean `StringEquals`?
    11:76: mainSteps[1].inputs.Choices[1]: the choice leads nowhere; add NextStep with the name of a step
    11:76: mainSteps[1].inputs.Choices[1]: the condition has no operator; use one of StringEquals, EqualsIgnoreCase, StartsWith, EndsWith, Contains, NumericEquals, NumericGreater, NumericLesser, NumericGreaterOrEquals, NumericLesserOrEquals, BooleanEquals
    ");
    insta::assert_snapshot!(told("- name: a\n  action: aws:pause\n  inputs: {}\n- name: b\n  action: aws:pause\n  nextStep: a\n  inputs: {}", ""), @r"
    refused
    6:3: mainSteps[1]: the steps after `b` lead back to it for ever; use aws:loop to repeat steps, or aws:branch to leave the circle
    ");
}

#[test]
fn inputs_and_references_are_told() {
    insta::assert_snapshot!(told("- name: a\n  action: aws:executeScript\n  inputs: {Runtime: python3.11}\n- name: b\n  action: aws:sleep\n  isEnd: perhaps\n  inputs: {Duration: PT1S, Timestamp: x}\n- name: c\n  action: aws:loop\n  inputs:\n    Iterators: '{{ list }}'\n    Steps:\n    - {name: d, action: aws:pause, inputs: {}}\n    - {name: e, action: aws:runShellScript, inputs: {x: '{{ variable:v }} {{ f.Out }} {{ global:NOW }} {{ d.Out }} {{ loop.CurrentIteratorValue }} {{ automation:EXECUTION_ID }}'}}", "outputs: [d.X, g.X]\nassumeRole: '{{ssm:role}}'"), @r"
    refused
    5:11: mainSteps[0].inputs.Script: aws:executeScript has no `Script` or `Attachment`; add `Script`
    8:10: mainSteps[1].isEnd: found a text; write true or false
    9:28: mainSteps[1].inputs.Timestamp: aws:sleep has both `Duration` and `Timestamp`; remove one of them
    13:17: mainSteps[2].inputs.Iterators: no parameter `list` is declared; declare it in parameters
    16:25: mainSteps[2].inputs.Steps[1].action: aws:runShellScript belongs to a Command document; such a document has schemaVersion 2.2
    16:58: mainSteps[2].inputs.Steps[1].inputs.x: there is no variable `v`; declare the variable, or name another
    16:75: mainSteps[2].inputs.Steps[1].inputs.x: there is no step `f`; declare the step, or name another
    16:87: mainSteps[2].inputs.Steps[1].inputs.x: there is no global `NOW`; use one of ACCOUNT_ID, REGION, DATE, DATE_TIME, AWS_PARTITION
    17:16: outputs[1]: there is no step `g`; write step.Output
    18:13: assumeRole: assumeRole cannot refer to a stored parameter; name the role, or refer to a parameter of the document
    ");
}

#[test]
fn two_steps_of_one_name_are_refused() {
    insta::assert_snapshot!(told("- name: a\n  action: aws:pause\n  inputs: {}\n- name: a\n  action: aws:pause\n  inputs: {}", ""), @r"
    refused
    6:9: mainSteps[1].name: an earlier step is named `a` as well; give each step its own name
    ");
}
