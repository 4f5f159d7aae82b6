//! Findings of compliance.

use std::collections::BTreeMap;

use fleetwright_proto::ids::NodeId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Answer, Call, Seconds, WantedMoment, answer, done};
use super::fault::Fault;
use super::nodes::PAGE_OF_50;
use super::shape::{ANY_TEXT, Pattern, Shape, list, structure, text};
use crate::compliance::list::{self as findings, Filter, FindingView};
use crate::compliance::put::{self, NewFinding, Upload, Wish};
use crate::compliance::records::{Counts, Execution, Severity, Standing};
use crate::compliance::summary::{self, By, Summary};
use crate::error::{Kind, Refusal};
use crate::nodes::targets::Selector;

static TYPE_TEXT: Pattern = Pattern::new(r"[A-Za-z0-9_\-]\w+|Custom:[a-zA-Z0-9_\-]\w+");
const TYPE: Shape = Shape::Text { least: 1, most: 100, pattern: Some(&TYPE_TEXT) };
const SEVERITIES: [&str; 6] = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNSPECIFIED"];
const EXECUTION: Shape = structure! {
    "ExecutionTime" ! Shape::Moment, "ExecutionId" ? text(0, 100), "ExecutionType" ? text(0, 50),
};
const ITEM: Shape = structure! {
    "Id" ? ANY_TEXT,
    "Title" ? text(0, 500),
    "Severity" ! Shape::Word(&SEVERITIES),
    "Status" ! Shape::Word(&["COMPLIANT", "NON_COMPLIANT"]),
    "Details" ? Shape::Map(&text(0, 4096)),
};
pub(super) static PUT: Shape = structure! {
    "ResourceId" ! text(1, 100),
    "ResourceType" ! text(1, 50),
    "ComplianceType" ! TYPE,
    "ExecutionSummary" ! EXECUTION,
    "Items" ! list(&ITEM, 0, 10_000),
    "ItemContentHash" ? text(0, 256),
    "UploadType" ? Shape::Word(&["COMPLETE", "PARTIAL"]),
};
const FILTER: Shape = structure! {
    "Key" ? text(1, 200),
    "Values" ? list(&ANY_TEXT, 1, 20),
    "Type" ? Shape::Word(&["EQUAL", "NOT_EQUAL", "BEGIN_WITH", "LESS_THAN", "GREATER_THAN"]),
};
pub(super) static LIST: Shape = structure! {
    "Filters" ? list(&FILTER, 0, usize::MAX),
    "ResourceIds" ? list(&text(1, 100), 1, usize::MAX),
    "ResourceTypes" ? list(&text(1, 50), 1, usize::MAX),
    "NextToken" ? ANY_TEXT,
    "MaxResults" ? PAGE_OF_50,
};
pub(super) static SUMMARIES: Shape = structure! {
    "Filters" ? list(&FILTER, 0, usize::MAX), "NextToken" ? ANY_TEXT, "MaxResults" ? PAGE_OF_50,
};

