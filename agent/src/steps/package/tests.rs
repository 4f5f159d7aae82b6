use std::fs;
use std::sync::Arc;

use bytes::Bytes;
use fleetwright_proto::clock::{Clock, SystemClock};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::archive::tests::zipped;
use super::*;
use crate::steps::library::fake::FakeLibrary;
use crate::steps::library::{StoredAttachment, StoredDocument};
use crate::steps::tests::{Fixture, MemoryInner, fixture};

/// A package document and its one file.
fn package(version: &str, file: &str, bytes: &[u8]) -> (StoredDocument, Bytes) {
    let sha256 = hex::encode(Sha256::digest(bytes));
    let content = json!({
        "schemaVersion": "2.0",
        "version": version,
        "packages": { "_any": { "_any": { "_any": { "file": file } } } },
        "files": { file: { "checksums": { "sha256": sha256 } } },
    });
    let attachment = StoredAttachment { name: file.to_owned(), bytes: bytes.len() as u64, sha256 };
    let document = StoredDocument {
        name: "Tool".to_owned(),
        version: "1".to_owned(),
        content: content.to_string(),
        document_type: "Package".to_owned(),
        attachments: vec![attachment],
    };
    (document, Bytes::copy_from_slice(bytes))
}

/// A host and what the registry has for it from time to time.
struct Bench {
    fixture: Fixture,
    /// The scripts write here what they did.
    trace: std::path::PathBuf,
}

impl Bench {
    fn new() -> Self {
        let fixture = fixture(&[]);
        let trace = fixture.folder.path().join("trace");
        Self { fixture, trace }
    }

    /// The registry offers this version from now on, with these scripts; `@` in a script appends to the trace.
    fn offers(&mut self, version: &str, scripts: &[(&str, &str)]) {
        let into = format!(">> {}", self.trace.display());
        let scripts: Vec<_> =
            scripts.iter().map(|(name, text)| (*name, text.replace('@', &into), 0o644)).collect();
        let files: Vec<_> = scripts.iter().map(|(name, text, mode)| (*name, text.as_str(), *mode)).collect();
        self.offers_file(version, "tool.zip", &zipped(&files));
    }

    fn offers_file(&mut self, version: &str, file: &str, bytes: &[u8]) {
        let (document, bytes) = package(version, file, bytes);
        let library = FakeLibrary {
            documents: [("Tool".to_owned(), document)].into(),
            files: [(file.to_owned(), bytes)].into(),
            ..FakeLibrary::default()
        };
        self.fixture.tools.library = Arc::new(library);
    }

    /// One command of its own.
    async fn does(&mut self, inputs: Value) -> StepEnd {
        self.fixture.context.command = fleetwright_proto::ids::CommandId::random();
        self.fixture.context.journal = Arc::new(MemoryInner::default());
        self.goes_on(inputs).await
    }

    /// The same command again, as after a reboot.
    async fn goes_on(&mut self, mut inputs: Value) -> StepEnd {
        inputs["name"] = "Tool".into();
        let step = json!({ "action": "aws:configurePackage", "name": "package", "inputs": inputs });
        self.fixture.run_step(&step).await
    }

    fn traced(&self) -> String {
        let text = fs::read_to_string(&self.trace).unwrap_or_default();
        let _ = fs::remove_file(&self.trace);
        text.lines().collect::<Vec<_>>().join("; ")
    }

    fn printed(&self) -> String {
        let (out, err) = self.fixture.printed();
        format!("{out}{err}")
    }

    fn versions_here(&self) -> usize {
        let folder = self.fixture.folder.path().join("packages/Tool");
        fs::read_dir(folder)
            .map_or(0, |entries| entries.flatten().filter(|entry| entry.path().is_dir()).count())
    }
}

fn install() -> Value {
    json!({ "action": "Install" })
}

fn in_place() -> Value {
    json!({ "action": "Install", "installationType": "In-place update" })
}

fn uninstall() -> Value {
    json!({ "action": "Uninstall" })
}

const PLAIN: [(&str, &str); 3] = [
    ("install.sh", "echo install @"),
    ("uninstall.sh", "echo uninstall @"),
    ("validate.sh", "echo validate @"),
];

