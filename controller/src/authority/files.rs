//! Where the authority lives between starts: `<data>/authority/authority.pem` and `authority.key`.
//!
//! The key file is readable by its owner only; a key that others can read is refused rather than used. Both files
//! are written whole and synced before the authority signs anything.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fleetwright_proto::clock::Timestamp;
use rcgen::{KeyPair, PublicKeyData};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Authority, IssueError, OPERATOR_CERTIFICATE_LIFETIME, judge};

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("cannot use {path}")]
    File { path: PathBuf, source: std::io::Error },
    #[error("{0} can be read by others: chmod 600 it, and think about who may have read it")]
    Exposed(PathBuf),
    #[error("{0} does not hold what we wrote there: restore it from a backup")]
    Damaged(PathBuf),
    #[error("{present} exists and {missing} does not: restore it from a backup")]
    HalfMissing { present: PathBuf, missing: PathBuf },
    #[error("cannot make an authority")]
    Generate(#[source] IssueError),
}

/// Opens the authority in this folder, or makes one where none ever was.
pub fn open(folder: &Path, now: Timestamp) -> Result<Authority, AuthorityError> {
    let (certificate, key) = (folder.join("authority.pem"), folder.join("authority.key"));
    match (certificate.exists(), key.exists()) {
        (true, true) => load(&certificate, &key),
        (false, false) => create(folder, &certificate, &key, now),
        (true, false) => Err(AuthorityError::HalfMissing { present: certificate, missing: key }),
        // The certificate is written last, so a key alone is a first start that was cut short: nothing was signed.
        (false, true) => create(folder, &certificate, &key, now),
    }
}

/// Where the first operator's certificate and key are, and the certificate of the authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorFiles {
    pub authority: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The files of the operator of this data folder.
#[must_use]
pub fn operator_files(data_dir: &Path) -> OperatorFiles {
    OperatorFiles {
        authority: data_dir.join("authority/authority.pem"),
        certificate: data_dir.join("operator/admin.pem"),
        key: data_dir.join("operator/admin.key"),
    }
}

/// Sees to it that there is a good certificate for the operator `admin`: whoever can read the data folder commands the
/// fleet. One that is good for less than half of its life, or does not fit its key, is made anew.
pub fn keep_operator(authority: &Authority, data_dir: &Path, now: Timestamp) -> Result<(), AuthorityError> {
    let files = operator_files(data_dir);
    if is_good_operator(authority, &files, now) {
        return Ok(());
    }
    let folder = data_dir.join("operator");
    private_folder(&folder).map_err(|source| file_error(&folder, source))?;
    let (certificate, key) = authority.issue_operator("admin", now).map_err(AuthorityError::Generate)?;
    write_private(&files.key, key.as_bytes()).map_err(|source| file_error(&files.key, source))?;
    write_private(&files.certificate, certificate.as_bytes())
        .map_err(|source| file_error(&files.certificate, source))
}

/// The fingerprint of the key of the operator of this data folder.
pub fn operator_key_fingerprint(data_dir: &Path) -> Result<String, AuthorityError> {
    let path = operator_files(data_dir).key;
    let pem = fs::read_to_string(&path).map_err(|source| file_error(&path, source))?;
    key_fingerprint_of_pem(&pem).ok_or(AuthorityError::Damaged(path))
}

/// The SHA-256 of the public key that belongs to this private key, hex; None when it is no key.
#[must_use]
pub fn key_fingerprint_of_pem(pem: &str) -> Option<String> {
    let key = KeyPair::from_pem(pem).ok()?;
    Some(hex::encode(Sha256::digest(key.subject_public_key_info())))
}

