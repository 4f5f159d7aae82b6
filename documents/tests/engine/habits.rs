//! What people write: documents in the manner of those in the wild, with their habits and their mistakes.

use fleetwright_documents::parse;

/// Documents that must be accepted, with the codes of their warnings.
#[track_caller]
fn accept(text: &str, warnings: &[&str]) {
    let checked = crate::accepted(text);
    let codes: Vec<&str> = checked.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, warnings, "{}\n{text}", checked.warnings);
}

/// Documents that must be refused, with the line, the field and the code of every error.
#[track_caller]
fn refuse(text: &str, errors: &[&str]) {
    let found = parse(text.as_bytes()).expect_err("it must be refused");
    let told: Vec<String> = found
        .iter()
        .filter(|finding| finding.severity == fleetwright_documents::Severity::Error)
        .map(|finding| format!("{} {} {}", finding.line, finding.path, finding.code))
        .collect();
    assert_eq!(told, errors, "{found}\n{text}");
}

#[test]
fn numbers_and_truth_values_are_written_as_texts_and_the_other_way_round() {
    accept(
        "schemaVersion: 2.2\nparameters:\n  count: {type: Integer, default: '5', allowedValues: [1, '5']}\n  on: {type: Boolean, default: 'true'}\n  name: {type: String, default: 7, minChars: '1', maxChars: 10}\n  list: {type: StringList, default: [1, true, null, x]}\n  map: {type: StringMap, default: '{\"a\": 1}'}\n  maps: {type: MapList, default: '[]'}\nmainSteps:\n- action: aws:runShellScript\n  name: a\n  inputs:\n    timeoutSeconds: 60\n    runCommand: [echo, 7, true, null, '{{ count }} {{on}} {{ name }}']\n",
        &[],
    );
    accept(
        "schemaVersion: '0.3'\nparameters: {Wait: {type: Boolean, default: 'False'}}\nmainSteps:\n- name: a\n  action: aws:pause\n  isEnd: 'true'\n  isCritical: 'False'\n  maxAttempts: '3'\n  timeoutSeconds: '3,600'\n  inputs: {}\n",
        &[],
    );
}

#[test]
fn nulls_and_empty_values_say_nothing() {
    accept(
        "schemaVersion: '2.2'\ndescription: ~\nparameters:\n  a: {type: String, default: null, allowedValues: null, allowedPattern: null}\n  b: {type: StringList, default: [], minItems: 1}\n  c: {type: String, default: '', allowedValues: [x, y], minChars: 1}\n  d: {type: StringMap, default: {}, minItems: 1}\nmainSteps:\n- name: a\n  action: aws:runShellScript\n  precondition: ~\n  inputs:\n    runCommand:\n    - echo {{ a }}\n    -\n    environment: ~\n",
        &[],
    );
    accept(
        "schemaVersion: '2.2'\nparameters:\nmainSteps:\n- {name: a, action: 'aws:refreshAssociation', inputs: }\n",
        &[],
    );
}

#[test]
fn yaml_in_all_its_spellings() {
    let steps = "mainSteps:\n- name: a\n  action: aws:runShellScript\n  inputs:\n    runCommand:\n    - |\n      #!/bin/bash\n      case $1 in\n        yes) echo \"on: $2\" ;;\n      esac\n    - >-\n      folded\n      text\n    - \"tab\\tand \\u00e9\"\n";
    accept(
        &format!(
            "---\n# a comment\nschemaVersion: \"2.2\" # another\ndescription: |-\n  ## Title\n\n  text: with a colon\n{steps}...\n"
        ),
        &[],
    );
    accept(&format!("\u{feff}schemaVersion: '2.2'\n{steps}"), &[]);
    accept(&format!("schemaVersion: '2.2'\n{steps}").replace('\n', "\r\n"), &[]);
    accept(
        "schemaVersion: '2.2'\nmainSteps:\n- &shell\n  name: a\n  action: aws:runShellScript\n  inputs: &inputs {runCommand: [ls]}\n- <<: *shell\n  name: b\n- name: c\n  action: aws:runShellScript\n  inputs: *inputs\n",
        &[],
    );
    // Words of YAML 1.1 are texts.
    accept(
        "schemaVersion: '2.2'\nparameters: {p: {type: String, default: yes, allowedValues: [yes, no, on, 0o7, 1_000]}}\nmainSteps: [{name: a, action: 'aws:runShellScript', inputs: {runCommand: ['{{ p }}']}}]\n",
        &[],
    );
}

