//! Which texts may be kept as which kind of document.

use super::*;
use crate::documents::content::{CONTENT_MAX_BYTES, read};

fn accepted(kind: DocumentType, format: Option<Format>, text: &str, found: Format) {
    let content =
        read(kind, format, text.as_bytes()).unwrap_or_else(|error| panic!("{kind}: {error}\n{text}"));
    assert_eq!(content.format, found, "{kind} {text}");
}

fn refused(kind: DocumentType, format: Option<Format>, text: &str, fault: Fault, words: &str) {
    check(read(kind, format, text.as_bytes()), fault, words);
}

const COMMAND: &str = "schemaVersion: '2.2'\nmainSteps:\n- {action: 'aws:runShellScript', name: a, inputs: {runCommand: [ls]}}\n";
const POLICY: &str = "schemaVersion: '2.0'\nmainSteps:\n- {action: 'aws:runShellScript', name: a, inputs: {runCommand: [ls]}}\n";
const RUNBOOK: &str =
    "schemaVersion: '0.3'\nmainSteps:\n- {action: 'aws:sleep', name: rest, inputs: {Duration: PT1S}}\n";

#[test]
fn each_kind_has_its_rule() {
    use DocumentType as Kind;
    use Format::{Json, Text, Yaml};
    accepted(Kind::Command, None, COMMAND, Yaml);
    accepted(Kind::Command, Some(Yaml), COMMAND, Yaml);
    accepted(Kind::Command, None, std::str::from_utf8(&script("x")).unwrap(), Json);
    accepted(Kind::Policy, None, POLICY, Yaml);
    accepted(Kind::Automation, None, RUNBOOK, Yaml);
    accepted(
        Kind::Session,
        None,
        r#"{"schemaVersion":"1.0","sessionType":"Standard_Stream","inputs":{}}"#,
        Json,
    );
    accepted(Kind::ChangeCalendar, None, "BEGIN:VCALENDAR\nEND:VCALENDAR\n", Text);
    accepted(Kind::ApplicationConfiguration, Some(Text), "anything: at: all", Text);
    accepted(Kind::ApplicationConfiguration, None, "[1, 2]", Json);
    accepted(Kind::ApplicationConfiguration, None, "key: value", Yaml);
    accepted(Kind::CloudFormation, None, "Resources: {}", Yaml);
}

#[test]
fn what_does_not_fit_its_kind_is_told() {
    use DocumentType as Kind;
    use Fault::{InvalidDocumentContent as Content, InvalidDocumentSchemaVersion as Schema};
    use Format::{Json, Text};
    refused(Kind::Command, None, "", Content, "empty");
    refused(Kind::Command, None, RUNBOOK, Schema, "schema version 0.3");
    refused(Kind::Policy, None, COMMAND, Schema, "of type Policy has 2.0");
    refused(Kind::Automation, None, COMMAND, Schema, "of type Automation has 0.3");
    refused(Kind::Command, None, "schemaVersion: '9'\nmainSteps: []", Schema, "1:");
    refused(Kind::Command, None, "schemaVersion: '2.2'", Content, "mainSteps");
    refused(Kind::Command, Some(Json), COMMAND, Content, "said to be JSON");
    refused(Kind::Command, Some(Text), COMMAND, Content, "not as TEXT");
    refused(Kind::Session, None, "schemaVersion: '2.2'", Schema, "schemaVersion 1.0");
    refused(Kind::Session, None, "schemaVersion: '1.0'\nsessionType: Shell", Content, "found `Shell`");
    refused(Kind::ChangeCalendar, None, "BEGIN:VEVENT", Content, "BEGIN:VCALENDAR");
    refused(Kind::CloudFormation, None, "- list", Content, "not a map");
    refused(Kind::CloudFormation, None, "a: [", Content, "errors");
    refused(Kind::Package, None, "schemaVersion: '2.0'\nfiles: {a: {}}", Content, "packages");
    refused(
        Kind::Package,
        None,
        r#"{"schemaVersion":"2.0","packages":{"_any":{"_any":{"_any":{"file":"b"}}}},"files":{"a":{}}}"#,
        Content,
        "`b` is not among files",
    );
    let long = "x".repeat(CONTENT_MAX_BYTES + 1);
    refused(Kind::Command, None, &long, Fault::MaxDocumentSizeExceeded, "65536 at most");
    check(read(Kind::Command, None, b"\xff"), Content, "byte 0");
}
