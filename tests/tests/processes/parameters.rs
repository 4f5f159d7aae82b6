//! Parameters with the real programs: secrets are told to nobody, survive a kill, and come back from a backup.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use crate::programs::{Ended, Program};
use crate::site::{LogLevel, Site};

const USAGE: i32 = 2;
const REFUSED: i32 = 3;
const PASSPHRASE: &str = "correct horse battery";

/// Types with a text on standard input, where no list of processes shows it.
fn types_with(site: &Site, words: &[&str], input: &str) -> Ended {
    let path = site.path().join("input");
    fs::write(&path, input).unwrap();
    Ended::of(site.operator.command().args(words).stdin(Stdio::from(File::open(path).unwrap())))
}

/// Every file below a folder that has the text in it.
pub(crate) fn files_with(folder: &Path, text: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_with(&path, text, found);
        } else if fs::read(&path).unwrap().windows(text.len()).any(|window| window == text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
}

#[track_caller]
fn check_untold(site: &Site, text: &str) {
    let mut found = Vec::new();
    files_with(&site.data(), text, &mut found);
    assert!(found.is_empty(), "`{text}` is readable in {found:?}");
    assert!(!site.controller().log().contains(text), "`{text}` is in the log");
}

fn raw(site: &Site, name: &str) -> String {
    let ended = site.types(&["parameter", "get", name, "--raw", "--decrypt"]).expect_code(0);
    ended.text().trim_end_matches('\n').to_owned()
}

fn filled(site: &Site) {
    site.types(&["parameter", "put", "/app/url", "https://app.example"]).expect_code(0);
    let secret = ["parameter", "put", "/app/password", "--type", "SecureString", "--value-file", "-"];
    types_with(site, &secret, "hunter1-hunter1\n").expect_code(0);
    let again = [&secret[..], &["--overwrite"]].concat();
    types_with(site, &again, "hunter2-hunter2\n").expect_code(0);
    site.types(&["parameter", "label", "/app/password", "before", "--parameter-version", "1"]).expect_code(0);
}

