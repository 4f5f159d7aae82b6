//! Texts of shipped documents under their hashes: a command runs the text that it was sent with, also when the release
//! that delivers it ships another one.
//!
//! They are written when the controller starts, before anything can be sent. A text that this release does not ship
//! goes when no command is left that ran it.

use std::collections::BTreeSet;

use bytes::Bytes;
use fleetwright_documents::library;
use fleetwright_store::{BlobError, BlobPath};

use super::payload;
use super::records::DocumentSource;
use crate::error::Refusal;
use crate::house::House;
use crate::records::Pages;
use crate::tables::COMMAND;

/// The folder of all these texts.
const FOLDER: &str = "shipped";

/// Writes what this release ships and is not there yet. Durable when this returns.
pub async fn keep_all(house: &House) -> Result<(), Refusal> {
    let kept = kept(house).await?;
    for document in library::all().iter().filter(|document| !kept.contains(document.sha256)) {
        let text = Bytes::from_static(document.text.as_bytes());
        house.blobs.put(&path(document.sha256)?, text).await?;
    }
    Ok(())
}

/// The text of a shipped document, whichever release shipped it.
pub(super) async fn text(house: &House, name: &str, sha256: &str) -> Result<Bytes, Refusal> {
    if let Some(document) = library::get(name).filter(|document| document.sha256 == sha256) {
        return Ok(Bytes::from_static(document.text.as_bytes()));
    }
    let bytes = match house.blobs.get(&path(sha256)?).await {
        Ok(bytes) => bytes,
        Err(BlobError::NotFound { .. }) => {
            return Err(Refusal::internal(format!(
                "the text of {name} that the command was sent with is not kept, and this release ships another one"
            )));
        }
        Err(error) => return Err(error.into()),
    };
    if payload::digest(&bytes) != sha256 {
        return Err(Refusal::internal(format!("the kept text of {name} is not the one that was written")));
    }
    Ok(bytes)
}

/// Deletes the texts that nobody ships and no command needs. Returns how many went.
pub(super) async fn delete_unused(house: &House) -> Result<usize, Refusal> {
    let mut unused = kept(house).await?;
    for document in library::all() {
        unused.remove(document.sha256);
    }
    // Only after an upgrade that changed a text is there a reason to look at all commands.
    if unused.is_empty() {
        return Ok(0);
    }
    let mut pages = Pages::of(&COMMAND, ());
    while let Some(rows) = pages.next(&*house.store).await? {
        for used in rows.iter().map(|row| &row.value.document) {
            if used.source == DocumentSource::Library {
                unused.remove(&used.sha256);
            }
        }
    }
    for sha256 in &unused {
        house.blobs.delete_prefix(&path(sha256)?).await?;
    }
    Ok(unused.len())
}

async fn kept(house: &House) -> Result<BTreeSet<String>, Refusal> {
    let blobs = house.blobs.list(Some(&FOLDER.parse()?)).await?;
    let name = |path: String| path.rsplit('/').next().map(str::to_owned);
    Ok(blobs.into_iter().filter_map(|blob| name(blob.path.to_string())).collect())
}

fn path(sha256: &str) -> Result<BlobPath, BlobError> {
    format!("{FOLDER}/{sha256}").parse()
}

#[cfg(test)]
mod tests {
    use fleetwright_proto::ids::CommandId;
    use fleetwright_store::Batch;

    use super::*;
    use crate::commands::records::CommandRecord;
    use crate::commands::tests::{wish, with_node};
    use crate::error::Kind;
    use crate::tests::{TestHouse, test_house};

    /// What an earlier release shipped under the name.
    const FORMER: &str = r#"{"schemaVersion":"2.2","mainSteps":[{"name":"a","action":"aws:runShellScript",
        "inputs":{"runCommand":["echo former"]}}]}"#;

    /// A command that the earlier release was asked for.
    async fn of_former_release(house: &House) -> (CommandId, CommandRecord) {
        with_node(house).await;
        let (id, _) = crate::commands::send::send(house, wish("true")).await.unwrap();
        let mut row = COMMAND.get(&*house.store, &id).await.unwrap().unwrap();
        row.value.document.sha256 = payload::digest(FORMER.as_bytes());
        let mut batch = Batch::new();
        COMMAND.replace(&mut batch, &row).unwrap();
        house.store.commit(batch).await.unwrap();
        (id, row.value)
    }

    #[tokio::test]
    async fn a_command_runs_the_text_that_it_was_sent_with_whatever_is_shipped_now() {
        let TestHouse { house, _folder, .. } = test_house();
        let (id, record) = of_former_release(&house).await;
        let lost = payload::document_text(&house, &id, &record).await.unwrap_err();
        assert!(lost.kind == Kind::Internal && lost.message.contains("ships another one"), "{lost}");
        let former = path(&record.document.sha256).unwrap();
        house.blobs.put(&former, Bytes::from_static(FORMER.as_bytes())).await.unwrap();
        keep_all(&house).await.unwrap();
        assert_eq!(payload::document_text(&house, &id, &record).await.unwrap(), FORMER);
        assert_eq!(payload::load(&house, &id).await.unwrap().unwrap().content, FORMER);
        house.blobs.put(&former, Bytes::from_static(b"{}")).await.unwrap();
        let altered = payload::document_text(&house, &id, &record).await.unwrap_err();
        assert!(altered.message.contains("not the one that was written"), "{altered}");
    }

    #[tokio::test]
    async fn a_former_text_goes_with_the_last_command_of_it_and_shipped_ones_stay() {
        let TestHouse { house, _folder, .. } = test_house();
        let (id, record) = of_former_release(&house).await;
        keep_all(&house).await.unwrap();
        keep_all(&house).await.unwrap();
        let shipped = library::all().len();
        assert_eq!(kept(&house).await.unwrap().len(), shipped);
        let former = path(&record.document.sha256).unwrap();
        house.blobs.put(&former, Bytes::from_static(FORMER.as_bytes())).await.unwrap();
        assert_eq!(delete_unused(&house).await.unwrap(), 0);
        let mut batch = Batch::new();
        COMMAND.delete(&mut batch, &id);
        house.store.commit(batch).await.unwrap();
        assert_eq!(delete_unused(&house).await.unwrap(), 1);
        assert_eq!(kept(&house).await.unwrap().len(), shipped);
    }
}
