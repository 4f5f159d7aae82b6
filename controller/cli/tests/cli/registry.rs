//! `document`: what is asked of the controller, and how its answers are printed.

use fleetwright_cli::Exit;
use fleetwright_proto::control::*;
use tonic::Status;

use crate::controller::{Asked, Script};
use crate::fleet::*;

const TEXT: &str = "schemaVersion: '2.2'\nmainSteps:\n- {action: 'aws:runShellScript', name: a, inputs: {runCommand: [df]}}\n";

fn document(name: &str, owner: &str) -> Document {
    Document {
        name: name.into(),
        owner: owner.into(),
        document_type: "Command".into(),
        version: 2,
        version_name: "release-2".into(),
        display_name: "Disk \u{1b}[2Jspace".into(),
        default_version: 2,
        latest_version: 3,
        created_ms: if owner == "Self" { NOW_MS - 3_600_000 } else { 0 },
        author: "ada".into(),
        format: "YAML".into(),
        bytes: TEXT.len() as u64,
        sha256: "ab".repeat(32),
        sha1: "cd".repeat(20),
        schema_version: "2.2".into(),
        platform_types: vec!["Linux".into(), "MacOS".into()],
        target_type: "/AWS::EC2::Instance".into(),
        requires: vec![RequiredDocument { name: "Base".into(), version: "1".into(), ..Default::default() }],
        attachments: vec![DocumentAttachment { name: "tool.zip".into(), bytes: 7, sha256: "ef".repeat(32) }],
        tags: [("team".to_owned(), "web".to_owned())].into(),
    }
}

fn script() -> Script {
    let parameter = |name: &str, default: Option<&str>| DocumentParameter {
        name: name.into(),
        r#type: "Integer".into(),
        description: "percent".into(),
        default_value: default.map(str::to_owned),
    };
    Script {
        documents: vec![document("AWS-RunShellScript", "Amazon"), document("Disk", "Self")],
        reading: ReadDocumentResponse {
            document: None,
            content: TEXT.into(),
            description: "Says how full disks are.\nAnd how full they were.".into(),
            parameters: vec![parameter("limit", Some("90")), parameter("floor", None)],
        },
        shares: vec![DocumentShare {
            principal: "bob".into(),
            version: String::new(),
            shared_ms: NOW_MS - 60_000,
            shared_by: "ada".into(),
        }],
        ..Script::default()
    }
}

#[tokio::test]
async fn answers_are_golden() {
    let fleet = Fleet::start(script()).await;
    let lines = [
        ("document_list", "document list"),
        ("document_show", "document show Disk"),
        ("document_versions", "document versions Disk"),
        ("document_set_default", "document set-default Disk 3"),
        ("document_share", "document share Disk"),
        ("document_tag", "document tag Disk role=db"),
    ];
    for (name, line) in lines {
        let mut golden = String::new();
        for format in ["table", "json", "jsonl"] {
            let ended = fleet.types(&format!("{line} -o {format}")).await;
            golden.push_str(&format!("=== piped -o {format}\n{}", ended.text()));
        }
        let ended = fleet.types_at(Seat::at_terminal(""), line).await;
        golden.push_str(&format!("=== 80 columns\n{}", ended.text()));
        insta::assert_snapshot!(name, golden);
    }
}

#[tokio::test]
async fn a_text_is_printed_as_it_was_written() {
    let fleet = Fleet::start(script()).await;
    fleet.types("document show Disk --content").await.check(Exit::Done, TEXT, "");
}

#[tokio::test]
async fn a_document_is_made_from_a_file() {
    let fleet = Fleet::start(script()).await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    let (file, tool) = (write("disk.yaml", TEXT.as_bytes()), write("tool.zip", &vec![7; 600_000]));
    let line = format!(
        "document create Disk {file} --tag team=web --requires Base:1 --version-name v1 --attach {tool}"
    );
    fleet.types(&line).await.check(Exit::Done, "", "version 1 of Disk created\n");
    let asked = fleet.controller.asked();
    let [Asked::Upload(bytes), Asked::CreateDocument(request)] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!(bytes, &vec![7; 600_000]);
    let version = request.version.clone().unwrap();
    assert_eq!((request.name.as_str(), &version.content[..]), ("Disk", TEXT.as_bytes()));
    assert_eq!((request.tags["team"].as_str(), version.version_name.as_str()), ("web", "v1"));
    assert_eq!(version.attachments[0].name, "tool.zip");
    assert_eq!(version.attachments[0].upload_id, "67e5504410b1426f9247bb680e5fe0c8");
    assert_eq!((request.requires[0].name.as_str(), request.requires[0].version.as_str()), ("Base", "1"));

    let ended = fleet.types(&format!("document update Disk {file} --latest 3 --set-default")).await;
    ended.check(Exit::Done, "", "version 4 of Disk created; it is the default version from now on\n");
    let asked = fleet.controller.asked();
    let [.., Asked::UpdateDocument(update), Asked::SetDefault(default)] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!((update.latest_version.as_str(), default.version.as_str()), ("3", "4"));
}

