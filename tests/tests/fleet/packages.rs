//! Packages that the controller keeps, installed by the document under whose name people know it.

use std::io::{Cursor, Write};

use fleetwright_controller::documents::attachments::{AttachmentWish, Upload};
use fleetwright_controller::documents::kinds::{DocumentType, HashType};
use fleetwright_controller::documents::write::{self, NewDocument, VersionWish};
use fleetwright_controller::nodes::records::Tags;
use fleetwright_tests::{Fleet, FleetSettings, Machine, Run};
use serde_json::json;
use zip::write::SimpleFileOptions;

const SUCCESS: &str = "Success: 1 Success (AllStepsDone)";

/// A zip with these scripts.
fn archive(scripts: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in scripts {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A version of the package `Tool`, the first or one more, whose version name is the package's version.
async fn publish(fleet: &Fleet, version: &str, file: &[u8]) {
    let house = fleet.house();
    let mut upload = Upload::start(house);
    upload.add(file).await.unwrap();
    let (upload, _) = upload.finish("tester").await.unwrap();
    let manifest = json!({
        "schemaVersion": "2.0",
        "version": version,
        "packages": { "_any": { "_any": { "_any": { "file": "tool.zip" } } } },
        "files": { "tool.zip": { "checksums": { "sha256": HashType::Sha256.of(file) } } },
    });
    let wish = VersionWish {
        content: manifest.to_string().into(),
        version_name: Some(version.to_owned()),
        attachments: Some(vec![AttachmentWish::Uploaded { name: "tool.zip".to_owned(), upload }]),
        author: "tester".to_owned(),
        ..VersionWish::default()
    };
    let new = NewDocument {
        name: "Tool".to_owned(),
        document_type: Some(DocumentType::Package),
        tags: Tags::new(),
        version: wish.clone(),
    };
    if write::create(house, new).await.is_err() {
        write::update(house, "Tool", "$LATEST", wish).await.unwrap();
    }
}

fn configure(action: &str, more: &[(&str, &str)]) -> Run {
    let run = Run::named("AWS-ConfigureAWSPackage", "")
        .parameter("action", vec![action.to_owned()])
        .parameter("name", vec!["Tool".to_owned()]);
    more.iter().fold(run, |run, (name, value)| run.parameter(name, vec![(*value).to_owned()]))
}

async fn ends(fleet: &Fleet, run: Run) -> (String, String) {
    let command = fleet.run(run).await;
    let end = fleet.wait_final_reconnecting(&command).await;
    (end, fleet.output(&command, fleet.host(0)).await)
}

#[tokio::test]
async fn a_package_is_installed_by_version_updated_and_removed() {
    let fleet = FleetSettings { machine: Machine::Real, ..FleetSettings::of(1) }.start().await;
    publish(&fleet, "1.0", &archive(&[("install.sh", "echo in1 $SSM_Mode"), ("uninstall.sh", "echo out1")]))
        .await;
    publish(&fleet, "2.0", &archive(&[("install.sh", "echo in2"), ("update.sh", "echo up2")])).await;
    let (end, printed) =
        ends(&fleet, configure("Install", &[("additionalArguments", r#"{"SSM_Mode": "quiet"}"#)])).await;
    assert_eq!(end, SUCCESS, "{printed}");
    assert!(printed.contains("in1 quiet\nSuccessfully installed Tool 1.0\n"), "{printed}");
    let update = [("version", "2.0"), ("installationType", "In-place update")];
    let (end, printed) = ends(&fleet, configure("Install", &update)).await;
    assert!(end == SUCCESS && printed.contains("up2") && !printed.contains("out1"), "{end} {printed}");
    let (end, printed) = ends(&fleet, configure("Install", &[("version", "latest")])).await;
    assert!(end == SUCCESS && printed.contains("Tool 2.0 is installed already"), "{end} {printed}");
    let (end, printed) = ends(&fleet, configure("Install", &[("version", "3.0")])).await;
    assert!(end.starts_with("Failed: 1 Failed") && printed.contains("3.0"), "{end} {printed}");
    let (end, printed) = ends(&fleet, configure("Uninstall", &[])).await;
    assert!(end == SUCCESS && printed.contains("Successfully uninstalled Tool 2.0"), "{end} {printed}");
    fleet.check().await;
}

#[tokio::test]
async fn a_package_that_reboots_its_host_is_installed_after_it() {
    let fleet = Fleet::start(1).await;
    publish(&fleet, "1.0", &archive(&[("install.sh", "echo in\nexit 194"), ("validate.sh", "echo valid")]))
        .await;
    let command = fleet.run(configure("Install", &[])).await;
    let host = fleet.host(0);
    fleet
        .until("the wish to reboot", async || (host.platform().reboots_requested() == 1).then_some(()))
        .await;
    host.reboot();
    assert_eq!(fleet.wait_final_reconnecting(&command).await, SUCCESS);
    let printed = fleet.output(&command, host).await;
    assert!(
        printed.contains("in\n") && printed.ends_with("valid\nSuccessfully installed Tool 1.0\n"),
        "{printed}"
    );
    let scripts: Vec<_> =
        fleet.invocation(&command, host).await.steps[0].inner.iter().map(|step| step.name.clone()).collect();
    assert_eq!(scripts, ["validate"]);
    fleet.check_but_reruns_of(&[&command]).await;
}

#[tokio::test]
async fn an_agent_that_dies_in_a_script_of_a_package_never_runs_it_again_by_itself() {
    let fleet = Fleet::start(1).await;
    publish(&fleet, "1.0", &archive(&[("install.sh", "echo in\nhang"), ("uninstall.sh", "echo out")])).await;
    let command = fleet.run(configure("Install", &[])).await;
    let host = fleet.host(0);
    fleet.until("the script", async || (host.platform().processes() == 1).then_some(())).await;
    host.restart_agent();
    assert_eq!(fleet.wait_final_reconnecting(&command).await, "Failed: 1 Failed (Interrupted)");
    assert_eq!(host.platform().processes(), 0);
    // What is left of it can be removed.
    let (end, printed) = ends(&fleet, configure("Uninstall", &[])).await;
    assert!(end == SUCCESS && printed.contains("out\n"), "{end} {printed}");
    fleet.check().await;
}
