//! Snaps, from where they are mounted: asking snapd would start it on hosts where it sleeps.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::HostError;
use crate::inventory::{Item, architecture, item, summary};

/// Where distributions mount snaps; one of them is a link to the other on some.
const FOLDERS: [&str; 2] = ["snap", "var/lib/snapd/snap"];
const METADATA: &str = "current/meta/snap.yaml";
const METADATA_MAX_BYTES: u64 = 1024 * 1024;

pub(super) fn snaps(root: &Path) -> Result<Vec<Item>, HostError> {
    let Some(folder) = FOLDERS.iter().map(|folder| root.join(folder)).find(|folder| folder.is_dir()) else {
        return Ok(Vec::new());
    };
    let doing = || format!("read `{}`", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).map_err(HostError::io(doing))? {
        let path = entry.map_err(HostError::io(doing))?.path().join(METADATA);
        if let Some(text) = metadata(&path)? {
            found.push(snap(&text));
        }
    }
    Ok(found)
}

/// None for a folder that is no snap's.
fn metadata(path: &PathBuf) -> Result<Option<String>, HostError> {
    let mut text = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(METADATA_MAX_BYTES).read_to_end(&mut text));
    match read {
        Ok(_) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(source) => Err(HostError::io(|| format!("read `{}`", path.display()))(source)),
    }
}

fn snap(metadata: &str) -> Item {
    let (name, version) = (field(metadata, "name"), field(metadata, "version"));
    let architectures = metadata.lines().skip_while(|line| !line.starts_with("architectures:")).nth(1);
    let arch =
        architectures.and_then(|line| line.trim().strip_prefix('-')).map(str::trim).unwrap_or_default();
    item([
        ("Name", name),
        ("ApplicationType", "admin"),
        ("Version", version),
        ("Architecture", architecture(plain(arch))),
        ("Summary", &summary(field(metadata, "summary"))),
        ("PackageId", &format!("pkg:snap/{name}@{version}")),
    ])
}

/// A scalar at the top level of the file. snapd writes these on one line.
fn field<'a>(metadata: &'a str, name: &str) -> &'a str {
    let value = metadata.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    plain(value.unwrap_or_default().trim())
}

fn plain(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snaps_are_found_where_they_are_mounted() {
        let root = tempfile::tempdir().unwrap();
        assert!(snaps(root.path()).unwrap().is_empty());
        let meta = root.path().join("snap/lxd/current/meta");
        fs::create_dir_all(&meta).unwrap();
        fs::create_dir_all(root.path().join("snap/bin")).unwrap();
        fs::write(root.path().join("snap/README"), "").unwrap();
        fs::write(
            meta.join("snap.yaml"),
            "name: lxd\nversion: '5.21.2'\nsummary: LXD\narchitectures:\n- amd64\napps:\n  name: x\n",
        )
        .unwrap();
        let expected = item([
            ("Name", "lxd"),
            ("ApplicationType", "admin"),
            ("Version", "5.21.2"),
            ("Architecture", "x86_64"),
            ("Summary", "LXD"),
            ("PackageId", "pkg:snap/lxd@5.21.2"),
        ]);
        assert_eq!(snaps(root.path()).unwrap(), [expected]);
    }
}
