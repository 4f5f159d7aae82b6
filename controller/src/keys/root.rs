//! The root key: 32 bytes that wrap every data key and are never in the store.
//!
//! It is looked for in this order: the environment variable [`VARIABLE`], the systemd credential [`CREDENTIAL`], the
//! file of the settings. Only a file is ever made, and only for a store that has no data key yet: a new root key for an
//! old store would open nothing, and say so much later.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::aead::LessSafeKey;
use ring::hmac;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::seal::{self, Broken, KEY_BYTES, KeyBytes};

/// The environment variable that may hold the root key.
pub const VARIABLE: &str = "FLEETWRIGHT_ROOT_KEY";
/// The name of the systemd credential that may hold it (`LoadCredential=`, `SetCredentialEncrypted=`).
pub const CREDENTIAL: &str = "fleetwright-root-key";
/// What stands before the base64 of the key.
const PREFIX: &str = "fwroot_";

/// Why there is no root key. The key itself is never told.
#[derive(Debug, thiserror::Error)]
pub enum RootKeyError {
    #[error("cannot use the root key in {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{place} holds no root key: it is {PREFIX} and the base64 of {KEY_BYTES} bytes")]
    Format { place: String },
    #[error(
        "the root key {path} is open to others (mode {mode:o}): chmod 600 it, and think about who may have read it"
    )]
    Open { path: PathBuf, mode: u32 },
    #[error(
        "the root key is missing: this store's secrets are sealed with root key {wanted}, and there is none in {looked}; \
         put it back, or restore from a backup"
    )]
    Missing { wanted: String, looked: String },
    #[error(
        "the root key in {place} is {found}, and this store's secrets are sealed with root key {wanted}: start with \
         the right one"
    )]
    Wrong { place: String, found: String, wanted: String },
    #[error("a data key of this store cannot be unwrapped: its row was altered, or belongs to another store")]
    Altered,
    #[error("the system gives no random numbers")]
    Random,
    #[error("cannot read the keys of the store")]
    Store(#[source] crate::error::Refusal),
}

/// Where a root key may be found. Read once, at the start, so that nothing else looks at the environment.
#[derive(Clone)]
pub struct Places {
    pub variable: Option<Zeroizing<String>>,
    pub credentials: Option<PathBuf>,
    /// The first that exists is used; the first whose folder can be written is where one is made.
    pub files: Vec<PathBuf>,
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Places").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Places {
    /// Those of this process, with the file of the settings.
    #[must_use]
    pub fn of_process(files: Vec<PathBuf>) -> Self {
        let variable = std::env::var_os(VARIABLE).map(OsString::into_string);
        Self {
            variable: variable.map(|text| Zeroizing::new(text.unwrap_or_default())),
            credentials: std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from),
            files,
        }
    }

    fn looked(&self) -> String {
        let files: Vec<_> = self.files.iter().map(|path| path.display().to_string()).collect();
        format!("{}, the credential {CREDENTIAL} or ${VARIABLE}", files.join(", "))
    }
}

/// Whether a store has data keys already, and which root key wrapped them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreKeys {
    None,
    WrappedBy(String),
}

/// See the head of this module.
pub struct RootKey {
    key: LessSafeKey,
    bytes: KeyBytes,
    mark: String,
    place: String,
    file: Option<PathBuf>,
}

impl std::fmt::Debug for RootKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RootKey({})", self.mark)
    }
}

impl RootKey {
    /// Finds the root key, or makes one for a store without keys.
    pub fn open(places: &Places, store: &StoreKeys) -> Result<Self, RootKeyError> {
        let found = match Self::find(places)? {
            Some(found) => found,
            None => match store {
                StoreKeys::None => Self::make(&places.files)?,
                StoreKeys::WrappedBy(wanted) => {
                    return Err(RootKeyError::Missing { wanted: wanted.clone(), looked: places.looked() });
                }
            },
        };
        match store {
            StoreKeys::WrappedBy(wanted) if *wanted != found.mark => Self::next_to(&found, wanted)?
                .ok_or_else(|| RootKeyError::Wrong {
                    place: found.place.clone(),
                    found: found.mark.clone(),
                    wanted: wanted.clone(),
                }),
            _ => Ok(found),
        }
    }

    fn find(places: &Places) -> Result<Option<Self>, RootKeyError> {
        if let Some(text) = &places.variable {
            return Self::parse(text, format!("${VARIABLE}"), None).map(Some);
        }
        let credential = places.credentials.as_ref().map(|folder| folder.join(CREDENTIAL));
        if let Some(path) = credential
            && let Some(text) = read(&path)?
        {
            return Self::parse(&text, path.display().to_string(), None).map(Some);
        }
        for path in &places.files {
            if let Some(text) = read(path)? {
                refuse_open(path)?;
                return Self::parse(&text, path.display().to_string(), Some(path.clone())).map(Some);
            }
        }
        Ok(None)
    }

