//! What a reference to a document stands for, and what a version says of itself.
//!
//! Shipped documents answer beside those of the fleet: they are of owner `Amazon`, whose names people call, and have
//! the one version that this release ships.

use bytes::Bytes;
use fleetwright_documents::library::{self, LibraryDocument};
use fleetwright_proto::clock::Timestamp;
use fleetwright_store::{BlobError, BlobPath, Row};

use super::content::{self, ParameterInfo};
use super::fault::{DocumentError, Fault};
use super::kinds::{DocumentType, Format, HashType};
use super::names::{DocumentName, Reference, VersionWanted, shown};
use super::records::{Attachment, DocumentRecord, KeptId, Requirement, Text, VersionRecord};
use crate::error::Refusal;
use crate::house::House;
use crate::nodes::records::Tags;
use crate::tables::{DOCUMENT, DOCUMENT_VERSION, DOCUMENT_VERSION_NAME};

/// The tags of the document with this name; what is shipped, or comes with its command, has none.
pub async fn tags_of(house: &House, name: &str) -> Result<Tags, Refusal> {
    let Ok(name) = DocumentName::parse(name) else { return Ok(Tags::new()) };
    Ok(DOCUMENT.get(&*house.store, &name).await?.map(|row| row.value.tags).unwrap_or_default())
}

/// Where the texts of versions are that are not small.
pub(super) const TEXT_FOLDER: &str = "documents";

/// Whose a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// Shipped with the controller.
    Amazon,
    /// Made here, by whichever operator.
    Fleet,
}

impl Owner {
    /// The words by which SSM's clients tell them apart.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Amazon => "Amazon",
            Self::Fleet => "Self",
        }
    }
}

/// One version of a document, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub name: String,
    pub owner: Owner,
    pub document_type: DocumentType,
    pub version: u64,
    pub version_name: Option<String>,
    pub display_name: Option<String>,
    pub default_version: u64,
    pub latest_version: u64,
    /// Of the version; None for what is shipped.
    pub created: Option<Timestamp>,
    pub author: String,
    pub format: Format,
    pub bytes: u64,
    pub sha256: String,
    pub sha1: String,
    pub schema_version: Option<String>,
    pub platform_types: Vec<String>,
    pub target_type: Option<String>,
    pub requires: Vec<Requirement>,
    pub attachments: Vec<Attachment>,
    pub tags: Tags,
}

/// One version with its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub view: View,
    pub content: Bytes,
}

/// What only the text tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    pub view: View,
    pub content: Bytes,
    pub description: String,
    pub parameters: Vec<ParameterInfo>,
}

/// The version that a reference stands for, with its text as it was written.
pub async fn get(house: &House, reference: &Reference) -> Result<Found, DocumentError> {
    if let Some(shipped) = library::get(reference.name.as_str()) {
        only_version(shipped, &reference.version)?;
        let content = Bytes::from_static(shipped.text.as_bytes());
        return Ok(Found { view: shipped_view(shipped)?, content });
    }
    let (document, number, version) = find(house, reference).await?;
    let content = text(house, &version).await?;
    Ok(Found { view: view(&reference.name, &document.value, number, version), content })
}

/// A version with its description and parameters.
pub async fn describe(house: &House, reference: &Reference) -> Result<Described, DocumentError> {
    let Found { view, content } = get(house, reference).await?;
    let content::Content { description, parameters, .. } =
        content::read(view.document_type, Some(view.format), &content)?;
    Ok(Described { view, content, description: description.unwrap_or_default(), parameters })
}

/// The rows behind a reference to a document of the fleet.
pub(super) async fn find(
    house: &House,
    reference: &Reference,
) -> Result<(Row<DocumentName, DocumentRecord>, u64, VersionRecord), DocumentError> {
    let document = of_fleet(house, &reference.name).await?;
    let number = number(house, &reference.name, &document.value, &reference.version).await?;
    let version = DOCUMENT_VERSION.get(&*house.store, &(document.value.id.clone(), number)).await?;
    let version = version.ok_or_else(|| no_version(&reference.name, &document.value, &reference.version))?;
    Ok((document, number, version.value))
}

/// A document of the fleet.
pub(super) async fn of_fleet(
    house: &House,
    name: &DocumentName,
) -> Result<Row<DocumentName, DocumentRecord>, DocumentError> {
    DOCUMENT.get(&*house.store, name).await?.ok_or_else(|| unknown(name))
}

/// As [`of_fleet`], for who wants to change it.
pub(super) async fn to_change(
    house: &House,
    name: &DocumentName,
) -> Result<Row<DocumentName, DocumentRecord>, DocumentError> {
    if library::get(name.as_str()).is_some() {
        return Err(Fault::InvalidDocumentOperation.because(format!(
            "{name} is a shipped document, and nobody changes those: create one of another name"
        )));
    }
    of_fleet(house, name).await
}

