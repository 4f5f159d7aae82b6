//! Which nodes something is about: SSM's targets (reference, section 3.1), pure.
//!
//! Values of one key are alternatives, different keys narrow each other down. The same rules hold for tags that are
//! set, so that nothing can be tagged that cannot be targeted.

use std::collections::{BTreeMap, BTreeSet};

use fleetwright_proto::ids::NodeId;
use serde::{Deserialize, Serialize};

use super::records::{NodeRecord, Tags};
use crate::error::Refusal;
use crate::inventory::query::parse;

/// Most targets of one command (reference, section 3.1).
pub const TARGETS_MAX: usize = 5;
/// Most values of one target. SSM has 50; the design asks for 100.
pub const VALUES_MAX: usize = 100;
/// Longest key, characters.
pub const KEY_MAX_CHARS: usize = 163;
/// Most tags of one node, and their longest key and value, as AWS has them.
pub const TAGS_MAX: usize = 50;
const TAG_KEY_MAX_CHARS: usize = 128;
const TAG_VALUE_MAX_CHARS: usize = 256;

/// One checked condition on nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Selector {
    /// Ids, or names that only one node has.
    Nodes(Vec<String>),
    /// Nodes with this tag and one of these values.
    Tag { key: String, values: Vec<String> },
    /// Nodes with one of these tags, whatever its value.
    TagKey(Vec<String>),
    /// Linux or Windows, without regard to case.
    Platform(Vec<String>),
    /// Nodes of one of these groups.
    Group(Vec<String>),
    /// Nodes that one of these queries of inventory finds.
    Inventory(Vec<String>),
    /// Every node.
    All,
}

impl Selector {
    /// Checks one target as SSM writes it: a key and its values.
    pub fn parse(key: &str, values: Vec<String>) -> Result<Self, Refusal> {
        if key.chars().count() > KEY_MAX_CHARS {
            return Err(Refusal::invalid(format!("a target key is longer than {KEY_MAX_CHARS} characters")));
        }
        if values.len() > VALUES_MAX {
            return Err(Refusal::invalid(format!(
                "target `{key}` has {} values: {VALUES_MAX} at most",
                values.len()
            )));
        }
        if key.eq_ignore_ascii_case("all") {
            return Ok(Self::All);
        }
        if values.is_empty() || values.iter().any(String::is_empty) {
            return Err(Refusal::invalid(format!("target `{key}` has no value or an empty one")));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = values.iter().find(|value| !seen.insert(value.as_str())) {
            return Err(Refusal::invalid(format!("target `{key}` names `{twice}` twice")));
        }
        match key.split_once(':') {
            Some(("tag", tag)) if !tag.is_empty() => Ok(Self::Tag { key: tag.to_owned(), values }),
            None if key == "InstanceIds" && values == ["*"] => Ok(Self::All),
            None if key == "InstanceIds" => Ok(Self::Nodes(values)),
            None if key == "tag-key" => Ok(Self::TagKey(values)),
            None if key == "platform" => Ok(Self::Platform(values)),
            Some(("resource-groups", "Name")) => Ok(Self::Group(values)),
            None if key == "inventory" => {
                values.iter().try_for_each(|query| parse(query).map(drop))?;
                Ok(Self::Inventory(values))
            }
            _ => Err(Refusal::invalid(format!(
                "`{key}` is not a target key: InstanceIds, tag:KEY, tag-key, platform, resource-groups:Name, inventory or all"
            ))),
        }
    }

    /// The key and values as they were written.
    #[must_use]
    pub fn parts(&self) -> (String, &[String]) {
        match self {
            Self::Nodes(values) => ("InstanceIds".to_owned(), values),
            Self::Tag { key, values } => (format!("tag:{key}"), values),
            Self::TagKey(values) => ("tag-key".to_owned(), values),
            Self::Platform(values) => ("platform".to_owned(), values),
            Self::Group(values) => ("resource-groups:Name".to_owned(), values),
            Self::Inventory(queries) => ("inventory".to_owned(), queries),
            Self::All => ("all".to_owned(), &[]),
        }
    }

    fn matches(&self, groups: &Groups, id: &NodeId, node: &NodeRecord) -> bool {
        match self {
            Self::Nodes(wanted) => wanted.iter().any(|wanted| wanted == id.as_str() || wanted == node.name()),
            Self::Tag { key, values } => node.tags.get(key).is_some_and(|value| values.contains(value)),
            Self::TagKey(keys) => keys.iter().any(|key| node.tags.contains_key(key)),
            Self::Platform(wanted) => {
                wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(&node.facts.platform_type))
            }
            // A group holds no group: nothing is looked up twice.
            Self::Group(names) => names.iter().filter_map(|name| groups.targets.get(name)).any(|targets| {
                let is_group = |target: &Self| matches!(target, Self::Group(_));
                !targets.iter().any(is_group) && matches(targets, groups, id, node)
            }),
            Self::Inventory(queries) => {
                queries.iter().any(|query| groups.found.get(query).is_some_and(|found| found.contains(id)))
            }
            Self::All => true,
        }
    }
}