    fn make(files: &[PathBuf]) -> Result<Self, RootKeyError> {
        let bytes = seal::random_key().map_err(|_| RootKeyError::Random)?;
        let mut failure = None;
        for path in files {
            match write_private(path, &text_of(&bytes)) {
                Ok(()) => return Ok(Self::of(bytes, path.display().to_string(), Some(path.clone()))),
                Err(source) => failure = Some(RootKeyError::File { path: path.clone(), source }),
            }
        }
        Err(failure.unwrap_or(RootKeyError::Random))
    }

    /// A rotation of the root key that was stopped between its commit and its last rename left the new key beside.
    pub(super) fn next_to(found: &Self, wanted: &str) -> Result<Option<Self>, RootKeyError> {
        let Some(path) = &found.file else { return Ok(None) };
        let beside = new_path(path);
        let Some(text) = read(&beside)? else { return Ok(None) };
        let next = Self::parse(&text, path.display().to_string(), Some(path.clone()))?;
        if next.mark != wanted {
            return Ok(None);
        }
        std::fs::rename(&beside, path).map_err(|source| RootKeyError::File { path: beside, source })?;
        Ok(Some(next))
    }

    fn parse(text: &str, place: String, file: Option<PathBuf>) -> Result<Self, RootKeyError> {
        let decoded = text.trim().strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
        let decoded = decoded.map(Zeroizing::new);
        let bytes = decoded.and_then(|bytes| <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok());
        match bytes {
            Some(bytes) => Ok(Self::of(Zeroizing::new(bytes), place, file)),
            None => Err(RootKeyError::Format { place }),
        }
    }

    fn of(bytes: KeyBytes, place: String, file: Option<PathBuf>) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"fleetwright root key mark");
        digest.update(*bytes);
        let mark = hex::encode(&digest.finalize()[..8]);
        Self { key: seal::key(&bytes), bytes, mark, place, file }
    }

    /// A key that is kept nowhere: for tests, and for the next one of a rotation.
    pub fn random(place: &str) -> Result<Self, RootKeyError> {
        let bytes = seal::random_key().map_err(|_| RootKeyError::Random)?;
        Ok(Self::of(bytes, place.to_owned(), None))
    }

    /// Reads back what [`RootKey::text`] wrote.
    pub fn from_text(text: &str, place: &str) -> Result<Self, RootKeyError> {
        Self::parse(text, place.to_owned(), None)
    }

    #[cfg(test)]
    pub(super) fn kept_in(self, path: &Path) -> Self {
        Self { file: Some(path.to_owned()), ..self }
    }

    /// Sixteen hex digits that tell one root key from another and nothing about it.
    #[must_use]
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// Where it was found, for people.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The file that it is kept in; None when somebody else keeps it.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// As it stands in its file. For a backup that is sealed itself.
    #[must_use]
    pub fn text(&self) -> Zeroizing<String> {
        text_of(&self.bytes)
    }

    /// A key for what is derived from the root key.
    pub(crate) fn signing_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &*self.bytes)
    }

    pub(crate) fn wrap(&self, about: &[u8], plain: &[u8]) -> Result<String, RootKeyError> {
        let sealed = seal::seal(&self.key, about, plain).map_err(|_| RootKeyError::Random)?;
        Ok(STANDARD.encode(sealed))
    }

    pub(crate) fn unwrap(&self, about: &[u8], wrapped: &str) -> Result<Zeroizing<Vec<u8>>, RootKeyError> {
        let sealed = STANDARD.decode(wrapped).map_err(|_| RootKeyError::Altered)?;
        seal::open(&self.key, about, &sealed).map_err(|Broken| RootKeyError::Altered)
    }

    /// Writes a new key beside the file of this one. It takes the file's place with [`RootKey::take_place`].
    pub(super) fn write_beside(&self, path: &Path) -> Result<Self, RootKeyError> {
        let beside = new_path(path);
        // One that was left by a rotation whose commit never happened opens nothing.
        if beside.exists() {
            let failed = |source| RootKeyError::File { path: beside.clone(), source };
            std::fs::remove_file(&beside).map_err(failed)?;
        }
        let bytes = seal::random_key().map_err(|_| RootKeyError::Random)?;
        write_private(&beside, &text_of(&bytes))
            .map_err(|source| RootKeyError::File { path: beside, source })?;
        Ok(Self::of(bytes, path.display().to_string(), Some(path.to_owned())))
    }

    pub(super) fn take_place(path: &Path) -> Result<(), RootKeyError> {
        let failed = |source| RootKeyError::File { path: path.to_owned(), source };
        std::fs::rename(new_path(path), path).map_err(failed)?;
        sync_folder(path).map_err(failed)
    }
}

