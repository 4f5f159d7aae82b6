//! Making documents and new versions of them: everything of one change is one commit.
//!
//! A text that is not small is a blob of its own name, durable before the row that names it; one that no row names in
//! the end is swept (see [`super::sweep`]).

use bytes::Bytes;
use fleetwright_documents::library;
use fleetwright_store::{Batch, CommitError};

use super::attachments::{self, AttachmentWish};
use super::content::{self, Content};
use super::fault::{DocumentError, Fault};
use super::find::{self, View};
use super::kinds::{DocumentType, Format, HashType};
use super::names::{DocumentName, Reference, VersionWanted, parse_version_name, shown};
use super::records::{
    Attachment, DocumentRecord, KeptId, RequiredRecord, Requirement, Text, VersionNumber, VersionRecord,
};
use crate::house::House;
use crate::nodes::records::Tags;
use crate::nodes::targets::check_tags;
use crate::records::Pages;
use crate::tables::{DOCUMENT, DOCUMENT_CONTENT, DOCUMENT_REQUIRED, DOCUMENT_VERSION, DOCUMENT_VERSION_NAME};

/// Texts up to this many bytes stand in their row.
const HERE_MAX_BYTES: usize = 8 * 1024;
const DISPLAY_NAME_MAX_CHARS: usize = 1024;
const TARGET_TYPE_MAX_CHARS: usize = 200;
/// So that a version and what it requires are one commit.
const REQUIRES_MAX: usize = 20;

/// What an operator wants of a new version, unchecked.
#[derive(Debug, Clone, Default)]
pub struct VersionWish {
    pub content: Bytes,
    /// None: as the text is written.
    pub format: Option<Format>,
    pub version_name: Option<String>,
    pub display_name: Option<String>,
    pub target_type: Option<String>,
    /// None: those of the version before.
    pub requires: Option<Vec<Requirement>>,
    /// None: those of the version before.
    pub attachments: Option<Vec<AttachmentWish>>,
    pub author: String,
}

/// What an operator wants of a new document, unchecked.
#[derive(Debug, Clone)]
pub struct NewDocument {
    pub name: String,
    /// None: told from the text when it is a Command or Automation document.
    pub document_type: Option<DocumentType>,
    pub tags: Tags,
    pub version: VersionWish,
}

/// Makes a document with its version 1. Durable when this returns.
pub async fn create(house: &House, wish: NewDocument) -> Result<View, DocumentError> {
    let name = DocumentName::parse_new(&wish.name)?;
    let document_type = wish.document_type.unwrap_or_else(|| guessed_type(&wish.version.content));
    check_tags(&wish.tags, &Tags::new()).map_err(|refusal| Fault::TooManyTags.because(refusal.message))?;
    if DOCUMENT.get(&*house.store, &name).await?.is_some() {
        return Err(exists(&name));
    }
    refuse_above_limit(house).await?;
    let document = DocumentRecord {
        id: KeptId::random(),
        document_type,
        created: house.clock.now(),
        created_by: wish.version.author.clone(),
        default_version: 1,
        latest_version: 1,
        last_version: 1,
        versions: 1,
        tags: wish.tags,
    };
    let mut batch = Batch::new();
    let checked = check(house, &mut batch, &name, document_type, None, &wish.version).await?;
    DOCUMENT.insert(&mut batch, &name, &document)?;
    let version = add_version(house, &mut batch, &name, &document, checked, wish.version).await?;
    match house.store.commit(batch).await {
        Ok(_) => Ok(find::view(&name, &document, 1, version)),
        Err(CommitError::Conflict { .. }) if DOCUMENT.get(&*house.store, &name).await?.is_some() => {
            Err(exists(&name))
        }
        Err(CommitError::Conflict { .. }) => Err(changed_meanwhile(&name)),
        Err(error) => Err(error.into()),
    }
}

