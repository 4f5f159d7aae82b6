//! Making, changing and ending associations. Everything is checked before anything is written, and each change is one
//! commit under conditions: of two at once one is refused.

use std::sync::Arc;

use bytes::Bytes;
use fleetwright_documents::Kind;
use fleetwright_proto::DOCUMENT_MAX_BYTES;
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::ids::AssociationId;
use fleetwright_store::{Batch, CommitError, Row};
use sha2::{Digest, Sha256};

use super::check::{self, AssociationWish};
use super::fault::{AssociationError, Fault};
use super::find;
use super::records::{AssociationRecord, Content, StatusNote, VersionRecord};
use super::sweep;
use crate::commands::records::Mark;
use crate::documents::find::{self as documents, Found};
use crate::documents::kinds::DocumentType;
use crate::documents::names::Reference;
use crate::house::House;
use crate::meters::NewWork;
use crate::nodes::operations::matching;
use crate::nodes::targets::Selector;
use crate::records::COMMIT_ATTEMPTS;
use crate::room;
use crate::tables::{ASSOCIATION, ASSOCIATION_LEAVING, ASSOCIATION_VERSION};

/// Associations of the fleet, and versions of one (reference, section 11.1).
pub const ASSOCIATIONS_MAX: usize = 2_000;
pub const VERSIONS_MAX: u64 = 1_000;

/// What the nodes of an association are given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    pub document: String,
    pub document_version: String,
    /// Of the text, hex.
    pub sha256: String,
    pub text: Bytes,
    /// The bound parameters, a JSON object.
    pub parameters: Bytes,
    pub parameters_sha256: String,
    /// The same for people: secret values are covered.
    pub shown_parameters: String,
}

/// The text and the values that an association stands for now. `before` is what it stood for the last time.
pub(super) async fn prepare(
    house: &House,
    content: &Content,
    before: Option<&Arc<Prepared>>,
) -> Result<Arc<Prepared>, AssociationError> {
    let reference = Reference::parse(&content.document, &content.document_version)?;
    let Found { view, content: text } = documents::get(house, &reference).await?;
    let version = view.version.to_string();
    if let Some(before) = before.filter(|known| known.text == text && known.document_version == version) {
        return Ok(before.clone());
    }
    refuse_type(&view.name, view.document_type)?;
    let parsed = fleetwright_documents::parse(&text).map_err(|problems| {
        Fault::InvalidDocument.because(format!("the document {} has errors:\n{problems}", view.name))
    })?;
    if parsed.document.kind() != Kind::Command {
        return Err(refuse_automation(&view.name));
    }
    let bound = parsed.document.bind(&content.parameters).map_err(|problems| {
        let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
        Fault::InvalidParameters.because(format!(
            "the parameters do not fit {}: {}",
            view.name,
            lines.join("; ")
        ))
    })?;
    if let Some(reference) = parsed.document.references(&bound).first() {
        return Err(Fault::InvalidParameters.because(format!(
            "the reference to the parameter {} cannot be resolved: associations take no references to the parameter \
             store yet",
            reference.name
        )));
    }
    let parameters = bound.to_json();
    if text.len() + parameters.len() > DOCUMENT_MAX_BYTES {
        return Err(Fault::InvalidParameters.because(format!(
            "document and parameters are {} bytes together: {DOCUMENT_MAX_BYTES} at most",
            text.len() + parameters.len()
        )));
    }
    Ok(Arc::new(Prepared {
        document: view.name,
        document_version: version,
        sha256: hex::encode(Sha256::digest(&text)),
        parameters_sha256: hex::encode(Sha256::digest(&parameters)),
        shown_parameters: bound.redacted_json(),
        parameters: parameters.into(),
        text,
    }))
}

fn refuse_type(name: &str, found: DocumentType) -> Result<(), AssociationError> {
    match found {
        DocumentType::Command | DocumentType::Policy => Ok(()),
        DocumentType::Automation => Err(refuse_automation(name)),
        other => Err(Fault::InvalidDocument.because(format!(
            "{name} is of type {other}, and an association applies only documents of type Command or Policy"
        ))),
    }
}

fn refuse_automation(name: &str) -> AssociationError {
    Fault::InvalidDocument.because(format!(
        "{name} is an Automation document, which this controller does not run by an association: only documents of \
         type Command and Policy"
    ))
}

async fn checked(house: &House, wish: AssociationWish, now: Timestamp) -> Result<Content, AssociationError> {
    let content = check::content(wish, now)?;
    prepare(house, &content, None).await?;
    let by_id = content.targets.iter().any(|target| matches!(target, Selector::Nodes(_)));
    // Who is named has to exist; a tag that nobody has is for nodes to come.
    matching(house, &content.targets).await.map_err(|refusal| match refusal.kind {
        crate::error::Kind::NotFound | crate::error::Kind::Invalid if by_id => {
            Fault::InvalidInstanceId.because(refusal.message)
        }
        crate::error::Kind::NotFound => Fault::InvalidTarget.because(refusal.message),
        _ => refusal.into(),
    })?;
    Ok(content)
}

