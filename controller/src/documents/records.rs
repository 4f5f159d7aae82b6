//! What is kept of documents.

use std::fmt;
use std::str::FromStr;

use fleetwright_proto::clock::Timestamp;
use serde::{Deserialize, Serialize};

use super::fault::{DocumentError, Fault};
use super::kinds::{DocumentType, Format};
use crate::nodes::records::Tags;
use crate::records::json_record;

/// A random number of 128 bits, 32 hex digits: what rows and blobs of a document go by, so that a document which
/// takes the name of a deleted one shares nothing with it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeptId(Box<str>);

impl KeptId {
    #[must_use]
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string().into())
    }
}

impl fmt::Display for KeptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeptId {
    type Err = DocumentError;

    fn from_str(text: &str) -> Result<Self, DocumentError> {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == 32 && text.bytes().all(is_hex) {
            return Ok(Self(text.into()));
        }
        Err(Fault::Validation
            .because(format!("`{}` is not an id of 32 hex digits", super::names::shown(text))))
    }
}

impl TryFrom<String> for KeptId {
    type Error = DocumentError;

    fn try_from(text: String) -> Result<Self, DocumentError> {
        text.parse()
    }
}

impl From<KeptId> for String {
    fn from(id: KeptId) -> String {
        id.0.into()
    }
}

fleetwright_store::text_key!(KeptId);

/// A document of the fleet: what all its versions share. Every change of a document writes this row, so that two
/// changes at once cannot both succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentRecord {
    pub id: KeptId,
    pub document_type: DocumentType,
    pub created: Timestamp,
    pub created_by: String,
    pub default_version: u64,
    /// The highest version that exists.
    pub latest_version: u64,
    /// The highest version that ever was: a number is not given twice.
    pub last_version: u64,
    /// How many versions there are.
    pub versions: u64,
    pub tags: Tags,
}
json_record!(DocumentRecord, 1);

/// One version. Nothing of it changes once it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRecord {
    pub version_name: Option<String>,
    pub display_name: Option<String>,
    pub created: Timestamp,
    pub author: String,
    /// The word `format` is the record's own.
    pub written_in: Format,
    pub content: Text,
    /// Of the content, hex.
    pub sha256: String,
    pub sha1: String,
    pub bytes: u64,
    pub schema_version: Option<String>,
    pub platform_types: Vec<String>,
    pub target_type: Option<String>,
    pub requires: Vec<Requirement>,
    pub attachments: Vec<Attachment>,
}
json_record!(VersionRecord, 1);

/// A text that stands in the row while it is small, and is a blob when it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Text {
    Here(String),
    Blob(KeptId),
}

/// Another document without which this one is of no use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    pub name: String,
    /// A number, `$LATEST`, `$DEFAULT`; None: any.
    pub version: Option<String>,
    pub version_name: Option<String>,
    pub require_type: Option<String>,
}

/// A file that belongs to a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub name: String,
    pub bytes: u64,
    /// Hex.
    pub sha256: String,
    /// The upload whose pieces hold it. Versions that kept the file share it.
    pub upload: KeptId,
}

/// A file that was uploaded and belongs to no document yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRecord {
    pub bytes: u64,
    pub sha256: String,
    pub uploaded: Timestamp,
    pub uploaded_by: String,
}
json_record!(UploadRecord, 1);

/// Which version has a name, or says a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionNumber {
    pub version: u64,
}
json_record!(VersionNumber, 1);

/// To whom a document is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareRecord {
    /// A number, `$LATEST`, `$DEFAULT` or `All`; None: the default version.
    pub version: Option<String>,
    pub shared: Timestamp,
    pub shared_by: String,
}
json_record!(ShareRecord, 1);

/// Which version of a document another one requires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequiredRecord {
    /// None: any.
    pub version: Option<u64>,
}
json_record!(RequiredRecord, 1);

/// A document that was deleted and whose versions are not all gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeavingRecord {
    pub name: String,
}
json_record!(LeavingRecord, 1);