/// Adds a version behind the latest one, which the caller names: its number, `$LATEST`, or nothing. The default
/// version stays what it is. Durable when this returns.
pub async fn update(
    house: &House,
    name: &str,
    latest: &str,
    wish: VersionWish,
) -> Result<View, DocumentError> {
    let name = DocumentName::parse(name)?;
    let mut row = find::to_change(house, &name).await?;
    refuse_old(house, &name, &row.value, latest).await?;
    if row.value.versions >= house.limits.document_versions {
        return Err(Fault::DocumentVersionLimitExceeded.because(format!(
            "document {name} has {} versions, the most that it may have: delete some first",
            row.value.versions
        )));
    }
    let before = (row.value.id.clone(), row.value.latest_version);
    let before = DOCUMENT_VERSION.get(&*house.store, &before).await?.map(|row| row.value);
    let mut batch = Batch::new();
    let checked = check(house, &mut batch, &name, row.value.document_type, before.as_ref(), &wish).await?;
    refuse_duplicates(house, &name, &row.value, &checked, &wish).await?;
    row.value.last_version += 1;
    row.value.latest_version = row.value.last_version;
    row.value.versions += 1;
    DOCUMENT.replace(&mut batch, &row)?;
    let version = add_version(house, &mut batch, &name, &row.value, checked, wish).await?;
    match house.store.commit(batch).await {
        Ok(_) => Ok(find::view(&name, &row.value, row.value.latest_version, version)),
        Err(CommitError::Conflict { .. }) => Err(changed_meanwhile(&name)),
        Err(error) => Err(error.into()),
    }
}

/// Makes a version the default one. Durable when this returns.
pub async fn set_default(house: &House, name: &str, version: &str) -> Result<View, DocumentError> {
    let name = DocumentName::parse(name)?;
    find::to_change(house, &name).await?;
    let reference = Reference { name, version: VersionWanted::parse(version)? };
    let (mut row, number, version) = find::find(house, &reference).await?;
    if row.value.default_version != number {
        row.value.default_version = number;
        let mut batch = Batch::new();
        DOCUMENT.replace(&mut batch, &row)?;
        commit(house, &reference.name, batch).await?;
    }
    Ok(find::view(&reference.name, &row.value, number, version))
}

/// Sets and removes tags, in one commit.
pub async fn change_tags(
    house: &House,
    name: &str,
    set: Tags,
    remove: &[String],
) -> Result<Tags, DocumentError> {
    let name = DocumentName::parse(name)?;
    let mut row = find::to_change(house, &name).await?;
    for key in remove {
        row.value.tags.remove(key);
    }
    check_tags(&set, &row.value.tags).map_err(|refusal| Fault::TooManyTags.because(refusal.message))?;
    row.value.tags.extend(set);
    let mut batch = Batch::new();
    DOCUMENT.replace(&mut batch, &row)?;
    commit(house, &name, batch).await?;
    Ok(row.value.tags)
}

/// Commits a change of a document whose row stands in the batch.
pub(super) async fn commit(house: &House, name: &DocumentName, batch: Batch) -> Result<(), DocumentError> {
    match house.store.commit(batch).await {
        Ok(_) => Ok(()),
        Err(CommitError::Conflict { .. }) => Err(changed_meanwhile(name)),
        Err(error) => Err(error.into()),
    }
}

/// A version that may be written.
struct Checked {
    content: Content,
    sha256: String,
    attachments: Vec<Attachment>,
    requires: Vec<Requirement>,
    inherited: Option<VersionRecord>,
}

/// Looks at everything that can be wrong with a version, and adds to the batch what it takes from others.
async fn check(
    house: &House,
    batch: &mut Batch,
    name: &DocumentName,
    document_type: DocumentType,
    before: Option<&VersionRecord>,
    wish: &VersionWish,
) -> Result<Checked, DocumentError> {
    if let Some(version_name) = &wish.version_name {
        parse_version_name(version_name)?;
    }
    check_texts(wish)?;
    let content = content::read(document_type, wish.format, &wish.content)?;
    let attachments = match &wish.attachments {
        Some(wanted) => attachments::take(house, batch, wanted, before).await?,
        None => before.map(|before| before.attachments.clone()).unwrap_or_default(),
    };
    attachments::compare(&content.files, &attachments)?;
    let requires = match &wish.requires {
        Some(wanted) => wanted.clone(),
        None => before.map(|before| before.requires.clone()).unwrap_or_default(),
    };
    check_requires(name, &requires)?;
    let sha256 = HashType::Sha256.of(&wish.content);
    Ok(Checked { content, sha256, attachments, requires, inherited: before.cloned() })
}