#[test]
fn json_in_all_its_spellings() {
    let text = "{\n\t\"schemaVersion\": \"2.2\",\n\t\"$schema\": \"x\",\n\t\"mainSteps\": [\n\t\t{\"action\": \"aws:runPowerShellScript\", \"name\": \"a\",\n\t\t\"inputs\": {\"RunCommand\": [\"dir C:\\\\x\\/y \\u0041 \\ud83d\\ude00\"], \"TimeoutSeconds\": \"60\"}}\n\t]\n}";
    accept(text, &[]);
    accept(&text.replace('\n', "\r\n"), &[]);
    accept(&format!("\u{feff}{text}\n\n"), &[]);
}

#[test]
fn the_old_schema_with_all_its_plugins() {
    accept(
        r#"{"schemaVersion": "1.2", "description": "x",
            "parameters": {"commands": {"type": "StringList"}, "status": {"type": "String", "default": "Enabled"}, "properties": {"type": "String", "default": ""}},
            "runtimeConfig": {
              "aws:runPowerShellScript": {"properties": [{"id": "0.aws:runPowerShellScript", "runCommand": "{{ commands }}", "timeoutSeconds": 7200}]},
              "aws:psModule": {"properties": [{"id": "0.aws:psModule", "runCommand": "{{ commands }}", "source": "https://host/x.zip", "sourceHash": ""}]},
              "aws:applications": {"properties": [{"id": "0.aws:applications", "action": "Install", "source": "https://host/a.msi", "parameters": ""}]},
              "aws:cloudWatch": {"settings": {"startType": "{{ status }}"}, "properties": "{{ properties }}"},
              "aws:updateSsmAgent": {"properties": [{"agentName": "amazon-ssm-agent", "source": "https://s3.{Region}.amazonaws.com/x/manifest.json", "allowDowngrade": "false", "targetVersion": ""}]},
              "aws:domainJoin": {"properties": {"directoryId": "d-1234567890", "directoryName": "a.b", "dnsIpAddresses": ["10.0.0.1"]}},
              "aws:refreshAssociation": {"properties": [{"associationIds": []}]}}}"#,
        &[],
    );
}

#[test]
fn every_action_of_a_node_as_people_write_it() {
    accept(
        "schemaVersion: '2.2'\nparameters:\n  info: {type: StringMap, displayType: textarea, default: {}}\n  args: {type: StringMap, default: {}}\nmainSteps:\n- action: aws:downloadContent\n  name: fetch\n  inputs:\n    sourceType: S3\n    sourceInfo: '{\"path\": \"https://s3.amazonaws.com/bucket/{{ global }}x\"}'\n    destinationPath: /tmp/x\n- action: aws:downloadContent\n  name: github\n  inputs:\n    SourceType: GitHub\n    SourceInfo: {owner: o, repository: r, path: a/b, getOptions: 'commitID:0123abc', tokenInfo: '{{ssm-secure:token}}'}\n- {action: 'aws:downloadContent', name: any, inputs: {sourceType: HTTP, sourceInfo: '{{ info }}'}}\n- {action: 'aws:runDocument', name: inner, inputs: {documentType: SSMDocument, documentPath: 'AWS-RunShellScript', documentParameters: {commands: [ls], executionTimeout: 60}}}\n- {action: 'aws:configurePackage', name: package, inputs: {name: AmazonCloudWatchAgent, action: Install, version: '', additionalArguments: '{{ args }}'}}\n- {action: 'aws:softwareInventory', name: inventory, inputs: {applications: Enabled, windowsRegistry: '[{\"Path\":\"HKEY_LOCAL_MACHINE\\\\X\",\"Recursive\":false,\"ValueNames\":[\"A\"]}]'}}\n- {action: 'aws:configureDocker', name: docker, inputs: {action: Install}}\n- {action: 'aws:runDockerAction', name: run, inputs: {action: Pull, image: 'nginx:1.27', volume: ''}}\n- {action: 'aws:updateSsmAgent', name: agent, inputs: {agentName: amazon-ssm-agent, allowDowngrade: 'false'}}\n".replace("{{ global }}", "").as_str(),
        &[],
    );
}

