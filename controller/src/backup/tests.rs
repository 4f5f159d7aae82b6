//! A backup is proved by restoring it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use fleetwright_store::{Batch, Blobs, SledSettings, SledStore, Store};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::container::Opener;
use super::restore::{self, RestoreError};
use super::take::{SealWish, take};
use crate::error::chain;
use crate::house::House;
use crate::keys::ring::{KeyRing, UnknownKeys};
use crate::keys::root::{Places, RootKey};
use crate::parameters::kinds::ParameterType;
use crate::parameters::labels::label;
use crate::parameters::put::{self, Overwrite, PutWish};
use crate::parameters::read::{self, Decryption};
use crate::tests::{TestHouse, test_house};

const PASSPHRASE: &str = "correct horse battery";

async fn filled() -> (Arc<House>, TestHouse) {
    let mut test = test_house();
    let data = test._folder.path().join("data");
    std::fs::create_dir_all(data.join("authority")).unwrap();
    std::fs::create_dir_all(data.join("store")).unwrap();
    std::fs::write(data.join("authority/authority.pem"), "a certificate").unwrap();
    std::fs::write(data.join("store/db"), "not a file of ours").unwrap();
    std::fs::write(data.join("root-key"), "never").unwrap();
    test.house.data_dir = data;
    let spare = test_house();
    let house = Arc::new(std::mem::replace(&mut test.house, spare.house));
    for version in 1..=3 {
        let wish = PutWish {
            overwrite: Overwrite::Yes,
            ..PutWish::new("/app/secret", &format!("hunter{version}"), ParameterType::SecureString, "ada")
        };
        put::put(&house, wish).await.unwrap();
    }
    label(&house, "/app/secret", Some(2), &["prod".to_owned()], None).await.unwrap();
    house.blobs.put(&"documents/one".parse().unwrap(), Bytes::from(vec![7; 300_000])).await.unwrap();
    (house, test)
}

async fn taken(house: &Arc<House>, wish: SealWish) -> Vec<u8> {
    let (pieces, mut received) = mpsc::channel(4);
    let task = tokio::spawn(take(house.clone(), wish, pieces));
    let mut file = Vec::new();
    while let Some(piece) = received.recv().await {
        file.extend_from_slice(&piece.unwrap());
    }
    task.await.unwrap();
    file
}

fn passphrase() -> SealWish {
    SealWish::Passphrase(Zeroizing::new(PASSPHRASE.to_owned()))
}