#[tokio::test]
async fn a_package_is_installed_once_looked_at_again_and_removed() {
    let mut bench = Bench::new();
    bench.offers("1.0", &PLAIN);
    let end = bench.does(install()).await;
    assert_eq!((end.how.clone(), bench.traced().as_str()), (How::Done, "install; validate"));
    let ran: Vec<_> = end.inner.iter().map(|inner| (inner.name.as_str(), inner.state)).collect();
    assert_eq!(ran, [("install", StepState::Success), ("validate", StepState::Success)]);
    assert!(bench.printed().contains("Successfully installed Tool 1.0"));
    let end = bench.does(install()).await;
    assert_eq!((end.how, bench.traced().as_str()), (How::Done, "validate"));
    assert!(bench.printed().contains("Tool 1.0 is installed already"));
    let other = json!({ "action": "Uninstall", "version": "9" });
    assert_eq!(bench.does(other).await.how, How::Done);
    assert!(bench.printed().contains("Tool 9 is not installed"));
    // What is here is enough to remove it.
    bench.fixture.tools.library = Arc::new(FakeLibrary::default());
    assert_eq!(bench.does(uninstall()).await.how, How::Done);
    assert_eq!((bench.traced().as_str(), bench.versions_here()), ("uninstall", 0));
    assert_eq!(bench.does(uninstall()).await.how, How::Done);
    assert_eq!(bench.traced(), "");
}

#[tokio::test]
async fn scripts_know_what_they_are_told_and_run_among_their_files() {
    let mut bench = Bench::new();
    let says = "#!/bin/bash\n[[ -f data ]] && echo $BWS_ACTION_NAME $BWS_PLATFORM_NAME $BWS_PLATFORM_VERSION \
                $BWS_PLATFORM_FAMILY $BWS_ARCHITECTURE $BWS_INSTANCE_ID \"$SSM_Key\" @";
    bench.offers("1.0", &[("install.sh", says), ("data", "x")]);
    let inputs = json!({ "action": "Install", "additionalArguments": "{\"SSM_Key\": \"a  b\"}" });
    assert_eq!(bench.does(inputs).await.how, How::Done);
    assert_eq!(bench.traced(), "install debian 12 debian x86_64 mi-0123456789abcdef0 a  b");
}

#[tokio::test]
async fn another_version_takes_the_place_of_the_one_before_or_gives_it_back() {
    let mut bench = Bench::new();
    bench.offers("1.0", &[("install.sh", "echo in1 @"), ("uninstall.sh", "echo out1 @")]);
    assert_eq!(bench.does(install()).await.how, How::Done);
    bench.offers("2.0", &[("install.sh", "echo in2 @; exit 7"), ("uninstall.sh", "echo out2 @")]);
    bench.traced();
    let end = bench.does(install()).await;
    let why = "Tool 2.0 could not be installed: its install script: exit code 7; Tool 1.0 is installed again";
    assert_eq!(end.how, How::Failed(why.to_owned()));
    assert_eq!((bench.traced().as_str(), bench.versions_here()), ("out1; in2; out2; in1", 1));
    assert!(bench.printed().contains("exit status 7"), "{}", bench.printed());
    bench.offers("3.0", &[("install.sh", "echo in3 @"), ("update.sh", "echo up3 @")]);
    assert_eq!(bench.does(in_place()).await.how, How::Done);
    assert_eq!(bench.traced(), "up3");
    bench.offers("4.0", &[("install.sh", "echo in4 @")]);
    let end = bench.does(in_place()).await;
    assert!(matches!(&end.how, How::Failed(why) if why.contains("has no update script")), "{:?}", end.how);
    assert_eq!(bench.does(install()).await.how, How::Done);
    assert_eq!((bench.traced().as_str(), bench.versions_here()), ("in4", 1));
}

#[tokio::test]
async fn a_reboot_in_a_script_goes_on_after_it() {
    let mut bench = Bench::new();
    let always = [("install.sh", "echo in @; exit 194"), ("validate.sh", "echo check @")];
    bench.offers("1.0", &always);
    assert_eq!(bench.does(install()).await.how, How::WantsReboot);
    // Its own check says that it is there, though its script would ask for a reboot for ever.
    let end = bench.goes_on(install()).await;
    assert_eq!((end.how, bench.traced().as_str()), (How::Done, "in; check"));
    let twice = "echo out @; [ -e rebooted ] || { touch rebooted; exit 194; }";
    bench.offers("2.0", &[("install.sh", "echo in @"), ("uninstall.sh", twice)]);
    assert_eq!(bench.does(install()).await.how, How::Done);
    bench.traced();
    assert_eq!(bench.does(uninstall()).await.how, How::WantsReboot);
    assert_eq!(bench.goes_on(uninstall()).await.how, How::Done);
    assert_eq!(bench.traced(), "out; out");
}