#[test]
fn braces_of_others_survive_the_check() {
    accept(
        "schemaVersion: '2.2'\nparameters: {Region: {type: String}}\nmainSteps:\n- name: a\n  action: aws:runShellScript\n  inputs:\n    runCommand:\n    - \"docker ps --format '{{.Names}}'\"\n    - \"docker inspect -f '{{range .Mounts}}{{.Source}}{{end}}' x\"\n    - 'curl -w %{http_code} ${{{Region}}}'\n    - \"python3 -c 'print(f\\\"{{x}} {1}\\\")'\"\n    - '{% if a %}{{ a }}{% endif %}'\n",
        &["undeclared-reference", "undeclared-reference", "undeclared-reference"],
    );
}

#[test]
fn runbooks_as_people_write_them() {
    accept(
        "schemaVersion: '0.3'\ndescription: |\n  ### What it does\nassumeRole: '{{ AutomationAssumeRole }}'\nparameters:\n  AutomationAssumeRole: {type: 'AWS::IAM::Role::Arn', default: ''}\n  InstanceIds: {type: 'List<AWS::EC2::Instance::Id>'}\n  Bucket: {type: 'AWS::S3::Bucket::Name', allowedPattern: '(?=^.{3,63}$)[a-z0-9.-]+'}\n  Tags: {type: MapList, default: []}\n  Options: {type: StringMap, default: {}}\nvariables:\n  seen: {type: StringList, default: []}\n  last: {type: StringMap, default: {}}\nfiles:\n  attachment.zip: {checksums: {sha256: abc}}\noutputs: [get.Id, 'loop.Count']\nmainSteps:\n- name: get\n  action: aws:executeAwsApi\n  description: Reads.\n  onFailure: step:end\n  onCancel: step:end\n  inputs:\n    Service: ec2\n    Api: DescribeInstances\n    InstanceIds: '{{ InstanceIds }}'\n    Filters:\n    - {Name: 'tag:{{ Options.Key }}', Values: ['{{ global:ACCOUNT_ID }}']}\n  outputs:\n  - {Name: Id, Selector: '$.Reservations[0].Instances[0].InstanceId'}\n  - {Name: All, Selector: '$.Reservations..InstanceId', Type: StringList}\n- name: script\n  action: aws:executeScript\n  timeoutSeconds: 600\n  inputs:\n    Runtime: python3.11\n    Handler: main\n    InputPayload: {id: '{{ get.Id }}', when: '{{ global:DATE_TIME }}', run: '{{automation:EXECUTION_ID}}'}\n    Script: |\n      def main(events, context):\n          return {'x': f\"{{ {events['id']} }}\"}\n  outputs: [{Name: x, Selector: $.Payload.x, Type: String}]\n- name: choose\n  action: aws:branch\n  inputs:\n    Choices:\n    - {NextStep: loop, Variable: '{{ script.x }}', StringEquals: a}\n    - {Or: [{Variable: '{{get.Id}}', StartsWith: i-}, {Not: {Variable: '{{ variable:last.Id }}', BooleanEquals: true}}], NextStep: wait}\n    - {NextStep: end, And: [{Variable: '{{ get.Id }}', Contains: x}, {Variable: '{{ variable:seen }}', EqualsIgnoreCase: y}]}\n    Default: end\n- name: loop\n  action: aws:loop\n  inputs:\n    Iterators: '{{ InstanceIds }}'\n    IteratorDataType: String\n    Steps:\n    - name: stop\n      action: aws:changeInstanceState\n      onFailure: Continue\n      inputs: {InstanceIds: ['{{ loop.CurrentIteratorValue }}'], DesiredState: stopped}\n    - name: note\n      action: aws:updateVariable\n      inputs: {Name: 'variable:seen', Value: ['{{ loop.CurrentIteratorValue }}']}\n- name: again\n  action: aws:loop\n  inputs:\n    LoopCondition: {Variable: '{{ get.Id }}', StringEquals: x}\n    MaxIterations: 5\n    Steps: [{name: inner, action: 'aws:sleep', inputs: {Duration: PT30S}}]\n- name: wait\n  action: aws:waitForAwsResourceProperty\n  inputs: {Service: ec2, Api: DescribeVolumes, PropertySelector: '$.Volumes[0].State', DesiredValues: [available]}\n- name: approve\n  action: aws:approve\n  onFailure: Abort\n  inputs: {NotificationArn: 'arn:aws:sns:x', Message: m, MinRequiredApprovals: 1, Approvers: ['{{ AutomationAssumeRole }}']}\n- name: command\n  action: aws:runCommand\n  inputs:\n    DocumentName: AWS-RunShellScript\n    InstanceIds: '{{ InstanceIds }}'\n    Parameters: {commands: ['docker ps --format \"{{.ID}}\"', 'echo {{ get.Id }}'], executionTimeout: '3600'}\n- name: end\n  action: aws:sleep\n  isEnd: true\n  inputs: {Duration: 'PT{{ Options.Minutes }}M'}\n",
        &[],
    );
}

