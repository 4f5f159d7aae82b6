//! `aws:softwareInventory`: what to collect (reference, section 5.1).

use std::collections::BTreeSet;

use serde_json::Value;

use super::fields::{Fields, Segment};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoftwareInventory {
    /// Those that the document enables.
    pub gatherers: BTreeSet<Gatherer>,
    /// Where custom inventory lies when it is not at its usual place.
    pub custom_directory: Option<String>,
    pub files: Vec<FileQuery>,
    pub registry: Vec<RegistryQuery>,
    /// How many times between two runs of the association changes are looked for.
    pub change_detection_frequency: Option<u64>,
    /// Names of inventory types, for example `AWS:Application`.
    pub change_detection_types: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gatherer {
    Applications,
    AwsComponents,
    NetworkConfig,
    WindowsUpdates,
    InstanceDetailedInformation,
    Services,
    WindowsRoles,
    BillingInfo,
    CustomInventory,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileQuery {
    pub path: String,
    /// Patterns of names; one of them must match.
    pub patterns: Vec<String>,
    pub recursive: bool,
    pub dir_scan_limit: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryQuery {
    pub path: String,
    pub recursive: bool,
    /// Empty for all.
    pub value_names: Vec<String>,
}

const SWITCHES: [(&str, Gatherer); 9] = [
    ("applications", Gatherer::Applications),
    ("awsComponents", Gatherer::AwsComponents),
    ("networkConfig", Gatherer::NetworkConfig),
    ("windowsUpdates", Gatherer::WindowsUpdates),
    ("instanceDetailedInformation", Gatherer::InstanceDetailedInformation),
    ("services", Gatherer::Services),
    ("windowsRoles", Gatherer::WindowsRoles),
    ("billingInfo", Gatherer::BillingInfo),
    ("customInventory", Gatherer::CustomInventory),
];

pub(super) fn read(fields: &mut Fields<'_>) -> Option<SoftwareInventory> {
    // Whatever is not `Enabled` is off.
    let gatherers = SWITCHES
        .iter()
        .filter(|(key, _)| fields.text(key).is_some_and(|word| word.eq_ignore_ascii_case("Enabled")))
        .map(|(_, gatherer)| *gatherer)
        .collect();
    let custom_directory = fields.text("customInventoryDirectory");
    let files = queries(fields, "files", |query| {
        let (path, patterns) = (query.required_text("Path"), query.texts("Pattern"));
        let recursive = query.flag("Recursive").unwrap_or_default();
        let dir_scan_limit = query.number("DirScanLimit", 1);
        Some(FileQuery { path: path?, patterns: patterns?, recursive, dir_scan_limit })
    });
    let registry = queries(fields, "windowsRegistry", |query| {
        let (path, value_names) = (query.required_text("Path"), query.texts("ValueNames"));
        let recursive = query.flag("Recursive").unwrap_or_default();
        Some(RegistryQuery { path: path?, recursive, value_names: value_names? })
    });
    let change_detection_frequency = fields.number("changeDetectionFrequency", 1);
    let change_detection_types = fields.texts("changeDetectionTypes").unwrap_or_default();
    Some(SoftwareInventory {
        gatherers,
        custom_directory,
        files,
        registry,
        change_detection_frequency,
        change_detection_types,
    })
}

fn queries<T>(
    fields: &mut Fields<'_>,
    key: &'static str,
    read: impl Fn(&mut Fields<'_>) -> Option<T>,
) -> Vec<T> {
    let mut queries = Vec::new();
    for (index, query) in fields.maps(key).unwrap_or_default().iter().enumerate() {
        let Value::Object(entries) = query else { continue };
        let place = [Segment::Key(key.to_owned()), Segment::Index(index)];
        queries.extend(fields.within(&place, entries, &read));
    }
    queries
}
