//! Managed nodes and activations.

use fleetwright_proto::ids::{ActivationId, NodeId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Answer, Call, Seconds, Tag, WantedMoment, answer, done};
use super::fault::Fault;
use super::shape::{ANY_TEXT, Pattern, Shape, list, matching, structure, text};
use super::tags::{self, TAGS};
use crate::error::{Kind, Refusal};
use crate::nodes::activations::{self, DEFAULT_LIFETIME, Expiry, NewActivation};
use crate::nodes::departures;
use crate::nodes::operations::{self, NodeView, Ping};
use crate::nodes::records::ActivationRecord;
use crate::nodes::targets::Selector;

static ACTIVATION_ID_TEXT: Pattern =
    Pattern::new(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$");
static INSTANCE_NAME_TEXT: Pattern = Pattern::new(r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$");
static INSTANCE_ID_TEXT: Pattern = Pattern::new(r"(^i-(\w{8}|\w{17})$)|(^mi-\w{17}$)");
static MANAGED_ID_TEXT: Pattern =
    Pattern::new(r"(^mi-[0-9a-f]{17}$)|(^eks_c:[0-9A-Za-z][A-Za-z0-9\-_]{0,99}_\w{17}$)");
static NOT_BLANK: Pattern = Pattern::new(r"^(?!\s*$).+");
/// The id of a node in an input.
pub(super) const INSTANCE_ID: Shape = matching(&INSTANCE_ID_TEXT);
const METADATA: Shape = structure! {
    "Key" ! Shape::Text { least: 1, most: 128, pattern: Some(&NOT_BLANK) },
    "Value" ! Shape::Text { least: 1, most: 2048, pattern: Some(&NOT_BLANK) },
};
pub(super) const PAGE_OF_50: Shape = Shape::Number { least: 1, most: 50 };

pub(super) static CREATE_ACTIVATION: Shape = structure! {
    "Description" ? text(0, 256),
    "DefaultInstanceName" ? Shape::Text { least: 0, most: 256, pattern: Some(&INSTANCE_NAME_TEXT) },
    "IamRole" ! text(0, 64),
    "RegistrationLimit" ? Shape::Number { least: 1, most: 1000 },
    "ExpirationDate" ? Shape::Moment,
    "Tags" ? TAGS,
    "RegistrationMetadata" ? list(&METADATA, 0, usize::MAX),
};
pub(super) static DELETE_ACTIVATION: Shape = structure! { "ActivationId" ! matching(&ACTIVATION_ID_TEXT) };
const ACTIVATION_FILTER: Shape = structure! {
    "FilterKey" ? Shape::Word(&["ActivationIds", "DefaultInstanceName", "IamRole"]),
    "FilterValues" ? list(&ANY_TEXT, 0, usize::MAX),
};
pub(super) static DESCRIBE_ACTIVATIONS: Shape = structure! {
    "Filters" ? list(&ACTIVATION_FILTER, 0, usize::MAX), "MaxResults" ? PAGE_OF_50, "NextToken" ? ANY_TEXT,
};
const FILTER_VALUES: Shape = list(&text(1, usize::MAX), 1, 100);
const OLD_FILTER: Shape = structure! {
    "key" ! Shape::Word(&[
        "InstanceIds", "AgentVersion", "PingStatus", "PlatformTypes", "ActivationIds", "IamRole", "ResourceType",
        "AssociationStatus",
    ]),
    "valueSet" ! FILTER_VALUES,
};
const FILTER: Shape = structure! { "Key" ! text(1, usize::MAX), "Values" ! FILTER_VALUES };
pub(super) static DESCRIBE_INSTANCES: Shape = structure! {
    "InstanceInformationFilterList" ? list(&OLD_FILTER, 0, usize::MAX),
    "Filters" ? list(&FILTER, 0, usize::MAX),
    "MaxResults" ? Shape::Number { least: 5, most: 50 },
    "NextToken" ? ANY_TEXT,
};
pub(super) static DEREGISTER: Shape = structure! {
    "InstanceId" ! Shape::Text { least: 20, most: 124, pattern: Some(&MANAGED_ID_TEXT) }
};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateActivation {
    #[serde(default)]
    description: String,
    default_instance_name: Option<String>,
    iam_role: String,
    registration_limit: Option<u32>,
    expiration_date: Option<WantedMoment>,
    #[serde(default)]
    tags: Vec<Tag>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NewlyActivated {
    activation_id: String,
    activation_code: String,
}

/// The role is kept and shown, and gives no right: nodes have their own identity here.
pub(super) async fn create_activation(call: Call<'_>, input: Value) -> Answer {
    let wish: CreateActivation = Call::read(input)?;
    let now = call.house.clock.now();
    let expiry = match wish.expiration_date.map(WantedMoment::timestamp) {
        None => Expiry::After(DEFAULT_LIFETIME),
        Some(moment) if moment > now => Expiry::After(now.until(moment)),
        Some(_) => {
            return Err(Fault::new(
                "InvalidParameters",
                "ExpirationDate is past: name a moment that is to come",
            ));
        }
    };
    let wish = NewActivation {
        description: wish.description,
        registration_limit: wish.registration_limit.unwrap_or(1),
        expiry,
        default_name: wish.default_instance_name.filter(|name| !name.is_empty()),
        tags: tags::set(wish.tags)?,
        iam_role: Some(wish.iam_role).filter(|role| !role.is_empty()),
    };
    let refused = |refusal| Fault::named(refusal, &[(Kind::Invalid, "InvalidParameters")]);
    let created = activations::create(call.house, wish).await.map_err(refused)?;
    answer(&NewlyActivated { activation_id: created.id.to_string(), activation_code: created.code })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteActivation {
    activation_id: String,
}

pub(super) async fn delete_activation(call: Call<'_>, input: Value) -> Answer {
    let DeleteActivation { activation_id } = Call::read(input)?;
    let id: ActivationId =
        activation_id.parse().map_err(|error| Fault::new("InvalidActivationId", format!("{error}")))?;
    let refused = |refusal| Fault::named(refusal, &[(Kind::NotFound, "InvalidActivation")]);
    activations::delete(call.house, &id).await.map_err(refused)?;
    done()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ActivationFilter {
    filter_key: Option<String>,
    #[serde(default)]
    filter_values: Vec<String>,
}

impl ActivationFilter {
    fn passes(&self, id: &ActivationId, record: &ActivationRecord) -> bool {
        let actual = match self.filter_key.as_deref() {
            Some("ActivationIds") => Some(id.as_str()),
            Some("DefaultInstanceName") => record.default_name.as_deref(),
            Some("IamRole") => record.iam_role.as_deref(),
            _ => return true,
        };
        actual.is_some_and(|actual| self.filter_values.iter().any(|value| value == actual))
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeActivations {
    #[serde(default)]
    filters: Vec<ActivationFilter>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Activations {
    activation_list: Vec<Activation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Activation {
    activation_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_instance_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iam_role: Option<String>,
    registration_limit: u32,
    registrations_count: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_date: Option<Seconds>,
    expired: bool,
    created_date: Seconds,
    tags: Vec<Tag>,
}

pub(super) async fn describe_activations(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let DescribeActivations { filters } = Call::read(input)?;
    if let Some(filter) = filters.iter().find(|filter| filter.filter_key.is_none()) {
        return Err(Fault::new(
            "InvalidFilter",
            format!("a filter for {:?} has no key", filter.filter_values),
        ));
    }
    let passes =
        |id: &ActivationId, record: &ActivationRecord| filters.iter().all(|filter| filter.passes(id, record));
    let (found, next) = activations::list_where(call.house, passes, page.after()?, page.size).await?;
    let now = call.house.clock.now();
    let activation = |(id, record): (ActivationId, ActivationRecord)| Activation {
        activation_id: id.to_string(),
        expired: record.expired(now),
        description: record.description,
        default_instance_name: record.default_name,
        iam_role: record.iam_role,
        registration_limit: record.registration_limit,
        registrations_count: record.registrations,
        expiration_date: record.expires.map(Seconds),
        created_date: Seconds(record.created),
        tags: tags::shown(record.tags),
    };
    let activation_list = found.into_iter().map(activation).collect();
    answer(&Activations { activation_list, next_token: page.token(next) })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DescribeInstances {
    #[serde(default)]
    instance_information_filter_list: Vec<OldFilter>,
    #[serde(default)]
    filters: Vec<NodeFilter>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OldFilter {
    key: String,
    value_set: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NodeFilter {
    key: String,
    values: Vec<String>,
}

/// A condition on what is known of a node beyond what targets ask for.
#[derive(Debug)]
enum Condition {
    AgentVersion(Vec<String>),
    Ping(Vec<Ping>),
    Activation(Vec<String>),
    ResourceType(Vec<String>),
}

impl Condition {
    fn holds(&self, node: &NodeView) -> bool {
        match self {
            Self::AgentVersion(versions) => versions.contains(&node.record.facts.agent_version),
            Self::Ping(pings) => pings.contains(&node.ping),
            Self::Activation(ids) => ids.iter().any(|id| id == node.record.activation.as_str()),
            Self::ResourceType(kinds) => kinds.iter().any(|kind| kind == RESOURCE_TYPE),
        }
    }
}

const RESOURCE_TYPE: &str = "ManagedInstance";

fn read_filters(filters: Vec<NodeFilter>) -> Result<(Vec<Selector>, Vec<Condition>), Fault> {
    let (mut selectors, mut conditions) = (Vec::new(), Vec::new());
    let bad_value = |refusal: Refusal| Fault::new("InvalidInstanceInformationFilterValue", refusal.message);
    for NodeFilter { key, values } in filters {
        match key.as_str() {
            "InstanceIds" => {
                if let Some(bad) = values.iter().find(|value| value.parse::<NodeId>().is_err()) {
                    return Err(Fault::new(
                        "InvalidInstanceId",
                        format!("`{}` is not the id of a node", bad.escape_debug()),
                    ));
                }
                selectors.push(Selector::parse(&key, values).map_err(bad_value)?);
            }
            "PlatformTypes" => selectors.push(Selector::parse("platform", values).map_err(bad_value)?),
            "tag-key" => selectors.push(Selector::parse(&key, values).map_err(bad_value)?),
            tag if tag.starts_with("tag:") => {
                selectors.push(Selector::parse(tag, values).map_err(bad_value)?);
            }
            "AgentVersion" => conditions.push(Condition::AgentVersion(values)),
            "ActivationIds" => conditions.push(Condition::Activation(values)),
            "ResourceType" => conditions.push(Condition::ResourceType(values)),
            "PingStatus" => {
                conditions
                    .push(Condition::Ping(values.iter().map(|word| ping(word)).collect::<Result<_, _>>()?));
            }
            _ => {
                return Err(Fault::new(
                    "InvalidFilterKey",
                    format!(
                        "`{}` is not a filter here: InstanceIds, AgentVersion, PingStatus, PlatformTypes, ActivationIds, \
                         ResourceType, tag-key or tag:KEY",
                        key.escape_debug()
                    ),
                ));
            }
        }
    }
    Ok((selectors, conditions))
}

const PINGS: [(&str, Ping); 3] =
    [("Online", Ping::Online), ("ConnectionLost", Ping::ConnectionLost), ("Inactive", Ping::NeverConnected)];

fn ping(word: &str) -> Result<Ping, Fault> {
    let known = PINGS.iter().find(|(name, _)| *name == word);
    known.map(|(_, ping)| *ping).ok_or_else(|| {
        Fault::new(
            "InvalidInstanceInformationFilterValue",
            format!("`{}` is not a ping status: Online, ConnectionLost or Inactive", word.escape_debug()),
        )
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Instances {
    instance_information_list: Vec<InstanceInformation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct InstanceInformation {
    instance_id: String,
    ping_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_ping_date_time: Option<Seconds>,
    #[serde(skip_serializing_if = "String::is_empty")]
    agent_version: String,
    is_latest_version: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    platform_type: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    platform_name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    platform_version: String,
    activation_id: String,
    registration_date: Seconds,
    resource_type: &'static str,
    name: String,
    #[serde(rename = "IPAddress", skip_serializing_if = "String::is_empty")]
    ip_address: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    computer_name: String,
}

impl From<NodeView> for InstanceInformation {
    fn from(node: NodeView) -> Self {
        let name = node.record.name().to_owned();
        let facts = node.record.facts;
        let ping = PINGS.iter().find(|(_, ping)| *ping == node.ping);
        Self {
            instance_id: node.id.to_string(),
            ping_status: ping.map_or("Inactive", |(word, _)| word),
            last_ping_date_time: node.last_seen.map(Seconds),
            is_latest_version: facts.agent_version == env!("CARGO_PKG_VERSION"),
            agent_version: facts.agent_version,
            platform_type: facts.platform_type,
            platform_name: facts.platform_name,
            platform_version: facts.platform_version,
            activation_id: node.record.activation.to_string(),
            registration_date: Seconds(node.record.registered),
            resource_type: RESOURCE_TYPE,
            name,
            ip_address: facts.ip_address,
            computer_name: facts.computer_name,
        }
    }
}

pub(super) async fn describe_instances(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let DescribeInstances { instance_information_filter_list: old, mut filters } = Call::read(input)?;
    if !old.is_empty() && !filters.is_empty() {
        return Err(Fault::validation(
            "InstanceInformationFilterList and Filters cannot be used at once: use Filters",
        ));
    }
    filters.extend(old.into_iter().map(|OldFilter { key, value_set }| NodeFilter { key, values: value_set }));
    let (selectors, conditions) = read_filters(filters)?;
    let holds = |node: &NodeView| conditions.iter().all(|condition| condition.holds(node));
    let (nodes, next) =
        operations::list_where(call.house, &selectors, holds, page.after()?, page.size).await?;
    let instance_information_list = nodes.into_iter().map(Into::into).collect();
    answer(&Instances { instance_information_list, next_token: page.token(next) })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Deregister {
    instance_id: String,
}

pub(super) async fn deregister(call: Call<'_>, input: Value) -> Answer {
    let Deregister { instance_id } = Call::read(input)?;
    let id: NodeId =
        instance_id.parse().map_err(|error| Fault::new("InvalidInstanceId", format!("{error}")))?;
    let refused = |refusal| Fault::named(refusal, &[(Kind::NotFound, "InvalidInstanceId")]);
    departures::deregister(call.house, id.as_str()).await.map_err(refused)?;
    done()
}
