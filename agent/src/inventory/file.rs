//! `AWS:File`: the files that a document asks for (reference, section 5.3). Links are told and not followed.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fleetwright_documents::inputs::FileQuery;
use fleetwright_platform::Item;
use fleetwright_proto::clock::Timestamp;
use fleetwright_proto::wildcard;

use super::Gathered;

pub(super) const TYPE: &str = "AWS:File";
const SCHEMA: &str = "1.0";

/// Files of all queries together.
const FILES_MAX: usize = 500;
/// Folders that one query looks into, unless it says otherwise.
const DIR_SCAN_LIMIT: u64 = 5_000;

#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("more than {FILES_MAX} files match, the last of them in `{}`: narrow the patterns", folder.display())]
    TooManyFiles { folder: PathBuf },
    #[error("`{path}` has more than {limit} folders to look into: name a smaller one, or set DirScanLimit")]
    TooManyFolders { path: String, limit: u64 },
    #[error("cannot look into `{}`", folder.display())]
    Io { folder: PathBuf, source: io::Error },
}

pub(super) fn gather(queries: &[FileQuery]) -> Result<Gathered, FileError> {
    let mut found = BTreeMap::new();
    for query in queries {
        search(query, &mut found)?;
    }
    Ok(Gathered::new(TYPE, SCHEMA, found.into_values().collect()))
}

/// A file that two queries find is one item.
fn search(query: &FileQuery, found: &mut BTreeMap<PathBuf, Item>) -> Result<(), FileError> {
    let limit = query.dir_scan_limit.unwrap_or(DIR_SCAN_LIMIT);
    let mut folders = vec![PathBuf::from(with_variables(&query.path))];
    let mut scanned = 0;
    while let Some(folder) = folders.pop() {
        scanned += 1;
        if scanned > limit {
            return Err(FileError::TooManyFolders { path: query.path.clone(), limit });
        }
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if is_nothing_to_tell(&error) => continue,
            Err(source) => return Err(FileError::Io { folder, source }),
        };
        for entry in entries {
            let entry = entry.map_err(|source| FileError::Io { folder: folder.clone(), source })?;
            // A file may go while it is looked at.
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                if query.recursive {
                    folders.push(entry.path());
                }
                continue;
            }
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if !query.patterns.iter().any(|pattern| wildcard::matches(pattern, &name)) {
                continue;
            }
            if found.len() >= FILES_MAX && !found.contains_key(&entry.path()) {
                return Err(FileError::TooManyFiles { folder });
            }
            found.insert(entry.path(), told(&folder, &name, &metadata));
        }
    }
    Ok(())
}

/// A folder that is not there, or that the agent may not see, has no files.
fn is_nothing_to_tell(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
    )
}

fn told(folder: &Path, name: &str, metadata: &Metadata) -> Item {
    let moment = |time: io::Result<SystemTime>| time.map(rfc3339).unwrap_or_default();
    let attributes = [
        ("Name", name.to_owned()),
        ("Size", metadata.len().to_string()),
        ("InstalledDir", folder.to_string_lossy().into_owned()),
        ("InstalledDate", moment(metadata.created())),
        ("ModificationTime", moment(metadata.modified())),
        ("LastAccessTime", moment(metadata.accessed())),
    ];
    let said = attributes.into_iter().filter(|(_, value)| !value.is_empty());
    said.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn rfc3339(time: SystemTime) -> String {
    let millis = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    };
    moment_text(Timestamp::from_millis(millis))
}

fn moment_text(moment: Timestamp) -> String {
    chrono::DateTime::from_timestamp_millis(moment.millis())
        .map(|moment| moment.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
        .unwrap_or_default()
}

/// `%NAME%` is what the environment says, as documents for Windows write it; what it does not say stays.
fn with_variables(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let known = after.split_once('%').filter(|(name, _)| !name.is_empty());
        match known.and_then(|(name, tail)| Some((std::env::var(name).ok()?, tail))) {
            Some((value, tail)) => {
                out.push_str(&value);
                rest = tail;
            }
            None => {
                out.push('%');
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(path: &Path, patterns: &[&str], recursive: bool, limit: Option<u64>) -> FileQuery {
        FileQuery {
            path: path.to_str().unwrap().to_owned(),
            patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect(),
            recursive,
            dir_scan_limit: limit,
        }
    }

    #[test]
    fn files_are_found_once_and_counted() {
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("inner");
        fs::create_dir(&inner).unwrap();
        for path in [root.path().join("a.conf"), root.path().join("b.txt"), inner.join("c.conf")] {
            fs::write(path, "12345").unwrap();
        }
        let names = |queries: &[FileQuery]| -> Vec<String> {
            gather(queries).unwrap().items.iter().map(|item| item["Name"].clone()).collect()
        };
        assert_eq!(names(&[query(root.path(), &["*.conf"], false, None)]), ["a.conf"]);
        let both = [query(root.path(), &["*.conf"], true, None), query(&inner, &["c*"], false, None)];
        assert_eq!(names(&both), ["a.conf", "c.conf"]);
        assert!(names(&[query(&root.path().join("gone"), &["*"], true, None)]).is_empty());
        let found = gather(&both).unwrap();
        assert_eq!(found.items[1]["Size"], "5");
        assert_eq!(found.items[1]["InstalledDir"], inner.to_str().unwrap());
        assert!(found.items[1]["ModificationTime"].ends_with('Z'));
        let error = gather(&[query(root.path(), &["*"], true, Some(1))]).unwrap_err().to_string();
        assert!(error.contains("more than 1 folders"), "{error}");
        for number in 0..FILES_MAX {
            fs::write(inner.join(format!("{number}")), "").unwrap();
        }
        let error = gather(&[query(root.path(), &["*"], true, None)]).unwrap_err().to_string();
        assert!(error.contains("more than 500 files"), "{error}");
    }

    #[test]
    fn variables_are_those_of_the_environment() {
        assert_eq!(with_variables("/a/100%/b%NOT-THERE-AT-ALL%/c"), "/a/100%/b%NOT-THERE-AT-ALL%/c");
        let path = std::env::var("PATH").unwrap();
        assert_eq!(with_variables("x%PATH%y"), format!("x{path}y"));
    }
}
