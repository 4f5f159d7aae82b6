//! The store's folder: whose it is, who has it open, what is in it, and plain words for everything that is wrong.
//!
//! ```text
//! LOCK            held with an OS lock while the store is open; its text is the holder's process id
//! sled/           appears by one rename when it is complete and synced
//!   FORMAT        "fleetwright store 1"
//!   conf db ...   sled's own files
//! sled.unfinished/  what a first start left that was cut short; never held anything acknowledged
//! ```

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::engine::{Engine, EngineError, is_full};
use crate::work::Space;

const FORMAT_NAME: &str = "fleetwright store ";
const FORMAT: u32 = 1;
const LOCK: &str = "LOCK";
const DATABASE: &str = "sled";
const UNFINISHED: &str = "sled.unfinished";

/// Why a folder cannot be opened as a store: what, where, and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("cannot write to folder {folder}: give it to the user of this process (user id {uid})")]
    NotWritable {
        folder: String,
        uid: u32,
        #[source]
        source: io::Error,
    },
    #[error(
        "folder {folder} belongs to user id {owner}, but this process runs as user id {uid}: run it as the owner, or \
         give the folder away with chown"
    )]
    OtherOwner { folder: String, owner: u32, uid: u32 },
    #[error(
        "the store in {folder} is already open in process {pid}: stop that process, or use another folder"
    )]
    InUse { folder: String, pid: String },
    #[error("{path} is not a folder")]
    NotAFolder { path: String },
    #[error(
        "folder {folder} is not a fleetwright store, it holds {found}: name an empty folder or one that does not exist"
    )]
    NotAStore { folder: String, found: String },
    #[error(
        "the store in {folder} has format {found}, written by a newer fleetwright; this one knows formats up to \
         {FORMAT}: start the newer program"
    )]
    NewerFormat { folder: String, found: u32 },
    #[error(
        "the store in {folder} is damaged: bring back a copy of the folder, or move it away to start empty"
    )]
    Corrupt {
        folder: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("no room left on the disk of {folder}: free some")]
    Full { folder: String },
    #[error("folder {folder} cannot be used")]
    Io {
        folder: String,
        #[source]
        source: io::Error,
    },
}

/// An existing, locked folder with a complete database in it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Unlocked when it is dropped, whatever ends the process.
    _lock: File,
}

impl Folder {
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        ensure_exists(path)?;
        check_owner(path)?;
        check_contents(path)?;
        let folder = Self { path: path.to_owned(), _lock: lock(path)? };
        match read_format(path)? {
            Some(FORMAT) => {}
            Some(found) if found > FORMAT => {
                return Err(OpenError::NewerFormat { folder: folder.name(), found });
            }
            Some(_) => return Err(folder.corrupt("its FORMAT file names no format")),
            None => folder.create()?,
        }
        Ok(folder)
    }

    pub(super) fn name(&self) -> String {
        name(&self.path)
    }

    pub(super) fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    pub(super) fn space(&self) -> Option<Space> {
        Space::of_disk(&self.path)
    }

    /// Why the engine did not open, in words for people.
    pub(super) fn unopened(&self, error: EngineError) -> OpenError {
        match error {
            EngineError::Sled(sled::Error::Io(source)) | EngineError::Sync(source) => {
                open_error(&self.path, source)
            }
            other => self.corrupt(other),
        }
    }

    fn corrupt(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> OpenError {
        OpenError::Corrupt { folder: self.name(), source: source.into() }
    }

    /// Makes the database beside its place and moves it there when it is durable, so that a power cut leaves a
    /// whole one or none.
    fn create(&self) -> Result<(), OpenError> {
        let unfinished = self.path.join(UNFINISHED);
        let io = |source| open_error(&self.path, source);
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished).map_err(io)?;
        }
        std::fs::create_dir(&unfinished).map_err(io)?;
        Engine::create_at(&unfinished, self.name()).map_err(|error| self.unopened(error))?;
        let mut format = File::create(unfinished.join("FORMAT")).map_err(io)?;
        writeln!(format, "{FORMAT_NAME}{FORMAT}").and_then(|()| format.sync_all()).map_err(io)?;
        sync_folder(&unfinished).map_err(io)?;
        std::fs::rename(&unfinished, self.database()).map_err(io)?;
        sync_folder(&self.path).map_err(io)?;
        // The folder itself may be new as well.
        self.path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .map_or(Ok(()), sync_folder)
            .map_err(io)
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn name(path: &Path) -> String {
    path.display().to_string()
}

fn open_error(path: &Path, source: io::Error) -> OpenError {
    let folder = name(path);
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::NotWritable { folder, uid: our_uid(), source }
        }
        io::ErrorKind::NotADirectory => OpenError::NotAFolder { path: folder },
        _ if is_full(&source) => OpenError::Full { folder },
        _ => OpenError::Io { folder, source },
    }
}

fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Made for its owner alone: the store holds secrets, if sealed ones.
fn ensure_exists(path: &Path) -> Result<(), OpenError> {
    if path.exists() && !path.is_dir() {
        return Err(OpenError::NotAFolder { path: name(path) });
    }
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| open_error(path, source))
}

fn check_owner(path: &Path) -> Result<(), OpenError> {
    let owner = std::fs::metadata(path).map_err(|source| open_error(path, source))?.uid();
    let uid = our_uid();
    if owner == uid { Ok(()) } else { Err(OpenError::OtherOwner { folder: name(path), owner, uid }) }
}

/// Looks before anything is written: somebody else's folder stays as it is.
fn check_contents(path: &Path) -> Result<(), OpenError> {
    let io = |source| open_error(path, source);
    if path.join(DATABASE).join("FORMAT").exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(io)? {
        let found = entry.map_err(io)?.file_name();
        if found != LOCK && found != UNFINISHED {
            let found = found.to_string_lossy().into_owned();
            return Err(OpenError::NotAStore { folder: name(path), found });
        }
    }
    Ok(())
}

/// Takes the lock and leaves our process id for whoever comes next.
fn lock(path: &Path) -> Result<File, OpenError> {
    let io = |source| open_error(path, source);
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(path.join(LOCK)).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            // The holder may be just about to write it.
            let _ = file.read_to_string(&mut pid);
            let pid = if pid.trim().is_empty() { "of unknown id" } else { pid.trim() };
            return Err(OpenError::InUse { folder: name(path), pid: pid.to_owned() });
        }
        Err(TryLockError::Error(source)) => return Err(io(source)),
    }
    file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
    writeln!(file, "{}", std::process::id()).map_err(io)?;
    Ok(file)
}

/// The format that the folder says it has; `None` when there is no database yet, 0 when it says nothing readable.
fn read_format(path: &Path) -> Result<Option<u32>, OpenError> {
    match std::fs::read_to_string(path.join(DATABASE).join("FORMAT")) {
        Ok(text) => {
            Ok(Some(text.trim_end().strip_prefix(FORMAT_NAME).and_then(|n| n.parse().ok()).unwrap_or(0)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Some(0)),
        Err(source) => Err(open_error(path, source)),
    }
}
