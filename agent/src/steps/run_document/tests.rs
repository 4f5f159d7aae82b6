use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::secrets::Secrets;
use crate::steps::library::fake::FakeLibrary;
use crate::steps::tests::{Fixture, MemoryInner, fixture};

fn scripts(scripts: &[(&str, &str)]) -> String {
    let steps: Vec<_> = scripts
        .iter()
        .map(|(name, line)| json!({ "action": "aws:runShellScript", "name": name, "inputs": { "runCommand": [line] } }))
        .collect();
    json!({ "schemaVersion": "2.2", "description": "inner", "mainSteps": steps }).to_string()
}

fn calls(name: &str) -> String {
    json!({ "schemaVersion": "2.2", "description": "inner", "mainSteps": [step(name)] }).to_string()
}

fn step(path: &str) -> serde_json::Value {
    let kind = if path.starts_with('/') || path.starts_with("./") { "LocalPath" } else { "SSMDocument" };
    json!({ "action": "aws:runDocument", "name": "outer", "inputs": { "documentType": kind, "documentPath": path } })
}

fn with(documents: &[(&str, &str)]) -> Fixture {
    let mut fixture = fixture(&[]);
    fixture.tools.library = Arc::new(FakeLibrary::with(documents));
    fixture
}

fn states(end: &StepEnd) -> Vec<(&str, StepState, i32)> {
    end.inner.iter().map(|inner| (inner.name.as_str(), inner.state, inner.code)).collect()
}

#[tokio::test]
async fn inner_steps_run_in_order_and_keep_their_results_and_output() {
    let text = scripts(&[("a", "echo one"), ("b", "echo two >&2; exit 3"), ("c", "echo three")]);
    let mut fixture = with(&[("Inner", &text)]);
    let end = fixture.run_step(&step("Inner")).await;
    assert_eq!(end.how, How::Failed("its step `b`: exit code 3".to_owned()));
    let wanted = [("a", StepState::Success, 0), ("b", StepState::Failed, 3), ("c", StepState::Success, 0)];
    assert_eq!(states(&end), wanted);
    let (stdout, stderr) = fixture.printed();
    assert_eq!(stdout, "one\nthree\n");
    assert_eq!(stderr, "two\nfailed to run commands: exit status 3its step `b`: exit code 3\n");
    let bytes: Vec<_> = end.inner.iter().map(|inner| inner.stdout.bytes).collect();
    assert_eq!(bytes, [4, 0, 6]);
}

#[tokio::test]
async fn documents_lie_in_each_other_three_deep_and_no_deeper() {
    let text = scripts(&[("a", "echo deep")]);
    let (one, two, three) = (calls("D2"), calls("D3"), calls("D4"));
    let mut fixture = with(&[("D1", &one), ("D2", &two), ("D3", &text), ("D4", &text)]);
    let end = fixture.run_step(&step("D1")).await;
    assert_eq!(end.how, How::Done, "{end:#?}");
    assert_eq!(end.inner[0].inner[0].inner[0].name, "a");
    let mut fixture = with(&[("D1", &one), ("D2", &two), ("D3", &three), ("D4", &text)]);
    let end = fixture.run_step(&step("D1")).await;
    assert!(matches!(&end.how, How::Failed(why) if why.contains("maximum depth")), "{end:#?}");
}

#[tokio::test]
async fn a_reboot_comes_back_to_the_inner_step_that_asked_for_it() {
    let mut fixture = fixture(&[]);
    let counter = fixture.folder.path().join("counter").display().to_string();
    let reboots = format!("echo again >> {counter}; [ $(wc -l < {counter}) -gt 1 ] || exit 194");
    let text = scripts(&[("a", "echo first"), ("b", &reboots), ("c", "echo last")]);
    fixture.tools.library = Arc::new(FakeLibrary::with(&[("Inner", &text)]));
    let journal = Arc::new(MemoryInner::default());
    fixture.context.journal = Arc::clone(&journal) as _;
    assert_eq!(fixture.run_step(&step("Inner")).await.how, How::WantsReboot);
    // The registry has another version now: what runs is what was begun.
    fixture.tools.library = Arc::new(FakeLibrary::default());
    let end = fixture.run_step(&step("Inner")).await;
    assert_eq!(end.how, How::Done, "{end:#?}");
    assert_eq!(fixture.printed().0, "first\nlast\n");
    assert_eq!(states(&end), ["a", "b", "c"].map(|name| (name, StepState::Success, 0)));
}

