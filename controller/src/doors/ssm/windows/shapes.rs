//! What the inputs of the operations on maintenance windows and calendars may look like.

use crate::doors::ssm::shape::{ANY_TEXT, Pattern, Shape, list, matching, structure, text};
use crate::doors::ssm::tags::TAGS;

static WINDOW_ID_TEXT: Pattern = Pattern::new(r"^mw-[0-9a-f]{17}$");
static UUID_TEXT: Pattern =
    Pattern::new(r"^[0-9a-fA-F]{8}\-[0-9a-fA-F]{4}\-[0-9a-fA-F]{4}\-[0-9a-fA-F]{4}\-[0-9a-fA-F]{12}$");
static NAME_TEXT: Pattern = Pattern::new(r"^[a-zA-Z0-9_\-.]{3,128}$");
static TARGET_KEY_TEXT: Pattern =
    Pattern::new(r"^[\p{L}\p{Z}\p{N}_.:/=\-@]*$|resource-groups:ResourceTypeFilters|resource-groups:Name");
static MAX_CONCURRENCY_TEXT: Pattern = Pattern::new(r"^([1-9][0-9]*|[1-9][0-9]%|[1-9]%|100%)$");
static MAX_ERRORS_TEXT: Pattern = Pattern::new(r"^([1-9][0-9]*|[0]|[1-9][0-9]%|[0-9]%|100%)$");
static VERSION_TEXT: Pattern = Pattern::new(r"([$]LATEST|[$]DEFAULT|^[1-9][0-9]*$)");
static NOT_BLANK: Pattern = Pattern::new(r"^(?!\s*$).+");

const WINDOW_ID: Shape = Shape::Text { least: 20, most: 20, pattern: Some(&WINDOW_ID_TEXT) };
const UUID: Shape = Shape::Text { least: 36, most: 36, pattern: Some(&UUID_TEXT) };
const NAME: Shape = matching(&NAME_TEXT);
const DESCRIPTION: Shape = text(1, 128);
const CLIENT_TOKEN: Shape = text(1, 64);
const PAGE: Shape = Shape::Number { least: 10, most: 100 };
const SEARCH_PAGE: Shape = Shape::Number { least: 1, most: i64::MAX };
const FILTER: Shape = structure! { "Key" ? text(1, 128), "Values" ? list(&text(1, 256), 0, usize::MAX) };
const FILTERS: Shape = list(&FILTER, 0, 5);
const TARGET: Shape = structure! {
    "Key" ? Shape::Text { least: 1, most: 163, pattern: Some(&TARGET_KEY_TEXT) },
    "Values" ? list(&ANY_TEXT, 0, 50),
};
const TARGETS: Shape = list(&TARGET, 0, 5);
const RESOURCE_TYPE: Shape = Shape::Word(&["INSTANCE", "RESOURCE_GROUP"]);
const SCHEDULE: Shape = text(1, 256);
const OFFSET: Shape = Shape::Number { least: 1, most: 6 };
const DURATION: Shape = Shape::Number { least: 1, most: 24 };
const CUTOFF: Shape = Shape::Number { least: 0, most: 23 };
const CONCURRENCY: Shape = Shape::Text { least: 1, most: 7, pattern: Some(&MAX_CONCURRENCY_TEXT) };
const ERRORS: Shape = Shape::Text { least: 1, most: 7, pattern: Some(&MAX_ERRORS_TEXT) };
const PRIORITY: Shape = Shape::Number { least: 0, most: u32::MAX as i64 };
const TASK_ARN: Shape = text(1, 1600);
const TASK_PARAMETERS: Shape = Shape::Map(&structure! { "Values" ? list(&text(1, 255), 0, usize::MAX) });
const LOGGING: Shape = structure! {
    "S3BucketName" ! text(3, 63), "S3KeyPrefix" ? text(0, 500), "S3Region" ! text(3, 20),
};
const CUTOFF_BEHAVIOR: Shape = Shape::Word(&["CONTINUE_TASK", "CANCEL_TASK"]);
const ALARM: Shape = structure! { "Name" ! Shape::Text { least: 1, most: 255, pattern: Some(&NOT_BLANK) } };
const ALARMS: Shape = structure! { "IgnorePollAlarmFailure" ? Shape::Flag, "Alarms" ! list(&ALARM, 1, 1) };
const VERSION: Shape = matching(&VERSION_TEXT);
const NOTIFICATION: Shape = structure! {
    "NotificationArn" ? ANY_TEXT,
    "NotificationEvents" ? list(
        &Shape::Word(&["All", "InProgress", "Success", "TimedOut", "Cancelled", "Failed"]), 0, usize::MAX
    ),
    "NotificationType" ? Shape::Word(&["Command", "Invocation"]),
};
const RUN_COMMAND: Shape = structure! {
    "Comment" ? text(0, 100),
    "CloudWatchOutputConfig" ? structure! {
        "CloudWatchLogGroupName" ? text(1, 512), "CloudWatchOutputEnabled" ? Shape::Flag,
    },
    "DocumentHash" ? text(0, 256),
    "DocumentHashType" ? Shape::Word(&["Sha256", "Sha1"]),
    "DocumentVersion" ? VERSION,
    "NotificationConfig" ? NOTIFICATION,
    "OutputS3BucketName" ? text(3, 63),
    "OutputS3KeyPrefix" ? text(0, 500),
    "Parameters" ? Shape::Map(&list(&ANY_TEXT, 0, usize::MAX)),
    "ServiceRoleArn" ? ANY_TEXT,
    "TimeoutSeconds" ? Shape::Number { least: 30, most: 2_592_000 },
};
const AUTOMATION: Shape = structure! {
    "DocumentVersion" ? VERSION, "Parameters" ? Shape::Map(&list(&text(1, 512), 0, 50)),
};
const INVOCATION_PARAMETERS: Shape = structure! { "RunCommand" ? RUN_COMMAND, "Automation" ? AUTOMATION };

