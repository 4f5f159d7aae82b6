//! What inputs about inventory may look like.

use super::super::nodes::{INSTANCE_ID, PAGE_OF_50};
use super::super::shape::{ANY_TEXT, Pattern, Shape, list, matching, structure, text};

static TYPE_TEXT: Pattern = Pattern::new(r"^(AWS|Custom):.*$");
static SCHEMA_TEXT: Pattern = Pattern::new(r"^([0-9]{1,6})(\.[0-9]{1,6})$");
static CAPTURED_TEXT: Pattern = Pattern::new(
    r"^(20)[0-9][0-9]-(0[1-9]|1[012])-([12][0-9]|3[01]|0[1-9])(T)(2[0-3]|[0-1][0-9])(:[0-5][0-9])(:[0-5][0-9])(Z)$",
);
static UUID_TEXT: Pattern = Pattern::new(r"[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}");
const TYPE: Shape = Shape::Text { least: 1, most: 100, pattern: Some(&TYPE_TEXT) };
const ENTRY: Shape = Shape::Map(&text(0, 4096));
const ITEM: Shape = structure! {
    "TypeName" ! TYPE,
    "SchemaVersion" ! matching(&SCHEMA_TEXT),
    "CaptureTime" ! matching(&CAPTURED_TEXT),
    "ContentHash" ? text(0, 256),
    "Content" ? list(&ENTRY, 0, 10_000),
    "Context" ? Shape::Map(&text(0, 4096)),
};
pub(in crate::doors::ssm) static PUT: Shape =
    structure! { "InstanceId" ! INSTANCE_ID, "Items" ! list(&ITEM, 1, 30) };
const FILTER: Shape = structure! {
    "Key" ! text(1, 200),
    "Values" ! list(&ANY_TEXT, 1, 40),
    "Type" ? Shape::Word(&["Equal", "NotEqual", "BeginWith", "LessThan", "GreaterThan", "Exists"]),
};
const GROUP: Shape = structure! { "Name" ! text(1, 200), "Filters" ! list(&FILTER, 1, 5) };
const INNER_AGGREGATOR: Shape = structure! {
    "Expression" ? text(1, 1000), "Groups" ? list(&GROUP, 1, 15),
};
const AGGREGATOR: Shape = structure! {
    "Expression" ? text(1, 1000),
    "Aggregators" ? list(&INNER_AGGREGATOR, 1, 10),
    "Groups" ? list(&GROUP, 1, 15),
};
const RESULT: Shape = structure! { "TypeName" ! TYPE };
pub(in crate::doors::ssm) static GET: Shape = structure! {
    "Filters" ? list(&FILTER, 1, 5),
    "Aggregators" ? list(&AGGREGATOR, 1, 10),
    "ResultAttributes" ? list(&RESULT, 1, 1),
    "NextToken" ? ANY_TEXT,
    "MaxResults" ? PAGE_OF_50,
};
pub(in crate::doors::ssm) static SCHEMA: Shape = structure! {
    "TypeName" ? text(0, 100),
    "NextToken" ? ANY_TEXT,
    "MaxResults" ? Shape::Number { least: 50, most: 200 },
    "Aggregator" ? Shape::Flag,
    "SubType" ? Shape::Flag,
};
pub(in crate::doors::ssm) static ENTRIES: Shape = structure! {
    "InstanceId" ! INSTANCE_ID,
    "TypeName" ! TYPE,
    "Filters" ? list(&FILTER, 1, 5),
    "NextToken" ? ANY_TEXT,
    "MaxResults" ? PAGE_OF_50,
};
pub(in crate::doors::ssm) static DELETE: Shape = structure! {
    "TypeName" ! TYPE,
    "SchemaDeleteOption" ? Shape::Word(&["DisableSchema", "DeleteSchema"]),
    "DryRun" ? Shape::Flag,
    "ClientToken" ? matching(&UUID_TEXT),
};
pub(in crate::doors::ssm) static DELETIONS: Shape = structure! {
    "DeletionId" ? matching(&UUID_TEXT), "NextToken" ? ANY_TEXT, "MaxResults" ? PAGE_OF_50,
};
