//! What the inputs of the operations on documents may look like.

use crate::doors::ssm::nodes::PAGE_OF_50;
use crate::doors::ssm::shape::{ANY_TEXT, Pattern, Shape, list, matching, structure, text};
use crate::doors::ssm::tags::TAGS;

static NAME_TEXT: Pattern = Pattern::new(r"^[a-zA-Z0-9_\-.]{3,128}$");
static ARN_TEXT: Pattern = Pattern::new(r"^[a-zA-Z0-9_\-.:/]{3,128}$");
static VERSION_TEXT: Pattern = Pattern::new(r"([$]LATEST|[$]DEFAULT|^[1-9][0-9]*$)");
static VERSION_NUMBER_TEXT: Pattern = Pattern::new(r"(^[1-9][0-9]*$)");
static VERSION_NAME_TEXT: Pattern = Pattern::new(r"^[a-zA-Z0-9_\-.]{1,128}$");
static DISPLAY_NAME_TEXT: Pattern = Pattern::new(r"^[\w\.\-\:\/ ]*$");
static TARGET_TYPE_TEXT: Pattern = Pattern::new(r"^\/[\w\.\-\:\/]*$");
static ACCOUNT_TEXT: Pattern = Pattern::new(r"(?i)all|[0-9]{12}");
static SHARED_VERSION_TEXT: Pattern = Pattern::new(r"([$]LATEST|[$]DEFAULT|[$]ALL)");

const NAME: Shape = matching(&NAME_TEXT);
/// A document's name or ARN.
pub(in crate::doors::ssm) const DOCUMENT_ARN: Shape = matching(&ARN_TEXT);
pub(in crate::doors::ssm) const DOCUMENT_VERSION: Shape = matching(&VERSION_TEXT);
pub(in crate::doors::ssm) const HASH_TYPE: Shape = Shape::Word(&["Sha256", "Sha1"]);
const VERSION_NAME: Shape = matching(&VERSION_NAME_TEXT);
const DISPLAY_NAME: Shape = Shape::Text { least: 0, most: 1024, pattern: Some(&DISPLAY_NAME_TEXT) };
const TARGET_TYPE: Shape = Shape::Text { least: 0, most: 200, pattern: Some(&TARGET_TYPE_TEXT) };
const CONTENT: Shape = text(1, usize::MAX);
const FORMAT: Shape = Shape::Word(&["YAML", "JSON", "TEXT"]);
const TYPE: Shape = Shape::Word(&[
    "Command",
    "Policy",
    "Automation",
    "Session",
    "Package",
    "ApplicationConfiguration",
    "ApplicationConfigurationSchema",
    "DeploymentStrategy",
    "ChangeCalendar",
    "Automation.ChangeTemplate",
    "ProblemAnalysis",
    "ProblemAnalysisTemplate",
    "CloudFormation",
    "ConformancePackTemplate",
    "QuickSetup",
    "ManualApprovalPolicy",
    "AutoApprovalPolicy",
]);
const REQUIRED: Shape = structure! {
    "Name" ! DOCUMENT_ARN,
    "Version" ? DOCUMENT_VERSION,
    "RequireType" ? VERSION_NAME,
    "VersionName" ? VERSION_NAME,
};
const ATTACHMENT: Shape = structure! {
    "Key" ? Shape::Word(&["SourceUrl", "S3FileUrl", "AttachmentReference"]),
    "Values" ? list(&text(1, 1024), 1, 1),
    "Name" ? NAME,
};
const ATTACHMENTS: Shape = list(&ATTACHMENT, 0, 20);
const CLOUD_PROVIDERS: Shape = list(&Shape::Word(&["AWS", "Azure", "GCP"]), 1, 10);

pub(in crate::doors::ssm) static CREATE: Shape = structure! {
    "Content" ! CONTENT,
    "Requires" ? list(&REQUIRED, 1, usize::MAX),
    "Attachments" ? ATTACHMENTS,
    "Name" ! NAME,
    "DisplayName" ? DISPLAY_NAME,
    "VersionName" ? VERSION_NAME,
    "DocumentType" ? TYPE,
    "DocumentFormat" ? FORMAT,
    "TargetType" ? TARGET_TYPE,
    "Tags" ? TAGS,
    "CloudProviders" ? CLOUD_PROVIDERS,
};
pub(in crate::doors::ssm) static UPDATE: Shape = structure! {
    "Content" ! CONTENT,
    "Attachments" ? ATTACHMENTS,
    "Name" ! NAME,
    "DisplayName" ? DISPLAY_NAME,
    "VersionName" ? VERSION_NAME,
    "DocumentVersion" ? DOCUMENT_VERSION,
    "DocumentFormat" ? FORMAT,
    "TargetType" ? TARGET_TYPE,
    "CloudProviders" ? CLOUD_PROVIDERS,
};
pub(in crate::doors::ssm) static GET: Shape = structure! {
    "Name" ! DOCUMENT_ARN,
    "VersionName" ? VERSION_NAME,
    "DocumentVersion" ? DOCUMENT_VERSION,
    "DocumentFormat" ? FORMAT,
};
pub(in crate::doors::ssm) static DESCRIBE: Shape =
    structure! { "Name" ! DOCUMENT_ARN, "DocumentVersion" ? DOCUMENT_VERSION, "VersionName" ? VERSION_NAME };
pub(in crate::doors::ssm) static SET_DEFAULT: Shape =
    structure! { "Name" ! NAME, "DocumentVersion" ! matching(&VERSION_NUMBER_TEXT) };
pub(in crate::doors::ssm) static DELETE: Shape = structure! {
    "Name" ! NAME, "DocumentVersion" ? DOCUMENT_VERSION, "VersionName" ? VERSION_NAME, "Force" ? Shape::Flag,
};
const OLD_FILTER: Shape = structure! {
    "key" ! Shape::Word(&["Name", "Owner", "PlatformTypes", "DocumentType"]), "value" ! text(1, usize::MAX),
};
const FILTER: Shape = structure! { "Key" ? text(1, 128), "Values" ? list(&text(1, 256), 0, usize::MAX) };
pub(in crate::doors::ssm) static LIST: Shape = structure! {
    "DocumentFilterList" ? list(&OLD_FILTER, 1, usize::MAX),
    "Filters" ? list(&FILTER, 0, 6),
    "MaxResults" ? PAGE_OF_50,
    "NextToken" ? ANY_TEXT,
};
pub(in crate::doors::ssm) static VERSIONS: Shape =
    structure! { "Name" ! DOCUMENT_ARN, "MaxResults" ? PAGE_OF_50, "NextToken" ? ANY_TEXT };
/// Another one than `Share` has a refusal of its own.
const PERMISSION_TYPE: Shape = ANY_TEXT;
pub(in crate::doors::ssm) static PERMISSION: Shape = structure! {
    "Name" ! NAME,
    "PermissionType" ! PERMISSION_TYPE,
    "MaxResults" ? Shape::Number { least: 1, most: 200 },
    "NextToken" ? ANY_TEXT,
};
const ACCOUNT: Shape = matching(&ACCOUNT_TEXT);
const ACCOUNTS: Shape = list(&ACCOUNT, 0, 20);
pub(in crate::doors::ssm) static MODIFY_PERMISSION: Shape = structure! {
    "Name" ! NAME,
    "PermissionType" ! PERMISSION_TYPE,
    "AccountIdsToAdd" ? ACCOUNTS,
    "AccountIdsToRemove" ? ACCOUNTS,
    "SharedDocumentVersion" ? Shape::Text { least: 0, most: 8, pattern: Some(&SHARED_VERSION_TEXT) },
};
