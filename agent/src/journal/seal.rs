//! Seals the parameters of a command or an association before they reach the journal's file: they may hold secrets.
//!
//! AES-256-GCM under a key of this host, `<journal>.key`, which only the agent's account can read. The id of the
//! command or association is bound into the seal, so that one's parameters cannot be put into another's record. A journal from before
//! there were seals opens as it is.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fleetwright_platform::SharedPlatform;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use super::{Association, JournalError, Record, Work};
use crate::replace;

const KEY_BYTES: usize = 32;

/// The key of one journal.
pub(super) struct Seal {
    key: LessSafeKey,
    random: SystemRandom,
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    /// The key beside the journal at `journal`, made when there is none.
    pub(super) fn beside(journal: &Path, platform: &SharedPlatform) -> Result<Self, JournalError> {
        let path = journal.with_added_extension("key");
        let random = SystemRandom::new();
        let bytes = match fs::read(&path) {
            Ok(bytes) if bytes.len() == KEY_BYTES => bytes,
            Ok(bytes) => {
                let found = format!("{} bytes where a key has {KEY_BYTES}", bytes.len());
                return Err(JournalError::Format { path: path.display().to_string(), found });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path, platform, &random)?,
            Err(source) => return Err(io_error("read", &path, source)),
        };
        let key = UnboundKey::new(&AES_256_GCM, &bytes).expect("the length was checked");
        Ok(Self { key: LessSafeKey::new(key), random })
    }

    /// The record as it goes to the file.
    pub(super) fn seal(&self, record: &Record) -> Result<Record, io::Error> {
        Ok(match record {
            Record::Accepted { command, work } => {
                let sealed = Some(self.sealed(command.as_str(), &work.parameters)?);
                let work = Work { parameters: String::new(), sealed, ..Work::clone(work) };
                Record::Accepted { command: command.clone(), work: Arc::new(work) }
            }
            Record::AssociationKept { association } => {
                let sealed = Some(self.sealed(association.id.as_str(), &association.parameters)?);
                let association =
                    Association { parameters: String::new(), sealed, ..Association::clone(association) };
                Record::AssociationKept { association: Arc::new(association) }
            }
            other => other.clone(),
        })
    }

    /// The record as it was, or none when its seal does not open with this key.
    pub(super) fn open(&self, record: Record) -> Option<Record> {
        match record {
            Record::Accepted { command, work } => {
                let Some(sealed) = &work.sealed else { return Some(Record::Accepted { command, work }) };
                let parameters = self.unsealed(command.as_str(), sealed)?;
                let work = Arc::new(Work { parameters, sealed: None, ..Work::clone(&work) });
                Some(Record::Accepted { command, work })
            }
            Record::AssociationKept { association } => {
                let Some(sealed) = &association.sealed else {
                    return Some(Record::AssociationKept { association });
                };
                let parameters = self.unsealed(association.id.as_str(), sealed)?;
                let opened = Association { parameters, sealed: None, ..Association::clone(&association) };
                Some(Record::AssociationKept { association: Arc::new(opened) })
            }
            other => Some(other),
        }
    }

    fn sealed(&self, about: &str, text: &str) -> Result<String, io::Error> {
        let mut bytes = text.as_bytes().to_vec();
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).map_err(|_| io::Error::other("the system gives no random bytes"))?;
        let unique = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(unique, Aad::from(about.as_bytes()), &mut bytes)
            .map_err(|_| io::Error::other("the parameters cannot be sealed"))?;
        Ok(STANDARD.encode([nonce.as_slice(), &bytes].concat()))
    }

    fn unsealed(&self, about: &str, sealed: &str) -> Option<String> {
        let bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.key.open_in_place(nonce, Aad::from(about.as_bytes()), &mut sealed).ok()?;
        String::from_utf8(plain.to_vec()).ok()
    }
}

fn make(path: &Path, platform: &SharedPlatform, random: &SystemRandom) -> Result<Vec<u8>, JournalError> {
    let mut key = vec![0; KEY_BYTES];
    let no_chance = |_| io_error("make", path, io::Error::other("the system gives no random bytes"));
    random.fill(&mut key).map_err(no_chance)?;
    replace::durably(&**platform, path, &key).map_err(|error| match error {
        replace::ReplaceError::Host(error) => JournalError::Host(error),
        replace::ReplaceError::Io { source, .. } => io_error("write", path, source),
    })?;
    Ok(key)
}

fn io_error(verb: &str, path: &Path, source: io::Error) -> JournalError {
    JournalError::Io { doing: format!("{verb} the key of the journal, `{}`", path.display()), source }
}
