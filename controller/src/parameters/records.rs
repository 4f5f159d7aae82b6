//! What is kept of parameters.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fleetwright_proto::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::kinds::{ParameterType, Tier};
use super::policies::Policy;
use crate::documents::records::KeptId;
use crate::keys::ring::Sealed;
use crate::nodes::records::Tags;
use crate::records::json_record;

/// A parameter with its latest version. Every change of a parameter writes this row, so that of two changes at once
/// one is decided again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterRecord {
    /// What its other rows go by: a parameter that takes the name of a deleted one shares nothing with it.
    pub id: KeptId,
    /// The name as it was when it was made.
    pub written: String,
    /// The lowest version that is kept.
    pub oldest: u64,
    pub version: u64,
    /// How many labels each version has; versions without are left out.
    pub labels: BTreeMap<u64, u32>,
    pub latest: VersionRecord,
}
json_record!(ParameterRecord, 1);

/// One version. Nothing of it changes but the status of its policies, and the seal of its value when a key is rotated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRecord {
    pub parameter_type: ParameterType,
    pub value: StoredValue,
    pub key_id: Option<String>,
    pub description: Option<String>,
    pub allowed_pattern: Option<String>,
    pub tier: Tier,
    pub data_type: String,
    pub policies: Vec<Policy>,
    pub modified: Timestamp,
    pub modified_by: String,
}
json_record!(VersionRecord, 1);

/// A value as it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredValue {
    Text(String),
    /// A text that JSON would make much longer.
    Base64(String),
    Sealed(Sealed),
}

impl std::fmt::Debug for StoredValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text(_) | Self::Base64(_) => "StoredValue(…)",
            Self::Sealed(_) => "StoredValue(sealed)",
        })
    }
}

impl StoredValue {
    /// A value that is no secret.
    #[must_use]
    pub fn plain(text: String) -> Self {
        let escapes = text.bytes().filter(|byte| *byte < b' ' || matches!(byte, b'"' | b'\\')).count();
        if escapes * 5 > text.len() / 3 { Self::Base64(STANDARD.encode(text)) } else { Self::Text(text) }
    }

    /// The text of a value that is no secret.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Base64(text) => STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()),
            Self::Sealed(_) => None,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) | Self::Base64(text) => text.len(),
            Self::Sealed(sealed) => sealed.bytes(),
        }
    }
}

impl ParameterRecord {
    /// About how much memory it takes.
    pub(crate) fn weight(&self) -> usize {
        let latest = &self.latest;
        let texts = [&latest.description, &latest.allowed_pattern, &latest.key_id];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let policies: usize = latest.policies.iter().map(|policy| policy.text.len() + 64).sum();
        512 + latest.value.bytes() + texts + policies + self.labels.len() * 16
    }
}

/// Which version has a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelRecord {
    pub version: u64,
    /// In this order labels are shown: as they were attached.
    pub attached: Timestamp,
}
json_record!(LabelRecord, 1);

/// The tags of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagsRecord {
    pub tags: Tags,
}
json_record!(TagsRecord, 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_fits_its_row() {
        for text in
            ["\u{1}".repeat(8192), "\"".repeat(8192), "\\\n".repeat(4096), "ü".repeat(4096), "x".into()]
        {
            let stored = StoredValue::plain(text.clone());
            assert!(serde_json::to_vec(&stored).unwrap().len() <= 8192 * 4 / 3 + 32, "{}", text.len());
            assert_eq!(stored.text().unwrap(), text);
        }
    }
}