/// What selectors name and do not say themselves: the targets of groups, and whom queries find.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    pub targets: BTreeMap<String, Vec<Selector>>,
    pub found: BTreeMap<String, BTreeSet<NodeId>>,
}

/// Whether every selector takes this node.
#[must_use]
pub fn matches(selectors: &[Selector], groups: &Groups, id: &NodeId, node: &NodeRecord) -> bool {
    selectors.iter().all(|selector| selector.matches(groups, id, node))
}

/// Whether a node is asked for by its id or its name.
#[must_use]
pub fn is_named(selectors: &[Selector], id: &NodeId, node: &NodeRecord) -> bool {
    let mut named = selectors.iter().filter(|selector| matches!(selector, Selector::Nodes(_)));
    named.any(|selector| selector.matches(&Groups::default(), id, node))
}

/// Checks that each name and id that was asked for stands for exactly one node. `found` holds every node that is
/// asked for by name or id, whatever else narrows the targets down.
pub fn check_named(selectors: &[Selector], found: &[(NodeId, NodeRecord)]) -> Result<(), Refusal> {
    let named = selectors.iter().filter_map(|selector| match selector {
        Selector::Nodes(names) => Some(names),
        _ => None,
    });
    for wanted in named.flatten().collect::<BTreeSet<_>>() {
        let bearers: Vec<_> = found
            .iter()
            .filter(|(id, node)| id.as_str() == wanted || node.name() == wanted)
            .map(|(id, _)| id.as_str())
            .collect();
        match bearers.as_slice() {
            [_] => {}
            [] => return Err(unknown_node(wanted)),
            several => return Err(ambiguous(wanted, several)),
        }
    }
    Ok(())
}

/// The answer to a node that does not exist.
#[must_use]
pub fn unknown_node(wanted: &str) -> Refusal {
    let shown: String = wanted.chars().take(80).collect();
    Refusal::not_found(format!("there is no node `{shown}`: `node list` shows those that exist"))
}

/// The answer to a name that several nodes have.
#[must_use]
pub fn ambiguous(name: &str, ids: &[&str]) -> Refusal {
    let first: Vec<_> = ids.iter().take(3).copied().collect();
    Refusal::invalid(format!(
        "`{name}` is the name of {} nodes ({}{}): use the id",
        ids.len(),
        first.join(", "),
        if ids.len() > 3 { ", …" } else { "" }
    ))
}

