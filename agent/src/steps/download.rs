//! `aws:downloadContent`: files from elsewhere (reference, section 2.7).
//!
//! A file appears under its name when it is whole and its checksum is right, and never before. What a source says of
//! names is held inside the destination. Every wait ends with the command's cancelling.

mod fetch;
mod file;
mod git;
mod github;
mod http;
mod s3;

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use fleetwright_documents::inputs::{Credential, DownloadContent, Source};

use super::{How, Task, library};
use fetch::FetchError;

/// More than this is refused, in all files of one step together.
const MAX_BYTES: u64 = 10 << 30;
/// A source that says nothing for so long is given up.
const STALL: Duration = Duration::from_secs(60);

/// Why something was not downloaded. One line for people.
#[derive(Debug, thiserror::Error)]
enum DownloadError {
    #[error("the command was cancelled")]
    Cancelled,
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("cannot write `{}`: {problem}", path.display())]
    File { path: PathBuf, problem: String },
    #[error("`{0}` is no name inside the destination")]
    Outside(String),
    #[error("{0}")]
    Source(String),
    #[error("{0}")]
    Unsupported(String),
    #[error("it has more than {MAX_BYTES} bytes, which is the limit")]
    TooLarge,
    #[error("the checksum of `{name}` is {found}; it should be {wanted}")]
    Checksum { name: String, found: String, wanted: String },
}

pub(super) async fn run(inputs: &DownloadContent, task: &Task<'_>) -> How {
    let place = match Place::of(inputs.destination.as_deref(), &task.context.downloads()) {
        Ok(place) => place,
        Err(error) => return How::Failed(error.to_string()),
    };
    let done = match &inputs.source {
        Source::Http { url, login, allow_insecure } => {
            http::download(url, login, *allow_insecure, &place, task).await
        }
        Source::Git { .. } => git::download(&inputs.source, &place, task).await,
        Source::GitHub { .. } => github::download(&inputs.source, &place, task).await,
        Source::S3 { url } => s3::download(url, &place, task).await,
        Source::Document { name, version } => match document(name, version.as_deref(), &place, task).await {
            Ok(done) => done,
            Err(how) => return how,
        },
    };
    match done {
        Ok(path) => {
            task.say(&format!("Content downloaded to {}", path.display())).await;
            How::Done
        }
        Err(DownloadError::Cancelled) => How::Cancelled,
        Err(DownloadError::Unsupported(problem)) => How::Unsupported(problem),
        Err(error) => How::Failed(format!("nothing was downloaded: {error}")),
    }
}

async fn document(
    name: &str,
    version: Option<&str>,
    place: &Place,
    task: &Task<'_>,
) -> Result<Result<PathBuf, DownloadError>, How> {
    let document = library::document(name, version, task).await?;
    let name = document.name.rsplit('/').next().unwrap_or(name);
    let write = || {
        let path = place.file(&format!("{name}.json"))?;
        let mut file = file::Incoming::create(&path, task)?;
        file.write(document.content.as_bytes())?;
        file.finish(None)?;
        Ok(path)
    };
    Ok(write())
}

/// Where content goes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    path: PathBuf,
    is_folder: bool,
}

impl Place {
    fn of(destination: Option<&str>, downloads: &Path) -> Result<Self, DownloadError> {
        let Some(text) = destination else {
            return Ok(Self { path: downloads.to_owned(), is_folder: true });
        };
        let written = Path::new(text);
        let path = if written.is_absolute() { written.to_owned() } else { inside(downloads, text)? };
        let is_folder = text.ends_with(std::path::is_separator) || path.is_dir();
        Ok(Self { path, is_folder })
    }

    /// Where one file goes that its source calls `name`.
    fn file(&self, name: &str) -> Result<PathBuf, DownloadError> {
        if self.is_folder { inside(&self.path, name) } else { Ok(self.path.clone()) }
    }
}

/// `name` below `folder`, whatever the name says.
fn inside(folder: &Path, name: &str) -> Result<PathBuf, DownloadError> {
    let relative = Path::new(name);
    let is_plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if name.is_empty() || name.contains('\0') || !relative.components().all(is_plain) {
        return Err(DownloadError::Outside(name.to_owned()));
    }
    Ok(folder.join(relative))
}

fn ensure_folder(path: &Path) -> Result<(), DownloadError> {
    fs::create_dir_all(path)
        .map_err(|error| DownloadError::File { path: path.to_owned(), problem: error.to_string() })
}

/// The secret itself.
fn plain(credential: &Credential) -> Result<&str, DownloadError> {
    match credential {
        Credential::Plain(text) => Ok(text),
        Credential::Stored(reference) => Err(DownloadError::Unsupported(format!(
            "the stored parameter `{}` was not resolved by the controller: an agent cannot read it",
            reference.name
        ))),
    }
}

#[cfg(test)]
mod tests;
