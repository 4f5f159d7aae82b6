//! What the inputs of the operations on associations may look like.

use crate::doors::ssm::documents::{DOCUMENT_ARN, DOCUMENT_VERSION};
use crate::doors::ssm::nodes::{INSTANCE_ID, PAGE_OF_50};
use crate::doors::ssm::shape::{ANY_TEXT, Pattern, Shape, list, matching, structure, text};

static ID_TEXT: Pattern =
    Pattern::new(r"[0-9a-fA-F]{8}\-[0-9a-fA-F]{4}\-[0-9a-fA-F]{4}\-[0-9a-fA-F]{4}\-[0-9a-fA-F]{12}");
static VERSION_TEXT: Pattern = Pattern::new(r"([$]LATEST)|([1-9][0-9]*)");
static NAME_TEXT: Pattern = Pattern::new(r"^[a-zA-Z0-9_\-.]{3,128}$");
static CONCURRENCY_TEXT: Pattern = Pattern::new(r"^([1-9][0-9]*|[1-9][0-9]%|[1-9]%|100%)$");
static ERRORS_TEXT: Pattern = Pattern::new(r"^([1-9][0-9]*|[0]|[1-9][0-9]%|[0-9]%|100%)$");
static TARGET_KEY_TEXT: Pattern =
    Pattern::new(r"^[\p{L}\p{Z}\p{N}_.:/=\-@]*$|resource-groups:ResourceTypeFilters|resource-groups:Name");

const ID: Shape = matching(&ID_TEXT);
const VERSION: Shape = matching(&VERSION_TEXT);
const NAME: Shape = matching(&NAME_TEXT);
const CONCURRENCY: Shape = Shape::Text { least: 1, most: 7, pattern: Some(&CONCURRENCY_TEXT) };
const ERRORS: Shape = Shape::Text { least: 1, most: 7, pattern: Some(&ERRORS_TEXT) };
const SEVERITY: Shape = Shape::Word(&["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNSPECIFIED"]);
const SYNC: Shape = Shape::Word(&["AUTO", "MANUAL"]);
const TARGET: Shape = structure! {
    "Key" ? Shape::Text { least: 1, most: 163, pattern: Some(&TARGET_KEY_TEXT) },
    "Values" ? list(&ANY_TEXT, 0, 50),
};
const TARGETS: Shape = list(&TARGET, 0, 5);
const PARAMETERS: Shape = Shape::Map(&list(&ANY_TEXT, 0, usize::MAX));
const EXPRESSION: Shape = text(1, 256);
const OFFSET: Shape = Shape::Number { least: 1, most: 6 };
const DURATION: Shape = Shape::Number { least: 1, most: 24 };
const CALENDARS: Shape = list(&ANY_TEXT, 0, usize::MAX);

