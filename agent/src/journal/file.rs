//! The journal of a real agent: one file, `<state>/journal`, that only grows until it is rewritten.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fleetwright_platform::SharedPlatform;

use super::seal::Seal;
use super::{Durability, Journal, JournalError, Record, State, frame};
use crate::replace;

/// The first bytes of the file; the digits are the format.
const MAGIC: &[u8; 8] = b"FWAJ0001";

/// An open journal. Whoever holds it is the only one that writes it; the lock of the state folder sees to that.
#[derive(Debug)]
pub struct FileJournal {
    path: PathBuf,
    platform: SharedPlatform,
    file: File,
    seal: Seal,
    /// Where the last record ends whose append returned.
    whole_bytes: u64,
    /// An append failed in the middle: what follows `whole_bytes` is cut before anything else is written.
    tail: Tail,
}

/// A journal as it is at one moment.
#[derive(Debug)]
pub struct Glance {
    pub state: State,
    pub size_bytes: u64,
}

#[derive(Debug, PartialEq, Eq)]
enum Tail {
    Clean,
    Torn,
}

impl FileJournal {
    /// Opens or makes the journal and reads it. A damaged record is logged and skipped, a torn end is cut off.
    ///
    /// # Errors
    /// When the file cannot be read or is of another format.
    pub fn open(path: &Path, platform: SharedPlatform) -> Result<(Self, Vec<Record>), JournalError> {
        let seal = Seal::beside(path, &platform)?;
        let bytes = match fs::read(path) {
            Ok(bytes) if bytes.is_empty() => return Self::create(path, platform, seal),
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Self::create(path, platform, seal);
            }
            Err(source) => return Err(failed("read", path, source)),
        };
        let frames = frame::decode(content(&bytes, path)?);
        for damage in &frames.damaged {
            let (from, to) = (damage.bytes.start + MAGIC.len(), damage.bytes.end + MAGIC.len());
            tracing::error!(
                "record at bytes {from}..{to} of `{}` is unreadable and skipped: {}",
                path.display(),
                damage.problem
            );
        }
        let whole_bytes = (MAGIC.len() + frames.whole_bytes) as u64;
        let tail = if whole_bytes < bytes.len() as u64 { Tail::Torn } else { Tail::Clean };
        let mut journal =
            Self { file: open_for_writing(path)?, path: path.to_owned(), platform, seal, whole_bytes, tail };
        journal.cut_torn_tail()?;
        let records = frames.records.into_iter().filter_map(|record| journal.opened(record)).collect();
        Ok((journal, records))
    }

    fn opened(&self, record: Record) -> Option<Record> {
        let subject = record.subject();
        let opened = self.seal.open(record);
        if opened.is_none() {
            let path = self.path.display();
            tracing::error!("the parameters of {subject} in `{path}` do not open with this host's key");
        }
        opened
    }

    fn sealed(&self, records: &[Record]) -> Result<Vec<Record>, JournalError> {
        let sealed: io::Result<_> = records.iter().map(|record| self.seal.seal(record)).collect();
        sealed.map_err(|source| failed("write", &self.path, source))
    }

    /// Reads a journal that another process may be writing, and changes nothing. One that is not there is empty.
    ///
    /// # Errors
    /// When the file cannot be read or is of another format.
    pub fn look(path: &Path) -> Result<Glance, JournalError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => MAGIC.to_vec(),
            Err(source) => return Err(failed("read", path, source)),
        };
        let frames = frame::decode(content(&bytes, path)?);
        Ok(Glance { state: State::replay(&frames.records), size_bytes: bytes.len() as u64 })
    }

    fn create(
        path: &Path,
        platform: SharedPlatform,
        seal: Seal,
    ) -> Result<(Self, Vec<Record>), JournalError> {
        replace_file(path, &platform, MAGIC)?;
        let file = open_for_writing(path)?;
        let whole_bytes = MAGIC.len() as u64;
        let path = path.to_owned();
        Ok((Self { path, platform, file, seal, whole_bytes, tail: Tail::Clean }, Vec::new()))
    }

    fn cut_torn_tail(&mut self) -> Result<(), JournalError> {
        if self.tail == Tail::Torn {
            self.file
                .set_len(self.whole_bytes)
                .and_then(|()| self.file.sync_all())
                .map_err(|source| failed("cut the torn end of", &self.path, source))?;
            self.tail = Tail::Clean;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], durability: Durability) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.whole_bytes))?;
        self.file.write_all(bytes)?;
        match durability {
            Durability::Synced => self.file.sync_data(),
            Durability::Lazy => Ok(()),
        }
    }
}

impl Journal for FileJournal {
    fn append(&mut self, records: &[Record], durability: Durability) -> Result<(), JournalError> {
        self.cut_torn_tail()?;
        let bytes = frame::encode(&self.sealed(records)?);
        self.tail = Tail::Torn;
        self.write(&bytes, durability).map_err(|source| failed("write", &self.path, source))?;
        self.whole_bytes += bytes.len() as u64;
        self.tail = Tail::Clean;
        Ok(())
    }

    fn rewrite(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let mut bytes = MAGIC.to_vec();
        bytes.append(&mut frame::encode(&self.sealed(records)?));
        // From here on the old file may be gone from its name: appends go to the file that bears the name.
        replace_file(&self.path, &self.platform, &bytes)?;
        self.file = open_for_writing(&self.path)?;
        self.whole_bytes = bytes.len() as u64;
        self.tail = Tail::Clean;
        Ok(())
    }

    fn size_bytes(&self) -> u64 {
        self.whole_bytes
    }

    fn waits_for_disk(&self) -> bool {
        true
    }
}

fn content<'b>(bytes: &'b [u8], path: &Path) -> Result<&'b [u8], JournalError> {
    bytes.strip_prefix(MAGIC).ok_or_else(|| {
        let start = &bytes[..bytes.len().min(MAGIC.len())];
        let found = String::from_utf8_lossy(start).escape_debug().to_string();
        JournalError::Format { path: path.display().to_string(), found }
    })
}

fn replace_file(path: &Path, platform: &SharedPlatform, bytes: &[u8]) -> Result<(), JournalError> {
    replace::durably(&**platform, path, bytes).map_err(|error| match error {
        replace::ReplaceError::Host(error) => JournalError::Host(error),
        replace::ReplaceError::Io { source, .. } => failed("write", path, source),
    })
}

fn open_for_writing(path: &Path) -> Result<File, JournalError> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(|source| failed("open", path, source))?;
    // A folder or a device under the journal's name is found here and not at the first record.
    file.read(&mut [0]).map_err(|source| failed("read", path, source))?;
    Ok(file)
}

fn failed(verb: &str, path: &Path, source: io::Error) -> JournalError {
    JournalError::Io { doing: format!("{verb} the journal `{}`", path.display()), source }
}