/// Reads everything back with what stands in the restored folder alone.
async fn check_restored(data: &Path, root_key: &Path) {
    let store = SledStore::open(data.join("store"), SledSettings::default()).unwrap();
    let places = Places { variable: None, credentials: None, files: vec![root_key.to_owned()] };
    let keys = KeyRing::open(&store, &places, UnknownKeys::Refuse).await.unwrap();
    let mut test = test_house();
    test.house.store = Arc::new(store);
    test.house.keys = keys;
    let get = async |name: &str| {
        let found = read::get(&test.house, name, Decryption::Yes).await.unwrap();
        found.value.expose().to_owned()
    };
    for (name, wanted) in
        [("/app/secret", "hunter3"), ("/app/secret:1", "hunter1"), ("/app/secret:prod", "hunter2")]
    {
        assert_eq!(get(name).await, wanted);
    }
    let blobs = Blobs::open_folder(data.join("blobs")).unwrap();
    let blob = blobs.get(&"documents/one".parse().unwrap()).await.unwrap();
    assert_eq!(blob, vec![7; 300_000]);
    let certificate = std::fs::read_to_string(data.join("authority/authority.pem")).unwrap();
    assert_eq!(certificate, "a certificate");
    assert!(!data.join("root-key").exists() && !data.join("store/db").is_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_with_a_passphrase_is_a_whole_controller_again() {
    let (house, test) = filled().await;
    let folder = test._folder.path();
    let (file, data, root_key) = (folder.join("backup"), folder.join("new"), folder.join("new-root-key"));
    std::fs::write(&file, taken(&house, passphrase()).await).unwrap();
    let opener = Opener::Passphrase(PASSPHRASE);
    let restored = restore::restore(&file, &opener, &data, &root_key).await.unwrap();
    assert_eq!((restored.root_key.as_deref(), restored.counts.blobs), (Some(root_key.as_path()), 1));
    assert_eq!(restored.taken, house.clock.now());
    check_restored(&data, &root_key).await;
    let again = restore::restore(&file, &opener, &data, &root_key).await.unwrap_err();
    assert!(matches!(again, RestoreError::Exists(_)), "{again}");
    std::fs::write(folder.join("other-key"), RootKey::random("x").unwrap().text().as_bytes()).unwrap();
    let other = restore::restore(&file, &opener, &folder.join("third"), &folder.join("other-key")).await;
    assert!(matches!(other.unwrap_err(), RestoreError::OtherRootKey(_)));
    assert!(!folder.join("third").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_with_the_root_key_opens_with_that_key_alone() {
    let (house, test) = filled().await;
    let folder = test._folder.path();
    let (file, data, root_key) = (folder.join("backup"), folder.join("new"), folder.join("key"));
    let bytes = taken(&house, SealWish::RootKey).await;
    std::fs::write(&file, &bytes).unwrap();
    for part in [&b"hunter"[..], b"/app/secret", b"fwroot_", b"a certificate"] {
        assert!(!bytes.windows(part.len()).any(|window| window == part));
    }
    let root = house.keys.root();
    let refused = async |opener: Opener<'_>| {
        chain(&restore::restore(&file, &opener, &data, &root_key).await.unwrap_err())
    };
    let other = RootKey::random("x").unwrap();
    let wrong = refused(Opener::RootKey(&other)).await;
    assert!(wrong.contains(root.mark()) && wrong.contains(other.mark()), "{wrong}");
    assert!(refused(Opener::Passphrase(PASSPHRASE)).await.contains("none was given"));
    let restored = restore::restore(&file, &Opener::RootKey(&root), &data, &root_key).await.unwrap();
    assert_eq!(restored.root_key, None);
    std::fs::write(&root_key, root.text().as_bytes()).unwrap();
    std::fs::set_permissions(&root_key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    check_restored(&data, &root_key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_altered_or_longer_file_is_refused_before_anything_is_written() {
    let (house, test) = filled().await;
    let folder = test._folder.path();
    let (file, data, root_key) = (folder.join("backup"), folder.join("new"), folder.join("key"));
    let whole = taken(&house, SealWish::RootKey).await;
    let root = house.keys.root();
    let refused = async |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let error = restore::restore(&file, &Opener::RootKey(&root), &data, &root_key).await.unwrap_err();
        assert!(!data.exists() && !root_key.exists() && !folder.join("new.restoring").exists());
        chain(&error)
    };
    assert!(refused(b"PK\x03\x04 not one of ours, but long enough to be").await.contains("not a backup"));
    assert!(refused(&[]).await.contains("not a backup"));
    for cut in (1..whole.len()).step_by(whole.len() / 37 + 1) {
        let told = refused(&whole[..cut]).await;
        assert!(["torn", "not a backup", "damaged"].iter().any(|word| told.contains(word)), "{cut}: {told}");
    }
    for at in (0..whole.len()).step_by(whole.len() / 61 + 1) {
        let mut altered = whole.clone();
        altered[at] ^= 0x10;
        refused(&altered).await;
    }
    assert!(refused(&[&whole[..], b"x"].concat()).await.contains("bytes follow the end"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_for_a_backup_is_not_left_out_unseen() {
    let (house, _test) = filled().await;
    // It has no blocks on the disk.
    let long = std::fs::File::create(house.data_dir.join("dump")).unwrap();
    long.set_len(3 << 30).unwrap();
    let (pieces, mut received) = mpsc::channel(4);
    let task = tokio::spawn(take(house.clone(), SealWish::RootKey, pieces));
    let mut last = None;
    while let Some(piece) = received.recv().await {
        last = Some(piece);
    }
    task.await.unwrap();
    let refusal = last.unwrap().unwrap_err();
    assert!(
        refusal.message.contains("dump has 3072 MiB") && refusal.message.contains("2048 MiB"),
        "{refusal}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_is_long_and_the_right_one() {
    let (house, test) = filled().await;
    let folder = test._folder.path();
    let (pieces, mut received) = mpsc::channel(4);
    take(house.clone(), SealWish::Passphrase(Zeroizing::new("short".into())), pieces).await;
    let refusal = received.recv().await.unwrap().unwrap_err();
    assert!(refusal.message.contains("12 characters"), "{refusal}");
    let file = folder.join("backup");
    std::fs::write(&file, taken(&house, passphrase()).await).unwrap();
    let opener = Opener::Passphrase("another horse battery");
    let error = restore::restore(&file, &opener, &folder.join("new"), &folder.join("key")).await;
    assert!(chain(&error.unwrap_err()).contains("the passphrase is wrong"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_writes_is_the_store_at_one_moment() {
    let (house, test) = filled().await;
    // Pairs that are always equal: in every commit both rows get the same number.
    let write = |number: u64| {
        let mut batch = Batch::new();
        for row in 0..40 {
            batch.put(format!("a{row:02}"), number.to_string());
            batch.put(format!("z{row:02}"), number.to_string());
        }
        if number.is_multiple_of(2) {
            batch.put("m", "here")
        } else {
            batch.delete("m")
        };
        batch
    };
    house.store.commit(write(0)).await.unwrap();
    let writer = {
        let house = house.clone();
        tokio::spawn(async move {
            // As many as a watch can fall behind.
            for number in 1..600 {
                house.store.commit(write(number)).await.unwrap();
                tokio::task::yield_now().await;
            }
        })
    };
    let bytes = taken(&house, SealWish::RootKey).await;
    writer.abort();
    let folder = test._folder.path();
    let (file, data) = (folder.join("backup"), folder.join("new"));
    std::fs::write(&file, bytes).unwrap();
    let root = house.keys.root();
    restore::restore(&file, &Opener::RootKey(&root), &data, &folder.join("key")).await.unwrap();
    let store = SledStore::open(data.join("store"), SledSettings::default()).unwrap();
    let number = store.get(b"a00").await.unwrap().unwrap().value;
    for row in 0..40 {
        for half in ["a", "z"] {
            let found = store.get(format!("{half}{row:02}").as_bytes()).await.unwrap().unwrap();
            assert_eq!(found.value, number);
        }
    }
    let even = std::str::from_utf8(&number).unwrap().parse::<u64>().unwrap().is_multiple_of(2);
    assert_eq!(store.get(b"m").await.unwrap().is_some(), even);
}
