//! `AWS:AWSComponent`: what of the installed is AWS's own (reference, section 5.3).

use fleetwright_platform::Item;

use super::Gathered;

pub(super) const TYPE: &str = "AWS:AWSComponent";
const SCHEMA: &str = "1.0";

const ATTRIBUTES: [&str; 7] =
    ["Name", "ApplicationType", "Publisher", "Version", "InstalledTime", "Architecture", "URL"];

/// Packages of AWS by their names in any case; a star stands for what follows.
const NAMES: [&str; 12] = [
    "amazon-ssm-agent",
    "amazon-cloudwatch-agent",
    "amazon-efs-utils",
    "amazon-ec2*",
    "amazon inspector*",
    "amazon ssm agent",
    "aws-*",
    "aws command line interface*",
    "aws pv drivers",
    "aws tools for windows",
    "awscli*",
    "ec2*",
];

pub(super) fn among(applications: &[Item]) -> Gathered {
    let items = applications.iter().filter(|application| is_component(application)).map(component);
    Gathered::new(TYPE, SCHEMA, items.collect())
}

fn is_component(application: &Item) -> bool {
    let Some(name) = application.get("Name").map(|name| name.to_ascii_lowercase()) else { return false };
    NAMES.iter().any(|known| match known.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == *known,
    })
}

fn component(application: &Item) -> Item {
    let attribute = |name: &&str| Some(((*name).to_owned(), application.get(*name)?.clone()));
    ATTRIBUTES.iter().filter_map(attribute).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_told_by_their_names() {
        let application = |name: &str| {
            Item::from([("Name".to_owned(), name.to_owned()), ("Summary".to_owned(), "x".to_owned())])
        };
        let found = among(
            &["bash", "amazon-ssm-agent", "aws-cfn-bootstrap", "awk", "AWS PV Drivers"].map(application),
        );
        let names: Vec<_> = found.items.iter().map(|item| item["Name"].as_str()).collect();
        assert_eq!(names, ["amazon-ssm-agent", "aws-cfn-bootstrap", "AWS PV Drivers"]);
        assert!(found.items.iter().all(|item| !item.contains_key("Summary")));
    }
}