#[tokio::test]
async fn a_cancel_reaches_the_inner_step_and_what_follows_does_not_begin() {
    let text = scripts(&[("a", "echo begun; sleep 1000"), ("b", "echo never")]);
    let mut fixture = with(&[("Inner", &text)]);
    let (cancel, spool) = (fixture.cancel.clone(), fixture.tools.spool.clone());
    let cancelling = async move {
        while spool.unsent().is_empty() {
            spool.changed().await;
        }
        cancel.cancel();
    };
    let step = step("Inner");
    let (end, ()) = tokio::join!(fixture.run_step(&step), cancelling);
    assert_eq!(end.how, How::Cancelled);
    assert!(end.inner.iter().all(|inner| inner.state == StepState::Cancelled), "{end:#?}");
    assert_eq!((end.inner.len(), fixture.printed().0.as_str()), (2, "begun\n"));
}

#[tokio::test]
async fn a_file_is_run_where_it_lies_and_a_folder_by_its_one_document() {
    let mut fixture = fixture(&[]);
    let downloads = fixture.context.downloads();
    fs::create_dir_all(downloads.join("both")).unwrap();
    fs::write(downloads.join("doc.json"), scripts(&[("a", "pwd")])).unwrap();
    let end = fixture.run_step(&step("./doc.json")).await;
    assert_eq!(end.how, How::Done, "{end:#?}");
    assert_eq!(fixture.printed().0.trim_end(), downloads.display().to_string());
    for name in ["a.json", "b.yaml"] {
        fs::write(downloads.join("both").join(name), "{}").unwrap();
    }
    for (path, wanted) in [("./both", "holds 2 documents"), ("./none.json", "No such file")] {
        fixture.context.step += 1;
        let end = fixture.run_step(&step(path)).await;
        assert!(matches!(&end.how, How::Failed(why) if why.contains(wanted)), "{path}: {end:#?}");
    }
}

#[tokio::test]
async fn what_cannot_run_says_why() {
    let asks = json!({
        "schemaVersion": "2.2", "description": "x",
        "parameters": { "word": { "type": "String" } },
        "mainSteps": [{ "action": "aws:runShellScript", "name": "a", "inputs": { "runCommand": ["true"] } }],
    });
    let mut fixture = with(&[("Asks", &asks.to_string()), ("Broken", "{")]);
    for (name, wanted) in [
        ("Nobody", "there is no document `Nobody`"),
        ("Broken", "the document `Broken` cannot be used"),
        ("Asks", "parameter `word` has no value"),
    ] {
        fixture.context.step += 1;
        let end = fixture.run_step(&step(name)).await;
        assert!(matches!(&end.how, How::Failed(why) if why.contains(wanted)), "{name}: {end:#?}");
        assert!(fixture.context.journal.results(&[]).is_empty());
    }
    assert_eq!(fixture.run_step(&step("AWS-Noop")).await.how, How::Done);
}

#[tokio::test]
async fn a_controller_that_restarts_is_waited_for() {
    let text = scripts(&[("a", "echo here")]);
    let mut fixture = fixture(&[]);
    let library = FakeLibrary::with(&[("Inner", &text)]);
    *library.unreachable.lock().unwrap() = 1;
    fixture.tools.library = Arc::new(library);
    assert_eq!(fixture.run_step(&step("Inner")).await.how, How::Done);
}

#[tokio::test]
async fn secrets_of_the_outer_document_stay_covered_in_the_inner_one() {
    let text = scripts(&[("a", "echo hunter2")]);
    let mut fixture = with(&[("Inner", &text)]);
    fixture.context.secrets = Secrets::default().and(["hunter2".to_owned()]);
    assert_eq!(fixture.run_step(&step("Inner")).await.how, How::Done);
    assert_eq!(fixture.printed().0, "****\n");
}
