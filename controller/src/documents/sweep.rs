//! What crashes and forgotten uploads leave behind goes.
//!
//! A blob is written before its row, so one without a row may be on its way in: only who is still without one at the
//! next run was left. No blob without a row ever gets one later, because each has a name of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use fleetwright_store::{Batch, CommitError};

use super::attachments;
use super::delete;
use super::fault::DocumentError;
use super::find::TEXT_FOLDER;
use super::records::{KeptId, Text};
use crate::house::House;
use crate::records::Pages;
use crate::tables::{DOCUMENT_UPLOAD, DOCUMENT_VERSION};

/// How often [`Sweep::run_once`] is due.
pub const INTERVAL: Duration = Duration::from_secs(3600);
/// An upload that no document took by then is nobody's.
const UPLOAD_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// What one run remembers for the next.
#[derive(Debug, Default)]
pub struct Sweep {
    without_row: BTreeSet<(&'static str, KeptId)>,
}

impl Sweep {
    pub async fn run_once(&mut self, house: &House) -> Result<(), DocumentError> {
        delete::finish_all(house).await?;
        delete_old_uploads(house).await?;
        let blobs = blobs(house).await?;
        let named = if blobs.is_empty() { BTreeSet::new() } else { named(house).await? };
        let mut without_row = BTreeSet::new();
        for (folder, id) in blobs.into_iter().filter(|(_, id)| !named.contains(id)) {
            if self.without_row.contains(&(folder, id.clone())) {
                house.blobs.delete_prefix(&format!("{folder}/{id}").parse()?).await?;
            } else {
                without_row.insert((folder, id));
            }
        }
        self.without_row = without_row;
        Ok(())
    }
}

async fn delete_old_uploads(house: &House) -> Result<(), DocumentError> {
    let now = house.clock.now();
    let mut pages = Pages::of(&DOCUMENT_UPLOAD, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        for row in rows.into_iter().filter(|row| row.value.uploaded.plus(UPLOAD_LIFETIME) <= now) {
            let mut batch = Batch::new();
            DOCUMENT_UPLOAD.delete_at(&mut batch, &row.key, row.revision);
            match house.store.commit(batch).await {
                // A document took it at this moment.
                Ok(_) | Err(CommitError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

async fn blobs(house: &House) -> Result<BTreeSet<(&'static str, KeptId)>, DocumentError> {
    let mut found = BTreeSet::new();
    for folder in [TEXT_FOLDER, attachments::FOLDER] {
        for blob in house.blobs.list(Some(&folder.parse()?)).await? {
            let path = blob.path.to_string();
            found.extend(path.split('/').nth(1).and_then(|part| part.parse().ok()).map(|id| (folder, id)));
        }
    }
    Ok(found)
}

/// Every blob and upload that a row names. Uploads are read before the versions that may take them meanwhile, and the
/// blobs were listed before both.
async fn named(house: &House) -> Result<BTreeSet<KeptId>, DocumentError> {
    let mut named = BTreeSet::new();
    let mut uploads = Pages::of(&DOCUMENT_UPLOAD, ());
    while let Some(rows) = uploads.next(&*house.store).await? {
        named.extend(rows.into_iter().map(|row| row.key));
    }
    let mut versions = Pages::of(&DOCUMENT_VERSION, ());
    while let Some(rows) = versions.next(&*house.store).await? {
        for row in rows {
            if let Text::Blob(id) = row.value.content {
                named.insert(id);
            }
            named.extend(row.value.attachments.into_iter().map(|file| file.upload));
        }
    }
    Ok(named)
}
