//! Certificates that have expired or come from another fleet, of operators and of nodes.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::string::Ia5String;
use rcgen::{CertificateParams, Issuer, KeyPair, SanType};
use serde_json::Value;

use super::{REFUSED, UNREACHABLE, check};
use crate::programs::{Program, Running, until};
use crate::site::{Host, Operator, PATIENCE, Site};

#[test]
fn of_an_operator() {
    let (site, other) = (Site::start(), Site::start());
    let own = &site.operator;
    let foreign = Operator {
        certificate: other.operator.certificate.clone(),
        key: other.operator.key.clone(),
        ..own.clone()
    };
    check(foreign.types(&["status"]), REFUSED, &["another fleet's authority"]);
    let astray = Operator { address: other.operator.address, ..own.clone() };
    check(astray.types(&["status"]), UNREACHABLE, &["another fleet's controller"]);

    let key = KeyPair::generate().unwrap();
    let (certificate, key_file) = (site.path().join("old.pem"), site.path().join("old.key"));
    std::fs::write(&certificate, expired(&site, "operator:admin", &key).pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    let late = Operator { certificate: certificate.clone(), key: key_file, ..own.clone() };
    check(late.types(&["status"]), REFUSED, &[certificate.to_str().unwrap(), "expired on", "new one"]);
    own.types(&["status"]).expect_code(0);
}

#[test]
fn of_a_node_of_another_fleet() {
    let (site, other) = (Site::start(), Site::start());
    let host = site.host("web");
    let authority = rustls_der(&other.operator.authority);
    change_identity(&host, |identity| identity["authority"] = authority.into());
    let address = other.operator.address.to_string();
    let agent = run_until_it_says(&host, &["--controller", &address], "signed by another fleet's authority");
    // It is told so and goes on trying: the fleet may be put right.
    assert_eq!(agent.stop().code(), Some(0));
}

#[test]
fn of_a_node_that_was_away_for_too_long() {
    let site = Site::start();
    let host = site.host("web");
    let key = std::fs::read_to_string(host.state().join("identity/key.pem")).unwrap();
    let key = KeyPair::from_pem(&key).unwrap();
    let certificate = expired(&site, &format!("node:{}", host.node), &key);
    change_identity(&host, |identity| identity["certificate"] = hex(certificate.der()).into());
    let agent = run_until_it_says(&host, &[], "this host's certificate expired on");
    assert!(agent.log().contains("enrol this host again"), "{}", agent.log());
    assert_eq!(agent.stop().code(), Some(0));
}

/// A certificate of this fleet's own authority, good until yesterday.
fn expired(site: &Site, role: &str, key: &KeyPair) -> rcgen::Certificate {
    let file = |name: &str| std::fs::read_to_string(site.data().join("authority").join(name)).unwrap();
    let authority = KeyPair::from_pem(&file("authority.key")).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&file("authority.pem"), authority).unwrap();
    let mut params = CertificateParams::default();
    let uri = Ia5String::try_from(format!("fleetwright:{role}")).unwrap();
    params.subject_alt_names = vec![SanType::URI(uri)];
    let days = |days: u64| (SystemTime::now() - Duration::from_secs(days * 24 * 3600)).into();
    (params.not_before, params.not_after) = (days(31), days(1));
    params.signed_by(key, &issuer).unwrap()
}

fn rustls_der(pem: &Path) -> String {
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;
    hex(&CertificateDer::from_pem_file(pem).unwrap())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn change_identity(host: &Host, change: impl FnOnce(&mut Value)) {
    let path: PathBuf = host.state().join("identity/identity.json");
    let mut identity: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut identity);
    std::fs::write(&path, identity.to_string()).unwrap();
}

fn run_until_it_says(host: &Host, options: &[&str], wanted: &str) -> Running {
    let home = host.state().parent().unwrap();
    let mut command = Program::Agent.command(home);
    command.arg("run").args(options).arg("--state-dir").arg(host.state());
    let agent = Running::spawn("agent", &mut command, &host.state().with_extension("log"));
    until(&format!("the agent says `{wanted}`"), PATIENCE, || {
        if agent.log().contains(wanted) { Ok(()) } else { Err(agent.log()) }
    });
    agent
}