#[test]
fn mistakes_are_told_on_their_lines() {
    let steps = "mainSteps:\n- name: a\n  action: aws:runShellScript\n  inputs: {runCommand: [ls]}\n";
    for (head, errors) in [
        ("parameters:\n  p: {type: Strng}\n", &["3 parameters.p.type unknown-type"] as &[&str]),
        ("parameters:\n  p: {default: x}\n", &["3 parameters.p.type no-type"]),
        ("parameters:\n  p: String\n", &["3 parameters.p wrong-type"]),
        ("parameters:\n- p\n", &["3 parameters wrong-type"]),
        (
            "parameters:\n  p:\n    type: Integer\n    default: many\n",
            &["5 parameters.p.default bad-default"],
        ),
        (
            "parameters:\n  p:\n    type: String\n    default: z\n    allowedValues: [x, y]\n",
            &["5 parameters.p.default bad-default"],
        ),
        (
            "parameters:\n  p:\n    type: String\n    allowedPattern: '[a-'\n",
            &["5 parameters.p.allowedPattern bad-pattern"],
        ),
        ("parameters:\n  p: {type: String, maxChars: -1}\n", &["3 parameters.p.maxChars bad-count"]),
        (
            "parameters:\n  p: {type: String, minChars: 5, maxChars: 3}\n",
            &["3 parameters.p.minChars bad-count"],
        ),
        (
            "parameters:\n  p: {type: String, interpolationType: ENVIRONMENT}\n",
            &["3 parameters.p.interpolationType bad-interpolation"],
        ),
        ("parameters:\n  'a b': {type: String}\n", &["3 parameters.a b bad-parameter-name"]),
    ] {
        refuse(&format!("schemaVersion: '2.2'\n{head}{steps}"), errors);
    }
    for (step, errors) in [
        ("action: aws:runShellScript\n", &["3 mainSteps[0].inputs.runCommand missing-input"] as &[&str]),
        (
            "action: aws:runShellScript\n  inputs: {runCommand: {a: b}}\n",
            &["5 mainSteps[0].inputs.runCommand wrong-type"],
        ),
        (
            "action: aws:runShellScript\n  inputs:\n    runCommand:\n    - echo a: b\n",
            &["7 mainSteps[0].inputs.runCommand[0] wrong-type"],
        ),
        (
            "action: aws:runShellScript\n  inputs:\n    runCommand:\n    - echo\n    - echo {{ nobody }}\n",
            &["8 mainSteps[0].inputs.runCommand[1] undeclared-reference"],
        ),
        (
            "action: aws:runShellScript\n  precondition: {StringEquals: [platformType]}\n  inputs: {runCommand: [ls]}\n",
            &["5 mainSteps[0].precondition.StringEquals bad-precondition"],
        ),
        (
            "action: aws:runShellScript\n  precondition: {StringLike: [platformType, Linux]}\n  inputs: {runCommand: [ls]}\n",
            &["5 mainSteps[0].precondition.StringLike bad-precondition"],
        ),
        (
            "action: aws:downloadContent\n  inputs:\n    sourceType: Ftp\n    sourceInfo: '{\"path\": }'\n",
            &["6 mainSteps[0].inputs.sourceType bad-input", "7 mainSteps[0].inputs.sourceInfo bad-input"],
        ),
        (
            "action: aws:downloadContent\n  inputs:\n    sourceType: GitHub\n    sourceInfo:\n      owner: o\n      getOptions: main\n",
            &[
                "8 mainSteps[0].inputs.sourceInfo.repository missing-input",
                "9 mainSteps[0].inputs.sourceInfo.getOptions bad-input",
            ],
        ),
        (
            "action: aws:runDocument\n  inputs:\n    documentPath: x\n",
            &["6 mainSteps[0].inputs.documentType missing-input"],
        ),
        (
            "action: aws:configurePackage\n  inputs:\n    name: x\n    action: Remove\n",
            &["7 mainSteps[0].inputs.action bad-input"],
        ),
        (
            "action: aws:softwareInventory\n  inputs:\n    files:\n    - Path: /etc\n    - Pattern: ['*']\n",
            &["8 mainSteps[0].inputs.files[1].Path missing-input"],
        ),
    ] {
        refuse(&format!("schemaVersion: '2.2'\nmainSteps:\n- name: a\n  {step}"), errors);
    }
    for (step, errors) in [
        (
            "action: aws:sleep\n  inputs: {Duration: 10 minutes}\n",
            &["5 mainSteps[0].inputs.Duration bad-value"] as &[&str],
        ),
        (
            "action: aws:branch\n  inputs: {Choices: [{NextStep: a, And: []}]}\n",
            &["5 mainSteps[0].inputs.Choices[0].And bad-choice"],
        ),
        (
            "action: aws:loop\n  inputs:\n    Iterators: [a]\n    MaxIterations: 1000\n    Steps: [{name: b, action: 'aws:pause', inputs: {}}]\n",
            &["7 mainSteps[0].inputs.MaxIterations bad-count"],
        ),
        (
            "action: aws:pause\n  maxAttempts: often\n  inputs: {}\n",
            &["5 mainSteps[0].maxAttempts bad-count"],
        ),
        (
            "action: aws:executeAwsApi\n  inputs: {Service: ec2}\n",
            &["5 mainSteps[0].inputs.Api missing-input"],
        ),
        (
            "action: aws:pause\n  outputs: [{Name: x}]\n  inputs: {}\n",
            &["5 mainSteps[0].outputs[0] bad-output"],
        ),
    ] {
        refuse(&format!("schemaVersion: '0.3'\nmainSteps:\n- name: a\n  {step}"), errors);
    }
}

