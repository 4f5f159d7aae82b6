//! Parameters as the API shows them.

use serde::Serialize;

use crate::doors::ssm::call::{Call, Seconds};
use crate::parameters::history::HistoryEntry;
use crate::parameters::list;
use crate::parameters::names::ParameterKey;
use crate::parameters::policies::Policy;
use crate::parameters::read;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct One<'a> {
    pub(super) parameter: Parameter<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Several<'a> {
    pub(super) parameters: Vec<Parameter<'a>>,
    pub(super) invalid_parameters: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Paged<T> {
    pub(super) parameters: Vec<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Parameter<'a> {
    name: &'a str,
    r#type: &'static str,
    value: &'a str,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    selector: Option<&'a str>,
    last_modified_date: Seconds,
    #[serde(rename = "ARN")]
    arn: String,
    data_type: &'a str,
}

impl<'a> Parameter<'a> {
    pub(super) fn new(call: &Call<'_>, found: &'a read::Parameter) -> Self {
        Self {
            name: &found.name,
            r#type: found.parameter_type.name(),
            value: found.value.expose(),
            version: found.version,
            selector: found.selector.as_deref(),
            last_modified_date: Seconds(found.modified),
            arn: arn(call, &found.key),
            data_type: &found.data_type,
        }
    }
}

fn arn(call: &Call<'_>, key: &ParameterKey) -> String {
    format!("arn:aws:ssm:{}:{}:parameter{key}", call.region(), call.account())
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InlinePolicy {
    policy_text: String,
    policy_type: &'static str,
    policy_status: &'static str,
}

fn policies(policies: Vec<Policy>) -> Vec<InlinePolicy> {
    let shown = |policy: Policy| InlinePolicy {
        policy_type: policy.rule.name(),
        policy_status: policy.status.name(),
        policy_text: policy.text,
    };
    policies.into_iter().map(shown).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Metadata {
    name: String,
    #[serde(rename = "ARN")]
    arn: String,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    last_modified_date: Seconds,
    last_modified_user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_pattern: Option<String>,
    version: u64,
    tier: &'static str,
    policies: Vec<InlinePolicy>,
    data_type: String,
}

impl Metadata {
    pub(super) fn new(call: &Call<'_>, metadata: list::Metadata) -> Self {
        Self {
            arn: arn(call, &metadata.key),
            name: metadata.name,
            r#type: metadata.parameter_type.name(),
            key_id: metadata.key_id,
            last_modified_date: Seconds(metadata.modified),
            last_modified_user: metadata.modified_by,
            description: metadata.description,
            allowed_pattern: metadata.allowed_pattern,
            version: metadata.version,
            tier: metadata.tier.name(),
            policies: policies(metadata.policies),
            data_type: metadata.data_type,
        }
    }
}

/// A version in the history of a parameter.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Former {
    name: String,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    last_modified_date: Seconds,
    last_modified_user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_pattern: Option<String>,
    version: u64,
    labels: Vec<String>,
    tier: &'static str,
    policies: Vec<InlinePolicy>,
    data_type: String,
}

impl From<HistoryEntry> for Former {
    fn from(HistoryEntry { name, key: _, version, record, value, labels }: HistoryEntry) -> Self {
        Self {
            name,
            r#type: record.parameter_type.name(),
            key_id: record.key_id,
            last_modified_date: Seconds(record.modified),
            last_modified_user: record.modified_by,
            description: record.description,
            value: value.expose().to_owned(),
            allowed_pattern: record.allowed_pattern,
            version,
            labels,
            tier: record.tier.name(),
            policies: policies(record.policies),
            data_type: record.data_type,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Put {
    pub(super) version: u64,
    pub(super) tier: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Deleted {
    pub(super) deleted_parameters: Vec<String>,
    pub(super) invalid_parameters: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Labelled {
    pub(super) invalid_labels: Vec<String>,
    pub(super) parameter_version: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Unlabelled {
    pub(super) removed_labels: Vec<String>,
    pub(super) invalid_labels: Vec<String>,
}
