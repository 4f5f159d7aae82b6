//! Files of operators: what is secret is readable by its owner only, and whole or not there.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use crate::io::Io;

#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessFilesError {
    #[error("cannot make the folder {}", .path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("cannot write {}", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} exists: take another folder, or remove it first", .0.display())]
    Exists(PathBuf),
    #[error("cannot read {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
}

/// Makes a folder for keys; one that exists is taken as it is.
pub(super) fn make_folder(path: &Path) -> Result<(), AccessFilesError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| AccessFilesError::Folder { path: path.into(), source })
}

/// A temporary file is readable by its owner only, and so is what takes its place.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), AccessFilesError> {
    let failed = |source| AccessFilesError::Write { path: path.into(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        // The authority's certificate may be there from another operator, and is the same.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            if std::fs::read(path).is_ok_and(|there| there == bytes) {
                return Ok(());
            }
            Err(AccessFilesError::Exists(path.into()))
        }
        Err(error) => Err(failed(error.error)),
    }
}

/// The text of a file, or of stdin for `-`.
pub(super) fn read_text(io: &mut Io, path: &Path) -> Result<String, AccessFilesError> {
    let failed = |source| AccessFilesError::Read { path: path.into(), source };
    if path == Path::new("-") {
        let mut text = String::new();
        io.stdin.read_to_string(&mut text).map_err(failed)?;
        return Ok(text);
    }
    std::fs::read_to_string(path).map_err(failed)
}

/// The lines of a file, or of stdin for `-`.
pub(crate) fn open_lines<'a>(io: &'a mut Io, path: &Path) -> Result<Box<dyn BufRead + 'a>, AccessFilesError> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(&mut io.stdin)));
    }
    match std::fs::File::open(path) {
        Ok(file) => Ok(Box::new(BufReader::new(file))),
        Err(source) => Err(AccessFilesError::Read { path: path.into(), source }),
    }
}
