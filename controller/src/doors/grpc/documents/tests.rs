//! The life of a document on the wire: what goes in comes out, and refusals have the code that clients act on.

use fleetwright_proto::control::{AttachmentSource, DocumentFilter};
use tonic::Code;

use super::*;
use crate::tests::{TestHouse, test_house};

const TEXT: &str = r#"{"schemaVersion":"2.2","description":"tells the time","parameters":{"zone":{"type":"String","default":"UTC","description":"where"}},"mainSteps":[{"action":"aws:runShellScript","name":"tell","inputs":{"runCommand":["TZ={{ zone }} date"]}}]}"#;

struct Door {
    door: DocumentsDoor,
    _house: TestHouseFolder,
}

type TestHouseFolder = tempfile::TempDir;

fn door() -> Door {
    let TestHouse { house, _folder, .. } = test_house();
    Door { door: DocumentsDoor::new(Arc::new(house)), _house: _folder }
}

/// A request of the operator `ada`.
fn asked<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Asker::administrator("ada", Action::CreateDocument));
    request
}

fn version(content: &str) -> Option<DocumentVersionContent> {
    Some(DocumentVersionContent { content: content.to_owned().into(), ..DocumentVersionContent::default() })
}

impl Door {
    async fn create(&self, name: &str, document_type: &str, content: &str) -> Result<Document, Status> {
        let request = CreateDocumentRequest {
            name: name.to_owned(),
            document_type: document_type.to_owned(),
            version: version(content),
            requires: Vec::new(),
            tags: [("team".to_owned(), "web".to_owned())].into(),
        };
        let answer = self.door.create_document(asked(request)).await?;
        Ok(answer.into_inner().document.unwrap())
    }

    async fn read(&self, name: &str, version: &str) -> Result<ReadDocumentResponse, Status> {
        let request = ReadDocumentRequest { name: name.to_owned(), version: version.to_owned() };
        Ok(self.door.read_document(asked(request)).await?.into_inner())
    }
}

#[tokio::test]
async fn what_goes_in_comes_out() {
    let door = door();
    let made = door.create("Clock", "", TEXT).await.unwrap();
    assert_eq!((made.owner.as_str(), made.author.as_str(), made.version), ("Self", "ada", 1));
    assert_eq!((made.document_type.as_str(), made.format.as_str()), ("Command", "JSON"));
    assert_eq!(made.tags.get("team").map(String::as_str), Some("web"));
    let read = door.read("Clock", "").await.unwrap();
    assert_eq!((&read.content[..], read.description.as_str()), (TEXT.as_bytes(), "tells the time"));
    let zone = &read.parameters[0];
    assert_eq!((zone.name.as_str(), zone.r#type.as_str()), ("zone", "String"));
    assert_eq!(zone.default_value.as_deref(), Some("UTC"));
}

#[tokio::test]
async fn versions_shares_and_tags_are_changed_and_listed() {
    let door = door();
    door.create("Clock", "Command", TEXT).await.unwrap();
    let update = UpdateDocumentRequest {
        name: "Clock".to_owned(),
        latest_version: "1".to_owned(),
        version: version(&TEXT.replace("date", "date -u")),
    };
    let second = door.door.update_document(asked(update)).await.unwrap().into_inner().document.unwrap();
    assert_eq!((second.version, second.default_version, second.latest_version), (2, 1, 2));
    let default = SetDefaultVersionRequest { name: "Clock".to_owned(), version: "2".to_owned() };
    let document =
        door.door.set_default_version(asked(default)).await.unwrap().into_inner().document.unwrap();
    assert_eq!(document.default_version, 2);
    let list = ListVersionsRequest { name: "Clock".to_owned(), page_size: 1, page_token: String::new() };
    let first = door.door.list_versions(asked(list.clone())).await.unwrap().into_inner();
    assert_eq!((first.versions.len(), first.versions[0].version), (1, 1));
    let next = ListVersionsRequest { page_size: 10, page_token: first.next_page_token, ..list };
    let rest = door.door.list_versions(asked(next)).await.unwrap().into_inner();
    assert_eq!((rest.versions[0].version, rest.next_page_token.as_str()), (2, ""));
    let share = ShareDocumentRequest {
        name: "Clock".to_owned(),
        add: vec!["bob".to_owned()],
        ..ShareDocumentRequest::default()
    };
    let shares = door.door.share_document(asked(share)).await.unwrap().into_inner().shares;
    assert_eq!((shares[0].principal.as_str(), shares[0].shared_by.as_str()), ("bob", "ada"));
    let tags = ChangeDocumentTagsRequest {
        name: "Clock".to_owned(),
        set: [("env".to_owned(), "test".to_owned())].into(),
        remove: vec!["team".to_owned()],
    };
    let tags = door.door.change_document_tags(asked(tags)).await.unwrap().into_inner().tags;
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), [("env".to_owned(), "test".to_owned())]);
    let mine = DocumentFilter { key: "Owner".to_owned(), values: vec!["Self".to_owned()] };
    let list = ListDocumentsRequest { filters: vec![mine], page_size: 10, page_token: String::new() };
    let found = door.door.list_documents(asked(list)).await.unwrap().into_inner().documents;
    assert_eq!(found.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), ["Clock"]);
    let delete = |version: &str| {
        asked(DeleteDocumentRequest { name: "Clock".to_owned(), version: version.to_owned() })
    };
    door.door.delete_document(delete("1")).await.unwrap();
    assert_eq!(door.read("Clock", "1").await.unwrap_err().code(), Code::NotFound);
    let still_shared = door.door.delete_document(delete("")).await.unwrap_err();
    assert_eq!(still_shared.code(), Code::Aborted, "{still_shared}");
}

#[tokio::test]
async fn a_refusal_has_the_code_that_clients_act_on() {
    let door = door();
    door.create("Clock", "", TEXT).await.unwrap();
    for (name, document_type, content, code, words) in [
        ("Clock", "", TEXT, Code::AlreadyExists, "Clock"),
        ("x", "", TEXT, Code::InvalidArgument, "x"),
        ("Other", "Nonsense", TEXT, Code::InvalidArgument, "Nonsense"),
        ("Other", "Automation", TEXT, Code::InvalidArgument, "0.3"),
        ("Other", "", "{\"schemaVersion\": \"2.2\"}", Code::InvalidArgument, "mainSteps"),
        ("Other", "", "", Code::InvalidArgument, "empty"),
    ] {
        let refused = door.create(name, document_type, content).await.unwrap_err();
        assert_eq!(refused.code(), code, "{name} {document_type}: {refused}");
        assert!(refused.message().contains(words), "{refused}");
    }
    assert_eq!(door.read("Nobody", "").await.unwrap_err().code(), Code::NotFound);
    assert_eq!(door.read("Clock", "7").await.unwrap_err().code(), Code::NotFound);
    let attached = CreateDocumentRequest {
        name: "Other".to_owned(),
        version: Some(DocumentVersionContent {
            attachments: vec![AttachmentSource { name: "f".to_owned(), upload_id: "no id".to_owned() }],
            ..version(TEXT).unwrap()
        }),
        ..CreateDocumentRequest::default()
    };
    let refused = door.door.create_document(asked(attached)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    let nobody = Request::new(CreateDocumentRequest { name: "Other".to_owned(), ..Default::default() });
    assert_eq!(door.door.create_document(nobody).await.unwrap_err().code(), Code::PermissionDenied);
}
