//! Documents that the controller keeps, as printed.

use std::collections::BTreeMap;

use fleetwright_proto::control;
use serde::Serialize;

use super::Moment;

/// One version of a document.
#[derive(Debug, Serialize)]
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) owner: String,
    pub(crate) document_type: String,
    pub(crate) version: u64,
    pub(crate) version_name: String,
    pub(crate) display_name: String,
    pub(crate) is_default: bool,
    pub(crate) default_version: u64,
    pub(crate) latest_version: u64,
    /// None for what is shipped.
    pub(crate) created_at: Option<Moment>,
    pub(crate) author: String,
    pub(crate) format: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) sha1: String,
    pub(crate) schema_version: String,
    pub(crate) platform_types: Vec<String>,
    pub(crate) target_type: String,
    pub(crate) requires: Vec<Required>,
    pub(crate) attachments: Vec<Attachment>,
    pub(crate) tags: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Required {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) version_name: String,
    pub(crate) require_type: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Attachment {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// A document with what its text says.
#[derive(Debug, Serialize)]
pub(crate) struct ShownDocument {
    #[serde(flatten)]
    pub(crate) document: Document,
    pub(crate) description: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) content: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) value_type: String,
    pub(crate) description: String,
    /// None: a value has to be given.
    pub(crate) default_value: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Share {
    pub(crate) principal: String,
    /// Empty: the default version.
    pub(crate) version: String,
    pub(crate) shared_at: Option<Moment>,
    pub(crate) shared_by: String,
}

impl From<control::Document> for Document {
    fn from(wire: control::Document) -> Self {
        let requires = wire.requires.into_iter().map(|required| Required {
            name: required.name,
            version: required.version,
            version_name: required.version_name,
            require_type: required.require_type,
        });
        let attachments = wire.attachments.into_iter().map(|file| Attachment {
            name: file.name,
            bytes: file.bytes,
            sha256: file.sha256,
        });
        Self {
            name: wire.name,
            owner: wire.owner,
            document_type: wire.document_type,
            version: wire.version,
            version_name: wire.version_name,
            display_name: wire.display_name,
            is_default: wire.version == wire.default_version,
            default_version: wire.default_version,
            latest_version: wire.latest_version,
            created_at: Moment::of_wire(wire.created_ms),
            author: wire.author,
            format: wire.format,
            bytes: wire.bytes,
            sha256: wire.sha256,
            sha1: wire.sha1,
            schema_version: wire.schema_version,
            platform_types: wire.platform_types,
            target_type: wire.target_type,
            requires: requires.collect(),
            attachments: attachments.collect(),
            tags: wire.tags.into_iter().collect(),
        }
    }
}

impl From<control::DocumentParameter> for Parameter {
    fn from(wire: control::DocumentParameter) -> Self {
        Self {
            name: wire.name,
            value_type: wire.r#type,
            description: wire.description,
            default_value: wire.default_value,
        }
    }
}

impl From<control::DocumentShare> for Share {
    fn from(wire: control::DocumentShare) -> Self {
        Self {
            principal: wire.principal,
            version: wire.version,
            shared_at: Moment::of_wire(wire.shared_ms),
            shared_by: wire.shared_by,
        }
    }
}
