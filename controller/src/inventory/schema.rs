//! The inventory types that are known, their attributes (reference, section 5.2), and the limits of all (5.5, 5.6).

use fleetwright_proto::inventory::{Attributes, ITEMS_MAX};

use crate::error::Refusal;

/// Longest name of a type, characters.
pub const TYPE_NAME_MAX_CHARS: usize = 100;
/// Most attributes of an item and their longest names, characters.
pub const ATTRIBUTES_MAX: usize = 50;
pub const ATTRIBUTE_NAME_MAX_CHARS: usize = 64;
/// Longest value, characters: of a custom type, and of any.
pub const CUSTOM_VALUE_MAX_CHARS: usize = 4_096;
const VALUE_MAX_CHARS: usize = 16 * 1024;
/// Longest type, bytes of names and values.
pub const TYPE_MAX_BYTES: usize = 3_072 * 1024;

/// What attributes of a type are compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    String,
    Number,
}

impl DataType {
    /// As SSM writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
        }
    }
}

/// A type that is known.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    pub type_name: &'static str,
    pub version: &'static str,
    pub attributes: &'static [&'static str],
}

const NUMBERS: [&str; 12] = [
    "CPUCores",
    "CPUs",
    "CPUSpeedMHz",
    "CPUSockets",
    "Size",
    "InstalledCount",
    "InstalledOtherCount",
    "NotApplicableCount",
    "MissingCount",
    "FailedCount",
    "CompliantCriticalCount",
    "NonCompliantUnspecifiedCount",
];

impl Schema {
    #[must_use]
    pub fn data_type(attribute: &str) -> DataType {
        let is_count = attribute.ends_with("Count");
        if is_count || NUMBERS.contains(&attribute) { DataType::Number } else { DataType::String }
    }
}