const RESOURCE_TYPE: &str = "ManagedInstance";
/// Rows that are read at once.
const SETS_AT_ONCE: usize = 256;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutItems {
    resource_id: String,
    resource_type: String,
    compliance_type: String,
    execution_summary: WantedExecution,
    items: Vec<Item>,
    #[serde(default)]
    item_content_hash: String,
    upload_type: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WantedExecution {
    execution_time: WantedMoment,
    #[serde(default)]
    execution_id: String,
    #[serde(default)]
    execution_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    id: Option<String>,
    #[serde(default)]
    title: String,
    severity: String,
    status: String,
    #[serde(default)]
    details: BTreeMap<String, String>,
}

pub(super) async fn put(call: Call<'_>, input: Value) -> Answer {
    let wanted: PutItems = Call::read(input)?;
    check_resource_type(&wanted.resource_type)?;
    let WantedExecution { execution_time, execution_id, execution_type } = wanted.execution_summary;
    let findings = wanted.items.into_iter().map(|item| {
        // An item without an id goes by its title.
        let id =
            item.id.filter(|id| !id.is_empty()).unwrap_or_else(|| item.title.chars().take(100).collect());
        Ok(NewFinding {
            id,
            title: item.title,
            severity: Severity::parse(&item.severity)?,
            standing: Standing::parse(&item.status)?,
            details: item.details,
        })
    });
    let wish = Wish {
        node: resource(&wanted.resource_id)?,
        compliance_type: wanted.compliance_type,
        execution: Execution { at: execution_time.timestamp(), id: execution_id, kind: execution_type },
        content_hash: wanted.item_content_hash,
        upload: match wanted.upload_type.as_deref() {
            Some("PARTIAL") => Upload::Partial,
            _ => Upload::Complete,
        },
        findings: findings.collect::<Result<_, Refusal>>()?,
    };
    put::put(call.house, wish).await.map_err(of_put)?;
    done()
}

fn check_resource_type(kind: &str) -> Result<(), Fault> {
    if kind == RESOURCE_TYPE {
        return Ok(());
    }
    Err(Fault::new("InvalidResourceType", format!("`{kind}` is not a resource type: {RESOURCE_TYPE}")))
}

fn resource(id: &str) -> Result<NodeId, Fault> {
    id.parse()
        .map_err(|error: fleetwright_proto::ids::IdError| Fault::new("InvalidResourceId", error.to_string()))
}

fn of_put(refusal: Refusal) -> Fault {
    let names = [
        (Kind::NotFound, "InvalidResourceId"),
        (Kind::Invalid, "InvalidItemContentException"),
        (Kind::Exhausted, limit_name(&refusal)),
    ];
    Fault::named(refusal, &names)
}

/// Which of the API's limits was reached.
fn limit_name(refusal: &Refusal) -> &'static str {
    if refusal.message.contains("types already") {
        "ComplianceTypeCountLimitExceededException"
    } else if refusal.message.starts_with("finding ") {
        "ItemSizeLimitExceededException"
    } else {
        "TotalSizeLimitExceededException"
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wanted {
    #[serde(default)]
    filters: Vec<WantedFilter>,
    resource_ids: Option<Vec<String>>,
    #[serde(default)]
    resource_types: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WantedFilter {
    key: Option<String>,
    #[serde(default)]
    values: Vec<String>,
    r#type: Option<String>,
}

/// What the filters come to: those that a list knows, and the rest, which is asked of each row.
struct Filters {
    rest: Vec<WantedFilter>,
}

const KEYS: [&str; 5] = ["ComplianceType", "Status", "Severity", "ResourceId", "Id"];

impl Filters {
    fn read(filters: Vec<WantedFilter>) -> Result<Self, Fault> {
        for filter in &filters {
            let key = filter.key.as_deref().unwrap_or_default();
            if !KEYS.contains(&key) || filter.values.is_empty() {
                return Err(Fault::new(
                    "InvalidFilter",
                    format!("`{key}` is not a filter with values: {}", KEYS.join(", ")),
                ));
            }
        }
        Ok(Self { rest: filters })
    }

    fn passes(&self, value_of: impl Fn(&str) -> Option<String>) -> bool {
        self.rest.iter().all(|filter| {
            // What a row does not have is no reason against it.
            let Some(value) = value_of(filter.key.as_deref().unwrap_or_default()) else { return true };
            let mut wanted = filter.values.iter();
            match filter.r#type.as_deref() {
                Some("NOT_EQUAL") => wanted.all(|wanted| *wanted != value),
                Some("BEGIN_WITH") => wanted.any(|wanted| value.starts_with(wanted)),
                Some("LESS_THAN") => wanted.any(|wanted| value < *wanted),
                Some("GREATER_THAN") => wanted.any(|wanted| value > *wanted),
                _ => wanted.any(|wanted| *wanted == value),
            }
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownExecution {
    execution_time: Seconds,
    #[serde(skip_serializing_if = "String::is_empty")]
    execution_id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    execution_type: String,
}

impl From<Execution> for ShownExecution {
    fn from(execution: Execution) -> Self {
        Self {
            execution_time: Seconds(execution.at),
            execution_id: execution.id,
            execution_type: execution.kind,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownItem {
    compliance_type: String,
    resource_type: &'static str,
    resource_id: String,
    id: String,
    title: String,
    status: &'static str,
    severity: &'static str,
    execution_summary: ShownExecution,
    details: BTreeMap<String, String>,
}

impl From<FindingView> for ShownItem {
    fn from(view: FindingView) -> Self {
        Self {
            compliance_type: view.compliance_type,
            resource_type: RESOURCE_TYPE,
            resource_id: view.node.to_string(),
            id: view.id,
            title: view.record.title,
            status: view.record.standing.name(),
            severity: view.record.severity.name(),
            execution_summary: view.execution.into(),
            details: view.record.details,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownItems {
    compliance_items: Vec<ShownItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) async fn list_items(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let wanted: Wanted = Call::read(input)?;
    wanted.resource_types.iter().try_for_each(|kind| check_resource_type(kind))?;
    let targets = match wanted.resource_ids {
        Some(ids) => {
            ids.iter().try_for_each(|id| resource(id).map(drop))?;
            vec![Selector::Nodes(ids)]
        }
        None => vec![Selector::All],
    };
    let filters = Filters::read(wanted.filters)?;
    let all = Filter { targets, compliance_type: None, standing: None, severity: None };
    let (mut found, mut after) = (Vec::new(), page.after()?);
    loop {
        let names = [(Kind::NotFound, "InvalidResourceId")];
        let listed = findings::list(call.house, &all, after, page.size).await;
        let (rows, next) = listed.map_err(|refusal| Fault::named(refusal, &names))?;
        for view in rows {
            let place = (view.node.clone(), view.compliance_type.clone(), view.id.clone());
            let shown = ShownItem::from(view);
            let value = |key: &str| {
                Some(match key {
                    "ComplianceType" => shown.compliance_type.clone(),
                    "Status" => shown.status.to_owned(),
                    "Severity" => shown.severity.to_owned(),
                    "ResourceId" => shown.resource_id.clone(),
                    _ => shown.id.clone(),
                })
            };
            if filters.passes(value) {
                found.push((place, shown));
            }
        }
        after = next;
        if after.is_none() || found.len() > page.size {
            break;
        }
    }
    let is_more = found.len() > page.size || after.is_some();
    found.truncate(page.size);
    let next = found.last().filter(|_| is_more).map(|(place, _)| place.clone());
    let compliance_items = found.into_iter().map(|(_, shown)| shown).collect();
    answer(&ShownItems { compliance_items, next_token: page.token(next) })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Severities {
    critical_count: u64,
    high_count: u64,
    medium_count: u64,
    low_count: u64,
    informational_count: u64,
    unspecified_count: u64,
}

impl Severities {
    fn of(counts: &BTreeMap<Severity, u64>) -> Self {
        let of = |severity| counts.get(&severity).copied().unwrap_or_default();
        Self {
            critical_count: of(Severity::Critical),
            high_count: of(Severity::High),
            medium_count: of(Severity::Medium),
            low_count: of(Severity::Low),
            informational_count: of(Severity::Informational),
            unspecified_count: of(Severity::Unspecified),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CompliantSummary {
    compliant_count: u64,
    severity_summary: Severities,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NonCompliantSummary {
    non_compliant_count: u64,
    severity_summary: Severities,
}

fn sums(counts: &Counts) -> (CompliantSummary, NonCompliantSummary) {
    (
        CompliantSummary {
            compliant_count: counts.compliant.values().sum(),
            severity_summary: Severities::of(&counts.compliant),
        },
        NonCompliantSummary {
            non_compliant_count: counts.non_compliant.values().sum(),
            severity_summary: Severities::of(&counts.non_compliant),
        },
    )
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TypeSummary {
    compliance_type: String,
    compliant_summary: CompliantSummary,
    non_compliant_summary: NonCompliantSummary,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TypeSummaries {
    compliance_summary_items: Vec<TypeSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) async fn list_summaries(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let wanted: Wanted = Call::read(input)?;
    let filters = Filters::read(wanted.filters)?;
    let found = summary::summarize(call.house, &[Selector::All], None, By::Type).await?;
    let after: Option<String> = page.after()?;
    let passing = found
        .into_iter()
        .filter(|sum| after.as_ref().is_none_or(|after| sum.of > *after))
        .filter(|sum| filters.passes(|key| (key == "ComplianceType").then(|| sum.of.clone())));
    let mut passing: Vec<Summary> = passing.take(page.size + 1).collect();
    let next = more(&mut passing, page.size).map(|sum| sum.of.clone());
    let shown = passing.into_iter().map(|sum| {
        let (compliant_summary, non_compliant_summary) = sums(&sum.counts);
        TypeSummary { compliance_type: sum.of, compliant_summary, non_compliant_summary }
    });
    answer(&TypeSummaries { compliance_summary_items: shown.collect(), next_token: page.token(next) })
}

/// Cuts one row more than a page, and names the last one when there was.
fn more<T>(rows: &mut Vec<T>, size: usize) -> Option<&T> {
    let is_more = rows.len() > size;
    rows.truncate(size);
    rows.last().filter(|_| is_more)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ResourceSummary {
    compliance_type: String,
    resource_type: &'static str,
    resource_id: String,
    status: &'static str,
    overall_severity: &'static str,
    execution_summary: ShownExecution,
    compliant_summary: CompliantSummary,
    non_compliant_summary: NonCompliantSummary,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ResourceSummaries {
    resource_compliance_summary_items: Vec<ResourceSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(super) async fn list_resource_summaries(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let wanted: Wanted = Call::read(input)?;
    let filters = Filters::read(wanted.filters)?;
    let mut after: Option<(NodeId, String)> = page.after()?;
    let mut passing = Vec::new();
    loop {
        let read = summary::sets(call.house, after, SETS_AT_ONCE).await?;
        after = read.last().filter(|_| read.len() == SETS_AT_ONCE).map(|(place, _)| place.clone());
        for (place, set) in read {
            let value = |key: &str| {
                Some(match key {
                    "ComplianceType" => place.1.clone(),
                    "Status" => set.counts.standing().name().to_owned(),
                    "Severity" => set.counts.overall_severity().name().to_owned(),
                    "ResourceId" => place.0.to_string(),
                    _ => return None,
                })
            };
            if filters.passes(value) {
                passing.push((place, set));
            }
        }
        if after.is_none() || passing.len() > page.size {
            break;
        }
    }
    let next = more(&mut passing, page.size).map(|(place, _)| place.clone());
    let shown = passing.into_iter().map(|((node, compliance_type), set)| {
        let (compliant_summary, non_compliant_summary) = sums(&set.counts);
        ResourceSummary {
            compliance_type,
            resource_type: RESOURCE_TYPE,
            resource_id: node.to_string(),
            status: set.counts.standing().name(),
            overall_severity: set.counts.overall_severity().name(),
            execution_summary: set.execution.into(),
            compliant_summary,
            non_compliant_summary,
        }
    });
    answer(&ResourceSummaries {
        resource_compliance_summary_items: shown.collect(),
        next_token: page.token(next),
    })
}
