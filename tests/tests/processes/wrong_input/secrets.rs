//! Activation codes and private keys: never in a log, an output, a list of processes, or the store.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{REFUSED, check};
use crate::site::{Activation, LogLevel, Site};

#[test]
fn are_never_told() {
    let site = Site::start_logging(LogLevel::Trace);
    let activation = site.activation(&["--limit", "2"]);
    let mut host = site.host("web");
    let over = AtomicBool::new(false);
    let joined = thread::scope(|scope| {
        let watcher = scope.spawn(|| command_lines_until(&over));
        let enrolled = site.enrol(&activation, &site.path().join("second"));
        over.store(true, Ordering::Relaxed);
        let seen = watcher.join().unwrap();
        assert!(
            seen.contains("enroll") && !seen.contains(&activation.code),
            "in the list of processes:\n{seen}"
        );
        enrolled.expect_code(0)
    });
    let wrong = Activation { code: format!("{}x", activation.code), ..activation.clone() };
    let refused = site.enrol(&wrong, &site.path().join("third"));
    let refusal = refused.stderr.clone();
    check(refused, REFUSED, &["code is wrong"]);
    host.start();
    site.wait_for_nodes(1);
    let environment = site.types(&["run", "--target", "web", "--", "env"]).expect_code(0).text();
    let told: String = [&["activation", "list"][..], &["node", "list"], &["status"], &["command", "list"]]
        .iter()
        .map(|words| site.types(&[&["-o", "json"], *words].concat()).expect_code(0).text())
        .collect();

    let key_of = |path: &Path| {
        let pem = fs::read_to_string(path).unwrap();
        pem.lines().filter(|line| !line.starts_with('-')).nth(1).unwrap().to_owned()
    };
    let secrets = [
        activation.code.clone(),
        key_of(&site.data().join("authority/authority.key")),
        key_of(&site.operator.key),
        key_of(&host.state().join("identity/key.pem")),
    ];
    let said = [
        ("controller's log", site.controller().log()),
        ("agent's log", host.agent().log()),
        ("enrolment", joined.text() + &joined.stderr),
        ("refused enrolment", refusal),
        ("environment of a script", environment),
        ("answers", told),
    ];
    for (what, text) in &said {
        assert!(!text.is_empty(), "nothing was said: {what}");
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "`{secret}` is in the {what}");
        }
    }
    assert_eq!(files_with(&site.data(), activation.code.as_bytes()), Vec::<String>::new());
}

#[test]
fn of_documents_leave_no_trace() {
    const VALUE: &str = "correct-horse-battery";
    let site = Site::start_logging(LogLevel::Trace);
    let mut host = site.host("web");
    host.start();
    site.wait_for_nodes(1);
    let document = site.path().join("secret.yaml");
    let text = "schemaVersion: '2.2'\nparameters:\n  token: {type: String, noEcho: true}\nmainSteps:\n\
        - name: pasted\n  action: aws:runShellScript\n  inputs:\n    runCommand:\n    - 'echo pasted {{ token }}'\n    \
        - 'echo wrong {{ token }} >&2'\n    - sleep 0.5\n\
        - name: exported\n  action: aws:runShellScript\n  inputs: {runCommand: ['echo exported $SSM_token; exit 3']}\n";
    fs::write(&document, text).unwrap();
    let value = site.path().join("value");
    fs::write(&value, VALUE).unwrap();
    let from_file = format!("token=@{}", value.display());
    let words = ["run", "-t", "all", "-d", document.to_str().unwrap(), "-p", &from_file, "-o", "json"];
    let over = AtomicBool::new(false);
    let (report, lines) = thread::scope(|scope| {
        let watcher = scope.spawn(|| command_lines_until(&over));
        let report = site.types(&words).expect_code(1);
        over.store(true, Ordering::Relaxed);
        (report.json(), watcher.join().unwrap())
    });
    let command = report["command"]["command_id"].as_str().unwrap();
    let printed = site.types(&["command", "output", command]).expect_code(0);
    assert!(printed.text().contains("pasted ****") && printed.stderr.contains("wrong ****"), "{printed:?}");
    let shown = site.types(&["command", "show", command, "-o", "json"]).expect_code(0).text();
    let why = site.types(&["why", command, "web"]).expect_code(0).text();
    assert!(lines.contains("_script.sh"), "the step was not seen:\n{lines}");
    for (what, text) in [
        ("list of processes", lines),
        ("report", report.to_string()),
        ("output", printed.text() + &printed.stderr),
        ("command", shown),
        ("reason", why),
        ("controller's log", site.controller().log()),
        ("agent's log", host.agent().log()),
    ] {
        assert!(!text.is_empty() && !text.contains(VALUE), "in the {what}:\n{text}");
    }
    assert_eq!(
        files_with(host.state(), VALUE.as_bytes()),
        Vec::<String>::new(),
        "journal, spool and scripts"
    );
}

/// All command lines that were seen.
fn command_lines_until(over: &AtomicBool) -> String {
    let mut seen = String::new();
    while !over.load(Ordering::Relaxed) {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            seen.push_str(&String::from_utf8_lossy(&line));
            seen.push('\n');
        }
        thread::park_timeout(Duration::from_millis(1));
    }
    seen
}

fn files_with(folder: &Path, wanted: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, wanted));
        } else if path.is_file()
            && fs::read(&path).unwrap().windows(wanted.len()).any(|window| window == wanted)
        {
            found.push(path.display().to_string());
        }
    }
    found
}
