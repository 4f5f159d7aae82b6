//! Types, tiers and data types of parameters (reference, sections 10.1 and 10.8). Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::fault::{Fault, ParameterError};

/// Longest value of a standard parameter, bytes.
pub const STANDARD_VALUE_MAX_BYTES: usize = 4096;
/// Longest value of any parameter, bytes.
pub const ADVANCED_VALUE_MAX_BYTES: usize = 8192;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ParameterType {
    String,
    StringList,
    SecureString,
}

impl ParameterType {
    pub const ALL: [Self; 3] = [Self::String, Self::StringList, Self::SecureString];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::StringList => "StringList",
            Self::SecureString => "SecureString",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for ParameterType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tier {
    Standard,
    Advanced,
}

impl Tier {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "Standard",
            Self::Advanced => "Advanced",
        }
    }
}

/// The tier that a caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum TierWish {
    #[default]
    Standard,
    Advanced,
    /// Advanced when the parameter needs it.
    #[serde(rename = "Intelligent-Tiering")]
    Intelligent,
}

impl TierWish {
    pub const ALL: [Self; 3] = [Self::Standard, Self::Advanced, Self::Intelligent];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "Standard",
            Self::Advanced => "Advanced",
            Self::Intelligent => "Intelligent-Tiering",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tier| tier.name() == name)
    }
}

/// Whether there is room for one more standard parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    Free,
    Taken,
}

/// The tier that a parameter gets. `wish` is None when the caller says nothing about an existing parameter; it then
/// stays what it is.
pub(super) fn tier(
    wish: Option<TierWish>,
    existing: Option<Tier>,
    value_bytes: usize,
    policies: usize,
    standard: Room,
) -> Result<Tier, ParameterError> {
    if value_bytes > ADVANCED_VALUE_MAX_BYTES {
        return Err(Fault::Validation.because(format!(
            "Advanced tier parameters support a maximum parameter value of {ADVANCED_VALUE_MAX_BYTES} characters, \
             and this value has {value_bytes} bytes."
        )));
    }
    let tier = match (wish, existing) {
        (None, Some(existing)) => existing,
        (Some(TierWish::Standard) | None, None) => Tier::Standard,
        (Some(TierWish::Standard), Some(Tier::Standard)) => Tier::Standard,
        (Some(TierWish::Standard), Some(Tier::Advanced)) => {
            return Err(Fault::Validation.because(
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the \
                 advanced-parameter tier to the standard-parameter tier. If necessary, you can delete the advanced \
                 parameter and recreate it as a standard parameter.",
            ));
        }
        (Some(TierWish::Advanced), _) | (Some(TierWish::Intelligent), Some(Tier::Advanced)) => Tier::Advanced,
        (Some(TierWish::Intelligent), existing) => {
            let no_room = existing.is_none() && standard == Room::Taken;
            match value_bytes > STANDARD_VALUE_MAX_BYTES || policies > 0 || no_room {
                true => Tier::Advanced,
                false => Tier::Standard,
            }
        }
    };
    if tier == Tier::Standard && value_bytes > STANDARD_VALUE_MAX_BYTES {
        return Err(Fault::Validation.because(format!(
            "Standard tier parameters support a maximum parameter value of {STANDARD_VALUE_MAX_BYTES} characters. To \
             create a larger parameter value, upgrade the parameter to use the advanced-parameter tier."
        )));
    }
    if tier == Tier::Standard && policies > 0 {
        return Err(Fault::Validation.because(
            "Standard tier parameters do not support parameter policies. To use policies, upgrade the parameter to \
             use the advanced-parameter tier.",
        ));
    }
    Ok(tier)
}

/// What a value is said to be; without a word it is `text`.
pub const DATA_TYPES: [&str; 16] = [
    "text",
    "aws:ec2:image",
    "aws:ssm:integration",
    "aws:region",
    "aws:account:id",
    "boolean",
    "integer",
    "float",
    "binary",
    "hostname",
    "email",
    "ipv4-address",
    "ipv6-address",
    "url",
    "json",
    "jsonc",
];

