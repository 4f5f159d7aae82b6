//! What a verb is about, and how it looks to a policy: its kind, its id, what it stands in, its attributes and tags.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::LazyLock;

use cedar_policy::{Entity, EntityId, EntityTypeName, EntityUid, RestrictedExpression};
use fleetwright_proto::ids::NodeId;

use crate::nodes::records::NodeRecord;

macro_rules! kinds {
    ($($kind:ident: $schema:literal;)+) => {
        /// The kinds of things in policies.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($kind,)+
        }

        impl Kind {
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => stringify!($kind),)+
                }
            }

            /// Its line of the schema.
            pub(super) fn schema(self) -> &'static str {
                match self {
                    $(Self::$kind => concat!("entity ", stringify!($kind), $schema, ";"),)+
                }
            }
        }
    };
}

kinds! {
    Group: "";
    Operator: " in [Group] { name: String }";
    AccessKey: " in [Operator]";
    Policy: "";
    Path: " in [Path]";
    Parameter: " in [Path] { name: String }";
    Key: "";
    Document: " { name: String } tags String";
    Node: " { name: String, platform: String } tags String";
    NodeGroup: "";
    Activation: "";
    Command: " { document: Document, requested_by: Operator }";
    Window: "";
    Association: "";
    Baseline: "";
    Automation: "";
    Session: "";
    Fleet: "";
}

/// The id of the only thing of kind [`Kind::Fleet`].
pub const FLEET: &str = "fleet";

/// One thing that somebody wants to do something with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource<'a> {
    /// Nothing in particular.
    Fleet,
    Node(&'a NodeId, &'a NodeRecord),
    /// A parameter under the name that it is kept under, with its slash; it stands in every path above it.
    Parameter(&'a str),
    /// A beginning of parameters' names, as `/app/prod`.
    Path(&'a str),
    Document {
        name: &'a str,
        tags: &'a BTreeMap<String, String>,
    },
    Command {
        id: &'a str,
        document: &'a str,
        requested_by: &'a str,
    },
    Operator {
        name: &'a str,
        groups: &'a [String],
    },
    AccessKey {
        id: &'a str,
        operator: &'a str,
    },
    /// A kind of which only the name matters.
    Named(Kind, &'a str),
}

impl Resource<'_> {
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Fleet => Kind::Fleet,
            Self::Node(..) => Kind::Node,
            Self::Parameter(_) => Kind::Parameter,
            Self::Path(_) => Kind::Path,
            Self::Document { .. } => Kind::Document,
            Self::Command { .. } => Kind::Command,
            Self::Operator { .. } => Kind::Operator,
            Self::AccessKey { .. } => Kind::AccessKey,
            Self::Named(kind, _) => *kind,
        }
    }

    /// What policies call it.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Fleet => FLEET,
            Self::Node(id, _) => id.as_str(),
            Self::Parameter(name) | Self::Document { name, .. } | Self::Operator { name, .. } => name,
            Self::Path(path) => tidy(path),
            Self::Command { id, .. } | Self::AccessKey { id, .. } => id,
            Self::Named(_, name) => name,
        }
    }

    pub(super) fn uid(&self) -> EntityUid {
        uid(self.kind(), self.id())
    }

    /// None when an attribute is none that Cedar takes, which plain texts never are.
    pub(super) fn entity(&self) -> Option<Entity> {
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let tags = |tags: &BTreeMap<String, String>| -> Vec<_> {
            tags.iter().map(|(key, value)| (key.clone(), text(value))).collect()
        };
        let attribute = |name: &str, value| (name.to_owned(), value);
        let mut attributes = HashMap::new();
        let mut parents = HashSet::new();
        let mut tagged = Vec::new();
        match self {
            Self::Node(_, record) => {
                attributes.extend([
                    attribute("name", text(record.name())),
                    attribute("platform", text(&record.facts.platform_type)),
                ]);
                tagged = tags(&record.tags);
            }
            Self::Parameter(name) => {
                attributes.extend([attribute("name", text(name))]);
                parents.extend(paths_above(name).map(|path| uid(Kind::Path, path)));
            }
            Self::Path(path) => {
                parents.extend(paths_above(tidy(path)).map(|path| uid(Kind::Path, path)));
            }
            Self::Document { name, tags: kept } => {
                attributes.extend([attribute("name", text(name))]);
                tagged = tags(kept);
            }
            Self::Command { document, requested_by, .. } => {
                let entity = |kind, id: &str| RestrictedExpression::new_entity_uid(uid(kind, id));
                attributes.extend([
                    attribute("document", entity(Kind::Document, document)),
                    attribute("requested_by", entity(Kind::Operator, requested_by)),
                ]);
            }
            Self::Operator { name, groups } => {
                attributes.extend([attribute("name", text(name))]);
                parents.extend(groups.iter().map(|group| uid(Kind::Group, group)));
            }
            Self::AccessKey { operator, .. } => {
                parents.insert(uid(Kind::Operator, operator));
            }
            Self::Fleet | Self::Named(..) => {}
        }
        Entity::new_with_tags(self.uid(), attributes, parents, tagged).ok()
    }
}