fn is_good_operator(authority: &Authority, files: &OperatorFiles, now: Timestamp) -> bool {
    let Ok(certificate) = CertificateDer::from_pem_file(&files.certificate) else { return false };
    let Some(key) = fs::read_to_string(&files.key).ok().and_then(|pem| KeyPair::from_pem(&pem).ok()) else {
        return false;
    };
    let mut roots = RootCertStore::empty();
    if roots.add(authority.certificate().clone()).is_err() {
        return false;
    }
    let half_way = now.plus(OPERATOR_CERTIFICATE_LIFETIME / 2);
    let good = judge(&Arc::new(roots), std::slice::from_ref(&certificate), half_way).is_ok();
    let fits = X509Certificate::from_der(&certificate)
        .is_ok_and(|(_, parsed)| parsed.public_key().raw == key.subject_public_key_info());
    good && fits
}

fn load(certificate: &Path, key: &Path) -> Result<Authority, AuthorityError> {
    refuse_exposed(key)?;
    let key_pem = fs::read_to_string(key).map_err(|source| file_error(key, source))?;
    let key_pair = KeyPair::from_pem(&key_pem).map_err(|_| AuthorityError::Damaged(key.to_owned()))?;
    let der = CertificateDer::from_pem_file(certificate)
        .map_err(|_| AuthorityError::Damaged(certificate.to_owned()))?;
    Authority::restore(der, key_pair).map_err(|_| AuthorityError::Damaged(certificate.to_owned()))
}

fn create(
    folder: &Path,
    certificate: &Path,
    key: &Path,
    now: Timestamp,
) -> Result<Authority, AuthorityError> {
    let (authority, certificate_pem, key_pem) = Authority::generate(now).map_err(AuthorityError::Generate)?;
    private_folder(folder).map_err(|source| file_error(folder, source))?;
    write_private(key, key_pem.as_bytes()).map_err(|source| file_error(key, source))?;
    write_private(certificate, certificate_pem.as_bytes())
        .map_err(|source| file_error(certificate, source))?;
    Ok(authority)
}

/// Writes a file that only its owner can read, whole or not at all, and on the disk when this returns.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // A temporary file is made with owner-only permissions.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

/// Makes a folder that only its owner can enter. One that exists stays as it is: it may be somebody's choice.
pub(crate) fn new_private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a folder that only its owner can enter, or closes one that exists: for keys.
fn private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    new_private_folder(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

fn refuse_exposed(path: &Path) -> Result<(), AuthorityError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map_err(|source| file_error(path, source))?.permissions().mode();
    if mode & 0o077 == 0 { Ok(()) } else { Err(AuthorityError::Exposed(path.to_owned())) }
}

fn file_error(path: &Path, source: std::io::Error) -> AuthorityError {
    AuthorityError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    #[test]
    fn an_authority_is_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authority");
        let first = open(&path, now()).unwrap();
        let again = open(&path, now()).unwrap();
        assert_eq!(first.fingerprint(), again.fingerprint());
        let mode = fs::metadata(path.join("authority.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_gone_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authority");
        open(&path, now()).unwrap();
        let key = path.join("authority.key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(open(&path, now()), Err(AuthorityError::Exposed(_))));
        fs::remove_file(&key).unwrap();
        assert!(matches!(open(&path, now()), Err(AuthorityError::HalfMissing { .. })));
    }

    #[test]
    fn an_operators_certificate_is_kept_while_it_is_good_and_fits_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let authority = open(&folder.path().join("authority"), now()).unwrap();
        let files = operator_files(folder.path());
        let made_at = |moment| {
            keep_operator(&authority, folder.path(), moment).unwrap();
            fs::read(&files.certificate).unwrap()
        };
        let first = made_at(now());
        assert_eq!(made_at(now()), first);
        let second = made_at(now().plus(OPERATOR_CERTIFICATE_LIFETIME * 2 / 3));
        assert_ne!(second, first);
        let (_, other_key) = authority.issue_operator("admin", now()).unwrap();
        write_private(&files.key, other_key.as_bytes()).unwrap();
        assert_ne!(made_at(now().plus(OPERATOR_CERTIFICATE_LIFETIME * 2 / 3)), second);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("authority");
        open(&path, now()).unwrap();
        fs::write(path.join("authority.pem"), "not a certificate").unwrap();
        let error = open(&path, now()).unwrap_err().to_string();
        assert!(error.contains("authority.pem") && error.contains("backup"), "{error}");
    }
}
