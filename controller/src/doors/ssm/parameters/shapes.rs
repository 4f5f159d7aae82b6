//! What the inputs of the operations on parameters may look like. Names, types, filters and labels have rules of their
//! own, which the capability checks in the API's words.

use crate::doors::ssm::nodes::PAGE_OF_50;
use crate::doors::ssm::shape::{ANY_TEXT, Pattern, Shape, list, structure, text};
use crate::doors::ssm::tags::TAGS;

static KEY_ID_TEXT: Pattern = Pattern::new(r"^([a-zA-Z0-9:/_-]+)$");

const NAME: Shape = text(1, 2048);
const NAMES: Shape = list(&NAME, 0, usize::MAX);
const VERSION: Shape = Shape::Number { least: 0, most: i64::MAX };
const FILTER: Shape = structure! {
    "Key" ! ANY_TEXT, "Option" ? ANY_TEXT, "Values" ? list(&ANY_TEXT, 0, usize::MAX),
};
const FILTERS: Shape = list(&FILTER, 0, usize::MAX);
const OLD_FILTER: Shape = structure! {
    "Key" ! Shape::Word(&["Name", "Type", "KeyId"]), "Values" ! list(&text(1, 1024), 1, 50),
};

pub(in crate::doors::ssm) static PUT: Shape = structure! {
    "Name" ! NAME,
    "Description" ? text(0, 1024),
    "Value" ! ANY_TEXT,
    "Type" ? ANY_TEXT,
    "KeyId" ? Shape::Text { least: 1, most: 256, pattern: Some(&KEY_ID_TEXT) },
    "Overwrite" ? Shape::Flag,
    "AllowedPattern" ? text(0, 1024),
    "Tags" ? TAGS,
    "Tier" ? ANY_TEXT,
    "Policies" ? text(1, 4096),
    "DataType" ? text(0, 128),
};
pub(in crate::doors::ssm) static GET: Shape = structure! { "Name" ! NAME, "WithDecryption" ? Shape::Flag };
pub(in crate::doors::ssm) static GET_MANY: Shape =
    structure! { "Names" ! NAMES, "WithDecryption" ? Shape::Flag };
pub(in crate::doors::ssm) static BY_PATH: Shape = structure! {
    "Path" ! NAME,
    "Recursive" ? Shape::Flag,
    "ParameterFilters" ? FILTERS,
    "WithDecryption" ? Shape::Flag,
    "MaxResults" ? Shape::Number { least: 1, most: 10 },
    "NextToken" ? ANY_TEXT,
};
pub(in crate::doors::ssm) static DESCRIBE: Shape = structure! {
    "Filters" ? list(&OLD_FILTER, 0, usize::MAX),
    "ParameterFilters" ? FILTERS,
    "MaxResults" ? PAGE_OF_50,
    "NextToken" ? ANY_TEXT,
    "Shared" ? Shape::Flag,
};
pub(in crate::doors::ssm) static HISTORY: Shape = structure! {
    "Name" ! NAME, "WithDecryption" ? Shape::Flag, "MaxResults" ? PAGE_OF_50, "NextToken" ? ANY_TEXT,
};
pub(in crate::doors::ssm) static DELETE: Shape = structure! { "Name" ! NAME };
pub(in crate::doors::ssm) static DELETE_MANY: Shape = structure! { "Names" ! NAMES };
const LABELS: Shape = list(&text(1, usize::MAX), 1, usize::MAX);
pub(in crate::doors::ssm) static LABEL: Shape =
    structure! { "Name" ! NAME, "ParameterVersion" ? VERSION, "Labels" ! LABELS };
pub(in crate::doors::ssm) static UNLABEL: Shape =
    structure! { "Name" ! NAME, "ParameterVersion" ! VERSION, "Labels" ! LABELS };
