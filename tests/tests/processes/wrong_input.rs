//! Wrong input of every kind: the exit code, one clear line that says what is wrong and what would be right, nothing
//! on stdout, and nothing lost.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::programs::{Ended, Program};
use crate::site::{Activation, Operator, Site, free_address};

#[path = "wrong_input/certificates.rs"]
mod certificates;
#[path = "wrong_input/secrets.rs"]
mod secrets;
#[path = "wrong_input/windows.rs"]
mod windows;

const USAGE: i32 = 2;
const REFUSED: i32 = 3;
const NOT_FOUND: i32 = 4;
const UNREACHABLE: i32 = 5;

/// One line on stderr with these words in it, and nothing on stdout.
#[track_caller]
fn check(ended: Ended, code: i32, words: &[&str]) {
    let ended = ended.expect_code(code);
    assert_eq!(ended.text(), "", "{}", ended.typed);
    let is_one_line = ended.stderr.ends_with('\n') && ended.stderr.lines().count() == 1;
    assert!(ended.stderr.starts_with("error: ") && is_one_line, "{}\n{}", ended.typed, ended.stderr);
    for word in words {
        assert!(ended.stderr.contains(word), "no `{word}`: {}\n{}", ended.typed, ended.stderr);
    }
}

#[test]
fn what_an_operator_types() {
    let site = Site::start();
    let mut host = site.host("web");
    host.start();
    site.wait_for_nodes(1);
    let nobody = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    let run = |words: &'static [&'static str]| [&["run", "--target", "all"], words].concat();
    let table: [(Vec<&str>, i32, &[&str]); 25] = [
        (vec!["run", "--target", "db", "--", "true"], NOT_FOUND, &["`db`", "node list"]),
        (vec!["run", "--target", "tag:env=none", "--", "true"], NOT_FOUND, &["tag:env=none", "node list"]),
        (vec!["run", "--target", "tag:env", "--", "true"], USAGE, &["tag:env"]),
        (vec!["run", "--", "true"], USAGE, &["--target"]),
        (run(&[]), USAGE, &["after --"]),
        (run(&["--max-concurrency", "101%", "--", "true"]), USAGE, &["101%", "over 100%"]),
        (run(&["--max-errors", "101%", "--", "true"]), USAGE, &["101%", "over 100%"]),
        (run(&["--max-concurrency", "0", "--", "true"]), USAGE, &["`0`", "at least 1"]),
        (run(&["--max-concurrency", "-1", "--", "true"]), USAGE, &["`-1`"]),
        (run(&["--timeout", "1s", "--", "true"]), USAGE, &["`1s`", "5s and 48h"]),
        (run(&["--timeout", "10", "--", "true"]), USAGE, &["no unit", "10s"]),
        (run(&["--document", "NoSuch"]), NOT_FOUND, &["`NoSuch`", "document list"]),
        (run(&["--document", "./no-such-file"]), USAGE, &["./no-such-file"]),
        (
            run(&["--document", "AWS-RunShellScript", "--parameter", "comands=true"]),
            REFUSED,
            &["`comands`", "`commands`"],
        ),
        (run(&["--document", "AWS-RunShellScript", "--parameter", "commands"]), USAGE, &["commands=VALUE"]),
        (
            run(&["--document", "AWS-RunShellScript", "--document-version", "7", "-p", "commands=true"]),
            NOT_FOUND,
            &["`7`"],
        ),
        (vec!["node", "show", "mi-0123456789abcdef0"], NOT_FOUND, &["mi-0123456789abcdef0", "node list"]),
        (vec!["node", "wait", "--target", "db", "--timeout", "1s"], NOT_FOUND, &["`db`"]),
        (vec!["command", "show", nobody], NOT_FOUND, &[nobody, "command list"]),
        (vec!["command", "output", nobody], NOT_FOUND, &[nobody]),
        (vec!["why", nobody], NOT_FOUND, &[nobody]),
        (vec!["why", "seven"], USAGE, &["`seven`", "command id"]),
        (vec!["activation", "delete", nobody], NOT_FOUND, &[nobody]),
        (vec!["nodes"], USAGE, &["'nodes'", "'node'"]),
        (vec!["--context", "prod", "status"], NOT_FOUND, &["`prod`"]),
    ];
    for (words, code, wanted) in table {
        check(site.types(&words), code, wanted);
    }
    site.runs(0, &[], "true");
}

