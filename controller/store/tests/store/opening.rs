//! What can be wrong with a store's folder, each told in one line that says what would be right.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use fleetwright_store::{
    Batch, Blobs, CommitError, KEY_MAX_BYTES, OpenError, Revision, SledSettings, SledStore, Store,
    StoreError, VALUE_MAX_BYTES,
};

fn open(path: &Path) -> Result<SledStore, OpenError> {
    SledStore::open(path, SledSettings::default())
}

/// The one line for people, with the folder's name taken out of it.
fn refusal(path: &Path) -> String {
    let line = open(path).expect_err("this folder is not to be opened").to_string();
    assert!(!line.contains('\n'), "{line}");
    line.replace(&path.display().to_string(), "FOLDER")
}

/// A folder with a store in it that holds `a`.
async fn stored() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut batch = Batch::new();
    batch.put("a", "1");
    open(folder.path()).unwrap().commit(batch).await.unwrap();
    folder
}

#[tokio::test]
async fn a_store_is_made_and_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/below");
    let store = open(&path).unwrap();
    let mut batch = Batch::new();
    batch.put("a", "1");
    let revision = store.commit(batch).await.unwrap();
    drop(store);
    let store = open(&path).unwrap();
    assert_eq!(store.revision(), revision);
    assert_eq!(store.get(b"a").await.unwrap().unwrap().revision, revision);
    let mut batch = Batch::new();
    batch.put("b", "1");
    assert!(store.commit(batch).await.unwrap() > revision);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn an_unfinished_first_start_is_started_over() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("sled.unfinished")).unwrap();
    std::fs::write(folder.path().join("sled.unfinished/conf"), [0; 64]).unwrap();
    assert_eq!(open(folder.path()).unwrap().revision(), Revision::ZERO);
    assert!(!folder.path().join("sled.unfinished").exists());
}

#[tokio::test]
async fn a_snapshot_whose_writing_was_cut_short_does_no_harm() {
    let folder = stored().await;
    std::fs::write(folder.path().join("sled/snap.FFFFFFFFFFFFFFFF.generating"), "half").unwrap();
    assert!(open(folder.path()).unwrap().get(b"a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_second_opener_is_told_who_is_first() {
    let folder = stored().await;
    let _first = open(folder.path()).unwrap();
    let pid = std::process::id();
    assert_eq!(
        refusal(folder.path()),
        format!(
            "the store in FOLDER is already open in process {pid}: stop that process, or use another folder"
        )
    );
}

#[tokio::test]
async fn a_lock_file_that_nobody_holds_is_no_lock() {
    let folder = stored().await;
    std::fs::write(folder.path().join("LOCK"), "1\n").unwrap();
    open(folder.path()).unwrap();
}

#[test]
fn another_owners_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ours = std::fs::metadata(folder.path()).unwrap().uid();
    // Root can give a folder away; anybody else meets one of root's.
    let path = if ours == 0 { folder.path() } else { Path::new("/usr") };
    let owner = if ours == 0 { 12_345 } else { 0 };
    if ours == 0 {
        std::os::unix::fs::chown(path, Some(owner), None).unwrap();
    }
    assert_eq!(
        refusal(path),
        format!(
            "folder FOLDER belongs to user id {owner}, but this process runs as user id {ours}: run it as the owner, \
             or give the folder away with chown"
        )
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_refused() {
    // Not even root makes folders there.
    let error = open(Path::new("/sys/fleetwright")).unwrap_err();
    assert!(matches!(error, OpenError::NotWritable { .. }), "{error:?}");
    let line = error.to_string();
    assert!(
        line.starts_with("cannot write to folder /sys/fleetwright: give it to the user of this process"),
        "{line}"
    );
}

#[test]
fn a_file_is_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "").unwrap();
    assert_eq!(refusal(&path), "FOLDER is not a folder");
    assert_eq!(refusal(&path.join("below")), "FOLDER is not a folder");
}

#[test]
fn somebody_elses_folder_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("letters.txt"), "dear").unwrap();
    assert_eq!(
        refusal(folder.path()),
        "folder FOLDER is not a fleetwright store, it holds letters.txt: name an empty folder or one that does not exist"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let folder = stored().await;
    std::fs::write(folder.path().join("sled/FORMAT"), "fleetwright store 2\n").unwrap();
    assert_eq!(
        refusal(folder.path()),
        "the store in FOLDER has format 2, written by a newer fleetwright; this one knows formats up to 1: start the \
         newer program"
    );
}

#[tokio::test]
async fn a_damaged_store_is_refused() {
    let damages: [(&str, &[u8]); 4] = [
        ("FORMAT", b"hello"),
        ("FORMAT", b"\xff"),
        ("conf", &[0; 64]),
        ("conf", b"segment_size: 524288\nuse_compression: false\nversion: 0.34\nxxxx"),
    ];
    for (file, damage) in damages {
        let folder = stored().await;
        std::fs::write(folder.path().join("sled").join(file), damage).unwrap();
        assert_eq!(
            refusal(folder.path()),
            "the store in FOLDER is damaged: bring back a copy of the folder, or move it away to start empty",
            "{file}"
        );
    }
}

/// sled never syncs the side files in `blobs/`: no value and no key that the store takes may lead to one.
#[tokio::test]
async fn the_longest_values_and_keys_stay_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    // Scattered and overwritten, so that leaves split, fill up and are rewritten whole.
    for number in (0..1200_u64).map(|number| number * 467 % 600) {
        let mut batch = Batch::new();
        batch.put(format!("value/{number:04}"), vec![7; VALUE_MAX_BYTES]);
        for at in 0..8 {
            let key = format!("{number:04}/{at}");
            batch.put(format!("{key:k<KEY_MAX_BYTES$}"), "");
        }
        store.commit(batch).await.unwrap();
    }
    assert_eq!(std::fs::read_dir(folder.path().join("sled/blobs")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_disk_without_room_refuses_writes_and_nothing_else() {
    let folder = stored().await;
    let settings = SledSettings { reserve_bytes: u64::MAX, ..SledSettings::default() };
    let store = SledStore::open(folder.path(), settings).unwrap();
    let mut batch = Batch::new();
    batch.put("b", "1");
    let error = store.commit(batch).await.unwrap_err();
    assert!(matches!(error, CommitError::Store(StoreError::Full { .. })), "{error:?}");
    assert!(matches!(store.health().refuses, Some(StoreError::Full { .. })), "{:?}", store.health());
    assert_eq!((store.work().commits, store.work().failures), (0, 1));
    assert!(store.get(b"a").await.unwrap().is_some());
    assert_eq!(store.commit(Batch::new()).await.unwrap(), store.revision());
}

#[test]
fn blobs_say_where_they_cannot_be() {
    let error = Blobs::open_folder("/sys/fleetwright").unwrap_err();
    assert_eq!(error.to_string(), "the blobs cannot be used in /sys/fleetwright");
}
