//! Files that are replaced whole: a reader sees the old content or the new, also after a power cut.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fleetwright_platform::{HostError, Platform};

/// Why a file was not replaced; what was there before is untouched.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error("cannot write `{}`", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Replaces `path` by a private file with `content`; durable on return.
pub(crate) fn durably(platform: &dyn Platform, path: &Path, content: &[u8]) -> Result<(), ReplaceError> {
    write_aside(platform, path, content, fs::File::sync_all)?;
    platform.sync_folder(path.parent().unwrap_or(Path::new(".")))?;
    Ok(())
}

/// Replaces `path` at once and leaves it to the system when it reaches the disk. For what can be told anew.
pub(crate) fn quickly(platform: &dyn Platform, path: &Path, content: &[u8]) -> Result<(), ReplaceError> {
    write_aside(platform, path, content, |_| Ok(()))
}

fn write_aside(
    platform: &dyn Platform,
    path: &Path,
    content: &[u8],
    finish: impl FnOnce(&fs::File) -> io::Result<()>,
) -> Result<(), ReplaceError> {
    let aside = path.with_added_extension("new");
    match fs::remove_file(&aside) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            return Err(ReplaceError::Io { path: aside, source });
        }
        _ => {}
    }
    let mut file = platform.create_private_file(&aside)?;
    file.write_all(content)
        .and_then(|()| finish(&file))
        .and_then(|()| {
            // Windows does not rename a file that is open.
            drop(file);
            fs::rename(&aside, path)
        })
        .map_err(|source| ReplaceError::Io { path: path.to_owned(), source })
}
