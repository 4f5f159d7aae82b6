//! Files of documents: uploaded first, then named by the version that they belong to.
//!
//! ```text
//! upload ── pieces durable, then a row ──► waiting ── one commit with the version ──► attached
//!                                             │
//!                                             └── a day without a document ──► swept
//! ```
//!
//! A file is kept in pieces of [`PIECE_BYTES`], so that no file is ever in memory whole.

use bytes::{Bytes, BytesMut};
use fleetwright_store::{Batch, BlobError, BlobPath};
use ring::digest::{Context, SHA256};

use super::fault::{DocumentError, Fault};
use super::names::shown;
use super::records::{Attachment, KeptId, UploadRecord, VersionRecord};
use crate::house::House;
use crate::tables::DOCUMENT_UPLOAD;

/// Where the pieces of files are.
pub(super) const FOLDER: &str = "attachments";
/// Bytes of one blob of a file.
const PIECE_BYTES: usize = 1024 * 1024;
/// Files of one version (reference, section 1.12).
const FILES_MAX: usize = 20;
const NAME_MAX_CHARS: usize = 128;

/// A file that a new version is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachmentWish {
    Uploaded {
        name: String,
        upload: KeptId,
    },
    /// The file of this name that the version before has.
    Kept {
        name: String,
    },
}

impl AttachmentWish {
    fn name(&self) -> &str {
        match self {
            Self::Uploaded { name, .. } | Self::Kept { name } => name,
        }
    }
}

/// A file on its way in.
pub struct Upload<'a> {
    house: &'a House,
    id: KeptId,
    digest: Context,
    bytes: u64,
    piece: BytesMut,
}

impl std::fmt::Debug for Upload<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upload").field("id", &self.id).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

impl<'a> Upload<'a> {
    #[must_use]
    pub fn start(house: &'a House) -> Self {
        Self { house, id: KeptId::random(), digest: Context::new(&SHA256), bytes: 0, piece: BytesMut::new() }
    }

    pub async fn add(&mut self, data: &[u8]) -> Result<(), DocumentError> {
        let most = self.house.limits.attachment_max_bytes;
        if self.bytes + (self.piece.len() + data.len()) as u64 > most {
            return Err(Fault::MaxDocumentSizeExceeded.because(format!(
                "the file is longer than {most} bytes, which documents.attachment_max_mib allows"
            )));
        }
        self.digest.update(data);
        self.piece.extend_from_slice(data);
        while self.piece.len() >= PIECE_BYTES {
            let piece = self.piece.split_to(PIECE_BYTES).freeze();
            self.put(piece).await?;
        }
        Ok(())
    }

    /// Durable when this returns. Without a document that takes it, it is swept after a day.
    pub async fn finish(mut self, by: &str) -> Result<(KeptId, UploadRecord), DocumentError> {
        let rest = self.piece.split().freeze();
        if !rest.is_empty() {
            self.put(rest).await?;
        }
        let record = UploadRecord {
            bytes: self.bytes,
            sha256: hex::encode(self.digest.finish()),
            uploaded: self.house.clock.now(),
            uploaded_by: by.to_owned(),
        };
        let mut batch = Batch::new();
        DOCUMENT_UPLOAD.insert(&mut batch, &self.id, &record)?;
        self.house.store.commit(batch).await?;
        Ok((self.id, record))
    }

    async fn put(&mut self, piece: Bytes) -> Result<(), DocumentError> {
        let length = piece.len() as u64;
        self.house.blobs.put(&piece_path(&self.id, self.bytes)?, piece).await?;
        self.bytes += length;
        Ok(())
    }
}

/// The bytes of a file from a position on, as many as are in one piece; None behind its end.
pub async fn read(house: &House, file: &Attachment, offset: u64) -> Result<Option<Bytes>, DocumentError> {
    if offset >= file.bytes {
        return Ok(None);
    }
    let piece = offset - offset % PIECE_BYTES as u64;
    let bytes = house.blobs.get(&piece_path(&file.upload, piece)?).await?;
    let skip = usize::try_from(offset - piece).unwrap_or(usize::MAX);
    Ok((skip < bytes.len()).then(|| bytes.slice(skip..)))
}

/// The files of a new version, taken out of what was uploaded in the commit that `batch` becomes.
pub(super) async fn take(
    house: &House,
    batch: &mut Batch,
    wanted: &[AttachmentWish],
    before: Option<&VersionRecord>,
) -> Result<Vec<Attachment>, DocumentError> {
    check_names(wanted)?;
    let mut files = Vec::with_capacity(wanted.len());
    for wish in wanted {
        files.push(match wish {
            AttachmentWish::Kept { name } => kept(name, before)?,
            AttachmentWish::Uploaded { name, upload } => uploaded(house, batch, name, upload).await?,
        });
    }
    Ok(files)
}

fn check_names(wanted: &[AttachmentWish]) -> Result<(), DocumentError> {
    if wanted.len() > FILES_MAX {
        return Err(Fault::Validation
            .because(format!("{} attachments are too many: {FILES_MAX} at most", wanted.len())));
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    for (at, wish) in wanted.iter().enumerate() {
        let name = wish.name();
        if name.is_empty() || name.len() > NAME_MAX_CHARS || !name.bytes().all(plain) {
            return Err(Fault::Validation.because(format!(
                "`{}` is not a name for an attachment: 1 to {NAME_MAX_CHARS} letters, digits, _ - and .",
                shown(name)
            )));
        }
        if wanted[..at].iter().any(|other| other.name() == name) {
            return Err(
                Fault::Validation.because(format!("two attachments are called {name}: name each once"))
            );
        }
    }
    Ok(())
}

fn kept(name: &str, before: Option<&VersionRecord>) -> Result<Attachment, DocumentError> {
    let found = before.and_then(|before| before.attachments.iter().find(|file| file.name == name));
    found.cloned().ok_or_else(|| {
        Fault::Validation.because(format!("the version before has no attachment {name}: upload the file"))
    })
}

async fn uploaded(
    house: &House,
    batch: &mut Batch,
    name: &str,
    upload: &KeptId,
) -> Result<Attachment, DocumentError> {
    let row = DOCUMENT_UPLOAD.get(&*house.store, upload).await?.ok_or_else(|| {
        Fault::Validation.because(format!("there is no upload {upload} for {name}: upload the file again"))
    })?;
    DOCUMENT_UPLOAD.delete_at(batch, upload, row.revision);
    let UploadRecord { bytes, sha256, .. } = row.value;
    Ok(Attachment { name: name.to_owned(), bytes, sha256, upload: upload.clone() })
}

/// The files that a manifest names are those that are attached, with the digests that it says.
pub(super) fn compare(
    named: &[(String, Option<String>)],
    attached: &[Attachment],
) -> Result<(), DocumentError> {
    for (name, sha256) in named {
        let Some(file) = attached.iter().find(|file| file.name == *name) else {
            return Err(Fault::InvalidDocumentContent.because(format!(
                "files: the manifest names `{}`, and no such file is attached",
                shown(name)
            )));
        };
        if let Some(sha256) = sha256
            && *sha256 != file.sha256
        {
            return Err(Fault::InvalidDocumentContent.because(format!(
                "files: the manifest says SHA-256 {} of {name}, and that of the attached file is {}",
                shown(sha256),
                file.sha256
            )));
        }
    }
    Ok(())
}

fn piece_path(upload: &KeptId, offset: u64) -> Result<BlobPath, BlobError> {
    format!("{FOLDER}/{upload}/{offset:016x}").parse()
}
