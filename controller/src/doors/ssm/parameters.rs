//! Parameter Store in the API's shapes.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::call::{Answer, Call, Page, Tag, answer, done};
use super::fault::Fault;
use super::{permit, tags};
use crate::parameters::filters::FilterWish;
use crate::parameters::list::{self, PathWish};
use crate::parameters::names::{Depth, ParameterKey};
use crate::parameters::put::{self as putting, Overwrite, PutWish};
use crate::parameters::read::{self, Decryption};
use crate::parameters::{delete as deletion, history as former, labels};

mod shapes;
mod views;

pub(super) use shapes::{
    BY_PATH, DELETE, DELETE_MANY, DESCRIBE, GET, GET_MANY, HISTORY, LABEL, PUT, UNLABEL,
};

fn decryption(wanted: bool) -> Decryption {
    if wanted { Decryption::Yes } else { Decryption::No }
}

/// Nothing is answered of what somebody may read but not open.
fn may_open<'k>(
    call: &Call<'_>,
    wanted: bool,
    keys: impl IntoIterator<Item = &'k Option<String>>,
) -> Result<(), Fault> {
    let keys: BTreeSet<&str> = keys.into_iter().filter_map(Option::as_deref).filter(|_| wanted).collect();
    keys.into_iter().try_for_each(|key| permit::opens(call.house, &call.caller, key))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Get {
    name: String,
    #[serde(default)]
    with_decryption: bool,
}

pub(super) async fn get(call: Call<'_>, input: Value) -> Answer {
    let Get { name, with_decryption } = Call::read(input)?;
    let found = read::get(call.house, &name, decryption(with_decryption)).await?;
    may_open(&call, with_decryption, [&found.key_id])?;
    answer(&views::One { parameter: views::Parameter::new(&call, &found) })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Names {
    names: Vec<String>,
    #[serde(default)]
    with_decryption: bool,
}

pub(super) async fn get_many(call: Call<'_>, input: Value) -> Answer {
    let Names { names, with_decryption } = Call::read(input)?;
    let many = read::get_many(call.house, &names, decryption(with_decryption)).await?;
    may_open(&call, with_decryption, many.parameters.iter().map(|found| &found.key_id))?;
    let parameters = many.parameters.iter().map(|found| views::Parameter::new(&call, found)).collect();
    answer(&views::Several { parameters, invalid_parameters: many.invalid })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ByPath {
    path: String,
    #[serde(default)]
    recursive: bool,
    #[serde(default)]
    parameter_filters: Vec<Filter>,
    #[serde(default)]
    with_decryption: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    key: String,
    option: Option<String>,
    #[serde(default)]
    values: Vec<String>,
}

impl From<Filter> for FilterWish {
    fn from(Filter { key, option, values }: Filter) -> Self {
        Self { key, option, values }
    }
}

/// Behind which parameter a page starts.
fn after(page: &Page) -> Result<Option<ParameterKey>, Fault> {
    let key = page.after::<String>()?.map(|key| key.parse());
    key.transpose().map_err(|_| Fault::new("InvalidNextToken", "the token is not one of this request"))
}

pub(super) async fn by_path(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 10);
    let ByPath { path, recursive, parameter_filters, with_decryption } = Call::read(input)?;
    let wish = PathWish {
        path,
        depth: if recursive { Depth::Recursive } else { Depth::OneLevel },
        filters: parameter_filters.into_iter().map(Into::into).collect(),
        decryption: decryption(with_decryption),
        after: after(&page)?,
        limit: page.size,
    };
    let found = list::by_path(call.house, &wish).await?;
    may_open(&call, with_decryption, found.items.iter().map(|found| &found.key_id))?;
    answer(&views::Paged {
        parameters: found.items.iter().map(|found| views::Parameter::new(&call, found)).collect(),
        next_token: page.token(found.next.as_ref().map(ParameterKey::as_str)),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Describe {
    #[serde(default)]
    filters: Vec<Filter>,
    #[serde(default)]
    parameter_filters: Vec<Filter>,
    #[serde(default)]
    shared: bool,
}

pub(super) async fn describe(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let Describe { mut filters, parameter_filters, shared } = Call::read(input)?;
    if !filters.is_empty() && !parameter_filters.is_empty() {
        return Err(Fault::validation(
            "Filters and ParameterFilters cannot be used at once: use ParameterFilters",
        ));
    }
    // The older filters look for the beginning of a name.
    for filter in filters.iter_mut().filter(|filter| filter.key == "Name") {
        filter.option = Some("BeginsWith".to_owned());
    }
    let wishes: Vec<_> = filters.into_iter().chain(parameter_filters).map(Into::into).collect();
    let found = list::describe(call.house, &wishes, after(&page)?, page.size).await?;
    // Nobody shares a parameter with this account: there is no other.
    let shown = found.items.into_iter().filter(|_| !shared);
    let next = found.next.filter(|_| !shared);
    answer(&views::Paged {
        parameters: shown.map(|metadata| views::Metadata::new(&call, metadata)).collect(),
        next_token: page.token(next.as_ref().map(ParameterKey::as_str)),
    })
}

pub(super) async fn history(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let Get { name, with_decryption } = Call::read(input)?;
    let (found, next) =
        former::history(call.house, &name, decryption(with_decryption), page.after()?, page.size).await?;
    may_open(&call, with_decryption, found.iter().map(|entry| &entry.record.key_id))?;
    answer(&views::Paged {
        parameters: found.into_iter().map(views::Former::from).collect(),
        next_token: page.token(next),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Put {
    name: String,
    description: Option<String>,
    value: String,
    #[serde(rename = "Type")]
    parameter_type: Option<String>,
    key_id: Option<String>,
    #[serde(default)]
    overwrite: bool,
    allowed_pattern: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    tier: Option<String>,
    policies: Option<String>,
    data_type: Option<String>,
}

pub(super) async fn put(call: Call<'_>, input: Value) -> Answer {
    let wish: Put = Call::read(input)?;
    let wish = PutWish {
        name: wish.name,
        value: putting::Value::new(wish.value),
        parameter_type: wish.parameter_type,
        key_id: wish.key_id,
        overwrite: if wish.overwrite { Overwrite::Yes } else { Overwrite::No },
        description: wish.description,
        allowed_pattern: wish.allowed_pattern,
        tags: tags::set(wish.tags)?,
        tier: wish.tier,
        policies: wish.policies,
        data_type: wish.data_type,
        by: call.by(),
    };
    let put = putting::put(call.house, wish).await?;
    answer(&views::Put { version: put.version, tier: put.tier.name() })
}

pub(super) async fn delete(call: Call<'_>, input: Value) -> Answer {
    let Get { name, .. } = Call::read(input)?;
    deletion::delete(call.house, &name).await?;
    done()
}

pub(super) async fn delete_many(call: Call<'_>, input: Value) -> Answer {
    let Names { names, .. } = Call::read(input)?;
    let deleted = deletion::delete_many(call.house, &names).await?;
    answer(&views::Deleted { deleted_parameters: deleted.deleted, invalid_parameters: deleted.invalid })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Label {
    name: String,
    parameter_version: Option<u64>,
    labels: Vec<String>,
}

pub(super) async fn label(call: Call<'_>, input: Value) -> Answer {
    let Label { name, parameter_version, labels: wanted } = Call::read(input)?;
    let labelled = labels::label(call.house, &name, parameter_version, &wanted).await?;
    answer(&views::Labelled { invalid_labels: labelled.invalid, parameter_version: labelled.version })
}

pub(super) async fn unlabel(call: Call<'_>, input: Value) -> Answer {
    let Label { name, parameter_version, labels: wanted } = Call::read(input)?;
    let version = parameter_version.unwrap_or_default();
    let labelled = labels::unlabel(call.house, &name, version, &wanted).await?;
    answer(&views::Unlabelled { removed_labels: labelled.removed, invalid_labels: labelled.invalid })
}
