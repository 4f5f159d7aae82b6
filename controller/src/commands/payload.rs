//! What a command carries to each of its nodes, kept at hand while nodes are being sent to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use fleetwright_documents::Bound;
use fleetwright_proto::ids::CommandId;
use fleetwright_store::{Batch, BlobError, BlobPath};
use sha2::{Digest, Sha256};

use super::records::{CommandRecord, DocumentSource, Text};
use super::shipped;
use crate::error::Refusal;
use crate::house::House;
use crate::keys::names::{COMMANDS, KeyName};
use crate::keys::ring::{Maker, Sealed};
use crate::tables::COMMAND;

/// Texts up to this many bytes stand in the record itself.
const HERE_MAX_BYTES: usize = 8 * 1024;

/// The folder of the folders of commands.
pub const FOLDER: &str = "commands";

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
        content: document_text(house, command, &row.value).await?,
        parameters: parameters(house, command, &row.value).await?,
        record: row.value,
    });
    house.payloads.keep(command.clone(), payload.clone());
    Ok(Some(payload))
}

/// Puts a command's parameters where they belong. A blob is durable when this returns, before the record is written.
pub async fn keep_parameters(
    house: &House,
    command: &CommandId,
    text: String,
    keep: Keep,
) -> Result<Text, Refusal> {
    if keep == Keep::Sealed {
        return keep_sealed(house, command, &text).await;
    }
    if text.len() <= HERE_MAX_BYTES {
        return Ok(Text::Here(text));
    }
    let sha256 = digest(text.as_bytes());
    house.blobs.put(&path(command, "parameters")?, Bytes::from(text)).await?;
    Ok(Text::Blob { sha256 })
}

/// Whether parameters are kept under seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    Clear,
    Sealed,
}

impl Keep {
    /// Secrets are sealed, and everything that stands beside them.
    #[must_use]
    pub fn of(bound: &Bound) -> Self {
        if bound.has_secrets() { Self::Sealed } else { Self::Clear }
    }
}

/// The key's versions stay for as long as there are commands, so a rotation need not find this: the condition that the
/// seal asks for is left out.
async fn keep_sealed(house: &House, command: &CommandId, text: &str) -> Result<Text, Refusal> {
    let (name, about) = (KeyName::parse(COMMANDS)?, about(command));
    let maker = Maker { name: "fleetwright", now: house.clock.now() };
    let what = (about.as_str(), text.as_bytes());
    let sealed = house.keys.seal(&*house.store, &mut Batch::new(), &name, what, &maker).await?;
    if text.len() <= HERE_MAX_BYTES {
        return Ok(Text::Sealed(sealed));
    }
    let bytes = serde_json::to_vec(&sealed)
        .map_err(|_| Refusal::internal("sealed parameters cannot be written as JSON"))?;
    let sha256 = digest(&bytes);
    house.blobs.put(&path(command, "parameters")?, Bytes::from(bytes)).await?;
    Ok(Text::SealedBlob { sha256 })
}

async fn open_sealed(house: &House, command: &CommandId, sealed: &Sealed) -> Result<Bytes, Refusal> {
    let name = KeyName::parse(COMMANDS)?;
    let opened = house.keys.open_sealed(&*house.store, &name, &about(command), sealed).await?;
    Ok(Bytes::copy_from_slice(&opened))
}

fn about(command: &CommandId) -> String {
    format!("parameters of command {command}")
}

/// Keeps the text of a document that came with its command. Durable when this returns.
pub async fn keep_document(house: &House, command: &CommandId, text: Bytes) -> Result<(), Refusal> {
    Ok(house.blobs.put(&path(command, "document")?, text).await?)
}

/// The bound parameters of a command, a JSON object.
pub async fn parameters(
    house: &House,
    command: &CommandId,
    record: &CommandRecord,
) -> Result<Bytes, Refusal> {
    match &record.parameters {
        Text::Here(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
        Text::Blob { sha256 } => blob(house, &path(command, "parameters")?, sha256).await,
        Text::Sealed(sealed) => open_sealed(house, command, sealed).await,
        Text::SealedBlob { sha256 } => {
            let bytes = blob(house, &path(command, "parameters")?, sha256).await?;
            let sealed = serde_json::from_slice(&bytes)
                .map_err(|_| Refusal::internal("the sealed parameters of a command cannot be read"))?;
            open_sealed(house, command, &sealed).await
        }
    }
}

/// The text of the document that a command runs.
pub async fn document_text(
    house: &House,
    command: &CommandId,
    record: &CommandRecord,
) -> Result<Bytes, Refusal> {
    let used = &record.document;
    match used.source {
        DocumentSource::Library => shipped::text(house, &used.name, &used.sha256).await,
        DocumentSource::Blob => blob(house, &path(command, "document")?, &used.sha256).await,
    }
}

/// SHA-256, hex.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The folder of all blobs of a command: they come and go with it.
#[must_use]
pub fn folder(command: &CommandId) -> String {
    format!("{FOLDER}/{command}")
}

async fn blob(house: &House, path: &BlobPath, sha256: &str) -> Result<Bytes, Refusal> {
    let bytes = house.blobs.get(path).await?;
    if digest(&bytes) != sha256 {
        return Err(Refusal::internal(format!("the blob {path} is not what was written there")));
    }
    Ok(bytes)
}

fn path(command: &CommandId, name: &str) -> Result<BlobPath, BlobError> {
    format!("{}/{name}", folder(command)).parse()
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
