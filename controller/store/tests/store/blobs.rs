//! Bulk bytes in a local folder.

use bytes::Bytes;
use fleetwright_store::{BlobError, BlobPath, Blobs};

fn path(text: &str) -> BlobPath {
    text.parse().unwrap()
}

fn blobs() -> (Blobs, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Blobs::open_folder(folder.path().join("blobs")).unwrap(), folder)
}

async fn listed(blobs: &Blobs, below: Option<&str>) -> Vec<String> {
    let found = blobs.list(below.map(path).as_ref()).await.unwrap();
    found.into_iter().map(|blob| format!("{} {}", blob.path, blob.bytes)).collect()
}

#[tokio::test]
async fn what_is_put_is_got() {
    let (blobs, folder) = blobs();
    blobs.put(&path("output/a/1"), Bytes::from_static(b"first")).await.unwrap();
    blobs.put(&path("output/a/1"), Bytes::from_static(b"second")).await.unwrap();
    assert_eq!(blobs.get(&path("output/a/1")).await.unwrap(), "second");
    assert_eq!(std::fs::read(folder.path().join("blobs/output/a/1")).unwrap(), b"second");
    let error = blobs.get(&path("output/a/2")).await.unwrap_err();
    assert!(matches!(error, BlobError::NotFound { .. }), "{error:?}");
    assert_eq!(error.to_string(), "there is no blob output/a/2");
}

#[tokio::test]
async fn a_range_is_cut_at_the_end_and_refused_behind_it() {
    let (blobs, _folder) = blobs();
    blobs.put(&path("a"), Bytes::from_static(b"0123456789")).await.unwrap();
    for (range, wanted) in [(0..3, "012"), (8..20, "89"), (10..20, ""), (4..4, "")] {
        assert_eq!(blobs.get_range(&path("a"), range.clone()).await.unwrap(), wanted, "{range:?}");
    }
    let error = blobs.get_range(&path("a"), 11..12).await.unwrap_err();
    assert_eq!(error.to_string(), "range 11..12 is not within blob a");
    assert!(matches!(blobs.get_range(&path("b"), 0..1).await, Err(BlobError::NotFound { .. })));
}

#[tokio::test]
async fn whole_parts_of_a_path_select() {
    let (blobs, _folder) = blobs();
    for name in ["a/2", "a/1", "a/b/1", "ab/1"] {
        blobs.put(&path(name), Bytes::from_static(b"xx")).await.unwrap();
    }
    assert_eq!(listed(&blobs, None).await, ["a/1 2", "a/2 2", "a/b/1 2", "ab/1 2"]);
    assert_eq!(listed(&blobs, Some("a")).await, ["a/1 2", "a/2 2", "a/b/1 2"]);
    assert_eq!(blobs.usage().await.unwrap().used, Some(8));
    assert_eq!(blobs.delete_prefix(&path("a")).await.unwrap(), 3);
    assert_eq!(blobs.delete_prefix(&path("a")).await.unwrap(), 0);
    assert_eq!(blobs.delete_prefix(&path("ab/1")).await.unwrap(), 1);
    assert!(listed(&blobs, None).await.is_empty());
}

#[test]
fn a_path_never_leaves_the_folder() {
    for text in ["", "/a", "a/", "a//b", "../a", "a/../b", ".hidden", "a b", "a\\b", "ä", "a\0"] {
        let error = text.parse::<BlobPath>().unwrap_err();
        assert!(matches!(error, BlobError::BadPath { .. }), "{text}");
    }
    assert_eq!(path("output/mi-0/1.log").to_string(), "output/mi-0/1.log");
}
