//! A policy as a person wrote it: parsed, checked against the schema, and every slip told with its line.

use cedar_policy::{Policy, PolicyId, PolicySet, ValidationMode, Validator};
use miette::Diagnostic;

use super::schema::schema;

/// One thing that is wrong, or looks wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// From 1; 0 when it is about the whole.
    pub line: usize,
    pub message: String,
}

/// A text that can be kept.
#[derive(Debug)]
pub struct Checked {
    pub policies: Vec<Policy>,
    pub warnings: Vec<Problem>,
}

/// Reads the statements of the policy `name`, which go by `name` or, when there are several, by `name#1`, `name#2`, …
pub fn check(name: &str, text: &str) -> Result<Checked, Vec<Problem>> {
    let set: PolicySet = text.parse().map_err(|errors: cedar_policy::ParseErrors| {
        errors.iter().map(|error| problem(text, error)).collect::<Vec<_>>()
    })?;
    if set.templates().next().is_some() {
        return Err(vec![whole("a template (with ?principal or ?resource) decides nothing here: name them")]);
    }
    if set.is_empty() {
        return Err(vec![whole("there is no policy in this text: write permit (…) or forbid (…)")]);
    }
    let result = Validator::new(schema().clone()).validate(&set, ValidationMode::Strict);
    let errors: Vec<_> = result.validation_errors().map(|error| problem(text, error)).collect();
    if !errors.is_empty() {
        return Err(in_order(errors));
    }
    let warnings = result.validation_warnings().map(|warning| problem(text, warning)).collect();
    let mut found: Vec<_> = set.policies().cloned().collect();
    // The parser numbers them policy0, policy1, … as they stand in the text.
    found.sort_by_key(|policy| number(policy.id()));
    let several = found.len() > 1;
    let named = found.into_iter().enumerate().map(|(at, policy)| {
        let id = if several { format!("{name}#{}", at + 1) } else { name.to_owned() };
        policy.new_id(PolicyId::new(id))
    });
    Ok(Checked { policies: named.collect(), warnings: in_order(warnings) })
}

fn number(id: &PolicyId) -> u64 {
    let text: &str = id.as_ref();
    text.trim_start_matches(|letter: char| !letter.is_ascii_digit()).parse().unwrap_or(u64::MAX)
}

fn in_order(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_by_key(|problem| problem.line);
    problems.dedup();
    problems
}

fn whole(message: &str) -> Problem {
    Problem { line: 0, message: message.to_owned() }
}

/// The message with what stands at the place, and what would be right, in one line.
fn problem(text: &str, error: &dyn Diagnostic) -> Problem {
    let mut message = one_line(&error.to_string());
    // Cedar names statements by numbers that nobody wrote.
    if let Some((_, rest)) = message.split_once("`, ").filter(|(head, _)| head.starts_with("for policy `")) {
        message = rest.to_owned();
    }
    let label = error.labels().into_iter().flatten().next();
    if let Some(said) = label.as_ref().and_then(|label| label.label()) {
        message.push_str(": ");
        message.push_str(&one_line(said));
    }
    if let Some(help) = error.help() {
        message.push_str("; ");
        message.push_str(&one_line(&help.to_string()));
    }
    let line = label.map_or(0, |label| {
        let before = text.get(..label.offset().min(text.len())).unwrap_or_default();
        before.matches('\n').count() + 1
    });
    Problem { line, message }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let found = check("web", text).map(|checked| checked.warnings).unwrap_or_else(|problems| problems);
        found.into_iter().map(|problem| format!("{}: {}", problem.line, problem.message)).collect()
    }

    #[test]
    fn statements_go_by_the_name_of_their_policy() {
        let ids = |text: &str| -> Vec<String> {
            check("web", text).unwrap().policies.iter().map(|policy| policy.id().to_string()).collect()
        };
        let one = "permit(principal, action == Action::\"GetStatus\", resource);";
        assert_eq!(ids(one), ["web"]);
        assert_eq!(ids(&one.repeat(12))[..2], ["web#1", "web#2"]);
        assert_eq!(ids(&one.repeat(12))[11], "web#12");
    }

    #[test]
    fn a_slip_is_told_with_its_line_and_what_would_be_right() {
        let check = |text: &str, line: &str, words: &[&str]| {
            let found = problems(text);
            let first = found.first().unwrap_or_else(|| panic!("no problem in {text}"));
            assert!(first.starts_with(line), "{first}");
            for word in words {
                assert!(first.contains(word), "{first} has no {word}");
            }
        };
        check("", "0: ", &["permit"]);
        check("permit(principal, action, resource)\n;\npermit(", "3: ", &[]);
        check(
            "permit(principal, action, resource);\npermit(principal, action == Action::\"SendComand\", resource);",
            "2: ",
            &["SendComand", "SendCommand"],
        );
        check(
            "permit(principal, action == Action::\"GetParameter\",\n  resource in Paht::\"/a\");",
            "2: ",
            &["Paht"],
        );
        check(
            "permit(principal, action == Action::\"SendCommand\", resource is Node)\nwhen {\n  resource.nmae == \"x\" };",
            "3: ",
            &["nmae", "name"],
        );
        check(
            "permit(principal, action == Action::\"SendCommand\", resource is Node)\nwhen { resource.getTag(\"env\") == \"dev\" };",
            "2: ",
            &["env"],
        );
        check("permit(principal == ?principal, action, resource);", "0: ", &["template"]);
    }
}