pub(in crate::doors::ssm) static CREATE: Shape = structure! {
    "Name" ! NAME,
    "Description" ? DESCRIPTION,
    "StartDate" ? ANY_TEXT,
    "EndDate" ? ANY_TEXT,
    "Schedule" ! SCHEDULE,
    "ScheduleTimezone" ? ANY_TEXT,
    "ScheduleOffset" ? OFFSET,
    "Duration" ! DURATION,
    "Cutoff" ! CUTOFF,
    "AllowUnassociatedTargets" ! Shape::Flag,
    "ClientToken" ? CLIENT_TOKEN,
    "Tags" ? TAGS,
};
pub(in crate::doors::ssm) static UPDATE: Shape = structure! {
    "WindowId" ! WINDOW_ID,
    "Name" ? NAME,
    "Description" ? DESCRIPTION,
    "StartDate" ? ANY_TEXT,
    "EndDate" ? ANY_TEXT,
    "Schedule" ? SCHEDULE,
    "ScheduleTimezone" ? ANY_TEXT,
    "ScheduleOffset" ? OFFSET,
    "Duration" ? DURATION,
    "Cutoff" ? CUTOFF,
    "AllowUnassociatedTargets" ? Shape::Flag,
    "Enabled" ? Shape::Flag,
    "Replace" ? Shape::Flag,
};
pub(in crate::doors::ssm) static WINDOW: Shape = structure! { "WindowId" ! WINDOW_ID };
pub(in crate::doors::ssm) static LIST: Shape =
    structure! { "Filters" ? FILTERS, "MaxResults" ? PAGE, "NextToken" ? ANY_TEXT };