/// Makes an association. Durable when this returns; its nodes get it by themselves.
pub async fn create(
    house: &House,
    wish: AssociationWish,
    by: &str,
) -> Result<(AssociationId, AssociationRecord), AssociationError> {
    room::admit(house, NewWork::Command)?;
    if house.associations.all().len() >= ASSOCIATIONS_MAX {
        return Err(Fault::AssociationLimitExceeded.because(format!(
            "there are {ASSOCIATIONS_MAX} associations, which is the limit: delete one first"
        )));
    }
    let now = house.clock.now();
    let content = checked(house, wish, now).await?;
    let id = AssociationId::random();
    let record = AssociationRecord {
        version: 1,
        content: content.clone(),
        created: now,
        created_by: by.to_owned(),
        updated: now,
        asked: None,
        note: None,
    };
    let version = VersionRecord { content, created: now, created_by: by.to_owned() };
    let mut batch = Batch::new();
    ASSOCIATION.insert(&mut batch, &id, &record)?;
    ASSOCIATION_VERSION.insert(&mut batch, &(id.clone(), 1), &version)?;
    house.store.commit(batch).await?;
    Ok((id, record))
}

/// Makes a new version of an association, which is all that is wanted from then on. `expected`: only if that is the
/// version now.
pub async fn update(
    house: &House,
    wanted: &str,
    wish: AssociationWish,
    expected: Option<u64>,
    by: &str,
) -> Result<(AssociationId, AssociationRecord), AssociationError> {
    let now = house.clock.now();
    let content = checked(house, wish, now).await?;
    change(house, wanted, |batch, row| {
        let before = row.value.version;
        if expected.is_some_and(|expected| expected != before) {
            return Err(Fault::InvalidAssociationVersion.because(format!(
                "the association is at version {before}, and not at {}: look at what changed first",
                expected.unwrap_or_default()
            )));
        }
        if before >= VERSIONS_MAX {
            return Err(Fault::AssociationVersionLimitExceeded.because(format!(
                "the association has {VERSIONS_MAX} versions, which is the limit: make a new one"
            )));
        }
        row.value.version += 1;
        row.value.content = content.clone();
        row.value.updated = now;
        let version = VersionRecord { content: content.clone(), created: now, created_by: by.to_owned() };
        ASSOCIATION_VERSION.insert(batch, &(row.key.clone(), row.value.version), &version)?;
        Ok(())
    })
    .await
}

/// Has an association applied at once, by nodes that are away when they are back. Durable when this returns.
pub async fn run_now(
    house: &House,
    wanted: &str,
) -> Result<(AssociationId, AssociationRecord), AssociationError> {
    let now = house.clock.now();
    change(house, wanted, |_, row| {
        // Two wishes in one millisecond are two wishes.
        let after_last = row.value.asked.map(|asked| asked.plus(std::time::Duration::from_millis(1)));
        row.value.asked = Some(after_last.map_or(now, |after| after.max(now)));
        Ok(())
    })
    .await
}

/// Keeps what a caller says of an association; for whoever reads it back.
pub async fn note(
    house: &House,
    wanted: &str,
    note: StatusNote,
) -> Result<(AssociationId, AssociationRecord), AssociationError> {
    change(house, wanted, |_, row| {
        row.value.note = Some(note.clone());
        Ok(())
    })
    .await
}

async fn change(
    house: &House,
    wanted: &str,
    change: impl Fn(&mut Batch, &mut Row<AssociationId, AssociationRecord>) -> Result<(), AssociationError>,
) -> Result<(AssociationId, AssociationRecord), AssociationError> {
    let id = find::resolve(house, wanted).await?;
    for _ in 0..COMMIT_ATTEMPTS {
        let mut row = find::row(house, &id).await?;
        let mut batch = Batch::new();
        change(&mut batch, &mut row)?;
        ASSOCIATION.replace(&mut batch, &row)?;
        match house.store.commit(batch).await {
            Ok(_) => return Ok((id, row.value)),
            Err(CommitError::Conflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Fault::TooManyUpdates
        .because(format!("association {id} is being changed by somebody else: try again")))
}

/// Ends an association. Durable when this returns; its nodes stop applying it, and what they said of it goes.
pub async fn delete(house: &House, wanted: &str) -> Result<AssociationId, AssociationError> {
    let id = find::resolve(house, wanted).await?;
    let row = find::row(house, &id).await?;
    let mut batch = Batch::new();
    ASSOCIATION.delete_at(&mut batch, &id, row.revision);
    ASSOCIATION_LEAVING.put(&mut batch, &id, &Mark {})?;
    match house.store.commit(batch).await {
        Ok(_) => {}
        Err(CommitError::Conflict { .. }) => {
            return Err(Fault::TooManyUpdates
                .because(format!("association {id} is being changed by somebody else: try again")));
        }
        Err(error) => return Err(error.into()),
    }
    sweep::finish(house, &id).await?;
    Ok(id)
}
