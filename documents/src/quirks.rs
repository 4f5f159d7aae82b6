//! Where SSM does what nobody would choose, and what we do instead. One row for each decision, with an example that a
//! test executes: a row that is no longer true fails.

/// One decision.
#[derive(Debug, Clone, Copy)]
pub struct Quirk {
    /// Of the behavioural reference.
    pub section: &'static str,
    pub ssm: &'static str,
    pub ours: &'static str,
    pub example: Example,
}

/// What shows the decision.
#[derive(Debug, Clone, Copy)]
pub enum Example {
    /// A document that is bound and planned on Linux, and a line that its plan, its warnings or its refusal contain.
    Document {
        text: &'static str,
        arguments: &'static [(&'static str, &'static [&'static str])],
        shows: &'static str,
    },
    /// A script's exit code on Linux, and the status of its step.
    Exit { code: i32, shows: &'static str },
}

const fn document(
    text: &'static str,
    arguments: &'static [(&'static str, &'static [&'static str])],
    shows: &'static str,
) -> Example {
    Example::Document { text, arguments, shows }
}

/// All decisions, by section.
pub const QUIRKS: &[Quirk] = &[
    Quirk {
        section: "1.3",
        ssm: "of two steps with one name the later result replaces the earlier",
        ours: "both results are kept, and the check warns",
        example: document(
            "{schemaVersion: '2.2', mainSteps: [
              {name: a, action: 'aws:runShellScript', inputs: {runCommand: ['true']}},
              {name: a, action: 'aws:runShellScript', inputs: {runCommand: ['false']}}]}",
            &[],
            "warning duplicate-step",
        ),
    },
    Quirk {
        section: "1.3",
        ssm: "timeoutSeconds and onFailure of a step are read and never used",
        ours: "the same, and the check warns",
        example: document(
            "{schemaVersion: '2.2', mainSteps: [
              {name: a, action: 'aws:runShellScript', onFailure: exit, inputs: {runCommand: ['true']}}]}",
            &[],
            "warning idle-key",
        ),
    },
    Quirk {
        section: "1.4",
        ssm: "a parameter whose name is not letters and digits is dropped, its references stay",
        ours: "it is replaced like any other, and the check warns",
        example: document(
            "{schemaVersion: '2.2', parameters: {my_name: {type: String}}, mainSteps: [
              {name: a, action: 'aws:runShellScript', inputs: {runCommand: ['echo {{ my_name }}']}}]}",
            &[("my_name", &["x"])],
            "a: run [\"echo x\"]",
        ),
    },
    Quirk {
        section: "1.4",
        ssm: "the agent matches allowedPattern anywhere in the value, in RE2",
        ours: "the whole value must match, in the service's dialect",
        example: document(
            "{schemaVersion: '2.2', parameters: {p: {type: String, allowedPattern: '(?!x)[a-z]+'}}, mainSteps: [
              {name: a, action: 'aws:runShellScript', inputs: {runCommand: ['echo {{ p }}']}}]}",
            &[("p", &["ab; reboot"])],
            "refused parameter `p` is `ab; reboot`; it must match (?!x)[a-z]+",
        ),
    },
    Quirk {
        section: "1.4",
        ssm: "a parameter without value and default becomes null in the script",
        ours: "the command is refused",
        example: document(
            "{schemaVersion: '2.2', parameters: {p: {type: String}}, mainSteps: [
              {name: a, action: 'aws:runShellScript', inputs: {runCommand: ['echo {{ p }}']}}]}",
            &[],
            "refused parameter `p` has no value and no default",
        ),
    },
    Quirk {
        section: "1.4",
        ssm: "the agent counts bytes for minChars and maxChars",
        ours: "characters are counted",
        example: document(
            "{schemaVersion: '2.2', parameters: {p: {type: String, maxChars: 5}}, mainSteps: [
              {name: a, action: 'aws:runShellScript', inputs: {runCommand: ['echo {{ p }}']}}]}",
            &[("p", &["Grüße"])],
            "a: run [\"echo Grüße\"]",
        ),
    },
    Quirk {
        section: "1.4",
        ssm: "an Integer or Boolean of an inner document is accepted only when it equals the default",
        ours: "any value of the type is accepted",
        example: document(
            "{schemaVersion: '2.2', parameters: {n: {type: Integer, default: 1}}, mainSteps: [
              {name: a, action: 'aws:runShellScript', inputs: {runCommand: ['echo {{ n }}']}}]}",
            &[("n", &["7"])],
            "a: run [\"echo 7\"]",
        ),
    },
    Quirk {
        section: "1.5",
        ssm: "`$$` in a value becomes `$` when it is embedded in a text",
        ours: "values go in verbatim",
        example: document(
            "{schemaVersion: '2.2', parameters: {p: {type: String}}, mainSteps: [
              {name: a, action: 'aws:runShellScript', inputs: {runCommand: ['echo {{ p }}']}}]}",
            &[("p", &["$$"])],
            "a: run [\"echo $$\"]",
        ),
    },
    Quirk {
        section: "1.5",
        ssm: "a StringList that is an element of a list becomes a nested list, and the step fails",
        ours: "its elements take its place",
        example: document(
            "{schemaVersion: '2.2', parameters: {p: {type: StringList}}, mainSteps: [
              {name: a, action: 'aws:runShellScript', inputs: {runCommand: ['set -e', '{{ p }}']}}]}",
            &[("p", &["x", "y"])],
            "a: run [\"set -e\", \"x\", \"y\"]",
        ),
    },
    Quirk {
        section: "1.5",
        ssm: "a precondition with a parameter that is no String crashes the document",
        ours: "its text is compared",
        example: document(
            "{schemaVersion: '2.2', parameters: {on: {type: Boolean}}, mainSteps: [
              {name: a, action: 'aws:runShellScript', precondition: {StringEquals: ['{{ on }}', 'true']},
               inputs: {runCommand: ['x']}}]}",
            &[("on", &["true"])],
            "a: run [\"x\"]",
        ),
    },
    Quirk {
        section: "1.8",
        ssm: "an action that the agent has not registered is skipped, also on a platform that has it",
        ours: "it fails: a document that did nothing must not succeed",
        example: document(
            "{schemaVersion: '2.2', mainSteps: [{name: a, action: 'aws:domainJoin',
              inputs: {directoryId: d-1, directoryName: n}}]}",
            &[],
            "a: fail this agent cannot run aws:domainJoin",
        ),
    },
    Quirk {
        section: "1.9",
        ssm: "the plugins of a runtimeConfig run in random order",
        ours: "they run in the order of the text; each property set is a step of its own",
        example: document(
            "{schemaVersion: '1.2', runtimeConfig: {
              'aws:runShellScript': {properties: [{id: 0.first, runCommand: ['x']}, {runCommand: ['y']}]},
              'aws:runPowerShellScript': {properties: {runCommand: ['z']}}}}",
            &[],
            "0.first: run [\"x\"] | 1.aws:runShellScript: run [\"y\"] | aws:runPowerShellScript: run [\"z\"]",
        ),
    },
    Quirk {
        section: "1.13",
        ssm: "what happens to the text of a reference to an ENV_VAR parameter is not documented",
        ours: "it becomes a reference to the variable, so that a value never becomes code",
        example: document(
            "{schemaVersion: '2.2', parameters: {p: {type: String, interpolationType: ENV_VAR}}, mainSteps: [
              {name: a, action: 'aws:runShellScript', inputs: {runCommand: ['echo \"{{ p }}\"']}}]}",
            &[("p", &["$(reboot)"])],
            "a: run [\"echo \\\"${SSM_p}\\\"\"] SSM_p=$(reboot)",
        ),
    },
    Quirk {
        section: "2.3",
        ssm: "exit code 137 of the script itself counts as timed out",
        ours: "the same, as people's scripts expect; how the process ended is kept beside it",
        example: Example::Exit { code: 137, shows: "TimedOut 137" },
    },
    Quirk {
        section: "2.4",
        ssm: "a time-out that is no number, 14,400 among them, silently becomes 3600",
        ours: "commas between thousands are read; anything else becomes 3600, and the check warns",
        example: document(
            "{schemaVersion: '2.2', mainSteps: [
              {name: a, action: 'aws:runShellScript', inputs: {runCommand: ['x'], timeoutSeconds: '14,400'}}]}",
            &[],
            "a: run [\"x\"] for 14400 s",
        ),
    },
    Quirk {
        section: "2.4",
        ssm: "a text in the place of the list of lines fails the step",
        ours: "it is the whole script, and the check warns",
        example: document(
            "{schemaVersion: '2.2', mainSteps: [
              {name: a, action: 'aws:runShellScript', inputs: {runCommand: 'echo one'}}]}",
            &[],
            "a: run [\"echo one\"]",
        ),
    },
    Quirk {
        section: "2.7",
        ssm: "a branch in getOptions is used as a full name of a reference, so that a short one may fail",
        ours: "the short name is what is kept",
        example: document(
            "{schemaVersion: '2.2', mainSteps: [{name: a, action: 'aws:downloadContent', inputs: {sourceType: Git,
              sourceInfo: {repository: 'https://host/r.git', getOptions: 'branch:main'}}}]}",
            &[],
            "revision: Branch(\"main\")",
        ),
    },
    Quirk {
        section: "2.13",
        ssm: "cmd of aws:runDockerAction is passed as one argument, so that a command with arguments fails",
        ours: "it is split into words as a shell splits it, without running one",
        example: document(
            "{schemaVersion: '2.2', mainSteps: [{name: a, action: 'aws:runDockerAction',
              inputs: {action: Exec, container: web, cmd: \"nginx -g 'daemon off'\"}}]}",
            &[],
            "command: [\"nginx\", \"-g\", \"daemon off\"]",
        ),
    },
    Quirk {
        section: "2.16",
        ssm: "aws:updateSsmAgent names the agent of AWS and brings a version of it",
        ours: "the wish is for the agent of the host, which is ours; what the document names is kept to be told",
        example: document(
            "{schemaVersion: '2.2', mainSteps: [{name: a, action: 'aws:updateSsmAgent',
              inputs: {agentName: amazon-ssm-agent, source: 'https://host/manifest.json', targetVersion: latest}}]}",
            &[],
            "a: run UpdateAgent(UpdateAgent { agent_name: Some(\"amazon-ssm-agent\")",
        ),
    },
];
