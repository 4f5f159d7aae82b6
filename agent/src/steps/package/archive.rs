//! Unpacks the archive of a package. Nothing of it gets out of its folder, and it cannot grow without end.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use fleetwright_platform::SharedPlatform;
use tokio_util::sync::CancellationToken;
use zip::ZipArchive;
use zip::read::ZipFile;

use crate::explain::explain;

/// Of everything in one archive.
const MAX_BYTES: u64 = 10 << 30;
const MAX_ENTRIES: usize = 100_000;
const PIECE_BYTES: usize = 64 * 1024;
/// For a file whose archive says nothing of it.
const USUAL_MODE: u32 = 0o755;
/// What the agent needs of every file: a script is a file like any other until it runs.
const OWNER_MODE: u32 = 0o700;

/// Why an archive was not unpacked. One line for people.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error("it is no zip that can be read: {0}")]
    Zip(String),
    #[error("it has {0} entries; at most {MAX_ENTRIES} are taken")]
    Entries(usize),
    #[error("unpacked it has more than {MAX_BYTES} bytes, which is the limit")]
    TooLarge,
    #[error("its entry `{0}` is no name inside a folder")]
    Outside(String),
    #[error("its entry `{0}` is a link; links are not unpacked")]
    Link(String),
    #[error("cannot write `{}`: {problem}", path.display())]
    File { path: PathBuf, problem: String },
    #[error("the command was cancelled")]
    Cancelled,
}

/// Unpacks `archive` into `folder`, which exists. Blocks.
pub(super) fn unpack(
    archive: &Path,
    folder: &Path,
    platform: &SharedPlatform,
    cancel: &CancellationToken,
) -> Result<(), ArchiveError> {
    let unreadable = |error: &dyn std::error::Error| ArchiveError::Zip(explain(error));
    let file = File::open(archive).map_err(|error| unreadable(&error))?;
    let mut zip = ZipArchive::new(io::BufReader::new(file)).map_err(|error| unreadable(&error))?;
    if zip.len() > MAX_ENTRIES {
        return Err(ArchiveError::Entries(zip.len()));
    }
    let mut room = MAX_BYTES;
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(|error| unreadable(&error))?;
        let name = String::from_utf8_lossy(entry.name_raw()).into_owned();
        let path = folder.join(inside(&entry, &name)?);
        let failed = |problem: &dyn std::fmt::Display| ArchiveError::File {
            path: path.clone(),
            problem: problem.to_string(),
        };
        if entry.is_dir() {
            fs::create_dir_all(&path).map_err(|error| failed(&error))?;
            continue;
        }
        if entry.is_symlink() {
            return Err(ArchiveError::Link(name));
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| failed(&error))?;
        }
        let mode = entry.unix_mode().unwrap_or(USUAL_MODE) & 0o777 | OWNER_MODE;
        let file = platform.create_script_file(&path).map_err(|error| failed(&explain(&error)))?;
        copy(&mut entry, file, &path, &mut room, cancel)?;
        platform.set_mode(&path, mode).map_err(|error| failed(&explain(&error)))?;
    }
    Ok(())
}

/// The path of an entry below its folder, whatever its name says.
fn inside<R: Read>(entry: &ZipFile<'_, R>, name: &str) -> Result<PathBuf, ArchiveError> {
    let path = entry.enclosed_name().filter(|_| !name.contains(['\0', '\\']) && !name.starts_with('/'));
    path.filter(|path| path.components().all(is_plain) && path.components().next().is_some())
        .filter(|_| !name.split('/').any(|part| part == ".."))
        .ok_or_else(|| ArchiveError::Outside(name.escape_debug().to_string()))
}

fn is_plain(part: Component<'_>) -> bool {
    matches!(part, Component::Normal(_) | Component::CurDir)
}

fn copy<R: Read>(
    entry: &mut ZipFile<'_, R>,
    mut file: File,
    path: &Path,
    room: &mut u64,
    cancel: &CancellationToken,
) -> Result<(), ArchiveError> {
    let failed = |error: io::Error| ArchiveError::File { path: path.to_owned(), problem: error.to_string() };
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        if cancel.is_cancelled() {
            return Err(ArchiveError::Cancelled);
        }
        let length = entry.read(&mut piece).map_err(|error| ArchiveError::Zip(error.to_string()))?;
        if length == 0 {
            return file.sync_all().map_err(failed);
        }
        *room = room.checked_sub(length as u64).ok_or(ArchiveError::TooLarge)?;
        file.write_all(&piece[..length]).map_err(failed)?;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use zip::write::SimpleFileOptions;

    use super::*;

    /// An archive with these files, each with its mode.
    pub(in crate::steps::package) fn zipped(files: &[(&str, &str, u32)]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text, mode) in files {
            let options = SimpleFileOptions::default()
                .compression_method(zip::CompressionMethod::Deflated)
                .unix_permissions(*mode);
            zip.start_file(*name, options).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn unpacked(bytes: &[u8]) -> (tempfile::TempDir, Result<(), ArchiveError>) {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.zip");
        fs::write(&archive, bytes).unwrap();
        let files = folder.path().join("files");
        fs::create_dir(&files).unwrap();
        let done = unpack(&archive, &files, &fleetwright_platform::host(), &CancellationToken::new());
        (folder, done)
    }

    #[test]
    fn files_come_out_as_they_went_in() {
        let long = "x".repeat(200_000);
        let archive = zipped(&[("install.sh", "echo hi\n", 0o644), ("deep/er/data", &long, 0o600)]);
        let (folder, done) = unpacked(&archive);
        done.unwrap();
        let files = folder.path().join("files");
        assert_eq!(fs::read_to_string(files.join("install.sh")).unwrap(), "echo hi\n");
        assert_eq!(fs::read_to_string(files.join("deep/er/data")).unwrap(), long);
    }

    #[test]
    fn modes_are_kept_and_the_owner_can_run_everything() {
        let (folder, done) = unpacked(&zipped(&[("install.sh", "", 0o644), ("tool", "", 0o755)]));
        done.unwrap();
        let mut stat = std::process::Command::new("stat");
        let listed = stat.args(["-c", "%a", "install.sh", "tool"]).current_dir(folder.path().join("files"));
        assert_eq!(String::from_utf8(listed.output().unwrap().stdout).unwrap(), "744\n755\n");
    }

    #[test]
    fn what_would_get_out_of_the_folder_is_refused() {
        for name in ["../out", "/etc/out", "a/../../out", "a\\..\\..\\out"] {
            let (folder, done) = unpacked(&zipped(&[("fine", "x", 0o644), (name, "x", 0o644)]));
            assert!(matches!(done, Err(ArchiveError::Outside(_))), "{name}: {done:?}");
            assert!(!folder.path().join("out").exists());
        }
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
        let (_folder, done) = unpacked(&zip.finish().unwrap().into_inner());
        assert!(matches!(done, Err(ArchiveError::Link(_))), "{done:?}");
    }

    #[test]
    fn what_is_no_zip_or_broken_says_so() {
        let mut broken = zipped(&[("a", &"text ".repeat(1000), 0o644)]);
        broken[40] ^= 0xff;
        for bytes in [&b"no zip at all"[..], b"", &broken] {
            let (_folder, done) = unpacked(bytes);
            assert!(matches!(done, Err(ArchiveError::Zip(_))), "{done:?}");
        }
    }
}