fn check_texts(wish: &VersionWish) -> Result<(), DocumentError> {
    if let Some(text) = &wish.display_name
        && (text.chars().count() > DISPLAY_NAME_MAX_CHARS || text.chars().any(char::is_control))
    {
        return Err(Fault::Validation.because(format!(
            "the display name is not good: at most {DISPLAY_NAME_MAX_CHARS} printable characters"
        )));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b':' | b'/');
    match &wish.target_type {
        Some(text)
            if !text.starts_with('/') || text.len() > TARGET_TYPE_MAX_CHARS || !text.bytes().all(plain) =>
        {
            Err(Fault::Validation.because(format!(
                "`{}` is not a target type: / and at most {TARGET_TYPE_MAX_CHARS} letters, digits, _ . - : /, as in \
                 /AWS::EC2::Instance",
                shown(text)
            )))
        }
        _ => Ok(()),
    }
}

fn check_requires(name: &DocumentName, requires: &[Requirement]) -> Result<(), DocumentError> {
    if requires.len() > REQUIRES_MAX {
        return Err(Fault::Validation
            .because(format!("{} required documents are too many: {REQUIRES_MAX} at most", requires.len())));
    }
    if requires.iter().any(|required| required.name == name.as_str()) {
        return Err(Fault::Validation.because(format!("document {name} cannot require itself")));
    }
    let mut names: Vec<_> = requires.iter().map(|required| required.name.as_str()).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(()),
        Some(pair) => Err(Fault::Validation
            .because(format!("document `{}` is required more than once: name it once", shown(pair[0])))),
    }
}

/// Adds the rows of a version to the commit; a text that is not small becomes a durable blob first.
async fn add_version(
    house: &House,
    batch: &mut Batch,
    name: &DocumentName,
    document: &DocumentRecord,
    checked: Checked,
    wish: VersionWish,
) -> Result<VersionRecord, DocumentError> {
    let Checked { content, sha256, attachments, requires, inherited } = checked;
    let number = document.last_version;
    for required in &requires {
        require(house, batch, name, number, required).await?;
    }
    let inherited = inherited.unwrap_or_else(|| nothing_inherited(content.format));
    let version = VersionRecord {
        version_name: wish.version_name,
        display_name: wish.display_name.or(inherited.display_name),
        created: house.clock.now(),
        author: wish.author,
        written_in: content.format,
        sha1: HashType::Sha1.of(&wish.content),
        bytes: wish.content.len() as u64,
        content: keep(house, wish.content).await?,
        sha256,
        schema_version: content.schema_version,
        platform_types: content.platform_types,
        target_type: wish.target_type.or(inherited.target_type),
        requires,
        attachments,
    };
    let id = &document.id;
    DOCUMENT_VERSION.insert(batch, &(id.clone(), number), &version)?;
    DOCUMENT_CONTENT.insert(
        batch,
        &(id.clone(), version.sha256.clone()),
        &VersionNumber { version: number },
    )?;
    if let Some(version_name) = &version.version_name {
        let key = (id.clone(), version_name.clone());
        DOCUMENT_VERSION_NAME.insert(batch, &key, &VersionNumber { version: number })?;
    }
    Ok(version)
}

/// Of a first version.
fn nothing_inherited(format: Format) -> VersionRecord {
    VersionRecord {
        version_name: None,
        display_name: None,
        created: fleetwright_proto::clock::Timestamp::default(),
        author: String::new(),
        written_in: format,
        content: Text::Here(String::new()),
        sha256: String::new(),
        sha1: String::new(),
        bytes: 0,
        schema_version: None,
        platform_types: Vec::new(),
        target_type: None,
        requires: Vec::new(),
        attachments: Vec::new(),
    }
}