/// Which number a wanted version has. Whether it exists is not looked at where a number was asked for.
pub(super) async fn number(
    house: &House,
    name: &DocumentName,
    document: &DocumentRecord,
    wanted: &VersionWanted,
) -> Result<u64, DocumentError> {
    match wanted {
        VersionWanted::Default => Ok(document.default_version),
        VersionWanted::Latest => Ok(document.latest_version),
        VersionWanted::Number(number) => Ok(*number),
        VersionWanted::Named(version_name) => {
            let key = (document.id.clone(), version_name.clone());
            let found = DOCUMENT_VERSION_NAME.get(&*house.store, &key).await?;
            found.map(|row| row.value.version).ok_or_else(|| no_version(name, document, wanted))
        }
    }
}

pub(super) fn no_version(
    name: &DocumentName,
    document: &DocumentRecord,
    wanted: &VersionWanted,
) -> DocumentError {
    Fault::InvalidDocumentVersion.because(format!(
        "document {name} has no version `{wanted}`: its default is {}, its latest {}; `document versions {name}` \
         lists them",
        document.default_version, document.latest_version
    ))
}

/// What the answer to a document that does not exist begins with.
pub(crate) const NO_DOCUMENT: &str = "there is no document";

/// The answer to a document that does not exist.
pub(super) fn unknown(name: &DocumentName) -> DocumentError {
    let lower = name.as_str().to_ascii_lowercase();
    let shipped = library::all().iter().find(|document| document.name.to_ascii_lowercase() == lower);
    let help = match shipped {
        Some(document) => format!("did you mean {}?", document.name),
        None => "`document list` shows those that there are".to_owned(),
    };
    Fault::InvalidDocument.because(format!("{NO_DOCUMENT} `{name}`: {help}"))
}

/// The text of a version of the fleet, exactly as it was written.
pub(super) async fn text(house: &House, version: &VersionRecord) -> Result<Bytes, DocumentError> {
    let bytes = match &version.content {
        Text::Here(text) => return Ok(Bytes::copy_from_slice(text.as_bytes())),
        Text::Blob(id) => house.blobs.get(&text_path(id)?).await?,
    };
    if HashType::Sha256.of(&bytes) != version.sha256 {
        return Err(Refusal::internal("a document's text is not the one that was written").into());
    }
    Ok(bytes)
}

pub(super) fn text_path(id: &KeptId) -> Result<BlobPath, BlobError> {
    format!("{TEXT_FOLDER}/{id}").parse()
}

fn only_version(shipped: &LibraryDocument, wanted: &VersionWanted) -> Result<(), DocumentError> {
    match wanted {
        VersionWanted::Default | VersionWanted::Latest => Ok(()),
        VersionWanted::Number(number) if *number == u64::from(shipped.version) => Ok(()),
        _ => Err(Fault::InvalidDocumentVersion.because(format!(
            "document {} has no version `{}`: this release ships version {}",
            shipped.name,
            shown(&wanted.to_string()),
            shipped.version
        ))),
    }
}

pub(super) fn view(
    name: &DocumentName,
    document: &DocumentRecord,
    number: u64,
    version: VersionRecord,
) -> View {
    View {
        name: name.to_string(),
        owner: Owner::Fleet,
        document_type: document.document_type,
        version: number,
        version_name: version.version_name,
        display_name: version.display_name,
        default_version: document.default_version,
        latest_version: document.latest_version,
        created: Some(version.created),
        author: version.author,
        format: version.written_in,
        bytes: version.bytes,
        sha256: version.sha256,
        sha1: version.sha1,
        schema_version: version.schema_version,
        platform_types: version.platform_types,
        target_type: version.target_type,
        requires: version.requires,
        attachments: version.attachments,
        tags: document.tags.clone(),
    }
}

/// A shipped document as SSM would describe it.
pub(super) fn shipped_view(document: &LibraryDocument) -> Result<View, DocumentError> {
    let bytes = document.text.as_bytes();
    let parsed = fleetwright_documents::parse(bytes).map_err(|problems| {
        DocumentError::from(Refusal::internal(format!("{}: {problems}", document.name)))
    })?;
    let document_type = match parsed.document.kind() {
        fleetwright_documents::Kind::Automation => DocumentType::Automation,
        _ => DocumentType::Command,
    };
    let content = content::read(document_type, None, bytes)?;
    let version = u64::from(document.version);
    Ok(View {
        name: document.name.to_owned(),
        owner: Owner::Amazon,
        document_type,
        version,
        version_name: None,
        display_name: None,
        default_version: version,
        latest_version: version,
        created: None,
        author: Owner::Amazon.name().to_owned(),
        format: content.format,
        bytes: bytes.len() as u64,
        sha256: document.sha256.to_owned(),
        sha1: HashType::Sha1.of(bytes),
        schema_version: content.schema_version,
        platform_types: content.platform_types,
        target_type: None,
        requires: Vec::new(),
        attachments: Vec::new(),
        tags: Tags::new(),
    })
}
