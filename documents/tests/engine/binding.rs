//! Values that callers give.

use crate::{accepted, bind};

/// Binds one value to a parameter with such a definition; shows the JSON of all values, or the errors.
fn bound(definition: &str, values: &[&str]) -> String {
    let text = format!(
        "schemaVersion: '2.2'\nparameters:\n  p: {definition}\nmainSteps:\n- name: a\n  action: aws:runShellScript\n  inputs: {{runCommand: ['{{{{ p }}}}']}}\n"
    );
    match bind(&accepted(&text).document, &[("p", values)]) {
        Ok(bound) => bound.to_json(),
        Err(errors) => errors,
    }
}

fn check(rows: &[(&str, &[&str], &str)]) {
    for (definition, values, expected) in rows {
        assert_eq!(bound(definition, values), *expected, "{definition} given {values:?}");
    }
}

#[test]
fn values_take_their_native_type() {
    check(&[
        ("{type: String}", &["007"], r#"{"p":"007"}"#),
        ("{type: String}", &[""], r#"{"p":""}"#),
        ("{type: StringList}", &["a", ""], r#"{"p":["a",""]}"#),
        ("{type: StringList}", &[], r#"{"p":[]}"#),
        ("{type: Integer}", &["-12"], r#"{"p":-12}"#),
        ("{type: Boolean}", &["true"], r#"{"p":true}"#),
        ("{type: StringMap}", &[r#"{"b":"2","a":"1"}"#], r#"{"p":{"b":"2","a":"1"}}"#),
        ("{type: MapList}", &[r#"[{"a":1}]"#], r#"{"p":[{"a":1}]}"#),
        ("{type: MapList}", &[r#"{"a":1}"#, r#"{"b":2}"#], r#"{"p":[{"a":1},{"b":2}]}"#),
    ]);
}

#[test]
fn values_of_another_type_are_refused() {
    check(&[
        ("{type: String}", &["a", "b"], "parameter `p` is a list of 2; it takes one text"),
        ("{type: String}", &[], "parameter `p` is empty; it takes one text"),
        ("{type: Integer}", &["1.5"], "parameter `p` is `1.5`; it takes a whole number"),
        (
            "{type: Integer}",
            &["99999999999999999999"],
            "parameter `p` is `99999999999999999999`; it takes a whole number",
        ),
        ("{type: Boolean}", &["yes"], "parameter `p` is `yes`; it takes true or false"),
        ("{type: StringMap}", &["[1]"], "parameter `p` is `[1]`; it takes a map, or JSON text of one"),
        ("{type: String}", &["a\0b"], "parameter `p` has a NUL character, which no script can receive"),
    ]);
}

#[test]
fn rules_hold_for_every_element() {
    check(&[
        ("{type: String, allowedValues: [a, b]}", &["c"], "parameter `p` is `c`; it takes one of a, b"),
        (
            "{type: StringList, allowedValues: [a, b]}",
            &["a", "c", "d"],
            "parameter `p` is `c`; it takes one of a, b\nparameter `p` is `d`; it takes one of a, b",
        ),
        ("{type: Integer, allowedValues: [1, 2]}", &["2"], r#"{"p":2}"#),
        (
            "{type: String, minChars: 2, maxChars: '3'}",
            &["ä"],
            "parameter `p` has 1 characters; it takes at least 2",
        ),
        ("{type: StringList, maxItems: 1}", &["a", "b"], "parameter `p` has 2 items; it takes at most 1"),
        ("{type: String, allowedPattern: '[a-z]*'}", &["{{ssm:/x/y}}"], r#"{"p":"{{ssm:/x/y}}"}"#),
    ]);
}

#[test]
fn a_secret_value_is_shown_nowhere() {
    let text = "schemaVersion: '2.2'\nparameters:\n  p: {type: String, noEcho: true, allowedPattern: '[a-z]+'}\nmainSteps:\n- name: a\n  action: aws:runShellScript\n  inputs: {runCommand: ['{{ p }}']}\n";
    let document = accepted(text).document;
    let bound = crate::bound(&document, &[("p", &["hunter"])]);
    assert_eq!(bound.redacted_json(), r#"{"p":"****"}"#);
    assert_eq!(format!("{bound:?}"), r#"Bound({"p":"****"})"#);
    assert_eq!(bound.to_json(), r#"{"p":"hunter"}"#);
    assert!(document.parameter("p").unwrap().is_secret());
    assert_eq!(bound.secret_texts(), ["hunter"]);
    assert_eq!(crate::bound(&document, &[("p", &["abc"])]).secret_texts(), [""; 0]);
    let refused = bind(&document, &[("p", &["Hunter2"])]).unwrap_err();
    assert_eq!(refused, "parameter `p` is not right; it must match [a-z]+");
}

#[test]
fn json_of_another_document_is_not_read_back() {
    let text = "schemaVersion: '2.2'\nparameters:\n  p: {type: String}\nmainSteps:\n- name: a\n  action: aws:runShellScript\n  inputs: {runCommand: ['{{ p }}']}\n";
    let document = accepted(text).document;
    for (json, expected) in [
        ("{}", "the parameters do not hold `p`, which the document declares"),
        (r#"{"p":"","q":1}"#, "the parameters hold `q`, which the document does not declare"),
        ("[]", "the parameters are not a JSON object"),
        ("{", "the parameters are not a JSON object"),
    ] {
        assert_eq!(document.bound_from_json(json.as_bytes()).unwrap_err().to_string(), expected);
    }
}

#[test]
fn too_much_is_refused() {
    let large = "x".repeat(70_000);
    assert_eq!(
        bound("{type: String}", &[&large]),
        "the parameters have 70000 bytes together; at most 65536 are allowed"
    );
}

/// Its author wrote it beside the rules: who gives nothing gets it, and who gives the same text is told.
#[test]
fn a_default_is_not_held_against_its_own_pattern() {
    let text = "schemaVersion: '2.2'\nparameters:\n  p: {type: String, default: 'not set', allowedPattern: '[a-z]+'}\n  q: {type: String, default: '', allowedPattern: '[a-z]+'}\nmainSteps:\n- {name: a, action: 'aws:runShellScript', inputs: {runCommand: ['{{ p }}{{ q }}']}}\n";
    let document = accepted(text).document;
    assert_eq!(bind(&document, &[]).unwrap().to_json(), r#"{"p":"not set","q":""}"#);
    let told = bind(&document, &[("p", &["not set"]), ("q", &[""])]).unwrap_err();
    assert_eq!(told.lines().count(), 2, "{told}");
}
