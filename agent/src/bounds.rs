//! Everything that an agent keeps in its state folder, entry by entry: how much of it there may be, and how long it
//! stays. What is named here is shown by `fleetwright-agent status`; a test asks for the line of whatever an agent
//! writes there.
//!
//! It measures and tells. Whoever writes an entry keeps to its limit.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::spool::SpoolLimits;
use crate::steps::{PACKAGES_MAX_BYTES, WORK_MAX_BYTES};
use crate::{inventory, journal, update};

/// Of the few files that are written whole and have nothing in them that grows.
const SMALL_BYTES: u64 = 1 << 20;

/// An entry of the state folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    pub entry: &'static str,
    /// In a user's words.
    pub what: &'static str,
    pub limit: u64,
    /// How long something stays.
    pub stays: &'static str,
}

/// A bound with what is used of it now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FolderUsage {
    pub entry: &'static str,
    pub what: &'static str,
    pub used: u64,
    pub limit: u64,
    pub stays: &'static str,
}

/// Every entry of the state folder that may be there, for an agent that holds parameters of so many bytes at most.
#[must_use]
pub fn all(spool: &SpoolLimits, parameters_bytes: u64) -> Vec<Bound> {
    let bound = |entry, what, limit, stays| Bound { entry, what, limit, stays };
    vec![
        bound("identity", "identity", SMALL_BYTES, "until this host enrols anew"),
        bound("journal", "journal", journal::MAX_BYTES, "until the controller has the results"),
        bound("journal.key", "key of the journal", SMALL_BYTES, "as long as the journal"),
        bound("spool", "output", spool.spool_bytes, "until the controller has it"),
        bound("orchestration", "work of commands", WORK_MAX_BYTES, "until the command is over"),
        bound("packages", "packages", PACKAGES_MAX_BYTES, "until uninstalled or replaced"),
        bound("inventory", "inventory", inventory::FOLDER_MAX_BYTES, "until it changes"),
        bound("parameters", "parameters", parameters_bytes, "until their lease is over"),
        bound("parameters.sock", "socket of parameters", SMALL_BYTES, "while the agent runs"),
        bound("parameters.token", "token of parameters", SMALL_BYTES, "until it is removed"),
        bound("update", "other builds", update::FOLDER_MAX_BYTES, "until the next update"),
        bound("status.json", "status", SMALL_BYTES, "until the link changes"),
        bound("lock", "lock", SMALL_BYTES, "for ever"),
    ]
}

/// What is used of each in a state folder.
#[must_use]
pub fn usage(state: &Path, spool: &SpoolLimits, parameters_bytes: u64) -> Vec<FolderUsage> {
    let usage = |Bound { entry, what, limit, stays }| {
        let used = bytes_below(&state.join(entry));
        FolderUsage { entry, what, used, limit, stays }
    };
    all(spool, parameters_bytes).into_iter().map(usage).collect()
}

/// Bytes of a file, or of all files below a folder. Links are not followed.
#[must_use]
pub(crate) fn bytes_below(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        // It was acknowledged and removed meanwhile, or never made.
        return 0;
    };
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
    fn bytes_are_counted_below_folders_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("spool/a/b");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("one"), [0; 10]).unwrap();
        fs::write(folder.path().join("spool/two"), [0; 5]).unwrap();
        fs::write(folder.path().join("lock"), "").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink("/", inner.join("link")).unwrap();
        let usage = usage(folder.path(), &SpoolLimits::default(), 4096);
        let used = |entry| usage.iter().find(|usage| usage.entry == entry).unwrap().used;
        assert!((15..20).contains(&used("spool")), "{usage:?}");
        assert_eq!((used("lock"), used("update")), (0, 0));
    }

    #[test]
    fn every_entry_has_one_line() {
        let bounds = all(&SpoolLimits::default(), 4096);
        let mut entries: Vec<_> = bounds.iter().map(|bound| bound.entry).collect();
        entries.sort_unstable();
        entries.dedup();
        assert_eq!(entries.len(), bounds.len());
        assert!(bounds.iter().all(|bound| bound.limit > 0 && !bound.stays.is_empty()));
    }
}
