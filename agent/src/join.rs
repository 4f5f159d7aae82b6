//! The join file: what a host needs to join a fleet, put on it before its first boot.
//!
//! ```text
//! join.toml ──► enrolled: removed, since it holds a secret
//!     └───────► refused: renamed to join.toml.refused, with the reason in the log
//! ```
//!
//! Its text never appears in an error: whatever stands in the wrong place may be the code.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::enroll::{ActivationCode, Enrolment, Existing};
use crate::tls::{self, AuthorityFileError, Trust};

/// Its name in the folder of the configuration.
pub const FILE_NAME: &str = "join.toml";

/// Why a join file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JoinFileError {
    #[error("cannot read the join file `{}`", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "the join file `{}` has an error near line {line}: it has to be TOML with controller, activation_id, \
         activation_code, and authority or authority_file, each a text in quotes",
        path.display()
    )]
    Parse { path: PathBuf, line: usize },
    #[error("{key} in the join file `{}` is not {wanted}", path.display())]
    Value { path: PathBuf, key: &'static str, wanted: &'static str },
    #[error(transparent)]
    Authority(#[from] AuthorityFileError),
    #[error("cannot remove the join file `{}`, which holds the activation's code", path.display())]
    Remove { path: PathBuf, source: io::Error },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    controller: String,
    activation_id: String,
    activation_code: String,
    authority: Option<String>,
    authority_file: Option<PathBuf>,
}

/// Reads what the file says.
///
/// # Errors
/// When it cannot be read, or something is wrong in it.
pub fn read(path: &Path) -> Result<Enrolment, JoinFileError> {
    let text =
        fs::read_to_string(path).map_err(|source| JoinFileError::Read { path: path.to_owned(), source })?;
    let file: Text = toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        JoinFileError::Parse { path: path.to_owned(), line: before.matches('\n').count() + 1 }
    })?;
    let value = |key, wanted| JoinFileError::Value { path: path.to_owned(), key, wanted };
    let trust = match (file.authority, file.authority_file) {
        (Some(authority), None) => Trust::Pinned(authority.parse().map_err(|_| {
            value(
                "authority",
                "the fingerprint of an authority, as `fleetwright activation create` prints it",
            )
        })?),
        (None, Some(authority)) => Trust::Authority(tls::read_authority(&authority)?),
        _ => return Err(value("authority", "given once, here or as authority_file")),
    };
    Ok(Enrolment {
        controller: file
            .controller
            .parse()
            .map_err(|_| value("controller", "a host with a port, as fleet.example.com:7443"))?,
        activation: file
            .activation_id
            .parse()
            .map_err(|_| value("activation_id", "the id of an activation"))?,
        code: ActivationCode::new(&file.activation_code),
        trust,
        existing: Existing::Keep,
    })
}

/// The host is enrolled: the code has no business on it any more.
///
/// # Errors
/// When the file stays.
pub fn consume(path: &Path) -> Result<(), JoinFileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(JoinFileError::Remove { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// Out of the way, so that the next file is tried, and this one is not tried for ever.
///
/// # Errors
/// When it stays where it is.
pub fn set_aside(path: &Path) -> Result<PathBuf, JoinFileError> {
    let aside = path.with_added_extension("refused");
    fs::rename(path, &aside).map_err(|source| JoinFileError::Remove { path: path.to_owned(), source })?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: &str = "controller = \"fleet.example.com:7443\"\nactivation_id = \
                         \"67e55044-10b1-426f-9247-bb680e5fe0c8\"\nactivation_code = \"open sesame\"\n";

    fn file(text: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE_NAME), text).unwrap();
        folder
    }

    #[test]
    fn it_says_how_to_join_and_is_gone_afterwards() {
        let pinned = format!("authority = \"sha256:{}\"\n", "ab".repeat(32));
        let folder = file(&format!("{RIGHT}{pinned}"));
        let path = folder.path().join(FILE_NAME);
        let enrolment = read(&path).unwrap();
        assert_eq!(enrolment.controller.to_string(), "fleet.example.com:7443");
        assert_eq!(enrolment.existing, Existing::Keep);
        consume(&path).unwrap();
        consume(&path).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn one_that_was_refused_is_out_of_the_way() {
        let folder = file(RIGHT);
        let path = folder.path().join(FILE_NAME);
        let aside = set_aside(&path).unwrap();
        assert!(!path.exists() && aside.ends_with("join.toml.refused") && aside.exists());
        assert!(set_aside(&path).is_err());
    }

    #[test]
    fn what_is_wrong_is_told_and_no_text_of_the_file_is_shown() {
        let pinned = format!("{RIGHT}authority = \"sha256:{}\"\n", "ab".repeat(32));
        for (text, wanted) in [
            (RIGHT.to_owned(), "authority in the join file"),
            (format!("{RIGHT}authority = \"sesame\""), "the fingerprint of an authority"),
            (pinned.replace(":7443", " sesame"), "controller in the join file"),
            (pinned.replace("67e55044", "sesame"), "activation_id in the join file"),
            (pinned.replace("\"open sesame\"", "sesame"), "near line 3"),
            (format!("{pinned}sesame = 1"), "near line 5"),
            (format!("{RIGHT}authority_file = \"/nowhere/authority.pem\""), "/nowhere/authority.pem"),
        ] {
            let folder = file(&text);
            let error = crate::explain::explain(&read(&folder.path().join(FILE_NAME)).unwrap_err());
            assert!(error.contains(wanted) && !error.contains("sesame"), "{error}");
        }
        let error = read(Path::new("/nowhere/join.toml")).unwrap_err().to_string();
        assert!(error.contains("cannot read"), "{error}");
    }
}