pub(in crate::doors::ssm) static OF_WINDOW: Shape = structure! {
    "WindowId" ! WINDOW_ID, "Filters" ? FILTERS, "MaxResults" ? PAGE, "NextToken" ? ANY_TEXT,
};
pub(in crate::doors::ssm) static SCHEDULED: Shape = structure! {
    "WindowId" ? WINDOW_ID,
    "Targets" ? TARGETS,
    "ResourceType" ? RESOURCE_TYPE,
    "Filters" ? FILTERS,
    "MaxResults" ? SEARCH_PAGE,
    "NextToken" ? ANY_TEXT,
};
pub(in crate::doors::ssm) static FOR_TARGET: Shape = structure! {
    "Targets" ! TARGETS, "ResourceType" ! RESOURCE_TYPE, "MaxResults" ? SEARCH_PAGE, "NextToken" ? ANY_TEXT,
};
pub(in crate::doors::ssm) static REGISTER_TARGET: Shape = structure! {
    "WindowId" ! WINDOW_ID,
    "ResourceType" ! RESOURCE_TYPE,
    "Targets" ! TARGETS,
    "OwnerInformation" ? text(1, 128),
    "Name" ? NAME,
    "Description" ? DESCRIPTION,
    "ClientToken" ? CLIENT_TOKEN,
};
pub(in crate::doors::ssm) static UPDATE_TARGET: Shape = structure! {
    "WindowId" ! WINDOW_ID,
    "WindowTargetId" ! UUID,
    "Targets" ? TARGETS,
    "OwnerInformation" ? text(1, 128),
    "Name" ? NAME,
    "Description" ? DESCRIPTION,
    "Replace" ? Shape::Flag,
};
pub(in crate::doors::ssm) static DEREGISTER_TARGET: Shape =
    structure! { "WindowId" ! WINDOW_ID, "WindowTargetId" ! UUID, "Safe" ? Shape::Flag };
pub(in crate::doors::ssm) static REGISTER_TASK: Shape = structure! {
    "WindowId" ! WINDOW_ID,
    "Targets" ? TARGETS,
    "TaskArn" ! TASK_ARN,
    "ServiceRoleArn" ? ANY_TEXT,
    "TaskType" ! Shape::Word(&["RUN_COMMAND", "AUTOMATION", "STEP_FUNCTIONS", "LAMBDA"]),
    "TaskParameters" ? TASK_PARAMETERS,
    "TaskInvocationParameters" ? INVOCATION_PARAMETERS,
    "Priority" ? PRIORITY,
    "MaxConcurrency" ? CONCURRENCY,
    "MaxErrors" ? ERRORS,
    "LoggingInfo" ? LOGGING,
    "Name" ? NAME,
    "Description" ? DESCRIPTION,
    "ClientToken" ? CLIENT_TOKEN,
    "CutoffBehavior" ? CUTOFF_BEHAVIOR,
    "AlarmConfiguration" ? ALARMS,
};
pub(in crate::doors::ssm) static UPDATE_TASK: Shape = structure! {
    "WindowId" ! WINDOW_ID,
    "WindowTaskId" ! UUID,
    "Targets" ? TARGETS,
    "TaskArn" ? TASK_ARN,
    "ServiceRoleArn" ? ANY_TEXT,
    "TaskParameters" ? TASK_PARAMETERS,
    "TaskInvocationParameters" ? INVOCATION_PARAMETERS,
    "Priority" ? PRIORITY,
    "MaxConcurrency" ? CONCURRENCY,
    "MaxErrors" ? ERRORS,
    "LoggingInfo" ? LOGGING,
    "Name" ? NAME,
    "Description" ? DESCRIPTION,
    "Replace" ? Shape::Flag,
    "CutoffBehavior" ? CUTOFF_BEHAVIOR,
    "AlarmConfiguration" ? ALARMS,
};
pub(in crate::doors::ssm) static TASK: Shape = structure! { "WindowId" ! WINDOW_ID, "WindowTaskId" ! UUID };
pub(in crate::doors::ssm) static EXECUTION: Shape = structure! { "WindowExecutionId" ! UUID };
pub(in crate::doors::ssm) static OF_EXECUTION: Shape = structure! {
    "WindowExecutionId" ! UUID, "Filters" ? FILTERS, "MaxResults" ? PAGE, "NextToken" ? ANY_TEXT,
};
pub(in crate::doors::ssm) static TASK_RUN: Shape = structure! { "WindowExecutionId" ! UUID, "TaskId" ! UUID };
pub(in crate::doors::ssm) static OF_TASK_RUN: Shape = structure! {
    "WindowExecutionId" ! UUID,
    "TaskId" ! UUID,
    "Filters" ? FILTERS,
    "MaxResults" ? PAGE,
    "NextToken" ? ANY_TEXT,
};
pub(in crate::doors::ssm) static INVOCATION: Shape =
    structure! { "WindowExecutionId" ! UUID, "TaskId" ! UUID, "InvocationId" ! UUID };
pub(in crate::doors::ssm) static CALENDAR_STATE: Shape =
    structure! { "CalendarNames" ! list(&ANY_TEXT, 0, usize::MAX), "AtTime" ? ANY_TEXT };
