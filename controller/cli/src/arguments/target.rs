//! `--target`: which nodes something is about. Targets of one key are alternatives, different keys narrow each other
//! down (reference, section 3.1).

use std::str::FromStr;

use fleetwright_proto::control;

use super::tag::{Tag, TagError};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    #[error(
        "`{0}` is not a target: write NODE, tag:KEY=VALUE, tag-key:KEY, platform:NAME, group:NAME, inventory:QUERY or all"
    )]
    UnknownKind(String),
    #[error("`{0}` names nothing after the colon: write {0}{1}")]
    Empty(String, &'static str),
    #[error("`{text}` wants a value: write tag:{key}=VALUE, or tag-key:{key} for any value")]
    TagWithoutValue { text: String, key: String },
    #[error("`{0}` has no key: write tag:KEY=VALUE")]
    TagWithoutKey(String),
}

/// One `--target`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A node id or a name; names are looked up before they are sent.
    Node(String),
    Tag(Tag),
    TagKey(String),
    Platform(String),
    Group(String),
    Inventory(String),
    All,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let rest_of = |rest: &str, example| {
            if rest.is_empty() { Err(TargetError::Empty(text.into(), example)) } else { Ok(rest.to_owned()) }
        };
        match text.split_once(':') {
            None if text == "all" => Ok(Self::All),
            None if text.is_empty() || text.contains('=') => Err(TargetError::UnknownKind(text.into())),
            None => Ok(Self::Node(text.into())),
            Some(("tag", rest)) => {
                let rest = rest_of(rest, "KEY=VALUE")?;
                rest.parse().map(Self::Tag).map_err(|error| match error {
                    TagError::NoValue(key) => TargetError::TagWithoutValue { text: text.into(), key },
                    TagError::NoKey(_) | TagError::NotAKey(_) => TargetError::TagWithoutKey(text.into()),
                })
            }
            Some(("tag-key", rest)) => rest_of(rest, "KEY").map(Self::TagKey),
            Some(("platform", rest)) => rest_of(rest, "Linux").map(Self::Platform),
            Some(("group", rest)) => rest_of(rest, "NAME").map(Self::Group),
            Some(("inventory", rest)) => rest_of(rest, "QUERY").map(Self::Inventory),
            Some(_) => Err(TargetError::UnknownKind(text.into())),
        }
    }
}

/// Puts targets of the same key together, in the order in which the keys first appear. Every [`Target::Node`] has
/// to hold an id by now.
pub(crate) fn into_wire(targets: &[Target]) -> Vec<control::Target> {
    let mut wire: Vec<control::Target> = Vec::new();
    for target in targets {
        let (key, value) = match target {
            Target::Node(id) => ("InstanceIds".to_owned(), Some(id)),
            Target::Tag(tag) => (format!("tag:{}", tag.key), Some(&tag.value)),
            Target::TagKey(key) => ("tag-key".to_owned(), Some(key)),
            Target::Platform(name) => ("platform".to_owned(), Some(name)),
            Target::Group(name) => ("resource-groups:Name".to_owned(), Some(name)),
            Target::Inventory(query) => ("inventory".to_owned(), Some(query)),
            Target::All => ("all".to_owned(), None),
        };
        let at = wire.iter().position(|known| known.key == key).unwrap_or_else(|| {
            wire.push(control::Target { key, values: Vec::new() });
            wire.len() - 1
        });
        if let Some(value) = value
            && !wire[at].values.contains(value)
        {
            wire[at].values.push(value.clone());
        }
    }
    wire
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_target_parses() {
        let tag = |key: &str, value: &str| Target::Tag(Tag { key: key.into(), value: value.into() });
        let table = [
            ("all", Target::All),
            ("web-1", Target::Node("web-1".into())),
            ("mi-0123456789abcdef0", Target::Node("mi-0123456789abcdef0".into())),
            ("tag:env=prod", tag("env", "prod")),
            ("tag:aws:name=a=b", tag("aws:name", "a=b")),
            ("tag-key:env", Target::TagKey("env".into())),
            ("platform:Linux", Target::Platform("Linux".into())),
            ("group:webs", Target::Group("webs".into())),
            (
                "inventory:AWS:Application where Name = \"zsh\"",
                Target::Inventory("AWS:Application where Name = \"zsh\"".into()),
            ),
        ];
        for (text, want) in table {
            assert_eq!(text.parse(), Ok(want), "{text}");
        }
    }

    #[test]
    fn a_refusal_says_what_would_be_right() {
        let kinds = "is not a target: write NODE, tag:KEY=VALUE, tag-key:KEY, platform:NAME, group:NAME, inventory:QUERY or all";
        let table = [
            ("", format!("`` {kinds}")),
            ("env=prod", format!("`env=prod` {kinds}")),
            ("groups:web", format!("`groups:web` {kinds}")),
            ("tag:", "`tag:` names nothing after the colon: write tag:KEY=VALUE".into()),
            ("tag:env", "`tag:env` wants a value: write tag:env=VALUE, or tag-key:env for any value".into()),
            ("tag:=prod", "`tag:=prod` has no key: write tag:KEY=VALUE".into()),
            ("platform:", "`platform:` names nothing after the colon: write platform:Linux".into()),
        ];
        for (text, want) in table {
            assert_eq!(text.parse::<Target>().unwrap_err().to_string(), want);
        }
    }

    #[test]
    fn values_of_one_key_go_together() {
        let targets: Vec<Target> =
            ["tag:env=prod", "platform:Linux", "tag:env=test", "tag:env=prod", "tag:role=web", "all"]
                .iter()
                .map(|text| text.parse().unwrap())
                .collect();
        let wire: Vec<String> = into_wire(&targets)
            .iter()
            .map(|target| format!("{}={}", target.key, target.values.join("|")))
            .collect();
        assert_eq!(wire, ["tag:env=prod|test", "platform=Linux", "tag:role=web", "all="]);
    }
}
