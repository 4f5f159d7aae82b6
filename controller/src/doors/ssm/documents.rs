//! Documents: what the registry knows, in the API's shapes.

use bytes::Bytes;
use fleetwright_documents::{Notation, written_as};
use serde::Deserialize;
use serde_json::Value;

use self::views::{Described, Identifier, Listed, VersionInfo};
use super::call::{Answer, Call, Tag, answer, done};
use super::fault::Fault;
use super::tags;
use crate::documents::attachments::AttachmentWish;
use crate::documents::delete as deletion;
use crate::documents::fault::{DocumentError, Fault as DocumentFault};
use crate::documents::find;
use crate::documents::kinds::{DocumentType, Format};
use crate::documents::list::{self as lists, Filter};
use crate::documents::names::{DocumentName, Reference, VersionWanted, parse_version_name};
use crate::documents::records::{KeptId, Requirement};
use crate::documents::share::{self, ShareWish};
use crate::documents::write::{self, NewDocument, VersionWish};

mod shapes;
mod views;

pub(super) use shapes::{
    CREATE, DELETE, DESCRIBE, DOCUMENT_ARN, DOCUMENT_VERSION, GET, HASH_TYPE, LIST, MODIFY_PERMISSION,
    PERMISSION, SET_DEFAULT, UPDATE, VERSIONS,
};

