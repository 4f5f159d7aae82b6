//! The build that the controller publishes: a package document whose files are the programs themselves.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use fleetwright_documents::{NoPackage, PackageHost, PackageManifest};
use fleetwright_platform::HostError;
use futures::StreamExt;

use super::folder::UpdateFolder;
use super::stage::BUILD_MAX_BYTES;
use crate::identity::Identity;
use crate::link::TcpConnector;
use crate::link::library::ControllerLibrary;
use crate::steps::library::{LibraryError, SharedLibrary, StoredDocument};

/// What a node's controller has, for whoever does not run the agent that has a connection already.
#[must_use]
pub fn library_of(identity: Identity) -> SharedLibrary {
    Arc::new(ControllerLibrary {
        connector: Arc::new(TcpConnector),
        identity: Arc::new(Mutex::new(identity)),
    })
}

/// The name of the document.
pub const DOCUMENT: &str = "FleetwrightAgent";

/// A build that can be had from the controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedBuild {
    pub version: String,
    document_version: String,
    file: String,
    pub sha256: String,
    bytes: u64,
}

/// Why there is no build to be had.
#[derive(Debug, thiserror::Error)]
pub enum PublishedError {
    #[error("the controller publishes no build: {0}")]
    None(String),
    #[error("the controller cannot be reached: {0}")]
    Unreachable(String),
    #[error(
        "the controller publishes version {found} and not {wanted}; publish it as a version of the document `{DOCUMENT}` with that version name"
    )]
    OtherVersion { found: String, wanted: String },
    #[error("the document `{DOCUMENT}` is not the manifest of a package: {0}")]
    Manifest(String),
    #[error(transparent)]
    NoPackage(#[from] NoPackage),
    #[error("the document `{DOCUMENT}` has no file `{0}`")]
    NoFile(String),
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("cannot keep the build in `{}`", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("the build has more than the {0} bytes that it may have")]
    TooLong(u64),
}

impl From<LibraryError> for PublishedError {
    fn from(error: LibraryError) -> Self {
        match error {
            LibraryError::Refused(why) => Self::None(why),
            LibraryError::Unreachable(why) => Self::Unreachable(why),
        }
    }
}

/// The build for this host: the default version of the document, or the one that is called as the wanted version.
///
/// # Errors
/// When there is none, or the controller cannot be asked.
pub async fn find(
    library: &SharedLibrary,
    host: &PackageHost<'_>,
    wanted: Option<&str>,
) -> Result<PublishedBuild, PublishedError> {
    let newest = library.document(DOCUMENT, "").await?;
    let build = select(&newest, host)?;
    match wanted {
        Some(wanted) if wanted != build.version => {
            let other =
                || PublishedError::OtherVersion { found: build.version.clone(), wanted: wanted.to_owned() };
            let named = match library.document(DOCUMENT, wanted).await {
                Ok(named) => select(&named, host)?,
                Err(LibraryError::Refused(_)) => return Err(other()),
                Err(error) => return Err(error.into()),
            };
            if named.version == wanted { Ok(named) } else { Err(other()) }
        }
        _ => Ok(build),
    }
}

fn select(document: &StoredDocument, host: &PackageHost<'_>) -> Result<PublishedBuild, PublishedError> {
    let manifest = PackageManifest::parse(document.content.as_bytes()).map_err(|diagnostics| {
        PublishedError::Manifest(diagnostics.iter().next().map(ToString::to_string).unwrap_or_default())
    })?;
    let file = manifest.select(host)?;
    let attached = document
        .attachments
        .iter()
        .find(|attached| attached.name == file.name)
        .ok_or_else(|| PublishedError::NoFile(file.name.clone()))?;
    Ok(PublishedBuild {
        version: manifest.version().to_owned(),
        document_version: document.version.clone(),
        file: file.name.clone(),
        sha256: file.sha256.clone(),
        bytes: attached.bytes,
    })
}

/// Brings the build's file onto this host. Whether it is the right one is for the caller to check.
///
/// # Errors
/// When the controller does not give it or the disk does not take it.
pub async fn fetch(
    build: &PublishedBuild,
    library: &SharedLibrary,
    folder: &UpdateFolder,
) -> Result<PathBuf, PublishedError> {
    let path = folder.root().join("incoming");
    folder.platform().ensure_private_folder(folder.root())?;
    remove(&path)?;
    if build.bytes > BUILD_MAX_BYTES {
        return Err(PublishedError::TooLong(BUILD_MAX_BYTES));
    }
    let mut file = folder.platform().create_private_file(&path)?;
    let mut pieces = library.attachment(DOCUMENT, &build.document_version, &build.file).await?;
    let mut left = build.bytes;
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        left = left.checked_sub(piece.len() as u64).ok_or(PublishedError::TooLong(build.bytes))?;
        file.write_all(&piece).map_err(|source| PublishedError::Write { path: path.clone(), source })?;
    }
    Ok(path)
}

/// It lies in a slot now, or is of no use.
pub fn remove(path: &Path) -> Result<(), PublishedError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(PublishedError::Write { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}