/// In the order of their names.
pub const SCHEMAS: &[Schema] = &[
    Schema {
        type_name: "AWS:AWSComponent",
        version: "1.0",
        attributes: &[
            "Name",
            "ApplicationType",
            "Publisher",
            "Version",
            "InstalledTime",
            "Architecture",
            "URL",
        ],
    },
    Schema {
        type_name: "AWS:Application",
        version: "1.1",
        attributes: &[
            "Name",
            "ApplicationType",
            "Publisher",
            "Version",
            "Release",
            "Epoch",
            "InstalledTime",
            "Architecture",
            "URL",
            "Summary",
            "PackageId",
        ],
    },
    Schema { type_name: "AWS:BillingInfo", version: "1.0", attributes: &["BillingProductId"] },
    Schema {
        type_name: "AWS:ComplianceItem",
        version: "1.0",
        attributes: &[
            "ComplianceType",
            "ExecutionId",
            "ExecutionType",
            "ExecutionTime",
            "Id",
            "Title",
            "Status",
            "Severity",
            "DocumentName",
            "DocumentVersion",
            "Classification",
            "PatchBaselineId",
            "PatchSeverity",
            "PatchState",
            "PatchGroup",
            "InstalledTime",
        ],
    },
    Schema {
        type_name: "AWS:ComplianceSummary",
        version: "1.0",
        attributes: &[
            "ComplianceType",
            "PatchGroup",
            "PatchBaselineId",
            "Status",
            "OverallSeverity",
            "ExecutionId",
            "ExecutionType",
            "ExecutionTime",
            "CompliantCriticalCount",
            "CompliantHighCount",
            "CompliantMediumCount",
            "CompliantLowCount",
            "CompliantInformationalCount",
            "CompliantUnspecifiedCount",
            "NonCompliantCriticalCount",
            "NonCompliantHighCount",
            "NonCompliantMediumCount",
            "NonCompliantLowCount",
            "NonCompliantInformationalCount",
            "NonCompliantUnspecifiedCount",
        ],
    },
    Schema {
        type_name: "AWS:File",
        version: "1.0",
        attributes: &[
            "Name",
            "Size",
            "Description",
            "FileVersion",
            "InstalledDate",
            "ModificationTime",
            "LastAccessTime",
            "ProductName",
            "InstalledDir",
            "ProductLanguage",
            "CompanyName",
            "ProductVersion",
        ],
    },
    Schema {
        type_name: "AWS:InstanceDetailedInformation",
        version: "1.0",
        attributes: &[
            "CPUModel",
            "CPUCores",
            "CPUs",
            "CPUSpeedMHz",
            "CPUSockets",
            "CPUHyperThreadEnabled",
            "OSServicePack",
            "KernelVersion",
        ],
    },
    Schema {
        type_name: "AWS:InstanceInformation",
        version: "1.0",
        attributes: &[
            "AgentType",
            "AgentVersion",
            "ComputerName",
            "IamRole",
            "InstanceId",
            "IpAddress",
            "PlatformName",
            "PlatformType",
            "PlatformVersion",
            "ResourceType",
        ],
    },
    Schema {
        type_name: "AWS:Network",
        version: "1.0",
        attributes: &[
            "Name",
            "SubnetMask",
            "Gateway",
            "DHCPServer",
            "DNSServer",
            "MacAddress",
            "IPV4",
            "IPV6",
        ],
    },
    Schema {
        type_name: "AWS:PatchCompliance",
        version: "1.0",
        attributes: &["Title", "KBId", "Classification", "Severity", "State", "InstalledTime"],
    },
    Schema {
        type_name: "AWS:PatchSummary",
        version: "1.0",
        attributes: &[
            "PatchGroup",
            "BaselineId",
            "SnapshotId",
            "OwnerInformation",
            "InstalledCount",
            "InstalledOtherCount",
            "NotApplicableCount",
            "MissingCount",
            "FailedCount",
            "OperationType",
            "OperationStartTime",
            "OperationEndTime",
        ],
    },
    Schema {
        type_name: "AWS:Service",
        version: "1.0",
        attributes: &[
            "Name",
            "DisplayName",
            "ServiceType",
            "Status",
            "DependentServices",
            "ServicesDependedOn",
            "StartType",
        ],
    },
    Schema { type_name: TAGS, version: "1.0", attributes: &["Key", "Value"] },
    Schema {
        type_name: "AWS:WindowsRegistry",
        version: "1.0",
        attributes: &["KeyPath", "ValueName", "ValueType", "Value"],
    },
    Schema {
        type_name: "AWS:WindowsRole",
        version: "1.0",
        attributes: &[
            "Name",
            "DisplayName",
            "Path",
            "FeatureType",
            "DependsOn",
            "Description",
            "Installed",
            "InstalledState",
            "SubFeatures",
            "ServerComponentDescriptor",
            "Parent",
        ],
    },
    Schema {
        type_name: "AWS:WindowsUpdate",
        version: "1.0",
        attributes: &["HotFixId", "Description", "InstalledTime", "InstalledBy"],
    },
];

/// The tags of a node, which the controller itself knows.
pub const TAGS: &str = "AWS:Tag";

/// The schema of a type that is known.
#[must_use]
pub fn of(type_name: &str) -> Option<&'static Schema> {
    SCHEMAS.iter().find(|schema| schema.type_name == type_name)
}

/// Whether people made the type up.
#[must_use]
pub fn is_custom(type_name: &str) -> bool {
    type_name.starts_with("Custom:")
}

/// A type that is known, or a custom one.
pub fn check_type_name(type_name: &str) -> Result<(), Refusal> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    let custom = type_name.strip_prefix("Custom:").is_some_and(|name| {
        !name.is_empty() && name.chars().all(plain) && type_name.chars().count() <= TYPE_NAME_MAX_CHARS
    });
    if custom || of(type_name).is_some() {
        return Ok(());
    }
    let shown: String = type_name.chars().take(TYPE_NAME_MAX_CHARS).collect();
    let near = SCHEMAS.iter().find(|schema| schema.type_name.eq_ignore_ascii_case(type_name));
    let hint = near.map_or_else(
        || "AWS:Application, AWS:Network and the like, or Custom:NAME".to_owned(),
        |schema| format!("did you mean {}?", schema.type_name),
    );
    Err(Refusal::invalid(format!("`{}` is not an inventory type: {hint}", shown.escape_debug())))
}

