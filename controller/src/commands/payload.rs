//! What a command carries to each of its nodes, kept at hand while nodes are being sent to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use fleetwright_proto::ids::CommandId;
use fleetwright_store::{BlobError, BlobPath};
use sha2::{Digest, Sha256};

use super::records::{CommandRecord, DocumentSource, Text};
use crate::error::Refusal;
use crate::house::House;
use crate::tables::COMMAND;

/// Texts up to this many bytes stand in the record itself.
const HERE_MAX_BYTES: usize = 8 * 1024;

/// Payloads kept at hand: at most 64 KiB of document and 64 KiB of parameters each.
const KEPT: usize = 64;

/// A command with its texts loaded. The record is as it was when loaded: its timing and limits never change, its
/// wish to cancel and its outcome may be older than the store's.
#[derive(Debug)]
pub struct Payload {
    pub record: CommandRecord,
    pub content: Bytes,
    pub parameters: Bytes,
}

/// The ones used last.
#[derive(Debug, Default)]
pub struct Payloads(Mutex<VecDeque<(CommandId, Arc<Payload>)>>);

/// The payload of a command; None when there is no such command (any more).
pub async fn load(house: &House, command: &CommandId) -> Result<Option<Arc<Payload>>, Refusal> {
    if let Some(known) = house.payloads.find(command) {
        return Ok(Some(known));
    }
    let Some(row) = COMMAND.get(&*house.store, command).await? else {
        return Ok(None);
    };
    let payload = Arc::new(Payload {
        content: document_text(house, &row.value).await?,
        parameters: text(house, &row.value.parameters).await?,
        record: row.value,
    });
    house.payloads.keep(command.clone(), payload.clone());
    Ok(Some(payload))
}

/// Puts a text where it belongs. A blob is durable when this returns, before the record that names it is written.
pub async fn keep_text(house: &House, text: String) -> Result<Text, Refusal> {
    if text.len() <= HERE_MAX_BYTES {
        return Ok(Text::Here(text));
    }
    Ok(Text::Blob { sha256: keep_blob(house, Bytes::from(text)).await? })
}

/// Keeps bytes by their digest and returns it.
pub async fn keep_blob(house: &House, bytes: Bytes) -> Result<String, Refusal> {
    let sha256 = hex::encode(Sha256::digest(&bytes));
    house.blobs.put(&blob_path(&sha256)?, bytes).await?;
    Ok(sha256)
}

/// A kept text, wherever it is.
pub async fn text(house: &House, text: &Text) -> Result<Bytes, Refusal> {
    match text {
        Text::Here(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
        Text::Blob { sha256 } => blob(house, sha256).await,
    }
}

/// The text of the document that a command runs.
pub async fn document_text(house: &House, command: &CommandRecord) -> Result<Bytes, Refusal> {
    let used = &command.document;
    let library = fleetwright_documents::library::get(&used.name);
    match (used.source, library) {
        (DocumentSource::Library, Some(document)) if document.sha256 == used.sha256 => {
            Ok(Bytes::from_static(document.text.as_bytes()))
        }
        _ => blob(house, &used.sha256).await,
    }
}

async fn blob(house: &House, sha256: &str) -> Result<Bytes, Refusal> {
    match house.blobs.get(&blob_path(sha256)?).await {
        Ok(bytes) => Ok(bytes),
        Err(BlobError::NotFound { .. }) => {
            Err(Refusal::internal(format!("the text with digest {sha256} is missing from the blobs")))
        }
        Err(error) => Err(error.into()),
    }
}

fn blob_path(sha256: &str) -> Result<BlobPath, BlobError> {
    format!("texts/{sha256}").parse()
}

impl Payloads {
    fn find(&self, command: &CommandId) -> Option<Arc<Payload>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(id, _)| id == command)?;
        // The ones used last stay longest.
        let found = kept.remove(at)?;
        let payload = found.1.clone();
        kept.push_front(found);
        Some(payload)
    }

    pub(super) fn keep(&self, command: CommandId, payload: Arc<Payload>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_front((command, payload));
        kept.truncate(KEPT);
    }
}