fn new_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

fn text_of(bytes: &KeyBytes) -> Zeroizing<String> {
    Zeroizing::new(format!("{PREFIX}{}\n", STANDARD.encode(**bytes)))
}

fn read(path: &Path) -> Result<Option<Zeroizing<String>>, RootKeyError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RootKeyError::File { path: path.to_owned(), source }),
    }
}

fn refuse_open(path: &Path) -> Result<(), RootKeyError> {
    use std::os::unix::fs::MetadataExt;
    let metadata =
        std::fs::metadata(path).map_err(|source| RootKeyError::File { path: path.to_owned(), source })?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(RootKeyError::Open { path: path.to_owned(), mode }) }
}

/// A new file that is whole or not there, and that only its owner reads.
pub(crate) fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    sync_folder(path)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    std::fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(files: &[&Path]) -> Places {
        Places {
            variable: None,
            credentials: None,
            files: files.iter().map(|path| path.to_path_buf()).collect(),
        }
    }

    fn refused(places: &Places, store: &StoreKeys) -> String {
        crate::error::chain(&RootKey::open(places, store).unwrap_err())
    }

    #[test]
    fn a_root_key_is_made_once_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (nowhere, path) = (folder.path().join("none/key"), folder.path().join("key"));
        let places = places(&[&nowhere, &path]);
        let made = RootKey::open(&places, &StoreKeys::None).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let wrapped = made.wrap(b"about", b"data key").unwrap();
        let again = RootKey::open(&places, &StoreKeys::WrappedBy(made.mark().to_owned())).unwrap();
        assert_eq!(again.unwrap(b"about", &wrapped).unwrap().as_slice(), b"data key");
        assert!(again.unwrap(b"other", &wrapped).is_err());
        assert!(!format!("{made:?}").contains(made.text().trim()));
    }

    #[test]
    fn the_environment_and_the_credential_come_before_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let in_file = RootKey::open(&places(&[&path]), &StoreKeys::None).unwrap();
        let (variable, credential) = (RootKey::random("x").unwrap(), RootKey::random("x").unwrap());
        std::fs::write(folder.path().join(CREDENTIAL), credential.text().as_bytes()).unwrap();
        let mut all = Places {
            variable: Some(variable.text()),
            credentials: Some(folder.path().to_owned()),
            files: vec![path],
        };
        assert_eq!(RootKey::open(&all, &StoreKeys::None).unwrap().mark(), variable.mark());
        all.variable = None;
        assert_eq!(RootKey::open(&all, &StoreKeys::None).unwrap().mark(), credential.mark());
        all.credentials = None;
        assert_eq!(RootKey::open(&all, &StoreKeys::None).unwrap().mark(), in_file.mark());
    }

    #[test]
    fn a_missing_wrong_or_open_key_is_one_clear_line() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let wanted = StoreKeys::WrappedBy("00ff00ff00ff00ff".into());
        let missing = refused(&places(&[&path]), &wanted);
        assert!(missing.contains("root key is missing") && missing.contains("00ff00ff00ff00ff"), "{missing}");
        assert!(missing.contains("$FLEETWRIGHT_ROOT_KEY") && !path.exists(), "{missing}");
        let made = RootKey::open(&places(&[&path]), &StoreKeys::None).unwrap();
        let wrong = refused(&places(&[&path]), &wanted);
        assert!(wrong.contains(made.mark()) && wrong.contains("00ff00ff00ff00ff"), "{wrong}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(refused(&places(&[&path]), &StoreKeys::None).contains("mode 644"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, "hunter2").unwrap();
        let format = refused(&places(&[&path]), &StoreKeys::None);
        assert!(format.contains("holds no root key") && !format.contains("hunter2"), "{format}");
    }

    #[test]
    fn a_root_key_that_a_stopped_rotation_left_beside_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let old = RootKey::open(&places(&[&path]), &StoreKeys::None).unwrap();
        let next = old.write_beside(&path).unwrap();
        let still = RootKey::open(&places(&[&path]), &StoreKeys::WrappedBy(old.mark().to_owned())).unwrap();
        assert_eq!(still.mark(), old.mark(), "nothing was committed");
        let found = RootKey::open(&places(&[&path]), &StoreKeys::WrappedBy(next.mark().to_owned())).unwrap();
        assert_eq!(found.mark(), next.mark());
        let again = RootKey::open(&places(&[&path]), &StoreKeys::WrappedBy(next.mark().to_owned())).unwrap();
        assert_eq!(again.mark(), next.mark(), "and it has taken its place");
    }
}