/// Checks the tags that a node has and those that it is to get.
pub fn check_tags(wanted: &Tags, existing: &Tags) -> Result<(), Refusal> {
    for (key, value) in wanted {
        if key.is_empty() || key.chars().count() > TAG_KEY_MAX_CHARS || key.chars().any(char::is_control) {
            return Err(Refusal::invalid(format!(
                "`{}` is not a tag key: 1 to {TAG_KEY_MAX_CHARS} printable characters",
                key.escape_debug()
            )));
        }
        if value.chars().count() > TAG_VALUE_MAX_CHARS || value.chars().any(char::is_control) {
            return Err(Refusal::invalid(format!(
                "the value of tag `{key}` is not good: at most {TAG_VALUE_MAX_CHARS} printable characters"
            )));
        }
    }
    let union: BTreeMap<_, _> = existing.iter().chain(wanted).collect();
    if union.len() > TAGS_MAX {
        return Err(Refusal::exhausted(format!("{} tags are too many: {TAGS_MAX} at most", union.len())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::tests::node;

    fn check(selectors: &[(&str, &[&str])], expected: bool) {
        let web = node("web-1", "Linux", &[("role", "web"), ("env", "prod")]);
        let selectors: Vec<_> = selectors
            .iter()
            .map(|(key, values)| {
                Selector::parse(key, values.iter().map(|&value| value.to_owned()).collect()).unwrap()
            })
            .collect();
        let id: NodeId = "mi-0123456789abcdef0".parse().unwrap();
        let groups = BTreeMap::from([
            ("webs".to_owned(), vec![Selector::Tag { key: "role".into(), values: vec!["web".into()] }]),
            ("windows".to_owned(), vec![Selector::Platform(vec!["Windows".into()])]),
            ("loop".to_owned(), vec![Selector::Group(vec!["loop".into()])]),
            (
                "with-ssl".to_owned(),
                vec![Selector::Inventory(vec!["AWS:Application where Name = openssl".into()])],
            ),
        ]);
        let found = BTreeMap::from([(
            "AWS:Application where Name = openssl".to_owned(),
            BTreeSet::from([id.clone()]),
        )]);
        let groups = Groups { targets: groups, found };
        assert_eq!(matches(&selectors, &groups, &id, &web), expected, "{selectors:?}");
    }

    #[test]
    fn values_are_alternatives_and_keys_narrow() {
        check(&[("all", &[])], true);
        check(&[("InstanceIds", &["*"])], true);
        check(&[("InstanceIds", &["mi-0123456789abcdef0"])], true);
        check(&[("InstanceIds", &["web-1"])], true);
        check(&[("InstanceIds", &["web-2"])], false);
        check(&[("tag:role", &["db", "web"])], true);
        check(&[("tag:role", &["web"]), ("tag:env", &["test"])], false);
        check(&[("tag:role", &["web"]), ("tag:env", &["prod"])], true);
        check(&[("tag-key", &["env"])], true);
        check(&[("platform", &["linux"])], true);
        check(&[("platform", &["Windows"])], false);
        check(&[("resource-groups:Name", &["windows", "webs"])], true);
        check(&[("resource-groups:Name", &["windows"])], false);
        check(&[("resource-groups:Name", &["webs"]), ("tag:env", &["test"])], false);
        check(&[("resource-groups:Name", &["loop"])], false);
        check(&[("resource-groups:Name", &["with-ssl"])], true);
        check(&[("inventory", &["AWS:Application where Name = openssl"])], true);
        check(&[("inventory", &["AWS:Application where Name = zsh"])], false);
    }

    #[test]
    fn what_is_no_target_is_refused_with_what_would_be_right() {
        for (key, values) in [
            ("tag:", vec!["x"]),
            ("instance", vec!["x"]),
            ("tag:a", vec![]),
            ("tag-key", vec![""]),
            ("InstanceIds", vec!["web-1", "web-1"]),
            ("resource-groups:ResourceTypeFilters", vec!["AWS::EC2::Instance"]),
            ("tag:role", vec!["w"; VALUES_MAX + 1]),
        ] {
            let error = Selector::parse(key, values.into_iter().map(str::to_owned).collect()).unwrap_err();
            assert_eq!(error.kind, Kind::Invalid, "{key}");
            assert!(error.message.contains(key), "{error}");
        }
    }

    #[test]
    fn a_name_must_stand_for_one_node() {
        let both = [
            ("mi-00000000000000001".parse().unwrap(), node("twin", "Linux", &[])),
            ("mi-00000000000000002".parse().unwrap(), node("twin", "Linux", &[])),
        ];
        let twin = [Selector::Nodes(vec!["twin".into()])];
        assert!(check_named(&twin, &both).unwrap_err().message.contains("2 nodes"));
        assert!(check_named(&twin, &both[..1]).is_ok());
        assert_eq!(check_named(&twin, &[]).unwrap_err().kind, Kind::NotFound);
    }

    #[test]
    fn tags_have_bounds() {
        let tag = |key: &str, value: &str| Tags::from([(key.to_owned(), value.to_owned())]);
        assert!(check_tags(&tag("role", ""), &Tags::new()).is_ok());
        for bad in [tag("", "x"), tag("a\nb", "x"), tag("a", "\u{7}"), tag("a", &"x".repeat(257))] {
            assert_eq!(check_tags(&bad, &Tags::new()).unwrap_err().kind, Kind::Invalid, "{bad:?}");
        }
        let full: Tags = (0..TAGS_MAX).map(|n| (format!("k{n}"), String::new())).collect();
        assert_eq!(check_tags(&tag("one-more", ""), &full).unwrap_err().kind, Kind::Exhausted);
    }
}
