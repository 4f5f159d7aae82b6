//! Whether an item is as a condition says, pure. Attributes that tell versions are compared as versions, by the rules
//! of the package that the item is; numbers as numbers; everything else as text.

use std::cmp::Ordering;

use fleetwright_proto::inventory::Attributes;
use fleetwright_proto::wildcard;

use super::parse::{Comparison, Condition};
use crate::inventory::version::Rules;

/// Whether the item is so. An attribute that an item does not have is an empty text.
#[must_use]
pub fn holds(condition: &Condition, item: &Attributes) -> bool {
    match condition {
        Condition::All(inner) => inner.iter().all(|inner| holds(inner, item)),
        Condition::Any(inner) => inner.iter().any(|inner| holds(inner, item)),
        Condition::Not(inner) => !holds(inner, item),
        Condition::Compare { attribute, comparison, value } => compare(item, attribute, *comparison, value),
        Condition::Like { attribute, pattern } => is_like(pattern, said(item, attribute)),
        Condition::BeginsWith { attribute, value } => said(item, attribute).starts_with(value),
        Condition::In { attribute, values } => {
            values.iter().any(|value| compare(item, attribute, Comparison::Equal, value))
        }
        Condition::Exists { attribute } => !said(item, attribute).is_empty(),
    }
}

fn said<'a>(item: &'a Attributes, attribute: &str) -> &'a str {
    item.get(attribute).map(String::as_str).unwrap_or_default()
}

fn compare(item: &Attributes, attribute: &str, comparison: Comparison, value: &str) -> bool {
    let found = said(item, attribute);
    let order = match comparison {
        // The same text is equal, whatever it means.
        Comparison::Equal | Comparison::NotEqual if found == value => Ordering::Equal,
        // What is not told is neither older nor newer than anything.
        Comparison::Less | Comparison::LessOrEqual | Comparison::Greater | Comparison::GreaterOrEqual
            if found.is_empty() =>
        {
            return false;
        }
        _ if attribute.ends_with("Version") => {
            let rules = rules(item);
            let release = item.get("Release").filter(|_| value.contains('-') && attribute == "Version");
            let epoch = item.get("Epoch").filter(|_| attribute == "Version");
            let mut whole = found.to_owned();
            if let Some(release) = release {
                whole = format!("{whole}-{release}");
            }
            if let Some(epoch) = epoch {
                whole = format!("{epoch}:{whole}");
            }
            rules.compare(&whole, value)
        }
        _ => match (found.parse::<f64>(), value.parse::<f64>()) {
            (Ok(one), Ok(other)) => one.total_cmp(&other),
            _ => found.cmp(value),
        },
    };
    match comparison {
        Comparison::Equal => order == Ordering::Equal,
        Comparison::NotEqual => order != Ordering::Equal,
        Comparison::Less => order == Ordering::Less,
        Comparison::LessOrEqual => order != Ordering::Greater,
        Comparison::Greater => order == Ordering::Greater,
        Comparison::GreaterOrEqual => order != Ordering::Less,
    }
}

/// By whose rules the versions of an item are compared: a package of rpm has a release or comes from one. For what
/// comes from neither, rpm's hold, which take any separators.
fn rules(item: &Attributes) -> Rules {
    if said(item, "PackageId").ends_with(".deb") { Rules::Dpkg } else { Rules::Rpm }
}

/// As [`wildcard::matches`], in any case.
fn is_like(pattern: &str, text: &str) -> bool {
    let lower = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<String>();
    wildcard::matches(&lower(pattern), &lower(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::query::parse::parse;

    fn item(attributes: &[(&str, &str)]) -> Attributes {
        attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn check(item: &Attributes, type_name: &str, cases: &[(&str, bool)]) {
        for (text, expected) in cases {
            let query = parse(&format!("{type_name} where {text}")).unwrap();
            assert_eq!(holds(&query.condition.unwrap(), item), *expected, "{text}");
        }
    }

    #[test]
    fn versions_are_compared_by_the_rules_of_their_package() {
        let deb = item(&[
            ("Name", "openssl"),
            ("Version", "3.0.14-1~deb12u2"),
            ("PackageId", "openssl_3.0.14-1~deb12u2_amd64.deb"),
        ]);
        check(
            &deb,
            "AWS:Application",
            &[
                ("Name = openssl and Version < 3.0.15", true),
                ("Version < 3.0.14", false),
                ("Version >= 3.0.14", true),
                ("Version > 3.0.9", true),
                ("Version = '3.0.14-1~deb12u2'", true),
                ("Version < 1:1.0", true),
            ],
        );
        let rpm = item(&[
            ("Name", "openssl"),
            ("Version", "3.0.7"),
            ("Release", "24.el9"),
            ("Epoch", "1"),
            ("PackageId", "openssl-3.0.7-24.el9.src.rpm"),
        ]);
        check(
            &rpm,
            "AWS:Application",
            &[
                ("Version < 1:3.0.15", true),
                ("Version = 1:3.0.7", true),
                ("Version = 3.0.7", true),
                ("Version < 1:3.0.7-25.el9", true),
                ("Version >= 1:3.0.7-24.el9", true),
                ("Version < 3.0.15", false),
            ],
        );
    }

    #[test]
    fn numbers_are_numbers_and_texts_are_texts() {
        let file =
            item(&[("Name", "Hosts.conf"), ("Size", "1024"), ("ModificationTime", "2026-01-02T00:00:00Z")]);
        check(
            &file,
            "AWS:File",
            &[
                ("Size > 99", true),
                ("Size < 2e3", true),
                ("Name = hosts.conf", false),
                ("Name like 'hosts.*'", true),
                ("Name like '*.con?'", true),
                ("Name like hosts", false),
                ("Name begins Hosts", true),
                ("Name begins hosts", false),
                ("ModificationTime >= 2026-01-01", true),
                ("Description exists", false),
                ("Description = ''", true),
                ("FileVersion < 9", false),
                ("not Description exists and Name exists", true),
                ("Size in (1, 1024)", true),
                ("Name != x", true),
            ],
        );
    }
}