#[tokio::test]
async fn an_agent_that_ends_between_two_scripts_goes_on_with_the_next() {
    let mut bench = Bench::new();
    bench.offers("1.0", &PLAIN);
    assert_eq!(bench.does(install()).await.how, How::Done);
    bench.offers("2.0", &PLAIN);
    bench.traced();
    let journal = Arc::new(MemoryInner::default());
    bench.fixture.context.command = fleetwright_proto::ids::CommandId::random();
    bench.fixture.context.journal = journal.clone();
    journal.close_after(1);
    let end = bench.goes_on(install()).await;
    assert_eq!((end.how, bench.traced().as_str()), (How::Suspended, "uninstall"));
    journal.open_again();
    let end = bench.goes_on(install()).await;
    assert_eq!((end.how, bench.traced().as_str()), (How::Done, "install; validate"));
    assert_eq!(end.inner.len(), 3);
}

#[tokio::test]
async fn a_broken_installation_is_made_anew() {
    let mut bench = Bench::new();
    bench.offers("1.0", &[("install.sh", "echo in1 @; exit 1"), ("uninstall.sh", "echo out1 @")]);
    assert!(matches!(bench.does(install()).await.how, How::Failed(_)));
    bench.offers("1.0", &[("install.sh", "echo again @")]);
    assert_eq!(bench.does(install()).await.how, How::Done);
    assert_eq!(bench.traced(), "in1; again");
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_before_anything_runs() {
    let both = zipped(&[("install.sh", "echo in", 0o644), ("install.ps1", "echo in", 0o644)]);
    for (file, bytes, wanted) in [
        ("tool.zip", &b"no zip"[..], "the archive tool.zip cannot be unpacked: it is no zip"),
        ("tool.zip", &both, "has both install.sh and install.ps1"),
        ("tool.tgz", b"x", "installing a .tgz file; zip, deb and rpm are known"),
    ] {
        let mut bench = Bench::new();
        bench.offers_file("1.0", file, bytes);
        let end = bench.does(install()).await;
        let (How::Failed(why) | How::Unsupported(why)) = &end.how else { panic!("{:?}", end.how) };
        assert!(why.contains(wanted), "{why}");
        assert!(end.inner.is_empty());
    }
    let mut bench = Bench::new();
    let (document, _) = package("1.0", "tool.zip", b"right");
    let library = FakeLibrary {
        documents: [("Tool".to_owned(), document)].into(),
        files: [("tool.zip".to_owned(), Bytes::from_static(b"wrong"))].into(),
        ..FakeLibrary::default()
    };
    bench.fixture.tools.library = Arc::new(library);
    let end = bench.does(install()).await;
    assert!(matches!(&end.how, How::Failed(why) if why.contains("the checksum of")), "{:?}", end.how);
    bench.fixture.tools.library = Arc::new(FakeLibrary::with(&[("Tool", "{}")]));
    let end = bench.does(install()).await;
    assert_eq!(end.how, How::Failed("`Tool` is of type Command, and no package".to_owned()));
}

#[tokio::test]
async fn a_cancel_ends_the_script_and_the_package_counts_as_broken() {
    let mut bench = Bench::new();
    bench.offers("1.0", &[("install.sh", "echo begun @; sleep 1000"), ("uninstall.sh", "echo out @")]);
    let (cancel, trace) = (bench.fixture.cancel.clone(), bench.trace.clone());
    let cancelling = async move {
        while !trace.exists() {
            SystemClock.sleep(Duration::from_millis(5)).await;
        }
        cancel.cancel();
    };
    let (end, ()) = tokio::join!(bench.does(install()), cancelling);
    assert_eq!((end.how, bench.traced().as_str()), (How::Cancelled, "begun"));
    bench.fixture.cancel = tokio_util::sync::CancellationToken::new();
    assert_eq!(bench.does(uninstall()).await.how, How::Done);
    assert_eq!((bench.traced().as_str(), bench.versions_here()), ("out", 0));
}

#[test]
fn a_package_has_one_name_however_it_is_called() {
    for name in ["Tool", "Tool:3", "arn:aws:ssm:us-east-1:123456789012:document/Tool"] {
        assert_eq!(plain_name(name), "Tool", "{name}");
    }
}
