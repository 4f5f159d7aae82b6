use serde_json::json;

use super::*;

static NAME: Pattern = Pattern::new(r"^[a-z\w\-]{3,8}$");
static NOT_BLANK: Pattern = Pattern::new(r"^(?!\s*$).+");
const ITEM: Shape = structure! { "Key" ! text(1, 3), "Values" ? list(&text(1, 5), 1, 2) };
static INPUT: Shape = structure! {
    "Name" ! matching(&NAME),
    "Kind" ? Shape::Word(&["One", "Two"]),
    "Count" ? Shape::Number { least: 1, most: 50 },
    "Deep" ? Shape::Flag,
    "When" ? Shape::Moment,
    "Names" ? list(&text(1, 4), 1, 2),
    "Items" ? list(&ITEM, 0, 9),
    "Map" ? Shape::Map(&list(&ANY_TEXT, 0, 9)),
    "Note" ? matching(&NOT_BLANK),
};

fn check(mut input: Value) -> Result<Value, String> {
    super::check(&INPUT, &mut input).map(|()| input).map_err(|fault| fault.to_string())
}

/// What is said of an input that violates one or more constraints.
fn refused(input: Value, said: &[&str]) {
    let error = check(input).unwrap_err();
    let count = said.len();
    let errors = if count == 1 { "error" } else { "errors" };
    let said = said.join("; ");
    assert_eq!(error, format!("ValidationException: {count} validation {errors} detected: {said}"));
}

#[test]
fn what_is_good_passes_without_its_nulls() {
    let good = json!({
        "Name": "web_1", "Kind": "Two", "Count": 50, "Deep": false, "When": 1.5, "Names": ["a", "bcde"],
        "Items": [{"Key": "abc", "Values": ["1"]}], "Map": {"any": ["x", ""]}, "Unknown": {"x": null}, "Note": " x",
    });
    assert_eq!(check(good.clone()).unwrap(), good);
    let nulls = json!({"Name": "web", "Kind": null, "Items": [{"Key": "a", "Values": null}, null], "Map": {"x": null}});
    assert_eq!(check(nulls).unwrap(), json!({"Name": "web", "Items": [{"Key": "a"}], "Map": {}}));
}

#[test]
fn each_violation_is_told_in_the_form_of_the_api() {
    let of = |member: &str, value: Value| {
        let mut input = json!({"Name": "web"});
        input[member] = value;
        input
    };
    refused(json!({}), &["Value null at 'name' failed to satisfy constraint: Member must not be null"]);
    refused(
        of("Name", json!("a b")),
        &[
            r"Value 'a b' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[a-z\w\-]{3,8}$",
        ],
    );
    refused(
        of("Kind", json!("Three")),
        &[
            "Value 'Three' at 'kind' failed to satisfy constraint: Member must satisfy enum value set: [One, Two]",
        ],
    );
    refused(
        of("Count", json!(51)),
        &[
            "Value '51' at 'count' failed to satisfy constraint: Member must have value less than or equal to 50.",
        ],
    );
    refused(
        of("Count", json!(0)),
        &[
            "Value '0' at 'count' failed to satisfy constraint: Member must have value greater than or equal to 1.",
        ],
    );
    refused(
        of("Names", json!(["a", "b", "c"])),
        &[
            "Value '[a, b, c]' at 'names' failed to satisfy constraint: Member must have length less than or equal to 2",
        ],
    );
    refused(
        of("Names", json!(["a", "bcdef"])),
        &[
            "Value '[a, bcdef]' at 'names' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 4]",
        ],
    );
    refused(
        of("Items", json!([{"Key": "a"}, {"Key": "abcd", "Values": []}])),
        &[
            "Value 'abcd' at 'items.2.member.key' failed to satisfy constraint: Member must have length less than or equal to 3",
            "Value '[]' at 'items.2.member.values' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ],
    );
    refused(
        of("Note", json!("  ")),
        &[
            r"Value '  ' at 'note' failed to satisfy constraint: Member must satisfy regular expression pattern: ^(?!\s*$).+",
        ],
    );
}

#[test]
fn lengths_are_counted_in_characters() {
    assert!(check(json!({"Name": "web", "Names": ["ääää"]})).is_ok());
    assert!(check(json!({"Name": "web", "Names": ["äääää"]})).is_err());
}

#[test]
fn values_of_another_type_are_told_where_they_stand() {
    for (input, said) in [
        (json!([]), "the input is a list, and an object is expected"),
        (json!({"Name": 1}), "name is a number, and a string is expected"),
        (json!({"Name": "web", "Count": "1"}), "count is a string, and a whole number is expected"),
        (json!({"Name": "web", "Count": 1.5}), "count is another number, and a whole number is expected"),
        (json!({"Name": "web", "Names": "a"}), "names is a string, and a list is expected"),
        (json!({"Name": "web", "Names": ["a", 1]}), "names is a number, and a string is expected"),
        (
            json!({"Name": "web", "Items": [{"Key": true}]}),
            "items.1.member.key is true or false, and a string is expected",
        ),
    ] {
        assert_eq!(check(input).unwrap_err(), format!("SerializationException: {said}"));
    }
}

#[test]
fn long_values_are_not_repeated_whole() {
    let error = check(json!({"Name": "x".repeat(100_000)})).unwrap_err();
    assert!(error.len() < 600, "{}", error.len());
    let error = check(json!({"Name": "web", "Names": vec!["abcd"; 10_000]})).unwrap_err();
    assert!(error.len() < 600, "{}", error.len());
}
