//! Everything in the controller's data folder, entry by entry, with what limits it. `fleetwright status` shows it; a test
//! asks for the line of whatever a controller writes there.
//!
//! What grows with the work stops where the disk's reserve begins (see `room`), and goes by its age (see
//! `retention` in the configuration). What people have the controller write elsewhere, as backups, is theirs.

use std::fs;
use std::path::Path;

use fleetwright_store::Space;

use crate::room::Reserve;

/// Of the few files that have nothing in them that grows.
const SMALL_BYTES: u64 = 1 << 20;

/// An entry of the data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub name: &'static str,
    limit: Limit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// What the disk has above its reserve.
    Disk,
    Small,
}

pub const ENTRIES: [Entry; 7] = [
    Entry { name: "store", limit: Limit::Disk },
    Entry { name: "blobs", limit: Limit::Disk },
    Entry { name: "authority", limit: Limit::Small },
    Entry { name: "operator", limit: Limit::Small },
    Entry { name: "controller-name", limit: Limit::Small },
    Entry { name: "notification-secret", limit: Limit::Small },
    Entry { name: "root-key", limit: Limit::Small },
];

/// How full an entry is, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FolderUsage {
    pub name: &'static str,
    pub used: u64,
    pub limit: u64,
}

/// Reads the whole folder: for a thread that can wait.
#[must_use]
pub fn usage(data: &Path, space: Option<Space>, reserve: Reserve) -> Vec<FolderUsage> {
    let room = space.map_or(0, |space| space.free_bytes.saturating_sub(reserve.bytes(space)));
    let usage = |entry: Entry| {
        let used = bytes_below(&data.join(entry.name));
        let limit = match entry.limit {
            Limit::Disk => used.saturating_add(room),
            Limit::Small => SMALL_BYTES,
        };
        FolderUsage { name: entry.name, used, limit }
    };
    ENTRIES.into_iter().map(usage).collect()
}

/// Bytes of a file, or of all files below a folder. Links are not followed.
fn bytes_below(path: &Path) -> u64 {
    // What went away meanwhile takes no room.
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| bytes_below(&entry.path())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_may_take_what_the_disk_has_above_its_reserve() {
        let data = tempfile::tempdir().unwrap();
        fs::create_dir_all(data.path().join("blobs/a")).unwrap();
        fs::write(data.path().join("blobs/a/one"), [0; 100]).unwrap();
        fs::write(data.path().join("controller-name"), "name").unwrap();
        for (free, room) in [(1000, 488), (100, 0)] {
            let space = Space { free_bytes: free << 20, total_bytes: 2000 << 20 };
            let usage = usage(data.path(), Some(space), Reserve::Bytes(512 << 20));
            let of = |name| *usage.iter().find(|usage| usage.name == name).unwrap();
            let blobs = of("blobs");
            assert_eq!((blobs.used, blobs.limit), (100, 100 + (room << 20)));
            assert_eq!((of("store").used, of("controller-name").used), (0, 4));
        }
    }
}
