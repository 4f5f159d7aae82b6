//! `aws:downloadContent`: files from elsewhere (reference, section 2.7).
//!
//! A file appears under its name when it is whole and its checksum is right, and never before. What a source says of
//! names is held inside the destination. Every wait ends with the command's cancelling.

mod fetch;
mod file;
mod git;
mod github;
mod http;
mod proxy;
mod s3;

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use fleetwright_documents::inputs::{Credential, DownloadContent, HttpLogin, Source};

use super::{How, Task, library};
use crate::bounds;
use fetch::FetchError;
pub(super) use fetch::Get;
pub(super) use file::{Incoming, Sums};
pub(super) use http::keep;
pub use proxy::Proxies;

/// A source that says nothing for so long is given up.
const STALL: Duration = Duration::from_secs(60);

/// What every download of an agent keeps to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloads {
    /// More than this is refused, in all files of one step together.
    pub max_bytes: u64,
    /// The work folder of all commands, which has at most [`WORK_MAX_BYTES`].
    pub work: PathBuf,
    pub proxies: Proxies,
}

/// Of one step, unless the agent is told otherwise.
pub const DEFAULT_MAX_BYTES: u64 = 10 << 30;
/// Of everything that the agent brings into the work folders of the commands that run.
pub const WORK_MAX_BYTES: u64 = 20 << 30;

impl Default for Downloads {
    fn default() -> Self {
        Self { max_bytes: DEFAULT_MAX_BYTES, work: PathBuf::new(), proxies: Proxies::default() }
    }
}

impl Downloads {
    /// How much a step may bring in now.
    fn room(&self) -> Result<u64, DownloadError> {
        let used = bounds::bytes_below(&self.work);
        match WORK_MAX_BYTES.saturating_sub(used) {
            0 => Err(DownloadError::WorkFull { folder: self.work.clone(), used }),
            room => Ok(room.min(self.max_bytes)),
        }
    }
}

/// Why something was not downloaded. One line for people.
#[derive(Debug, thiserror::Error)]
pub(super) enum DownloadError {
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
    #[error("it has more than {0} bytes, which is the agent's limit (--download-max-mib)")]
    TooLarge(u64),
    #[error("the work of running commands in `{}` has {used} bytes, and its limit is {WORK_MAX_BYTES}", folder.display())]
    WorkFull { folder: PathBuf, used: u64 },
    #[error("a checksum is of one file, and the source is a folder")]
    ChecksumOfFolder,
    #[error("the checksum of `{name}` is {found}; it should be {wanted}")]
    Checksum { name: String, found: String, wanted: String },
}

pub(super) async fn run(inputs: &DownloadContent, task: &Task<'_>) -> How {
    let place = match Place::of(inputs.destination.as_deref(), &task.context.downloads()) {
        Ok(place) => place,
        Err(error) => return How::Failed(error.to_string()),
    };
    let sha256 = inputs.sha256.as_deref();
    let done = match &inputs.source {
        Source::Http { url, login, allow_insecure } => {
            http::download((url, login, *allow_insecure), sha256, &place, task).await
        }
        Source::Git { .. } => git::download(&inputs.source, &place, task).await,
        Source::GitHub { .. } => github::download(&inputs.source, sha256, &place, task).await,
        Source::S3 { url } => s3::download(url, sha256, &place, task).await,
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
        file.finish(&Sums::default())?;
        Ok(path)
    };
    Ok(write())
}

/// A file that another action needs: from a URL, or one that lies on the host. Its checksum is right on return.
pub(super) async fn bring(source: &str, sha256: Option<&str>, task: &Task<'_>) -> Result<PathBuf, How> {
    let failed =
        |problem: String| How::Failed(format!("`{}` cannot be used: {problem}", without_query(source)));
    let is =
        |scheme: &str| source.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if !is("https://") && !is("http://") {
        let path = PathBuf::from(source);
        return file::check(&path, sha256).map(|()| path).map_err(|error| failed(error.to_string()));
    }
    if is("http://") && sha256.is_none() {
        return Err(failed("it is not encrypted; use https, or give its sourceHash".to_owned()));
    }
    let place = Place { path: task.context.downloads(), is_folder: true };
    match http::download((source, &HttpLogin::None, true), sha256, &place, task).await {
        Ok(path) => Ok(path),
        Err(DownloadError::Cancelled) => Err(How::Cancelled),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// A query may hold a signature.
fn without_query(source: &str) -> &str {
    source.split(['?', '#']).next().unwrap_or_default()
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