#[test]
fn secrets_are_told_to_whoever_asks_for_them_and_to_nobody_else() {
    let mut site = Site::start_logging(LogLevel::Trace);
    filled(&site);
    for words in [
        &["parameter", "put", "/app/token", "hunter3", "--type", "SecureString"][..],
        &["parameter", "put", "/app/password", "hunter3", "--overwrite"],
    ] {
        let refused = site.types(words).expect_code(USAGE);
        assert!(refused.stderr.contains("a secret is never an argument"), "{}", refused.stderr);
        assert!(refused.stderr.contains("--value-file"), "{}", refused.stderr);
    }
    for words in [
        &["parameter", "get", "/app/password"][..],
        &["parameter", "list", "--values"],
        &["parameter", "history", "/app/password"],
        &["parameter", "tree"],
        &["parameter", "export"],
        &["parameter", "list", "-o", "json"],
    ] {
        let shown = site.types(words).expect_code(0);
        assert!(
            !shown.text().contains("hunter") && (shown.text().contains("app") || words[1] == "history"),
            "{words:?} {}",
            shown.text()
        );
    }
    let covered = site.types(&["parameter", "get", "/app/password", "--raw"]).expect_code(USAGE);
    assert!(covered.stderr.contains("--decrypt"), "{}", covered.stderr);
    site.kill_controller();
    site.start_controller();
    for (name, wanted) in [
        ("/app/password", "hunter2-hunter2"),
        ("/app/password:1", "hunter1-hunter1"),
        ("/app/password:before", "hunter1-hunter1"),
        ("/app/url", "https://app.example"),
    ] {
        assert_eq!(raw(&site, name), wanted, "{name}");
    }
    site.types(&["key", "rotate", "alias/aws/ssm"]).expect_code(0);
    assert_eq!(raw(&site, "/app/password"), "hunter2-hunter2");
    check_untold(&site, "hunter1");
    check_untold(&site, "hunter2");
    let root_key = site.path().join("data-root-key");
    assert_eq!(fs::metadata(&root_key).unwrap().permissions().mode() & 0o777, 0o600);
    check_untold(&site, fs::read_to_string(&root_key).unwrap().trim());

    site.kill_controller();
    let moved = site.path().join("elsewhere");
    fs::rename(&root_key, &moved).unwrap();
    let serve = || {
        Ended::of(Program::Fleetwright.command(site.path()).arg("serve").arg("--config").arg(site.config()))
    };
    let missing = serve().expect_code(REFUSED);
    assert!(missing.stderr.contains("the root key is missing"), "{}", missing.stderr);
    fs::write(&root_key, "fwroot_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
    fs::set_permissions(&root_key, fs::Permissions::from_mode(0o600)).unwrap();
    let wrong = serve().expect_code(REFUSED);
    assert!(wrong.stderr.contains("start with the right one"), "{}", wrong.stderr);
    fs::rename(&moved, &root_key).unwrap();
    site.start_controller();
    assert_eq!(raw(&site, "/app/password"), "hunter2-hunter2");
}

#[test]
fn a_backup_is_a_whole_controller_again() {
    let mut site = Site::start();
    filled(&site);
    let home = site.path().to_owned();
    let path = |name: &str| home.join(name).display().to_string();
    let (file, passphrase, folder) = (path("fleet.backup"), path("passphrase"), path("restored"));
    fs::write(&passphrase, PASSPHRASE).unwrap();
    site.types(&["backup", &file, "--passphrase-file", &passphrase]).expect_code(0);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = site.types(&["backup", &file, "--passphrase-file", &passphrase]).expect_code(USAGE);
    assert!(again.stderr.contains("fleet.backup"), "{}", again.stderr);
    // What was put after the backup is not in it.
    site.types(&["parameter", "put", "/app/later", "x"]).expect_code(0);
    site.kill_controller();

    let restore = |from: &str, passphrase: &str| {
        let mut command = Program::Fleetwright.command(&home);
        command.args(["restore", from, "--data-dir", &folder, "--passphrase-file", passphrase]);
        Ended::of(&mut command)
    };
    let mut torn = fs::read(&file).unwrap();
    torn.truncate(torn.len() - 7);
    fs::write(path("torn"), torn).unwrap();
    let refused = restore(&path("torn"), &passphrase).expect_code(REFUSED);
    assert!(refused.stderr.contains("nothing was written"), "{}", refused.stderr);
    fs::write(path("other"), "another horse battery").unwrap();
    let refused = restore(&file, &path("other")).expect_code(REFUSED);
    assert!(refused.stderr.contains("the passphrase is wrong"), "{}", refused.stderr);
    assert!(!Path::new(&folder).exists());
    restore(&file, &passphrase).expect_code(0);

    let config = fs::read_to_string(site.config()).unwrap();
    let config = config.replace(&site.data().display().to_string(), &folder);
    fs::write(site.config(), config).unwrap();
    site.start_controller();
    assert_eq!(raw(&site, "/app/password"), "hunter2-hunter2");
    assert_eq!(raw(&site, "/app/password:before"), "hunter1-hunter1");
    assert_eq!(raw(&site, "/app/url"), "https://app.example");
    site.types(&["parameter", "get", "/app/later"]).expect_code(4);
}

#[test]
fn a_command_reads_parameters_and_keeps_its_own_secrets_sealed() {
    let site = Site::start();
    filled(&site);
    let mut host = site.host("web");
    host.start();
    site.wait_for_nodes(1);
    let said = site.types(&["run", "--target", "all", "--", "echo {{ssm:/app/url}}"]).expect_code(0).text();
    assert!(said.contains("https://app.example"), "{said}");
    let secret =
        site.types(&["run", "--target", "all", "--", "echo {{ssm:/app/password}}"]).expect_code(REFUSED);
    assert!(secret.stderr.contains("SecureString") && !secret.stderr.contains("hunter"), "{}", secret.stderr);

    let document = site.path().join("secret.json");
    let text = r#"{"schemaVersion":"2.2","parameters":{"password":{"type":"String","noEcho":true}},"mainSteps":[{"name":"a",
        "action":"aws:runShellScript","inputs":{"runCommand":["test $(printf %s '{{ password }}' | wc -c) = 15"]}}]}"#;
    fs::write(&document, text).unwrap();
    let value = site.path().join("value");
    fs::write(&value, "hunter4-hunter4").unwrap();
    let (document, value) = (document.display().to_string(), format!("password=@{}", value.display()));
    site.types(&["run", "--target", "all", "-d", &document, "-p", &value]).expect_code(0);
    check_untold(&site, "hunter4");
}