/// For people: `node web-1 (mi-…)`, `parameter /app/db`.
impl fmt::Display for Resource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fleet => f.write_str("the fleet"),
            Self::Node(id, record) => write!(f, "node {} ({id})", record.name().escape_debug()),
            other => write!(f, "{} {}", other.kind().word(), other.id().escape_debug()),
        }
    }
}

impl Kind {
    /// The word for people, and before the colon of `access check --resource`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Operator => "operator",
            Self::AccessKey => "access-key",
            Self::Policy => "policy",
            Self::Path => "path",
            Self::Parameter => "parameter",
            Self::Key => "key",
            Self::Document => "document",
            Self::Node => "node",
            Self::NodeGroup => "node-group",
            Self::Activation => "activation",
            Self::Command => "command",
            Self::Window => "window",
            Self::Association => "association",
            Self::Baseline => "baseline",
            Self::Automation => "automation",
            Self::Session => "session",
            Self::Fleet => "fleet",
        }
    }
}

/// The id of an entity. Names of types are looked up, not parsed, since this is on every request's way.
pub(super) fn uid(kind: Kind, id: &str) -> EntityUid {
    static TYPES: LazyLock<HashMap<Kind, EntityTypeName>> = LazyLock::new(|| {
        let types = Kind::ALL.iter().filter_map(|kind| Some((*kind, kind.name().parse().ok()?)));
        types.collect()
    });
    EntityUid::from_type_name_and_id(TYPES[&kind].clone(), EntityId::new(id))
}

/// Every path that holds this name, the nearest first: of `/a/b/c` they are `/a/b`, `/a` and `/`.
fn paths_above(name: &str) -> impl Iterator<Item = &str> {
    let inner = name.rmatch_indices('/').map(|(at, _)| &name[..at]).filter(|path| !path.is_empty());
    inner.chain((name != "/").then_some("/"))
}

/// A path as it is compared: without the slash at its end.
fn tidy(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" => "/",
        path => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_in_every_path_above_it() {
        let table: [(&str, &[&str]); 5] = [
            ("/a/b/c", &["/a/b", "/a", "/"]),
            ("/a", &["/"]),
            ("plain.name", &["/"]),
            ("/", &[]),
            ("a/b", &["a", "/"]),
        ];
        for (name, want) in table {
            assert_eq!(paths_above(name).collect::<Vec<_>>(), want, "{name}");
        }
        assert_eq!(["/", "", "/a/", "/a//"].map(tidy), ["/", "/", "/a", "/a"]);
    }

    #[test]
    fn a_name_is_an_id_and_never_syntax() {
        let hostile = r#"x"; permit(principal, action, resource); //"#;
        let entity = Resource::Parameter(hostile).entity().unwrap();
        assert_eq!(entity.uid().id().unescaped(), hostile);
        assert_eq!(Resource::Named(Kind::Policy, "a\n\u{1b}").to_string(), "policy a\\n\\u{1b}");
    }
}
