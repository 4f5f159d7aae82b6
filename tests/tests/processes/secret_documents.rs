//! Documents with secret parameters, run by the real programs: the value is used, and is found nowhere afterwards.

use std::fs::{self, File};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::parameters::files_with;
use crate::programs::until;
use crate::site::{Host, LogLevel, PATIENCE, Site};

const SECRET: &str = "Hush-7731-hush";

/// A secret that is pasted into a script, given to it as a variable, and passed as the one that stands for it. The last
/// step fails: what is said of a failure must not tell it either.
const DOCUMENT: &str = r#"schemaVersion: '2.2'
parameters:
  password: {type: String, noEcho: true, allowedPattern: '[A-Za-z0-9-]+'}
  token: {type: String, sensitive: true, interpolationType: ENV_VAR}
mainSteps:
- name: pasted
  action: aws:runShellScript
  inputs:
    runCommand:
    - touch HOME/at-work
    - while [ ! -e HOME/go ]; do sleep 0.05; done
    - printf %s '{{ password }}' | sha256sum
- name: variable
  action: aws:runShellScript
  inputs:
    environment: {PASSWORD: '{{ password }}'}
    runCommand: ['printf %s "$PASSWORD" | sha256sum']
- name: passed
  action: aws:runShellScript
  inputs:
    runCommand: ['printf %s "{{ token }}" | sha256sum', exit 3]
"#;

/// The arguments of every process of this host.
fn process_list() -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    // One that ends meanwhile has none any more.
    processes
        .filter_map(|process| fs::read(process.path().join("cmdline")).ok())
        .map(|arguments| String::from_utf8_lossy(&arguments).replace('\0', " "))
        .collect()
}

fn check_untold(site: &Site, host: &Host) {
    let mut found = Vec::new();
    for folder in [site.data().as_path(), host.state()] {
        files_with(folder, SECRET, &mut found);
    }
    assert!(found.is_empty(), "the secret is readable in {found:?}");
    for (whose, log) in [("controller", site.controller().log()), ("agent", host.agent().log())] {
        assert!(log.contains("TRACE") && !log.contains(SECRET), "the secret is in the log of the {whose}");
    }
}

fn given(home: &Path, name: &str, text: &str) -> String {
    let path = home.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[test]
fn a_secret_of_a_document_leaves_no_trace() {
    let site = Site::start_logging(LogLevel::Trace);
    let mut host = site.host("bench");
    host.start();
    site.wait_for_nodes(1);
    let home = site.path().to_owned();
    let document = given(&home, "document.yaml", &DOCUMENT.replace("HOME", &home.display().to_string()));
    let secret = given(&home, "given", SECRET);
    let parameters = [format!("password=@{secret}"), format!("token=@{secret}")];
    let sent = site
        .types(&["run", "-t", "all", "--detach", "-d", &document, "-p", &parameters[0], "-p", &parameters[1]])
        .expect_code(0);
    let command = sent.text().trim().to_owned();
    let at_work = home.join("at-work");
    until("the script is at work", PATIENCE, || {
        if at_work.exists() { Ok(()) } else { Err("not yet".to_owned()) }
    });
    let told: Vec<_> = process_list().into_iter().filter(|arguments| arguments.contains(SECRET)).collect();
    assert!(told.is_empty(), "the secret is in the list of processes: {told:?}");
    File::create(home.join("go")).unwrap();
    until("the command ends", PATIENCE, || {
        let shown = site.types(&["command", "show", &command, "-o", "json"]).expect_code(0).json();
        if shown["command"]["finished_at"].is_null() { Err(shown.to_string()) } else { Ok(()) }
    });
    let output = site.types(&["command", "output", &command, "--stream", "stdout"]).expect_code(0).text();
    let sum: String = Sha256::digest(SECRET).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(output.matches(&sum).count(), 3, "each step had the secret itself: {output}");
    for words in [
        &["command", "show", &command, "-o", "json"][..],
        &["why", &command, &host.node],
        &["audit", "list", "-o", "json"],
        &["command", "output", &command],
    ] {
        let shown = site.types(words).expect_code(0);
        assert!(!shown.text().contains(SECRET) && !shown.stderr.contains(SECRET), "{words:?} tells it");
    }
    check_untold(&site, &host);
}
