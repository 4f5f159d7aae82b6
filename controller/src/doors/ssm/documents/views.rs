//! Documents as the API shows them.

use serde::Serialize;
use serde_json::{Value, json};

use crate::documents::find::{self, Owner, View};
use crate::documents::kinds::Format;
use crate::documents::records::{Attachment, Requirement, ShareRecord};
use crate::doors::ssm::call::{Call, Seconds, Tag};
use crate::doors::ssm::tags;

/// A document is whole as soon as it is there.
const STATUS: &str = "Active";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Described {
    sha1: String,
    hash: String,
    hash_type: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_name: Option<String>,
    owner: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_date: Option<Seconds>,
    status: &'static str,
    document_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parameters: Vec<Parameter>,
    platform_types: Vec<String>,
    document_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_version: Option<String>,
    latest_version: String,
    default_version: String,
    document_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_type: Option<String>,
    tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments_information: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    requires: Vec<Value>,
    author: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    name: String,
    r#type: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_value: Option<String>,
}

impl Described {
    pub(super) fn new(call: &Call<'_>, found: find::Described) -> Self {
        let find::Described { view, description, parameters, .. } = found;
        let parameter = |parameter: crate::documents::content::ParameterInfo| Parameter {
            name: parameter.name,
            r#type: parameter.value_type,
            description: parameter.description,
            default_value: parameter.default,
        };
        Self {
            owner: owner(call, view.owner),
            sha1: view.sha1,
            hash: view.sha256,
            hash_type: "Sha256",
            name: view.name,
            display_name: view.display_name,
            version_name: view.version_name,
            created_date: view.created.map(Seconds),
            status: STATUS,
            document_version: view.version.to_string(),
            description,
            parameters: parameters.into_iter().map(parameter).collect(),
            platform_types: view.platform_types,
            document_type: view.document_type.name(),
            schema_version: view.schema_version,
            latest_version: view.latest_version.to_string(),
            default_version: view.default_version.to_string(),
            document_format: view.format.name(),
            target_type: view.target_type,
            tags: tags::shown(view.tags),
            attachments_information: view
                .attachments
                .iter()
                .map(|file| json!({ "Name": file.name }))
                .collect(),
            requires: requires(view.requires),
            author: view.author,
        }
    }

    /// The answer whose one member it is.
    pub(super) fn in_member(&self, name: &str) -> Value {
        json!({ name: self })
    }
}

/// The account is the owner of what is not shipped.
fn owner(call: &Call<'_>, owner: Owner) -> String {
    match owner {
        Owner::Amazon => owner.name().to_owned(),
        Owner::Fleet => call.account().to_owned(),
    }
}

fn requires(requires: Vec<Requirement>) -> Vec<Value> {
    let required = |Requirement { name, version, version_name, require_type }: Requirement| {
        let mut shown = json!({ "Name": name });
        for (member, value) in
            [("Version", version), ("VersionName", version_name), ("RequireType", require_type)]
        {
            if let Some(value) = value {
                shown[member] = value.into();
            }
        }
        shown
    };
    requires.into_iter().map(required).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Content {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_date: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_name: Option<String>,
    document_version: String,
    status: &'static str,
    content: String,
    document_type: &'static str,
    document_format: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    requires: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments_content: Vec<Value>,
}

pub(super) fn content(view: View, text: String, format: Format) -> Content {
    let file = |file: &Attachment| json!({ "Name": file.name, "Size": file.bytes, "Hash": file.sha256, "HashType": "Sha256" });
    Content {
        name: view.name,
        created_date: view.created.map(Seconds),
        display_name: view.display_name,
        version_name: view.version_name,
        document_version: view.version.to_string(),
        status: STATUS,
        content: text,
        document_type: view.document_type.name(),
        document_format: format.name(),
        requires: requires(view.requires),
        attachments_content: view.attachments.iter().map(file).collect(),
    }
}

pub(super) fn default_version(view: View) -> Value {
    let mut description = json!({ "Name": view.name, "DefaultVersion": view.version.to_string() });
    if let Some(version_name) = view.version_name {
        description["DefaultVersionName"] = version_name.into();
    }
    json!({ "Description": description })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    pub(super) document_identifiers: Vec<Identifier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Identifier {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_date: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    owner: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_name: Option<String>,
    platform_types: Vec<String>,
    document_version: String,
    document_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_version: Option<String>,
    document_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_type: Option<String>,
    tags: Vec<Tag>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    requires: Vec<Value>,
    author: String,
}

impl Identifier {
    pub(super) fn new(call: &Call<'_>, view: View) -> Self {
        Self {
            owner: owner(call, view.owner),
            name: view.name,
            created_date: view.created.map(Seconds),
            display_name: view.display_name,
            version_name: view.version_name,
            platform_types: view.platform_types,
            document_version: view.version.to_string(),
            document_type: view.document_type.name(),
            schema_version: view.schema_version,
            document_format: view.format.name(),
            target_type: view.target_type,
            tags: tags::shown(view.tags),
            requires: requires(view.requires),
            author: view.author,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Versions {
    pub(super) document_versions: Vec<VersionInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct VersionInfo {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    document_version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_date: Option<Seconds>,
    is_default_version: bool,
    document_format: &'static str,
    status: &'static str,
}

impl From<View> for VersionInfo {
    fn from(view: View) -> Self {
        Self {
            name: view.name,
            display_name: view.display_name,
            document_version: view.version.to_string(),
            version_name: view.version_name,
            created_date: view.created.map(Seconds),
            is_default_version: view.version == view.default_version,
            document_format: view.format.name(),
            status: STATUS,
        }
    }
}

/// Every version of a document, as the API writes it and as the registry keeps it.
const EVERY_VERSION: (&str, &str) = ("$ALL", "All");

pub(super) fn kept_share_version(said: String) -> String {
    if said == EVERY_VERSION.0 { EVERY_VERSION.1.to_owned() } else { said }
}

pub(super) fn permission(shares: Vec<(String, ShareRecord)>, next_token: Option<String>) -> Value {
    let ids: Vec<_> = shares.iter().map(|(principal, _)| principal.clone()).collect();
    let shared = |(principal, record): (String, ShareRecord)| {
        let version = match record.version {
            Some(version) if version == EVERY_VERSION.1 => EVERY_VERSION.0.to_owned(),
            version => version.unwrap_or_else(|| "$DEFAULT".to_owned()),
        };
        json!({ "AccountId": principal, "SharedDocumentVersion": version })
    };
    let infos: Vec<_> = shares.into_iter().map(shared).collect();
    let mut answer = json!({ "AccountIds": ids, "AccountSharingInfoList": infos });
    if let Some(token) = next_token {
        answer["NextToken"] = token.into();
    }
    answer
}