/// A document may have several slips: a line for each, and each says where.
#[test]
fn a_document_with_slips() {
    let site = Site::start();
    let mut host = site.host("web");
    host.start();
    site.wait_for_nodes(1);
    let path = site.path().join("disk.yaml");
    let text = "schemaVersion: '2.2'\ndescription: two slips\nmainSteps:\n\
                - action: aws:runShellScript\n  name: one\n  inputs:\n    runComand: ['true']\n";
    std::fs::write(&path, text).unwrap();
    let words = ["run", "--target", "all", "--document", path.to_str().unwrap()];
    let ended = site.types(&words).expect_code(REFUSED);
    let mut lines = ended.stderr.lines();
    assert!(ended.stdout.is_empty() && lines.next().unwrap().starts_with("error: the document"), "{ended:?}");
    let slips: Vec<_> = lines.collect();
    assert!(slips.iter().any(|line| line.starts_with("  7:") && line.contains("runCommand")), "{ended:?}");
    std::fs::write(&path, "schemaVersion: '2.2'\nmainSteps: [\n").unwrap();
    let ended = site.types(&words).expect_code(REFUSED);
    assert!(ended.stderr.starts_with("error: the document has errors:\n  "), "{ended:?}");
}

#[test]
fn who_wants_to_join() {
    let site = Site::start();
    let state = site.path().join("joins");
    let activation = site.activation(&[]);
    let other_authority = format!("sha256:{}", "0".repeat(64));
    let wrong_code = Activation { code: "not-the-code".to_owned(), ..activation.clone() };
    check(site.enrol(&wrong_code, &state), REFUSED, &["code is wrong", "activation create"]);
    let unknown = Activation { id: "67e55044-10b1-426f-9247-bb680e5fe0c8".to_owned(), ..activation.clone() };
    check(site.enrol(&unknown, &state), REFUSED, &["code is wrong", "activation create"]);
    let pinned = Activation { authority: other_authority, ..activation.clone() };
    check(site.enrol(&pinned, &state), REFUSED, &["authority that was given", "activation create"]);
    let nowhere = free_address().to_string();
    let unreached = crate::site::enrol(site.path(), &nowhere, &activation, &state);
    check(unreached, UNREACHABLE, &[&nowhere, "nothing listens"]);

    // All of that has used up nothing, and the same folder still joins.
    site.enrol(&activation, &state).expect_code(0);
    check(site.enrol(&activation, &state), REFUSED, &["enrolled already", "--force"]);
    let second = site.path().join("second");
    check(site.enrol(&activation, &second), REFUSED, &["used up", "1 of 1", "make a new one"]);

    let brief = site.activation(&["--expires-in", "1ms"]);
    check(site.enrol(&brief, &second), REFUSED, &["expired", "make a new one"]);
    let deleted = site.activation(&[]);
    site.types(&["activation", "delete", &deleted.id]).expect_code(0);
    check(site.enrol(&deleted, &second), REFUSED, &["code is wrong"]);
    let nodes = site.types(&["node", "list", "-o", "json"]).expect_code(0).json();
    assert_eq!(nodes.as_array().unwrap().len(), 1, "{nodes}");
}