#[test]
fn durations_are_those_of_iso_8601() {
    for (duration, right) in [
        ("PT10M", true),
        ("P1DT2H3M4.5S", true),
        ("P2W", true),
        ("PT0S", true),
        ("P", false),
        ("PT", false),
        ("10M", false),
        ("PTM", false),
        ("PT10", false),
        ("P1H", false),
        ("PT1HS", false),
    ] {
        let text = format!(
            "schemaVersion: '0.3'\nmainSteps:\n- name: a\n  action: aws:sleep\n  inputs: {{Duration: {duration}}}\n"
        );
        assert_eq!(parse(text.as_bytes()).is_ok(), right, "{duration}");
    }
}

#[test]
fn a_key_of_two_brackets_in_quotes_merges_nothing() {
    let checked = crate::accepted(
        "schemaVersion: '2.2'\nmainSteps:\n- name: a\n  action: aws:runShellScript\n  inputs:\n    runCommand: [ls]\n    environment:\n      '<<': {HERE: doc}\n      A: b\n",
    );
    assert_eq!(checked.document.steps()[0].inputs["environment"]["<<"]["HERE"], "doc");
    let merged = crate::accepted(
        "schemaVersion: '2.2'\nmainSteps:\n- name: a\n  action: aws:runShellScript\n  inputs:\n    runCommand: [ls]\n    environment:\n      <<: {HERE: doc, A: c}\n      A: b\n",
    );
    let environment = &merged.document.steps()[0].inputs["environment"];
    assert_eq!(environment, &serde_json::json!({"HERE": "doc", "A": "b"}));
}