/// Refuses a data type that there is not, and a value that plainly is not of it. An image is not looked for: there is
/// no EC2 to ask, and SSM, too, accepts the value first.
pub(super) fn check_data_type(data_type: &str, value: &str) -> Result<(), ParameterError> {
    if !DATA_TYPES.contains(&data_type) {
        return Err(Fault::Validation.because(format!(
            "The following data type is not supported: {} (Data type names are all lowercase.)",
            super::names::shown(data_type)
        )));
    }
    let good = match data_type {
        "boolean" => matches!(value, "true" | "false"),
        "integer" => value.parse::<i128>().is_ok(),
        "float" => value.parse::<f64>().is_ok(),
        "ipv4-address" => value.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6-address" => value.parse::<std::net::Ipv6Addr>().is_ok(),
        "json" => serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok(),
        "aws:account:id" => value.len() == 12 && value.bytes().all(|byte| byte.is_ascii_digit()),
        _ => true,
    };
    if good {
        return Ok(());
    }
    Err(Fault::Validation.because(format!("the value is not of the data type {data_type}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_gets_the_tier_that_it_may_have() {
        use Room::{Free, Taken};
        use TierWish::{Advanced, Intelligent, Standard};
        let found = |wish, existing, bytes, policies, room| {
            tier(wish, existing, bytes, policies, room).map_err(|error| error.message)
        };
        for (wish, existing, bytes, policies, room, wanted) in [
            (Some(Standard), None, 4096, 0, Free, Ok(Tier::Standard)),
            (Some(Standard), None, 4097, 0, Free, Err("maximum parameter value of 4096")),
            (Some(Standard), None, 1, 1, Free, Err("do not support parameter policies")),
            (Some(Standard), Some(Tier::Advanced), 1, 0, Free, Err("can't downgrade")),
            (None, Some(Tier::Advanced), 8192, 3, Free, Ok(Tier::Advanced)),
            (None, Some(Tier::Standard), 5000, 0, Free, Err("maximum parameter value of 4096")),
            (Some(Advanced), Some(Tier::Standard), 8192, 1, Free, Ok(Tier::Advanced)),
            (Some(Advanced), None, 8193, 0, Free, Err("maximum parameter value of 8192")),
            (Some(Intelligent), None, 4096, 0, Free, Ok(Tier::Standard)),
            (Some(Intelligent), None, 4097, 0, Free, Ok(Tier::Advanced)),
            (Some(Intelligent), Some(Tier::Standard), 1, 1, Free, Ok(Tier::Advanced)),
            (Some(Intelligent), Some(Tier::Advanced), 1, 0, Free, Ok(Tier::Advanced)),
            (Some(Intelligent), None, 1, 0, Taken, Ok(Tier::Advanced)),
            (Some(Intelligent), Some(Tier::Standard), 1, 0, Taken, Ok(Tier::Standard)),
        ] {
            match (found(wish, existing, bytes, policies, room), wanted) {
                (Ok(found), Ok(wanted)) => assert_eq!(found, wanted),
                (Err(found), Err(wanted)) => assert!(found.contains(wanted), "{found}"),
                (found, wanted) => panic!("{found:?}, not {wanted:?}"),
            }
        }
    }

    #[test]
    fn data_types() {
        for (data_type, value, good) in [
            ("text", "anything", true),
            ("aws:ec2:image", "value 3", true),
            ("aws:ssm:integration", "{}", true),
            ("not_text", "x", false),
            ("Text", "x", false),
            ("", "x", false),
            ("boolean", "true", true),
            ("boolean", "yes", false),
            ("integer", "-12", true),
            ("integer", "1.5", false),
            ("float", "1.5", true),
            ("ipv4-address", "192.0.2.7", true),
            ("ipv4-address", "192.0.2.700", false),
            ("ipv6-address", "::1", true),
            ("json", "{\"a\":[1]}", true),
            ("json", "{a}", false),
            ("aws:account:id", "123456789012", true),
            ("aws:account:id", "12", false),
        ] {
            let error = check_data_type(data_type, value).err();
            assert_eq!(error.is_none(), good, "{data_type} {value}");
            assert!(error.is_none_or(|error| value != "192.0.2.700" || !error.message.contains(value)));
        }
    }
}