#[test]
fn what_a_controller_cannot_start_with() {
    let site = Site::start();
    let serve = |config: &str| {
        let path = site.path().join("other.toml");
        std::fs::write(&path, config).unwrap();
        Ended::of(Program::Fleetwright.command(site.path()).arg("serve").arg("--config").arg(path))
    };
    let with =
        |listen: &str, data: &Path| format!("listen = \"{listen}\"\ndata_dir = \"{}\"\n", data.display());
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = port.local_addr().unwrap().to_string();
    let fresh = site.path().join("fresh");
    check(serve("listn = \"x\"\n"), USAGE, &["other.toml", "line 1", "`listn`", "`listen`"]);
    check(serve("\n[agents]\nheartbeat_seconds = 0\n"), USAGE, &["agents.heartbeat_seconds", "1 to 3600"]);
    check(serve("\n\nlisten = [\n"), USAGE, &["other.toml", "line "]);
    check(serve(&with(&taken, &fresh)), REFUSED, &[&taken, "another program uses this port", "`listen`"]);
    let controller = site.controller().id().to_string();
    check(serve(&with("127.0.0.1:0", &site.data())), REFUSED, &["already open in process", &controller]);

    let others = folder_of_another_owner(site.path());
    let before = std::fs::metadata(&others).unwrap();
    check(
        serve(&with("127.0.0.1:0", &others)),
        REFUSED,
        &[others.to_str().unwrap(), "belongs to user id", "chown"],
    );
    let after = std::fs::metadata(&others).unwrap();
    assert_eq!((before.mode(), before.mtime_nsec()), (after.mode(), after.mtime_nsec()), "left as it was");

    let file = site.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    check(serve(&with("127.0.0.1:0", &file)), REFUSED, &[file.to_str().unwrap()]);
    let missing =
        Ended::of(Program::Fleetwright.command(site.path()).args(["serve", "--config", "no-such.toml"]));
    check(missing, USAGE, &["no-such.toml"]);
    check(Ended::of(Program::Fleetwright.command(site.path()).arg("serve")), USAGE, &["--config <FILE>"]);

    // The one that was there first has not noticed.
    site.types(&["status"]).expect_code(0);
}

/// Root gives one away; anybody else takes one of root's.
fn folder_of_another_owner(below: &Path) -> std::path::PathBuf {
    if !rustix::process::geteuid().is_root() {
        return "/usr".into();
    }
    let folder = below.join("given-away");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::chown(&folder, Some(12_345), None).unwrap();
    folder
}

#[test]
fn where_there_is_no_controller_and_no_home() {
    let site = Site::start();
    let nowhere = Operator { address: free_address(), ..site.operator.clone() };
    check(nowhere.types(&["status"]), UNREACHABLE, &[&nowhere.address.to_string(), "nothing listens"]);
    check(nowhere.types(&["run", "--target", "all", "--", "true"]), UNREACHABLE, &["nothing listens"]);

    let homeless =
        |words: &[&str]| Ended::of(Program::Fleetwright.command(site.path()).env_remove("HOME").args(words));
    check(homeless(&["dev"]), USAGE, &["HOME", "--data-dir"]);
    // Everything is said in the environment: no home is needed.
    Ended::of(site.operator.command().env_remove("HOME").arg("status")).expect_code(0);
    let empty = Ended::of(Program::Fleetwright.command(site.path()).arg("status"));
    check(empty, UNREACHABLE, &["fleetwright dev", "FLEETWRIGHT_ADDR"]);
}

#[test]
fn a_second_agent_and_one_that_never_joined() {
    let site = Site::start();
    let mut host = site.host("web");
    host.start();
    site.wait_for_nodes(1);
    let agent = |verb: &str, state: &Path| {
        Ended::of(Program::Agent.command(site.path()).args([verb, "--state-dir"]).arg(state))
    };
    let folder = host.state().to_str().unwrap();
    check(agent("run", host.state()), REFUSED, &[folder, "another agent", "--state-dir"]);
    let empty = site.path().join("empty");
    check(agent("run", &empty), REFUSED, &["not enrolled", "fleetwright-agent enroll"]);
    check(agent("status", &empty), REFUSED, &["not enrolled", "fleetwright-agent enroll"]);
    let typed = Ended::of(Program::Agent.command(site.path()).arg("enroll"));
    check(typed, USAGE, &["--controller", "--activation-id"]);
    site.runs(0, &[], "true");
}
