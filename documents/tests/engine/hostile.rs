//! Texts that were made to hurt: nothing panics, and time and memory stay bounded.

use std::fmt::Write;
use std::time::{Duration, Instant};

use fleetwright_documents::{MAX_DOCUMENT_BYTES, library, parse};
use proptest::prelude::*;

use crate::{accepted, bind, bound};

/// Ten times what the slowest of these takes in a debug build on a busy machine.
const BOUND: Duration = Duration::from_secs(5);

fn refused_with(text: &str, code: &str) {
    let before = Instant::now();
    let found = parse(text.as_bytes()).expect_err("it must be refused");
    assert!(found.iter().any(|diagnostic| diagnostic.code == code), "{found}");
    assert!(before.elapsed() < BOUND, "took {:?}", before.elapsed());
}

#[test]
fn size_and_depth_are_limited() {
    refused_with(&"x".repeat(MAX_DOCUMENT_BYTES + 1), "too-large");
    refused_with(&"[".repeat(60_000), "malformed-yaml");
    refused_with(&format!("{{\"a\": {}{}}}", "[".repeat(300), "]".repeat(300)), "too-deep");
    refused_with(&format!("a: {}{}", "[".repeat(300), "]".repeat(300)), "malformed-yaml");
    refused_with(&"{\"a\":".repeat(10_000), "malformed-json");
    refused_with(&"- ".repeat(30_000), "malformed-yaml");
    refused_with(&"? ".repeat(30_000), "malformed-yaml");
    refused_with(&"- &a\n".repeat(10_000), "not-a-map");
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..40 {
        let alias = format!("*a{}", level - 1);
        writeln!(text, "a{level}: &a{level} [{}]", [alias.as_str(); 9].join(", ")).unwrap();
    }
    refused_with(&text, "alias-bomb");
    refused_with("a: &a [*a]\n", "malformed-yaml");
}

#[test]
fn aliases_and_merges_of_an_honest_size_are_followed() {
    let text = "schemaVersion: '2.2'\nx: &base {runCommand: [ls], timeoutSeconds: 60}\nmainSteps:\n- name: a\n  action: aws:runShellScript\n  inputs: *base\n- name: b\n  action: aws:runShellScript\n  inputs: {<<: *base, timeoutSeconds: 90}\n";
    let document = accepted(text).document;
    let bound = bound(&document, &[]);
    assert_eq!(document.execution_timeout(&bound).as_secs(), 150);
}

#[test]
fn many_of_anything_is_bounded() {
    refused_with(
        &format!("schemaVersion: '2.2'\nmainSteps:\n{}", "- 1\n".repeat(15_000)),
        "too-many-findings",
    );
    let parameters: String = (0..1000).fold(String::new(), |mut text, index| {
        writeln!(text, "  p{index}: {{type: String}}").unwrap();
        text
    });
    refused_with(
        &format!("schemaVersion: '2.2'\nparameters:\n{parameters}mainSteps: []\n"),
        "too-many-parameters",
    );
    refused_with(
        &format!(
            "schemaVersion: '2.2'\nmainSteps: [{{name: a, action: 'aws:runShellScript', inputs: {{runCommand: ['{}']}}}}]\n",
            "{{ a }}".repeat(8000)
        ),
        "undeclared-reference",
    );
    refused_with(&format!("schemaVersion: {}\n", "9".repeat(60_000)), "unknown-schema-version");
    refused_with(&format!("schemaVersion: 2.2\nmainSteps: {}\n", "{{".repeat(30_000)), "malformed-yaml");
}

#[test]
fn a_pattern_cannot_hold_a_command_up() {
    let text = "schemaVersion: '2.2'\nparameters: {p: {type: String, allowedPattern: '(?:(a|aa)+\\1)+b'}, q: {type: String, allowedPattern: '((a{100}){100}){100}'}}\nmainSteps:\n- {name: a, action: 'aws:runShellScript', inputs: {runCommand: ['{{ p }}']}}\n";
    let document = accepted(text).document;
    let before = Instant::now();
    let told = bind(&document, &[("p", &[&"a".repeat(5000)]), ("q", &["a"])]).unwrap_err();
    assert!(before.elapsed() < BOUND, "took {:?}", before.elapsed());
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], "parameter `p` cannot be matched with (?:(a|aa)+\\1)+b: the match takes too long");
    assert!(
        lines[1].starts_with(
            "parameter `q` cannot be matched with ((a{100}){100}){100}: the pattern is not valid"
        ),
        "{told}"
    );
}

/// A valid document to be spoilt.
const SEED: &str = "schemaVersion: '2.2'\nparameters:\n  p: &x {type: String, default: 'a', allowedPattern: '(?!b)[a-z]*'}\n  q: {type: StringList, default: [x, 'y {{ssm:z}}']}\nmainSteps:\n- name: a\n  action: aws:runShellScript\n  precondition: {StringEquals: [platformType, Linux]}\n  inputs:\n    runCommand: ['{{ p }}', \"{{{ q }}} é\"]\n    timeoutSeconds: 1e2\n    onFailure: exit\n";

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(text in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&text);
    }

    #[test]
    fn arbitrary_structure_never_panics(text in "[\\[\\]{}:,\"'&*!|>?%@#\\-\\\\ \n\ta-c0-9é]{0,200}") {
        let _ = parse(text.as_bytes());
    }

    #[test]
    fn a_spoilt_document_never_panics(
        json in any::<bool>(),
        spoils in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let seed = if json { library::all()[1].text } else { SEED };
        let mut text = seed.as_bytes().to_vec();
        for (place, byte, kind) in spoils {
            let at = place.index(text.len());
            match kind {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => { text.remove(at); }
            }
        }
        if let Err(found) = parse(&text) {
            prop_assert!(found.has_errors());
            for diagnostic in &found {
                prop_assert!(diagnostic.line >= 1 && diagnostic.column >= 1);
                prop_assert!(!diagnostic.message.contains('\n'), "{diagnostic}");
            }
        }
    }

    #[test]
    fn values_are_never_read_again(value in "[{} a-z$\\\\\"']{0,40}") {
        let text = "{\"schemaVersion\": \"2.2\", \"parameters\": {\"a\": {\"type\": \"String\"}, \"b\": {\"type\": \"String\"}}, \"mainSteps\": [{\"name\": \"s\", \"action\": \"aws:runShellScript\", \"inputs\": {\"runCommand\": [\"<{{ a }}|{{ b }}>\"]}}]}";
        let document = accepted(text).document;
        let bound = bound(&document, &[("a", &[&value]), ("b", &["{{ a }}"])]);
        let plan = crate::plan(&document, &bound, fleetwright_documents::Platform::Linux);
        let fleetwright_documents::Decision::Run(fleetwright_documents::StepInputs::RunScript(script)) = &plan.steps[0].decision else {
            panic!("the step does not run");
        };
        prop_assert_eq!(&script.lines, &[format!("<{value}|{{{{ a }}}}>")]);
        prop_assert_eq!(document.bound_from_json(bound.to_json().as_bytes()).expect("it was written by bind"), bound);
    }
}
