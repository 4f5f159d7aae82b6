//! Documents that the controller keeps: run by name and version, changed while they run, whole after any death.

use std::time::Duration;

use fleetwright_controller::documents::delete;
use fleetwright_controller::documents::fault::DocumentError;
use fleetwright_controller::documents::find::{self, Found};
use fleetwright_controller::documents::kinds::DocumentType;
use fleetwright_controller::documents::names::Reference;
use fleetwright_controller::documents::records::Requirement;
use fleetwright_controller::documents::share::{self, ShareWish};
use fleetwright_controller::documents::sweep::Sweep;
use fleetwright_controller::documents::write::{self, NewDocument, VersionWish};
use fleetwright_controller::error::Kind;
use fleetwright_controller::house::House;
use fleetwright_controller::nodes::records::Tags;
use fleetwright_tests::{Death, Fleet, Run};
use serde_json::json;

fn text(script: &str) -> bytes::Bytes {
    let lines: Vec<_> = script.lines().collect();
    let step = json!({ "action": "aws:runShellScript", "name": "step", "inputs": { "runCommand": lines } });
    json!({ "schemaVersion": "2.2", "mainSteps": [step] }).to_string().into()
}

fn version(script: &str) -> VersionWish {
    VersionWish { content: text(script), author: "tester".to_owned(), ..VersionWish::default() }
}

async fn create(house: &House, name: &str, version: VersionWish) -> Result<(), DocumentError> {
    let wish = NewDocument { name: name.to_owned(), document_type: None, tags: Tags::new(), version };
    write::create(house, wish).await.map(drop)
}

async fn get(house: &House, name: &str, version: &str) -> Result<Found, DocumentError> {
    find::get(house, &Reference::parse(name, version)?).await
}

async fn output(fleet: &Fleet, version: &str) -> String {
    let command = fleet.run(Run::named("Disk", version)).await;
    assert_eq!(fleet.wait_final(&command).await, "Success: 1 Success (AllStepsDone)");
    fleet.output(&command, fleet.host(0)).await
}

#[tokio::test]
async fn a_name_runs_its_default_version_and_a_version_runs_itself() {
    let fleet = Fleet::start(1).await;
    let house = fleet.house();
    create(house, "Disk", version("echo one")).await.unwrap();
    assert_eq!(output(&fleet, "").await, "one\n");
    let second = VersionWish { version_name: Some("release-2".to_owned()), ..version("echo two") };
    write::update(house, "Disk", "1", second).await.unwrap();
    assert_eq!(output(&fleet, "").await, "one\n", "an update does not move the default version");
    for wanted in ["2", "$LATEST", "release-2"] {
        assert_eq!(output(&fleet, wanted).await, "two\n", "{wanted}");
    }
    write::set_default(house, "Disk", "2").await.unwrap();
    assert_eq!(output(&fleet, "").await, "two\n");
    assert_eq!(output(&fleet, "1").await, "one\n");
    let refusal = fleet.send(Run::named("Disk", "3")).await.unwrap_err();
    assert_eq!(refusal.kind, Kind::NotFound, "{refusal}");
    fleet.check().await;
}

#[tokio::test]
async fn what_runs_keeps_the_text_that_it_was_given() {
    let mut fleet = Fleet::start(2).await;
    create(fleet.house(), "Disk", version("echo old\nsleep 60")).await.unwrap();
    // One node after the other: the second gets the text when the document is gone and another has its name.
    let command = fleet.run(Run::named("Disk", "").max_concurrency("1")).await;
    fleet.until("one running", async || (fleet.runs(&command) == 1).then_some(())).await;
    delete::delete(fleet.house(), "Disk").await.unwrap();
    let refusal = fleet.send(Run::named("Disk", "")).await.unwrap_err();
    assert_eq!(refusal.kind, Kind::NotFound, "{refusal}");
    create(fleet.house(), "Disk", version("echo new")).await.unwrap();
    fleet.restart_controller().await;
    fleet.until_connected().await;
    fleet.advance(Duration::from_secs(60));
    fleet.until("the other running", async || (fleet.runs(&command) == 2).then_some(())).await;
    fleet.advance(Duration::from_secs(60));
    assert_eq!(fleet.wait_final(&command).await, "Success: 2 Success (AllStepsDone)");
    for host in fleet.hosts() {
        assert_eq!(fleet.output(&command, host).await, "old\n");
    }
    fleet.check().await;
}