#[tokio::test]
async fn a_text_with_errors_is_not_sent() {
    let fleet = Fleet::start(script()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("disk.yaml");
    std::fs::write(&file, TEXT.replace("runShellScript", "runShelScript")).unwrap();
    let ended = fleet.types(&format!("document create Disk {}", file.display())).await;
    assert_eq!(ended.exit, Exit::Refused, "{}", ended.text());
    let text = ended.text();
    assert!(text.contains("aws:runShelScript") && text.contains("nothing was sent"), "{text}");
    assert!(fleet.controller.asked().is_empty());
    for (line, words) in [
        ("document create Disk /no/such/file", "cannot read the document /no/such/file"),
        ("document create Disk DISK --attach /no/such/file", "cannot read the attachment /no/such/file"),
    ] {
        std::fs::write(&file, TEXT).unwrap();
        let ended = fleet.types(&line.replace("DISK", &file.display().to_string())).await;
        assert_eq!(ended.exit, Exit::Usage, "{}", ended.text());
        assert!(ended.text().contains(words), "{}", ended.text());
    }
}

#[tokio::test]
async fn deleting_asks_first() {
    let fleet = Fleet::start(script()).await;
    fleet.types("document delete Disk").await.check(
        Exit::Usage,
        "",
        "error: deleting wants a yes, and nobody is at the terminal: add --yes\n",
    );
    let ended = fleet.types_at(Seat::at_terminal("n\n"), "document delete Disk").await;
    assert_eq!(ended.exit, Exit::Refused, "{}", ended.text());
    assert!(fleet.controller.asked().is_empty());
    fleet.types("document delete Disk --version 2 --yes").await.check(
        Exit::Done,
        "",
        "deleted version 2 of Disk\n",
    );
    let Some(Asked::DeleteDocument(request)) = fleet.controller.asked().pop() else { panic!() };
    assert_eq!((request.name.as_str(), request.version.as_str()), ("Disk", "2"));
}

#[tokio::test]
async fn filters_shares_and_tags_are_sent() {
    let fleet = Fleet::start(script()).await;
    fleet.types("document list --owner self --name Di --type Command --platform Linux --tag team=web").await;
    let Some(Asked::ListDocuments(request)) = fleet.controller.asked().first().cloned() else { panic!() };
    let filters: Vec<_> =
        request.filters.iter().map(|filter| format!("{}={}", filter.key, filter.values.join(","))).collect();
    assert_eq!(
        filters,
        ["Name=Di", "Owner=Self", "DocumentType=Command", "PlatformTypes=Linux", "tag:team=web"]
    );
    fleet.types("document share Disk bob 123456789012 --version 2 --remove eve").await;
    let Some(Asked::ShareDocument(request)) = fleet.controller.asked().pop() else { panic!() };
    assert_eq!((request.add.join(","), request.remove.join(",")), ("bob,123456789012".into(), "eve".into()));
    assert_eq!(request.version, "2");
    fleet.types("document untag Disk team").await.check(Exit::Done, "", "Disk has no tags\n");
    let Some(Asked::TagDocument(request)) = fleet.controller.asked().pop() else { panic!() };
    assert_eq!(request.remove, ["team"]);
}

#[tokio::test]
async fn a_refusal_is_one_line() {
    let fleet = Fleet::start(script()).await;
    fleet.types("document show Nobody").await.check(
        Exit::NotFound,
        "",
        "error: there is no document `Nobody`\n",
    );
    fleet.controller.shared.script.lock().unwrap().refusal =
        Some(Status::aborted("somebody else changed document Disk at the same moment"));
    let ended = fleet.types("document set-default Disk 3").await;
    ended.check(Exit::Refused, "", "error: somebody else changed document Disk at the same moment\n");
}
