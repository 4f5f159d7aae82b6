//! `document check`: no controller is asked.

use std::fs;

use fleetwright_cli::{Environment, Exit, Terminals};

use crate::fleet::{Ended, Seat, types};

const GOOD: &str = "schemaVersion: '2.2'\nmainSteps:\n- name: free\n  action: aws:runShellScript\n  inputs: {runCommand: [df]}\n";
const WARNED: &str = "schemaVersion: '2.2'\nmainSteps:\n- name: free\n  action: aws:runShellScript\n  onFailure: exit\n  inputs: {runCommand: [df]}\n";
const BAD: &str = "schemaVersion: '2.2'\nmainSteps:\n- name: free\n  action: aws:runShelScript\n";

/// A folder with documents, and some files that are none.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("more/.git")).unwrap();
    for (name, text) in [
        ("good.yaml", GOOD),
        ("more/warned.YML", WARNED),
        ("more/bad.json", "{\n  \"schemaVersion\": \"2.2\",\n}\n"),
        ("more/.git/hidden.yaml", "{"),
        ("more/readme.md", "{"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// What `document check` says, with the folder's path taken out.
async fn checked(folder: &tempfile::TempDir, seat: Seat, words: &str) -> Ended {
    let path = folder.path().to_str().unwrap();
    let line = format!("document check {}", words.replace("FOLDER", path));
    let mut ended = types(Environment::default(), seat, &line).await;
    ended.stdout = String::from_utf8(ended.stdout).unwrap().replace(path, "FOLDER").into_bytes();
    ended.stderr = ended.stderr.replace(path, "FOLDER");
    ended
}

fn given(text: &'static str) -> Seat {
    Seat { stdin: text, ..Seat::default() }
}

#[tokio::test]
async fn findings_are_drawn_and_counted() {
    let folder = folder();
    let ended = checked(&folder, Seat::default(), "FOLDER").await;
    insta::assert_snapshot!(ended.text());
    let ended = checked(&folder, Seat::default(), "FOLDER/good.yaml").await;
    ended.check(Exit::Done, "", "1 document: 1 accepted, 0 refused; 0 errors, 0 warnings\n");
}

#[tokio::test]
async fn warnings_refuse_only_when_that_is_asked_for() {
    let folder = folder();
    let ended = checked(&folder, given(WARNED), "-").await;
    assert_eq!(ended.exit, Exit::Done, "{}", ended.text());
    let ended = checked(&folder, given(WARNED), "- --deny-warnings").await;
    assert_eq!(ended.exit, Exit::TargetFailed, "{}", ended.text());
    assert!(ended.stderr.contains("0 accepted, 1 refused"), "{}", ended.text());
}

#[tokio::test]
async fn programs_read_json() {
    let folder = folder();
    let ended = checked(&folder, Seat::default(), "FOLDER -o json").await;
    insta::assert_snapshot!(ended.text());
    let ended = checked(&folder, given(BAD), "- FOLDER/good.yaml -o jsonl").await;
    insta::assert_snapshot!(ended.text());
}

#[tokio::test]
async fn a_terminal_has_colours_unless_they_are_not_wanted() {
    let folder = folder();
    let terminals = Terminals { stdout: true, ..Terminals::default() };
    let ended = checked(&folder, Seat { stdin: BAD, terminals, ..Seat::default() }, "-").await;
    assert!(ended.text().contains("\u{1b}["), "{}", ended.text());
    let plain: Environment = [("NO_COLOR".to_owned(), "1".to_owned())].into_iter().collect();
    let seat = Seat { stdin: BAD, terminals, ..Seat::default() };
    let ended = types(plain, seat, "document check -").await;
    assert!(!ended.text().contains('\u{1b}'), "{}", ended.text());
}

#[tokio::test]
async fn what_cannot_be_checked_is_told() {
    let folder = folder();
    for (words, exit, told) in [
        ("FOLDER/none.yaml", Exit::NotFound, "error: there is no file or folder FOLDER/none.yaml\n"),
        (
            "FOLDER/more/.git/../../more/.none",
            Exit::NotFound,
            "error: there is no file or folder FOLDER/more/.git/../../more/.none\n",
        ),
        ("- -", Exit::Usage, "error: standard input can be read once: write - once\n"),
    ] {
        checked(&folder, Seat::default(), words).await.check(exit, "", told);
    }
    fs::create_dir(folder.path().join("empty")).unwrap();
    checked(&folder, Seat::default(), "FOLDER/empty").await.check(
        Exit::NotFound,
        "",
        "error: there is no document in FOLDER/empty: none of its files ends in .json, .yaml or .yml\n",
    );
    let ended = checked(&folder, Seat::default(), "").await;
    assert_eq!(ended.exit, Exit::Usage, "{}", ended.text());
}