#[tokio::test]
async fn a_document_of_another_hash_or_type_is_not_run() {
    let fleet = Fleet::start(1).await;
    let house = fleet.house();
    create(house, "Disk", version("echo one")).await.unwrap();
    let hash = get(house, "Disk", "").await.unwrap().view.sha256;
    let command = fleet.run(Run::hashed("Disk", &hash.to_uppercase())).await;
    assert_eq!(fleet.wait_final(&command).await, "Success: 1 Success (AllStepsDone)");
    let refusal = fleet.send(Run::hashed("Disk", &"0".repeat(64))).await.unwrap_err();
    assert_eq!(refusal.kind, Kind::Conflict, "{refusal}");
    assert!(refusal.message.contains(&hash) && refusal.message.contains("and not 0000"), "{refusal}");
    let runbook = json!({ "schemaVersion": "0.3", "mainSteps": [
        { "name": "wait", "action": "aws:sleep", "inputs": { "Duration": "PT1S" } }] });
    let session = json!({ "schemaVersion": "1.0", "sessionType": "Standard_Stream", "inputs": {} });
    for (name, kind, content, words) in [
        ("Book", DocumentType::Automation, runbook, "a runbook runs at the controller"),
        ("Talk", DocumentType::Session, session, "it has no steps for nodes"),
    ] {
        let version = VersionWish { content: content.to_string().into(), ..version("") };
        let wish =
            NewDocument { name: name.to_owned(), document_type: Some(kind), tags: Tags::new(), version };
        write::create(house, wish).await.unwrap();
        let refusal = fleet.send(Run::named(name, "")).await.unwrap_err();
        assert_eq!(refusal.kind, Kind::Invalid, "{refusal}");
        assert!(refusal.message.contains(words), "{refusal}");
    }
    assert_eq!(fleet.commands().await.len(), 1);
}

/// Everything that can be done to a document, each part refused when an earlier life did it already.
async fn live(house: &House, long: &str) -> Result<(), DocumentError> {
    let by = "tester".to_owned();
    let share = |add: &[&str], remove: &[&str]| ShareWish {
        name: "Disk".to_owned(),
        add: add.iter().map(|&text| text.to_owned()).collect(),
        remove: remove.iter().map(|&text| text.to_owned()).collect(),
        version: String::new(),
        by: by.clone(),
    };
    create(house, "Disk", version("echo one")).await?;
    let requires =
        Requirement { name: "Disk".to_owned(), version: None, version_name: None, require_type: None };
    let needs = VersionWish { requires: Some(vec![requires]), ..version("echo needs") };
    create(house, "Needs", needs).await?;
    write::update(house, "Disk", "1", version(long)).await?;
    write::set_default(house, "Disk", "2").await?;
    share::change(house, share(&["bob"], &[])).await?;
    delete::delete_version(house, "Disk", "1").await?;
    share::change(house, share(&[], &["bob"])).await?;
    delete::delete(house, "Needs").await?;
    delete::delete(house, "Disk").await
}

#[tokio::test]
async fn documents_are_whole_after_a_death_at_any_commit() {
    // Too long for a row, so that a blob is written too.
    let long = format!("echo {}", "x".repeat(20_000));
    let mut fleet = Fleet::start(0).await;
    for death in [Death::BeforeCommit, Death::AfterCommit] {
        for commits in 0.. {
            fleet.kill_controller_after(commits, death);
            let lived = fleet.unless_killed(live(fleet.house(), &long)).await;
            if let Some(result) = &lived {
                result.clone().unwrap();
                assert!(commits > 8, "only {commits} commits in the life of two documents");
            } else {
                fleet.restart_controller().await;
            }
            let house = fleet.house();
            // What is there is there whole: the default version has its text, and lists agree.
            for name in ["Disk", "Needs"] {
                match get(house, name, "").await {
                    Ok(found) => {
                        let (versions, _) =
                            fleetwright_controller::documents::list::versions(house, name, None, 10)
                                .await
                                .unwrap();
                        assert!(versions.iter().any(|version| version.version == found.view.default_version));
                        assert_eq!(versions.last().unwrap().version, found.view.latest_version);
                        assert_eq!(found.content.len() as u64, found.view.bytes);
                    }
                    Err(error) => assert!(error.message.contains("there is no document"), "{error}"),
                }
            }
            // And can be brought to its end by who repeats what was not answered.
            if get(house, "Needs", "").await.is_ok() {
                delete::delete(house, "Needs").await.unwrap();
            }
            if get(house, "Disk", "").await.is_ok() {
                let remove = vec!["bob".to_owned()];
                let wish = ShareWish { name: "Disk".to_owned(), remove, ..ShareWish::default() };
                share::change(house, wish).await.unwrap();
                delete::delete(house, "Disk").await.unwrap();
            }
            let mut sweep = Sweep::default();
            sweep.run_once(house).await.unwrap();
            sweep.run_once(house).await.unwrap();
            let mut left = house.blobs.list(None).await.unwrap();
            // The texts of the documents that are shipped stay.
            left.retain(|blob| !blob.path.to_string().starts_with("shipped/"));
            assert!(left.is_empty(), "{death:?} {commits}: {left:?}");
            let rows = house.store.scan(b"document", None, 10).await.unwrap();
            assert!(rows.is_empty(), "{death:?} {commits}: {rows:?}");
            if lived.is_some() {
                break;
            }
        }
    }
}
