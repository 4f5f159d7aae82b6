//! Addresses, and an identity on disk.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use fleetwright_platform::fake::FakePlatform;
use fleetwright_proto::clock::ManualClock;

use super::*;

fn identity(key: HostKey) -> Identity {
    Identity {
        node_id: "mi-0123456789abcdef0".parse().unwrap(),
        controller: "localhost:7443".parse().unwrap(),
        certificate: certificate_for(&key),
        authority: certificate_for(&HostKey::generate().unwrap()),
        key,
    }
}

/// Holds from the hour 0 to the hour 10.
fn certificate_for(key: &HostKey) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.not_before = SystemTime::UNIX_EPOCH.into();
    params.not_after = (SystemTime::UNIX_EPOCH + Duration::from_secs(36_000)).into();
    params.self_signed(&*key.pair).unwrap().der().clone()
}

fn files(state: &Path) -> IdentityFiles {
    let clock = Arc::new(ManualClock::starting_at(Timestamp::default()));
    IdentityFiles::in_state_folder(state, Arc::new(FakePlatform::numbered(1, clock)))
}

#[test]
fn addresses_are_read_as_people_write_them() {
    for text in ["fleet.example.com:7443", "192.0.2.1:1", "[2001:db8::1]:65535", "localhost:7443"] {
        assert_eq!(text.parse::<ControllerAddress>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "fleet",
        "fleet:",
        ":7443",
        "fleet:0",
        "fleet:65536",
        "2001:db8::1:7443",
        "https://a:1",
        "[::1:1",
    ] {
        let error = text.parse::<ControllerAddress>().unwrap_err().to_string();
        assert!(error.contains(&format!("`{text}`")) && error.contains("HOST:PORT"), "{error}");
    }
}

#[test]
fn an_identity_is_found_again_whole() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    assert!(files.load().unwrap().is_none());
    let identity = identity(files.ensure_key().unwrap());
    assert!(files.load().unwrap().is_none(), "a key alone is no identity");
    files.store(&identity).unwrap();
    let found = files.load().unwrap().unwrap();
    assert_eq!(
        (&found.node_id, &found.controller, &found.certificate, &found.authority),
        (&identity.node_id, &identity.controller, &identity.certificate, &identity.authority)
    );
    assert_eq!(found.key.to_pem(), identity.key.to_pem());
}

#[test]
fn a_key_is_made_once_unless_it_is_to_be_another() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let first = files.ensure_key().unwrap().to_pem();
    assert_eq!(files.ensure_key().unwrap().to_pem(), first);
    let second = files.replace_key().unwrap().to_pem();
    assert_ne!(second, first);
    assert_eq!(files.ensure_key().unwrap().to_pem(), second);
}

#[test]
fn damage_is_named_with_the_way_out() {
    for (name, content) in [
        ("identity.json", "{"),
        (
            "identity.json",
            r#"{"format":2,"node_id":"mi-0123456789abcdef0","controller":"a:1","certificate":"","authority":""}"#,
        ),
        ("key.pem", "nonsense"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        files.store(&identity(files.ensure_key().unwrap())).unwrap();
        fs::write(folder.path().join("identity").join(name), content).unwrap();
        let error = files.load().unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn a_certificate_is_renewed_for_the_same_key_only_and_after_half_its_life() {
    let identity = identity(HostKey::generate().unwrap());
    let hour = |hours: i64| Timestamp::from_millis(hours * 3_600_000);
    assert!(!identity.is_renewal_due(hour(4)));
    assert!(identity.is_renewal_due(hour(5)));
    let other = certificate_for(&HostKey::generate().unwrap());
    assert_eq!(identity.renewed(other.to_vec(), Vec::new()).unwrap_err(), CertificateError::OtherKey);
    assert_eq!(identity.renewed(vec![1, 2], Vec::new()).unwrap_err(), CertificateError::Unreadable);
    let renewed = identity.renewed(certificate_for(&identity.key).to_vec(), Vec::new()).unwrap();
    assert_eq!(renewed.authority, identity.authority);
}

#[test]
fn a_key_prints_nothing_of_itself() {
    assert_eq!(format!("{:?}", HostKey::generate().unwrap()), "HostKey");
}
