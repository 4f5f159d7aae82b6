//! What the inputs of the operations on commands may look like.

use crate::doors::ssm::documents::{DOCUMENT_ARN, DOCUMENT_VERSION, HASH_TYPE};
use crate::doors::ssm::nodes::{INSTANCE_ID, PAGE_OF_50};
use crate::doors::ssm::shape::{ANY_TEXT, Pattern, Shape, list, structure, text};

static TARGET_KEY_TEXT: Pattern =
    Pattern::new(r"^[\p{L}\p{Z}\p{N}_.:/=\-@]*$|resource-groups:ResourceTypeFilters|resource-groups:Name");
static MAX_CONCURRENCY_TEXT: Pattern = Pattern::new(r"^([1-9][0-9]*|[1-9][0-9]%|[1-9]%|100%)$");
static MAX_ERRORS_TEXT: Pattern = Pattern::new(r"^([1-9][0-9]*|[0]|[1-9][0-9]%|[0-9]%|100%)$");
static NOT_BLANK: Pattern = Pattern::new(r"^(?!\s*$).+");

const INSTANCE_IDS: Shape = list(&INSTANCE_ID, 0, 50);
const TARGET: Shape = structure! {
    "Key" ? Shape::Text { least: 1, most: 163, pattern: Some(&TARGET_KEY_TEXT) },
    "Values" ? list(&ANY_TEXT, 0, 50),
};
const NOTIFICATION: Shape = structure! {
    "NotificationArn" ? ANY_TEXT,
    "NotificationEvents" ? list(
        &Shape::Word(&["All", "InProgress", "Success", "TimedOut", "Cancelled", "Failed"]), 0, usize::MAX
    ),
    "NotificationType" ? Shape::Word(&["Command", "Invocation"]),
};
const CLOUD_WATCH: Shape =
    structure! { "CloudWatchLogGroupName" ? text(1, 512), "CloudWatchOutputEnabled" ? Shape::Flag };
const ALARM: Shape = structure! { "Name" ! Shape::Text { least: 1, most: 255, pattern: Some(&NOT_BLANK) } };
const ALARMS: Shape = structure! { "IgnorePollAlarmFailure" ? Shape::Flag, "Alarms" ! list(&ALARM, 1, 1) };
/// The text of a UUID.
const COMMAND_ID: Shape = text(36, 36);

pub(in crate::doors::ssm) static SEND: Shape = structure! {
    "InstanceIds" ? INSTANCE_IDS,
    "Targets" ? list(&TARGET, 0, 5),
    "DocumentName" ! DOCUMENT_ARN,
    "DocumentVersion" ? DOCUMENT_VERSION,
    "DocumentHash" ? text(0, 256),
    "DocumentHashType" ? HASH_TYPE,
    "TimeoutSeconds" ? Shape::Number { least: 30, most: 2_592_000 },
    "Comment" ? text(0, 100),
    "Parameters" ? Shape::Map(&list(&ANY_TEXT, 0, usize::MAX)),
    "OutputS3Region" ? text(3, 20),
    "OutputS3BucketName" ? text(3, 63),
    "OutputS3KeyPrefix" ? text(0, 500),
    "MaxConcurrency" ? Shape::Text { least: 1, most: 7, pattern: Some(&MAX_CONCURRENCY_TEXT) },
    "MaxErrors" ? Shape::Text { least: 1, most: 7, pattern: Some(&MAX_ERRORS_TEXT) },
    "ServiceRoleArn" ? ANY_TEXT,
    "NotificationConfig" ? NOTIFICATION,
    "CloudWatchOutputConfig" ? CLOUD_WATCH,
    "AlarmConfiguration" ? ALARMS,
};
pub(in crate::doors::ssm) static CANCEL: Shape =
    structure! { "CommandId" ! COMMAND_ID, "InstanceIds" ? INSTANCE_IDS };
const FILTER: Shape = structure! {
    "key" ! Shape::Word(&["InvokedAfter", "InvokedBefore", "Status", "ExecutionStage", "DocumentName"]),
    "value" ! text(1, 128),
};
pub(in crate::doors::ssm) static LIST: Shape = structure! {
    "CommandId" ? COMMAND_ID,
    "InstanceId" ? INSTANCE_ID,
    "MaxResults" ? PAGE_OF_50,
    "NextToken" ? ANY_TEXT,
    "Filters" ? list(&FILTER, 1, 5),
};
pub(in crate::doors::ssm) static INVOCATIONS: Shape = structure! {
    "CommandId" ? COMMAND_ID,
    "InstanceId" ? INSTANCE_ID,
    "MaxResults" ? PAGE_OF_50,
    "NextToken" ? ANY_TEXT,
    "Filters" ? list(&FILTER, 1, 5),
    "Details" ? Shape::Flag,
};
pub(in crate::doors::ssm) static GET: Shape = structure! {
    "CommandId" ! COMMAND_ID, "InstanceId" ! INSTANCE_ID, "PluginName" ? text(4, usize::MAX),
};
