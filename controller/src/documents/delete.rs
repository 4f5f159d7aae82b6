//! Deleting documents and versions: first nobody finds them any more, then what belonged to them goes.
//!
//! ```text
//! document ── one commit ──► leaving ── version by version ──► gone
//! ```
//!
//! What runs keeps running: a command has its own copy of the text that it runs.

use fleetwright_store::Batch;

use super::fault::{DocumentError, Fault};
use super::find;
use super::names::{DocumentName, Reference, VersionWanted};
use super::records::{DocumentRecord, KeptId, Text, VersionRecord};
use super::write::commit;
use crate::associations::find::applied_by;
use crate::house::House;
use crate::records::Pages;
use crate::tables::{
    DOCUMENT, DOCUMENT_CONTENT, DOCUMENT_LEAVING, DOCUMENT_REQUIRED, DOCUMENT_SHARE, DOCUMENT_VERSION,
    DOCUMENT_VERSION_NAME,
};

/// Deletes a document with all its versions. From the moment that this returns nobody finds it, also after a crash.
pub async fn delete(house: &House, name: &str) -> Result<(), DocumentError> {
    let name = DocumentName::parse(name)?;
    let row = find::to_change(house, &name).await?;
    refuse_shared(house, &name, &row.value).await?;
    refuse_required(house, &name, None).await?;
    refuse_applied(house, &name).await?;
    let mut batch = Batch::new();
    DOCUMENT.delete_at(&mut batch, &name, row.revision);
    DOCUMENT_LEAVING.put(
        &mut batch,
        &row.value.id,
        &super::records::LeavingRecord { name: name.to_string() },
    )?;
    commit(house, &name, batch).await?;
    finish(house, &row.value.id, &name).await
}

/// Deletes one version. Its number is not given again.
pub async fn delete_version(house: &House, name: &str, version: &str) -> Result<(), DocumentError> {
    let name = DocumentName::parse(name)?;
    find::to_change(house, &name).await?;
    let reference = Reference { name, version: VersionWanted::parse(version)? };
    let (mut row, number, version) = find::find(house, &reference).await?;
    let name = &reference.name;
    if number == row.value.default_version {
        return Err(Fault::InvalidDocumentOperation.because(format!(
            "version {number} is the default version of {name}: make another one the default first"
        )));
    }
    refuse_required(house, name, Some(number)).await?;
    row.value.versions = row.value.versions.saturating_sub(1);
    row.value.latest_version = latest_without(house, &row.value, number).await?;
    let mut batch = Batch::new();
    DOCUMENT.replace(&mut batch, &row)?;
    delete_rows(&mut batch, name, &row.value.id, number, &version)?;
    commit(house, name, batch).await?;
    delete_text(house, &version).await
}

/// Brings deletions to their end that were left in the middle.
pub async fn finish_all(house: &House) -> Result<(), DocumentError> {
    let mut leaving = Pages::of(&DOCUMENT_LEAVING, ());
    while let Some(rows) = leaving.next(&*house.store).await? {
        for row in rows {
            finish(house, &row.key, &DocumentName::parse(&row.value.name)?).await?;
        }
    }
    Ok(())
}

async fn finish(house: &House, id: &KeptId, name: &DocumentName) -> Result<(), DocumentError> {
    let mut versions = Pages::of(&DOCUMENT_VERSION, id.clone());
    while let Some(rows) = versions.next(&*house.store).await? {
        for row in rows {
            delete_text(house, &row.value).await?;
            let mut batch = Batch::new();
            delete_rows(&mut batch, name, id, row.key.1, &row.value)?;
            house.store.commit(batch).await?;
        }
    }
    let mut batch = Batch::new();
    DOCUMENT_LEAVING.delete(&mut batch, id);
    house.store.commit(batch).await?;
    Ok(())
}

fn delete_rows(
    batch: &mut Batch,
    name: &DocumentName,
    id: &KeptId,
    number: u64,
    version: &VersionRecord,
) -> Result<(), DocumentError> {
    DOCUMENT_VERSION.delete(batch, &(id.clone(), number));
    DOCUMENT_CONTENT.delete(batch, &(id.clone(), version.sha256.clone()));
    if let Some(version_name) = &version.version_name {
        DOCUMENT_VERSION_NAME.delete(batch, &(id.clone(), version_name.clone()));
    }
    for required in &version.requires {
        DOCUMENT_REQUIRED.delete(batch, &(DocumentName::parse(&required.name)?, name.clone(), number));
    }
    Ok(())
}

async fn delete_text(house: &House, version: &VersionRecord) -> Result<(), DocumentError> {
    if let Text::Blob(id) = &version.content {
        house.blobs.delete_prefix(&find::text_path(id)?).await?;
    }
    Ok(())
}

async fn latest_without(house: &House, document: &DocumentRecord, gone: u64) -> Result<u64, DocumentError> {
    if document.latest_version != gone {
        return Ok(document.latest_version);
    }
    for number in (1..gone).rev() {
        let key = (document.id.clone(), number);
        if DOCUMENT_VERSION.get(&*house.store, &key).await?.is_some() {
            return Ok(number);
        }
    }
    // The default version is never deleted, so there is one.
    Ok(document.default_version)
}

async fn refuse_shared(
    house: &House,
    name: &DocumentName,
    document: &DocumentRecord,
) -> Result<(), DocumentError> {
    let page = DOCUMENT_SHARE.scan(&*house.store, &document.id, None, 1).await?;
    match page.rows.first() {
        None => Ok(()),
        Some(share) => Err(Fault::InvalidDocumentOperation
            .because(format!("document {name} is shared with {}: stop sharing it first", share.key.1))),
    }
}

async fn refuse_applied(house: &House, name: &DocumentName) -> Result<(), DocumentError> {
    match applied_by(house, name.as_str()).await? {
        None => Ok(()),
        Some(association) => Err(Fault::AssociatedInstances
            .because(format!("document {name} is applied by association {association}: delete that first"))),
    }
}

async fn refuse_required(
    house: &House,
    name: &DocumentName,
    version: Option<u64>,
) -> Result<(), DocumentError> {
    let mut pages = Pages::of(&DOCUMENT_REQUIRED, name.clone());
    while let Some(rows) = pages.next(&*house.store).await? {
        for row in rows {
            if version.is_none() || row.value.version == version {
                let (_, who, number) = row.key;
                return Err(Fault::InvalidDocumentOperation.because(format!(
                    "version {number} of document {who} requires {name}: delete that first"
                )));
            }
        }
    }
    Ok(())
}
