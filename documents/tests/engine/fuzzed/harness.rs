//! What must hold for any bytes at all. The fuzz targets and the tests share it.

use std::collections::BTreeMap;

use fleetwright_documents::{
    Decision, HostTraits, Notation, PackageManifest, Platform, StepInputs, parse, written_as,
};
use serde_json::json;

/// Any text: it is accepted or refused, and what was accepted can be bound, planned and written again.
pub(crate) fn parser(data: &[u8]) {
    let _manifest = PackageManifest::parse(data);
    let Ok(checked) = parse(data) else { return };
    let document = checked.document;
    let arguments = BTreeMap::new();
    let Ok(bound) = document.bind(&arguments) else { return };
    let again = document.bound_from_json(bound.to_json().as_bytes()).expect("what was bound is read again");
    assert_eq!(again.to_json(), bound.to_json());
    for platform in Platform::ALL {
        let plan = document.plan(&bound, &HostTraits { platform, supports: &|_| true });
        assert_eq!(
            plan.steps.len(),
            document.plan(&again, &HostTraits { platform, supports: &|_| true }).steps.len()
        );
    }
    let text = std::str::from_utf8(data).expect("only UTF-8 is accepted");
    let yaml = written_as(text, Notation::Yaml).expect("what was parsed is written");
    if yaml.len() <= fleetwright_documents::MAX_DOCUMENT_BYTES {
        parse(yaml.as_bytes()).expect("it is accepted in the other notation, too");
    }
}

/// A text with tokens and a value, divided by a zero byte: a value goes in verbatim, and once.
pub(crate) fn substitution(data: &[u8]) {
    let Some((template, value)) = halves(data) else { return };
    let document = json!({
        "schemaVersion": "2.2",
        "parameters": { "p": { "type": "String", "default": value } },
        "mainSteps": [{ "name": "run", "action": "aws:runShellScript",
            "inputs": { "runCommand": [template, "{{ p }}", "<{{p}}>"] } }],
    });
    let Ok(checked) = parse(document.to_string().as_bytes()) else { return };
    let Ok(bound) = checked.document.bind(&BTreeMap::new()) else { return };
    let host = HostTraits { platform: Platform::Linux, supports: &|_| true };
    let plan = checked.document.plan(&bound, &host);
    let Decision::Run(StepInputs::RunScript(script)) = &plan.steps[0].decision else { return };
    assert_eq!(script.lines[1..], [value.to_owned(), format!("<{value}>")]);
    if !template.contains("{{") {
        assert_eq!(script.lines[0], template);
    }
}

/// Two arguments of a precondition, divided by a zero byte: one decision, the same whenever it is asked for.
pub(crate) fn preconditions(data: &[u8]) {
    let Some((left, right)) = halves(data) else { return };
    let document = json!({
        "schemaVersion": "2.2",
        "parameters": { "p": { "type": "String", "default": right } },
        "mainSteps": [{ "name": "run", "action": "aws:runShellScript",
            "precondition": { "StringEquals": [left, right] }, "inputs": { "runCommand": ["true"] } }],
    });
    let Ok(checked) = parse(document.to_string().as_bytes()) else { return };
    let Ok(bound) = checked.document.bind(&BTreeMap::new()) else { return };
    for platform in Platform::ALL {
        let host = HostTraits { platform, supports: &|_| true };
        let [first, second] = [(); 2].map(|()| checked.document.plan(&bound, &host).steps.remove(0).decision);
        assert_eq!(first, second);
        assert!(!matches!(first, Decision::Fail { .. }), "{first:?}");
    }
}

fn halves(data: &[u8]) -> Option<(&str, &str)> {
    let at = data.iter().position(|byte| *byte == 0)?;
    let (left, right) = (&data[..at], &data[at + 1..]);
    Some((std::str::from_utf8(left).ok()?, std::str::from_utf8(right).ok()?))
}
