//! Which files an argument means, and what is in them: a file as it is named, of a folder everything in it that is named
//! as a document, standard input for `-`.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::exit::Exit;

/// Standard input is read up to here; a document is refused long before.
const STDIN_MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Folders inside each other beyond this depth are not looked into.
const MAX_DEPTH: usize = 64;

/// Why there is nothing to check.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentFilesError {
    #[error("there is no file or folder {}", .0.display())]
    NotFound(PathBuf),
    #[error("there is no document in {}: none of its files ends in .json, .yaml or .yml", .0.display())]
    NoDocuments(PathBuf),
    #[error("cannot read {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("standard input can be read once: write - once")]
    StdinTwice,
}

impl DocumentFilesError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NotFound(_) | Self::NoDocuments(_) => Exit::NotFound,
            Self::Read { .. } | Self::StdinTwice => Exit::Usage,
        }
    }
}

/// A document's text and what the reader calls it.
#[derive(Debug)]
pub(crate) struct DocumentFile {
    pub(crate) name: String,
    pub(crate) text: Vec<u8>,
}

/// Everything that the arguments name, in their order; inside a folder sorted by path.
pub(crate) fn read(paths: &[PathBuf], stdin: &mut dyn Read) -> Result<Vec<DocumentFile>, DocumentFilesError> {
    let is_stdin = |path: &&PathBuf| path.as_os_str() == "-";
    if paths.iter().filter(is_stdin).count() > 1 {
        return Err(DocumentFilesError::StdinTwice);
    }
    let mut files = Vec::new();
    for path in paths {
        if is_stdin(&path) {
            let mut text = Vec::new();
            let read = stdin.take(STDIN_MAX_BYTES).read_to_end(&mut text);
            read.map_err(|source| DocumentFilesError::Read { path: path.clone(), source })?;
            files.push(DocumentFile { name: "-".to_owned(), text });
            continue;
        }
        for path in found(path)? {
            let text = fs::read(&path);
            let text = text.map_err(|source| DocumentFilesError::Read { path: path.clone(), source })?;
            files.push(DocumentFile { name: path.display().to_string(), text });
        }
    }
    Ok(files)
}

fn found(path: &Path) -> Result<Vec<PathBuf>, DocumentFilesError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => DocumentFilesError::NotFound(path.into()),
        _ => DocumentFilesError::Read { path: path.into(), source },
    };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![path.into()]);
    }
    let mut documents = Vec::new();
    below(path, 0, &mut documents)?;
    if documents.is_empty() {
        return Err(DocumentFilesError::NoDocuments(path.into()));
    }
    documents.sort();
    Ok(documents)
}

/// Hidden files and folders are somebody else's, and a link to a folder may lead back: both are passed over.
fn below(folder: &Path, depth: usize, documents: &mut Vec<PathBuf>) -> Result<(), DocumentFilesError> {
    let failed = |source| DocumentFilesError::Read { path: folder.into(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        let path = entry.path();
        if kind.is_dir() && depth < MAX_DEPTH {
            below(&path, depth + 1, documents)?;
        } else if !kind.is_dir() && is_document(&path) && path.is_file() {
            documents.push(path);
        }
    }
    Ok(())
}

fn is_document(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["json", "yaml", "yml"].iter().any(|known| known.eq_ignore_ascii_case(extension))
}