/// Puts a text where it belongs. A blob is durable when this returns.
async fn keep(house: &House, content: Bytes) -> Result<Text, DocumentError> {
    match std::str::from_utf8(&content) {
        Ok(text) if text.len() <= HERE_MAX_BYTES => Ok(Text::Here(text.to_owned())),
        _ => {
            let id = KeptId::random();
            house.blobs.put(&find::text_path(&id)?, content).await?;
            Ok(Text::Blob(id))
        }
    }
}

/// Notes in the commit that a document is required, so that nobody deletes it meanwhile or afterwards.
async fn require(
    house: &House,
    batch: &mut Batch,
    name: &DocumentName,
    number: u64,
    required: &Requirement,
) -> Result<(), DocumentError> {
    let version = match (&required.version_name, &required.version) {
        (Some(version_name), _) => VersionWanted::Named(parse_version_name(version_name)?),
        (None, version) => VersionWanted::parse(version.as_deref().unwrap_or_default())?,
    };
    let reference = Reference { name: DocumentName::parse(&required.name)?, version };
    if library::get(&required.name).is_some() {
        find::get(house, &reference).await?;
        return Ok(());
    }
    let (row, found, _) = find::find(house, &reference).await?;
    let fixed = matches!(reference.version, VersionWanted::Number(_) | VersionWanted::Named(_));
    DOCUMENT.replace(batch, &row)?;
    let key = (reference.name, name.clone(), number);
    DOCUMENT_REQUIRED.put(batch, &key, &RequiredRecord { version: fixed.then_some(found) })?;
    Ok(())
}

async fn refuse_old(
    house: &House,
    name: &DocumentName,
    document: &DocumentRecord,
    latest: &str,
) -> Result<(), DocumentError> {
    let wanted = match latest {
        "" => VersionWanted::Latest,
        said => VersionWanted::parse(said)?,
    };
    if find::number(house, name, document, &wanted).await? == document.latest_version {
        return Ok(());
    }
    Err(Fault::InvalidDocumentVersion.because(format!(
        "only the latest version can be updated: that of {name} is {}, and you named {wanted}",
        document.latest_version
    )))
}

async fn refuse_duplicates(
    house: &House,
    name: &DocumentName,
    document: &DocumentRecord,
    checked: &Checked,
    wish: &VersionWish,
) -> Result<(), DocumentError> {
    let key = (document.id.clone(), checked.sha256.clone());
    if let Some(same) = DOCUMENT_CONTENT.get(&*house.store, &key).await? {
        let version = same.value.version;
        return Err(Fault::DuplicateDocumentContent.because(format!(
            "version {version} of {name} says exactly this: `document set-default {name} {version}` makes it the \
             default"
        )));
    }
    let Some(version_name) = &wish.version_name else { return Ok(()) };
    let key = (document.id.clone(), version_name.clone());
    match DOCUMENT_VERSION_NAME.get(&*house.store, &key).await? {
        None => Ok(()),
        Some(taken) => Err(Fault::DuplicateDocumentVersionName.because(format!(
            "version {} of {name} is called {version_name} already: choose another name",
            taken.value.version
        ))),
    }
}

async fn refuse_above_limit(house: &House) -> Result<(), DocumentError> {
    let (most, mut count) = (house.limits.documents, 0_u64);
    let mut pages = Pages::of(&DOCUMENT, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        count += rows.len() as u64;
    }
    if count < most {
        return Ok(());
    }
    Err(Fault::DocumentLimitExceeded.because(format!(
        "there are {count} documents, and {most} are allowed: delete some, or raise documents.count_max"
    )))
}

/// What a text is when its author does not say: the engine knows runbooks from what runs on nodes.
fn guessed_type(content: &[u8]) -> DocumentType {
    match fleetwright_documents::parse(content) {
        Ok(checked) if checked.document.kind() == fleetwright_documents::Kind::Automation => {
            DocumentType::Automation
        }
        _ => DocumentType::Command,
    }
}

fn exists(name: &DocumentName) -> DocumentError {
    Fault::DocumentAlreadyExists
        .because(format!("there is a document {name} already: `document update {name}` adds a version to it"))
}

pub(super) fn changed_meanwhile(name: &DocumentName) -> DocumentError {
    Fault::TooManyUpdates.because(format!(
        "somebody else changed document {name} at the same moment: look at it again, then repeat what you want"
    ))
}
