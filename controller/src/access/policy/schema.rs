//! The schema that every policy is checked against, made from the tables of actions and kinds, so that nothing can be
//! asked of the evaluator that a policy could not speak of.

use std::fmt::Write as _;
use std::sync::LazyLock;

use cedar_policy::Schema;

use super::actions::{Action, Group};
use super::resources::Kind;

/// The schema in Cedar's own language; `access policy schema` prints it.
#[must_use]
pub fn text() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(write_text);
    &TEXT
}

pub(super) fn schema() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
        // A test reads it; it is made from constants alone.
        Schema::from_cedarschema_str(text()).expect("our own schema is one").0
    });
    &SCHEMA
}

fn write_text() -> String {
    let mut text = String::new();
    for kind in Kind::ALL {
        text.push_str(kind.schema());
        text.push('\n');
    }
    // Writing to a string cannot fail.
    for group in Group::ALL {
        let _ = writeln!(text, "action {};", group.name());
    }
    for action in Action::ALL {
        let principals = if action.is_for_nodes() { "[Operator, Node]" } else { "[Operator]" };
        let kinds: Vec<_> = action.kinds().iter().map(|kind| kind.name()).collect();
        let _ = writeln!(
            text,
            "action {} in [{}] appliesTo {{ principal: {principals}, resource: [{}] }};",
            action.name(),
            action.group().name(),
            kinds.join(", ")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_schema_is_one() {
        let (_, warnings) = Schema::from_cedarschema_str(text()).unwrap();
        assert_eq!(warnings.map(|warning| warning.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
        assert_eq!(schema().actions().count(), Action::ALL.len() + Group::ALL.len());
    }
}
