//! Collections of a fake host: what is in them, and what a host cannot tell.

use std::sync::Arc;

use fleetwright_platform::fake::FakePlatform;
use fleetwright_proto::clock::SystemClock;

use super::*;

fn collected(kinds: &[Gatherer], packages: u32) -> Collection {
    let platform = FakePlatform::numbered(7, Arc::new(SystemClock));
    platform.install_packages(packages);
    let folder = tempfile::tempdir().unwrap();
    let wanted = Wanted {
        kinds: kinds.iter().copied().collect(),
        files: Vec::new(),
        registry: Vec::new(),
        custom_folder: folder.path().to_owned(),
    };
    collect(&platform, &wanted)
}

#[test]
fn every_kind_has_its_type_and_schema() {
    let found = collected(&ALWAYS, 3);
    let types: Vec<_> =
        found.gathered.iter().map(|told| (told.type_name.as_str(), told.schema_version.as_str())).collect();
    let expected = [
        ("AWS:AWSComponent", "1.0"),
        ("AWS:Application", "1.1"),
        ("AWS:Network", "1.0"),
        ("AWS:InstanceDetailedInformation", "1.0"),
        ("AWS:Service", "1.0"),
    ];
    assert_eq!(types, expected);
    let lines: Vec<_> = found.problems.iter().map(Problem::line).collect();
    let expected = [
        "AWS:WindowsUpdate: collecting Windows updates is not possible on a fake host",
        "AWS:WindowsRole: collecting Windows roles is not possible on a fake host",
    ];
    assert_eq!(lines, expected);
    assert!(found.problems.iter().all(Problem::is_unsupported));
}

#[test]
fn what_is_too_much_is_left_out_and_told() {
    let found = collected(&[Gatherer::Applications, Gatherer::NetworkConfig], 10_001);
    assert_eq!(found.gathered.len(), 1);
    let line = found.problems[0].line();
    assert!(line.starts_with("AWS:Application: it has ") && line.contains(" at most"), "{line}");
    let mut many = Collection::default();
    for number in 0..12 {
        let value = "x".repeat(1_000_000);
        let item = Item::from([("Value".to_owned(), value)]);
        many.add("Custom:a", Ok(Gathered::new(&format!("Custom:a{number:02}"), "1.0", vec![item])));
    }
    many.keep_within_limits();
    assert_eq!((many.gathered.len(), many.problems.len()), (10, 2));
}