/// Two numbers with a dot between.
pub fn check_schema_version(type_name: &str, version: &str) -> Result<(), Refusal> {
    let is_number =
        |digits: &str| (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if version.split_once('.').is_some_and(|(major, minor)| is_number(major) && is_number(minor)) {
        return Ok(());
    }
    let shown: String = version.chars().take(32).collect();
    Err(Refusal::invalid(format!(
        "`{}` is not a schema version of {type_name}: two numbers of 1 to 6 digits, as 1.0",
        shown.escape_debug()
    )))
}

/// The limits of items and attributes.
pub fn check_items(type_name: &str, items: &[Attributes]) -> Result<(), Refusal> {
    if items.len() > ITEMS_MAX {
        return Err(Refusal::exhausted(format!(
            "{type_name} has {} items: {ITEMS_MAX} at most",
            items.len()
        )));
    }
    let value_max = if is_custom(type_name) { CUSTOM_VALUE_MAX_CHARS } else { VALUE_MAX_CHARS };
    for (at, item) in items.iter().enumerate() {
        let number = at + 1;
        if item.is_empty() || item.len() > ATTRIBUTES_MAX {
            return Err(Refusal::invalid(format!(
                "item {number} of {type_name} has {} attributes: 1 to {ATTRIBUTES_MAX}",
                item.len()
            )));
        }
        for (name, value) in item {
            let shown: String = name.chars().take(ATTRIBUTE_NAME_MAX_CHARS).collect();
            if name.is_empty() || name.chars().count() > ATTRIBUTE_NAME_MAX_CHARS {
                return Err(Refusal::invalid(format!(
                    "item {number} of {type_name} has an attribute `{}`: names have 1 to {ATTRIBUTE_NAME_MAX_CHARS} \
                     characters",
                    shown.escape_debug()
                )));
            }
            let chars = value.chars().count();
            if chars > value_max {
                return Err(Refusal::exhausted(format!(
                    "attribute `{}` of item {number} of {type_name} has {chars} characters: {value_max} at most",
                    shown.escape_debug()
                )));
            }
        }
    }
    check_size(type_name, items)
}

/// The limit of a whole type.
pub(super) fn check_size(type_name: &str, items: &[Attributes]) -> Result<(), Refusal> {
    if items.len() > ITEMS_MAX {
        return Err(Refusal::exhausted(format!(
            "{type_name} has {} items: {ITEMS_MAX} at most",
            items.len()
        )));
    }
    let of_item =
        |item: &Attributes| item.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    let bytes: usize = items.iter().map(of_item).sum();
    if bytes > TYPE_MAX_BYTES {
        return Err(Refusal::exhausted(format!(
            "{type_name} has {} KiB: {} KiB at most",
            bytes.div_ceil(1024),
            TYPE_MAX_BYTES / 1024
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_stand_in_the_order_of_their_names() {
        assert!(SCHEMAS.is_sorted_by_key(|schema| schema.type_name));
        assert!(SCHEMAS.iter().all(|schema| check_type_name(schema.type_name).is_ok()));
    }

    #[test]
    fn what_is_not_good_is_named() {
        for (name, words) in [
            ("AWS:application", "did you mean AWS:Application?"),
            ("Custom:", "Custom:NAME"),
            ("Custom:a b", "`Custom:a b`"),
            ("Rack", "`Rack`"),
        ] {
            let error = check_type_name(name).unwrap_err();
            assert!(error.message.contains(words), "{error}");
        }
        for version in ["", "1", "1.", "a.b", "1.0.0", "1234567.0"] {
            assert!(check_schema_version("Custom:Rack", version).is_err(), "{version}");
        }
        let item = |name: &str, value: String| Attributes::from([(name.to_owned(), value)]);
        for (items, words) in [
            (vec![Attributes::new()], "0 attributes"),
            (vec![item("", "x".into())], "names have 1 to 64"),
            (vec![item("a", "x".repeat(4_097))], "4097 characters: 4096 at most"),
            (vec![item("a", "x".into()); 10_001], "10001 items"),
            (
                (0..1000).map(|at| item("a", format!("{at:04}{}", "x".repeat(4_000)))).collect(),
                "3072 KiB at most",
            ),
        ] {
            let error = check_items("Custom:Rack", &items).unwrap_err();
            assert!(error.message.contains(words), "{error}");
        }
    }
}
