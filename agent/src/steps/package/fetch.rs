//! A version of a package on its way to this host: the manifest, the file for this host, checked and unpacked.

use std::path::Path;
use std::time::Duration;

use fleetwright_documents::inputs::ConfigurePackage;
use fleetwright_documents::{PackageFile, PackageManifest};
use futures::StreamExt;

use super::archive::{self, ArchiveError};
use super::host::HostWords;
use super::kept::{Shelf, Workbench};
use super::native;
use super::stage::{FileKind, Version};
use crate::steps::download::{DownloadError, Get, Incoming, Sums, keep};
use crate::steps::library::{self, LibraryError, StoredDocument};
use crate::steps::{How, Task};

/// How long a file is tried whose controller goes away in the middle of it.
const PATIENCE: Duration = Duration::from_secs(300);
const RETRY: Duration = Duration::from_secs(2);

/// What is to be installed: which document says it, and what is in it for this host.
pub(super) struct Offer {
    document: StoredDocument,
    file: PackageFile,
    version: String,
}

/// The offer of the registry for this host.
pub(super) async fn offer(
    inputs: &ConfigurePackage,
    words: &HostWords,
    task: &Task<'_>,
) -> Result<Offer, How> {
    let document = library::document(&inputs.name, inputs.version.as_deref(), task).await?;
    let name = document.name.clone();
    if document.document_type != "Package" {
        return Err(How::Failed(format!("`{name}` is of type {}, and no package", document.document_type)));
    }
    let manifest = PackageManifest::parse(document.content.as_bytes()).map_err(|problems| {
        let first = problems.iter().next().map(ToString::to_string).unwrap_or_default();
        How::Failed(format!("the manifest of `{name}` cannot be used: {first}"))
    })?;
    let file = words.choose(&manifest).map_err(|none| How::Failed(format!("{name}: {none}")))?.clone();
    Ok(Offer { version: manifest.version().to_owned(), document, file })
}

impl Offer {
    /// What the file is can be told by its name alone.
    fn ending(&self) -> &str {
        self.file.name.rsplit_once('.').map_or("", |(_, ending)| ending)
    }

    /// The version if its file is on the shelf already.
    pub(super) fn known(&self, versions: impl IntoIterator<Item = Version>) -> Option<Version> {
        let is_this = |known: &Version| known.version == self.version && known.sha256 == self.file.sha256;
        versions.into_iter().find(is_this)
    }

    /// Brings the file here, under its version.
    pub(super) async fn bring(&self, shelf: &Shelf, task: &Task<'_>) -> Result<Version, How> {
        let failed = |problem: String| {
            How::Failed(format!("{} {} cannot be brought here: {problem}", self.document.name, self.version))
        };
        task.tools.packages.check_room(self.file.size.unwrap_or_default()).map_err(failed)?;
        let bench = shelf.workbench().map_err(failed)?;
        let is_archive = self.ending().eq_ignore_ascii_case("zip");
        let path = if is_archive { bench.folder.join("archive") } else { bench.files.join(&self.file.name) };
        match self.download(&path, task).await {
            Ok(()) => {}
            Err(DownloadError::Cancelled) => return Err(How::Cancelled),
            Err(error) => return Err(failed(format!("{}: {error}", self.file.name))),
        }
        let kind = match self.ending().to_ascii_lowercase().as_str() {
            "zip" => {
                self.unpack(&path, &bench, task).await?;
                FileKind::Archive
            }
            "deb" => native::deb(&path, task).await?,
            "rpm" => native::rpm(&path, task).await?,
            other => {
                let problem = format!("installing a .{other} file; zip, deb and rpm are known");
                return Err(How::Unsupported(format!("{problem} ({})", self.file.name)));
            }
        };
        let version = Version {
            version: self.version.clone(),
            document_version: self.document.version.clone(),
            file: self.file.name.clone(),
            sha256: self.file.sha256.clone(),
            kind,
        };
        shelf.place(&bench, &version).map_err(failed)?;
        Ok(version)
    }

    async fn unpack(&self, path: &Path, bench: &Workbench, task: &Task<'_>) -> Result<(), How> {
        let (archive, folder) = (path.to_owned(), bench.files.clone());
        let (platform, cancel) = (task.tools.platform.clone(), task.cancel.clone());
        let unpacking =
            tokio::task::spawn_blocking(move || archive::unpack(&archive, &folder, &platform, &cancel));
        let unpacked = unpacking.await.unwrap_or_else(|error| Err(ArchiveError::Zip(error.to_string())));
        if let Err(error) = std::fs::remove_file(path) {
            tracing::warn!("cannot remove `{}`: {error}", path.display());
        }
        unpacked.map_err(|error| match error {
            ArchiveError::Cancelled => How::Cancelled,
            other => How::Failed(format!("the archive {} cannot be unpacked: {other}", self.file.name)),
        })
    }

    async fn download(&self, path: &Path, task: &Task<'_>) -> Result<(), DownloadError> {
        let is_attached = self.document.attachments.iter().any(|file| file.name == self.file.name);
        match &self.file.download_location {
            Some(location) if !is_attached => {
                let answer = Get::new(location, false)?.send_for_success(task).await?;
                keep(answer, path, &Sums::sha256(Some(&self.file.sha256)), task).await?;
            }
            _ => self.attachment(path, task).await?,
        }
        let bytes = std::fs::metadata(path).map_or(0, |found| found.len());
        match self.file.size {
            Some(size) if size != bytes => {
                Err(DownloadError::Source(format!("it has {bytes} bytes; the manifest says {size}")))
            }
            _ => Ok(()),
        }
    }

    /// The attached file, from its beginning again when the controller went away meanwhile.
    async fn attachment(&self, path: &Path, task: &Task<'_>) -> Result<(), DownloadError> {
        let clock = &task.tools.clock;
        let give_up = clock.now().plus(PATIENCE);
        loop {
            match self.attachment_once(path, task).await {
                Err(AttachmentError::Library(LibraryError::Unreachable(_))) if clock.now() < give_up => {
                    tokio::select! {
                        () = clock.sleep(RETRY) => {}
                        () = task.cancel.cancelled() => return Err(DownloadError::Cancelled),
                    }
                }
                Err(AttachmentError::Library(problem)) => {
                    return Err(DownloadError::Source(problem.to_string()));
                }
                Err(AttachmentError::Download(problem)) => return Err(problem),
                Ok(()) => return Ok(()),
            }
        }
    }

    async fn attachment_once(&self, path: &Path, task: &Task<'_>) -> Result<(), AttachmentError> {
        let StoredDocument { name, version, .. } = &self.document;
        let getting = async {
            let mut file = Incoming::create(path, task)?;
            let mut pieces = task.tools.library.attachment(name, version, &self.file.name).await?;
            while let Some(piece) = pieces.next().await {
                file.write(&piece?)?;
            }
            file.finish(&Sums::sha256(Some(&self.file.sha256)))?;
            Ok(())
        };
        tokio::select! {
            got = getting => got,
            () = task.cancel.cancelled() => Err(DownloadError::Cancelled.into()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum AttachmentError {
    #[error(transparent)]
    Library(#[from] LibraryError),
    #[error(transparent)]
    Download(#[from] DownloadError),
}