const ENTRY: Shape = structure! {
    "Name" ! DOCUMENT_ARN, "InstanceId" ? INSTANCE_ID, "Parameters" ? PARAMETERS,
    "DocumentVersion" ? DOCUMENT_VERSION, "Targets" ? TARGETS, "ScheduleExpression" ? EXPRESSION,
    "MaxErrors" ? ERRORS, "MaxConcurrency" ? CONCURRENCY, "AssociationName" ? NAME,
    "ComplianceSeverity" ? SEVERITY, "SyncCompliance" ? SYNC, "ApplyOnlyAtCronInterval" ? Shape::Flag,
    "CalendarNames" ? CALENDARS, "ScheduleOffset" ? OFFSET, "Duration" ? DURATION,
};
pub(in crate::doors::ssm) static CREATE: Shape = ENTRY;
pub(in crate::doors::ssm) static CREATE_BATCH: Shape = structure! { "Entries" ! list(&ENTRY, 1, usize::MAX) };
pub(in crate::doors::ssm) static UPDATE: Shape = structure! {
    "AssociationId" ! ID, "AssociationVersion" ? VERSION, "Name" ? DOCUMENT_ARN, "Parameters" ? PARAMETERS,
    "DocumentVersion" ? DOCUMENT_VERSION, "Targets" ? TARGETS, "ScheduleExpression" ? EXPRESSION,
    "MaxErrors" ? ERRORS, "MaxConcurrency" ? CONCURRENCY, "AssociationName" ? NAME,
    "ComplianceSeverity" ? SEVERITY, "SyncCompliance" ? SYNC, "ApplyOnlyAtCronInterval" ? Shape::Flag,
    "CalendarNames" ? CALENDARS, "ScheduleOffset" ? OFFSET, "Duration" ? DURATION,
};
pub(in crate::doors::ssm) static WHICH: Shape = structure! {
    "Name" ? DOCUMENT_ARN, "InstanceId" ? INSTANCE_ID, "AssociationId" ? ID, "AssociationVersion" ? VERSION,
};
const STATUS: Shape = structure! {
    "Date" ! Shape::Moment, "Name" ! Shape::Word(&["Pending", "Success", "Failed"]), "Message" ! text(1, 1024),
    "AdditionalInfo" ? text(0, 1024),
};
pub(in crate::doors::ssm) static UPDATE_STATUS: Shape =
    structure! { "Name" ! DOCUMENT_ARN, "InstanceId" ! INSTANCE_ID, "AssociationStatus" ! STATUS };
const LIST_FILTER: Shape = structure! {
    "key" ! Shape::Word(&[
        "InstanceId", "Name", "AssociationId", "AssociationStatusName", "LastExecutedBefore", "LastExecutedAfter",
        "AssociationName", "ResourceGroupName",
    ]),
    "value" ! text(1, usize::MAX),
};
pub(in crate::doors::ssm) static LIST: Shape = structure! {
    "AssociationFilterList" ? list(&LIST_FILTER, 1, usize::MAX), "MaxResults" ? PAGE_OF_50,
    "NextToken" ? ANY_TEXT,
};
pub(in crate::doors::ssm) static VERSIONS: Shape =
    structure! { "AssociationId" ! ID, "MaxResults" ? PAGE_OF_50, "NextToken" ? ANY_TEXT };
const EXECUTION_FILTER: Shape = structure! {
    "Key" ! Shape::Word(&["ExecutionId", "Status", "CreatedTime"]), "Value" ! text(1, usize::MAX),
    "Type" ! Shape::Word(&["EQUAL", "LESS_THAN", "GREATER_THAN"]),
};
pub(in crate::doors::ssm) static EXECUTIONS: Shape = structure! {
    "AssociationId" ! ID, "Filters" ? list(&EXECUTION_FILTER, 1, usize::MAX), "MaxResults" ? PAGE_OF_50,
    "NextToken" ? ANY_TEXT,
};
const TARGET_FILTER: Shape = structure! {
    "Key" ! Shape::Word(&["Status", "ResourceId", "ResourceType"]), "Value" ! text(1, usize::MAX),
};
pub(in crate::doors::ssm) static EXECUTION_TARGETS: Shape = structure! {
    "AssociationId" ! ID, "ExecutionId" ! ID, "Filters" ? list(&TARGET_FILTER, 1, usize::MAX),
    "MaxResults" ? PAGE_OF_50, "NextToken" ? ANY_TEXT,
};
pub(in crate::doors::ssm) static EFFECTIVE: Shape = structure! {
    "InstanceId" ! INSTANCE_ID, "MaxResults" ? Shape::Number { least: 1, most: 5 }, "NextToken" ? ANY_TEXT,
};
pub(in crate::doors::ssm) static INSTANCE_STATUS: Shape =
    structure! { "InstanceId" ! INSTANCE_ID, "MaxResults" ? PAGE_OF_50, "NextToken" ? ANY_TEXT };
pub(in crate::doors::ssm) static START_ONCE: Shape = structure! { "AssociationIds" ! list(&ID, 1, 10) };