/// The new content of a document, as CreateDocument and UpdateDocument take it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    content: String,
    name: String,
    #[serde(default)]
    document_version: String,
    document_type: Option<String>,
    document_format: Option<String>,
    display_name: Option<String>,
    version_name: Option<String>,
    target_type: Option<String>,
    attachments: Option<Vec<Source>>,
    requires: Option<Vec<Required>>,
    #[serde(default)]
    tags: Vec<Tag>,
    cloud_providers: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Source {
    #[serde(default)]
    key: String,
    #[serde(default)]
    values: Vec<String>,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Required {
    name: String,
    version: Option<String>,
    require_type: Option<String>,
    version_name: Option<String>,
}

impl Content {
    /// Everything but the name, the type and the tags.
    fn version(&mut self, kind: Option<DocumentType>, author: String) -> Result<VersionWish, Fault> {
        if self.cloud_providers.is_some() {
            return Err(Fault::validation("CloudProviders is not known to this controller: leave it out"));
        }
        // Without a word for it the API means JSON.
        let format = match &self.document_format {
            Some(format) => Some(Format::parse(format)?),
            None if kind == Some(DocumentType::ChangeCalendar) => None,
            None => Some(Format::Json),
        };
        let attachments =
            self.attachments.take().map(|sources| sources.into_iter().map(attachment).collect());
        Ok(VersionWish {
            content: Bytes::from(std::mem::take(&mut self.content)),
            format,
            version_name: self.version_name.take(),
            display_name: self.display_name.take(),
            target_type: self.target_type.take(),
            requires: self.requires.take().map(|required| required.into_iter().map(requirement).collect()),
            attachments: attachments.transpose()?,
            author,
        })
    }
}

fn requirement(Required { name, version, require_type, version_name }: Required) -> Requirement {
    Requirement { name, version, version_name, require_type }
}

/// A file comes by its upload; this controller fetches nothing from elsewhere.
fn attachment(source: Source) -> Result<AttachmentWish, Fault> {
    let upload = source.values.first().and_then(|value| value.parse::<KeptId>().ok());
    match (source.key.as_str(), upload, source.name) {
        ("AttachmentReference", Some(upload), Some(name)) => Ok(AttachmentWish::Uploaded { name, upload }),
        _ => Err(Fault::validation(
            "an attachment is named by Key AttachmentReference, Name, and the id of its upload as its one value: \
             `fleetwright document create --attachment` uploads files",
        )),
    }
}

pub(super) async fn create(call: Call<'_>, input: Value) -> Answer {
    let mut content: Content = Call::read(input)?;
    let document_type = content.document_type.as_deref().map(DocumentType::parse).transpose()?;
    let version = content.version(document_type, call.by())?;
    let wish = NewDocument { name: content.name, document_type, tags: tags::set(content.tags)?, version };
    let created = write::create(call.house, wish).await?;
    described(&call, &created.name, created.version).await
}

pub(super) async fn update(call: Call<'_>, input: Value) -> Answer {
    let mut content: Content = Call::read(input)?;
    let version = content.version(None, call.by())?;
    let updated = write::update(call.house, &content.name, &content.document_version, version).await?;
    described(&call, &updated.name, updated.version).await
}

/// What was written, with what only its text tells.
async fn described(call: &Call<'_>, name: &str, version: u64) -> Answer {
    let reference = Reference { name: DocumentName::parse(name)?, version: VersionWanted::Number(version) };
    let found = find::describe(call.house, &reference).await?;
    answer(&Described::new(call, found).in_member("DocumentDescription"))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wanted {
    name: String,
    #[serde(default)]
    document_version: String,
    version_name: Option<String>,
    document_format: Option<String>,
}

impl Wanted {
    /// The version by its number, its name, or both when they mean the same one.
    async fn reference(&self, call: &Call<'_>) -> Result<Reference, DocumentError> {
        let by_number = Reference::parse(&self.name, &self.document_version)?;
        let Some(version_name) = &self.version_name else { return Ok(by_number) };
        let version = VersionWanted::Named(parse_version_name(version_name)?);
        let by_name = Reference { name: by_number.name.clone(), version };
        if !self.document_version.is_empty() {
            let (one, other) =
                (find::get(call.house, &by_number).await?, find::get(call.house, &by_name).await?);
            if one.view.version != other.view.version {
                return Err(DocumentFault::InvalidDocumentVersion.because(format!(
                    "version {version_name} of {} is number {}, and not {}",
                    by_name.name, other.view.version, self.document_version
                )));
            }
        }
        Ok(by_name)
    }
}

pub(super) async fn get(call: Call<'_>, input: Value) -> Answer {
    let wanted: Wanted = Call::read(input)?;
    let reference = wanted.reference(&call).await?;
    let found = find::get(call.house, &reference).await?;
    let written = found.view.format;
    let format = wanted.document_format.as_deref().map(Format::parse).transpose()?.unwrap_or(written);
    let text = String::from_utf8_lossy(&found.content);
    let text = if format == written { text.into_owned() } else { in_format(&text, format)? };
    answer(&views::content(found.view, text, format))
}

/// The same data in the format that is asked for.
fn in_format(text: &str, format: Format) -> Result<String, DocumentError> {
    let notation = match format {
        Format::Text => return Ok(text.to_owned()),
        Format::Json => Notation::Json,
        Format::Yaml => Notation::Yaml,
    };
    written_as(text, notation).map_err(|_| {
        DocumentFault::InvalidDocument
            .because(format!("the document is a plain text and cannot be shown as {format}"))
    })
}

pub(super) async fn describe(call: Call<'_>, input: Value) -> Answer {
    let wanted: Wanted = Call::read(input)?;
    let found = find::describe(call.house, &wanted.reference(&call).await?).await?;
    answer(&Described::new(&call, found).in_member("Document"))
}

pub(super) async fn set_default(call: Call<'_>, input: Value) -> Answer {
    let Wanted { name, document_version, .. } = Call::read(input)?;
    let changed = write::set_default(call.house, &name, &document_version).await?;
    answer(&views::default_version(changed))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Delete {
    name: String,
    document_version: Option<String>,
    version_name: Option<String>,
}

pub(super) async fn delete(call: Call<'_>, input: Value) -> Answer {
    let Delete { name, document_version, version_name } = Call::read(input)?;
    match (document_version, version_name) {
        (None, None) => deletion::delete(call.house, &name).await?,
        (Some(version), None) | (None, Some(version)) => {
            deletion::delete_version(call.house, &name, &version).await?;
        }
        (Some(_), Some(_)) => {
            return Err(Fault::validation(
                "DocumentVersion and VersionName cannot be used at once: name one",
            ));
        }
    }
    done()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    #[serde(default)]
    document_filter_list: Vec<OldFilter>,
    #[serde(default)]
    filters: Vec<KeyValues>,
}

#[derive(Debug, Deserialize)]
struct OldFilter {
    key: String,
    value: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyValues {
    #[serde(default)]
    key: String,
    #[serde(default)]
    values: Vec<String>,
}

pub(super) async fn list(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let List { document_filter_list: old, mut filters } = Call::read(input)?;
    if !old.is_empty() && !filters.is_empty() {
        return Err(Fault::validation("DocumentFilterList and Filters cannot be used at once: use Filters"));
    }
    filters.extend(old.into_iter().map(|OldFilter { key, value }| KeyValues { key, values: vec![value] }));
    let filters: Vec<_> = filters
        .into_iter()
        .map(|KeyValues { key, values }| Filter::parse(&key, values))
        .collect::<Result<_, _>>()?;
    let after = page.after::<String>()?.map(|name| DocumentName::parse(&name)).transpose()?;
    let (found, next) = lists::list(call.house, &filters, &call.caller.name, after, page.size).await?;
    answer(&Listed {
        document_identifiers: found.into_iter().map(|view| Identifier::new(&call, view)).collect(),
        next_token: page.token(next.map(|name| name.to_string())),
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Versions {
    name: String,
}

pub(super) async fn versions(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 50);
    let Versions { name } = Call::read(input)?;
    let name = Reference::parse(&name, "")?.name;
    let (found, next) = lists::versions(call.house, name.as_str(), page.after()?, page.size).await?;
    answer(&views::Versions {
        document_versions: found.into_iter().map(VersionInfo::from).collect(),
        next_token: page.token(next),
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Permission {
    name: String,
    permission_type: String,
    #[serde(default)]
    account_ids_to_add: Vec<String>,
    #[serde(default)]
    account_ids_to_remove: Vec<String>,
    #[serde(default)]
    shared_document_version: String,
}

fn check_permission_type(text: &str) -> Result<(), Fault> {
    if text == "Share" {
        return Ok(());
    }
    let shown: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    Err(Fault::new(
        "InvalidPermissionType",
        format!(
            "1 validation error detected: Value '{shown}' at 'permissionType' failed to satisfy constraint: Member must \
             satisfy enum value set: [Share]"
        ),
    ))
}

pub(super) async fn permission(call: Call<'_>, input: Value) -> Answer {
    let page = call.page(&input, 200);
    let Permission { name, permission_type, .. } = Call::read(input)?;
    check_permission_type(&permission_type)?;
    let after: Option<String> = page.after()?;
    let shares = share::list(call.house, &name).await?;
    let mut rest =
        shares.into_iter().filter(|(principal, _)| after.as_ref().is_none_or(|after| principal > after));
    let shown: Vec<_> = rest.by_ref().take(page.size).collect();
    let next = rest.next().and_then(|_| shown.last().map(|(principal, _)| principal.clone()));
    answer(&views::permission(shown, page.token(next)))
}

pub(super) async fn modify_permission(call: Call<'_>, input: Value) -> Answer {
    let Permission {
        name,
        permission_type,
        account_ids_to_add,
        account_ids_to_remove,
        shared_document_version,
    } = Call::read(input)?;
    check_permission_type(&permission_type)?;
    let principals = |ids: Vec<String>| {
        ids.into_iter().map(|id| if id.eq_ignore_ascii_case(share::ALL) { share::ALL.to_owned() } else { id })
    };
    let wish = ShareWish {
        name,
        add: principals(account_ids_to_add).collect(),
        remove: principals(account_ids_to_remove).collect(),
        version: views::kept_share_version(shared_document_version),
        by: call.by(),
    };
    share::change(call.house, wish).await?;
    done()
}
