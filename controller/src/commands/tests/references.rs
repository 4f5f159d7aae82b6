//! References to stored parameters, and where a command's secrets are kept.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::kept::{wish, with_node};
use crate::commands::payload;
use crate::commands::records::Text;
use crate::commands::send::{Wanted, Wish, send};
use crate::error::Kind;
use crate::house::House;
use crate::parameters::kinds::ParameterType;
use crate::parameters::put::{Overwrite, PutWish, put};
use crate::tests::{TestHouse, test_house};

async fn filled() -> TestHouse {
    let test = test_house();
    with_node(&test.house).await;
    for (name, value, kind) in [
        ("/app/url", "one", ParameterType::String),
        ("/app/url", "two", ParameterType::String),
        ("/app/list", "a,b", ParameterType::StringList),
        ("/app/token", "hunter2-hunter2", ParameterType::SecureString),
    ] {
        let wish = PutWish { overwrite: Overwrite::Yes, ..PutWish::new(name, value, kind, "ada") };
        put(&test.house, wish).await.unwrap();
    }
    test
}

fn document(text: &Value) -> Wish {
    Wish { document: Wanted::Content(text.to_string().into()), parameters: BTreeMap::new(), ..wish("true") }
}

fn script(lines: &[&str]) -> Value {
    let inputs = json!({ "runCommand": lines });
    let step = json!({ "name": "a", "action": "aws:runShellScript", "inputs": inputs });
    json!({ "schemaVersion": "2.2", "mainSteps": [step] })
}

fn download(password: &str) -> Value {
    let info =
        json!({ "url": "https://x.example/a", "authMethod": "Basic", "username": "u", "password": password });
    let inputs = json!({ "sourceType": "HTTP", "sourceInfo": info, "destinationPath": "/tmp" });
    let step = json!({ "name": "a", "action": "aws:downloadContent", "inputs": inputs });
    json!({ "schemaVersion": "2.2", "mainSteps": [step] })
}

/// What each node gets.
async fn sent(house: &House, wish: Wish) -> (Value, Text) {
    let (id, record) = send(house, wish).await.unwrap();
    let parameters = payload::parameters(house, &id, &record).await.unwrap();
    (serde_json::from_slice(&parameters).unwrap(), record.parameters)
}

async fn nothing_told(house: &House) {
    for entry in house.store.scan(b"", None, 1000).await.unwrap() {
        assert!(!entry.value.windows(6).any(|part| part == b"hunter"), "{}", entry.key.escape_ascii());
    }
    for blob in house.blobs.list(None).await.unwrap() {
        let bytes = house.blobs.get(&blob.path).await.unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"hunter"), "{}", blob.path);
    }
}

#[tokio::test]
async fn references_are_resolved_when_the_command_is_sent() {
    let TestHouse { house, _folder, .. } = filled().await;
    let lines = ["{{ssm:/app/url}} {{ ssm:/app/url:1 }}", "{{ssm:/app/list}}", "{{ssm-secure:/app/token}}"];
    let (parameters, kept) = sent(&house, document(&script(&lines))).await;
    let wanted = json!({ "ssm:/app/url": "two", "ssm:/app/url:1": "one", "ssm:/app/list": ["a", "b"] });
    assert_eq!(parameters, wanted);
    assert!(matches!(kept, Text::Here(_)), "a secret is pasted into no script: {kept:?}");
    let (parameters, _) = sent(&house, wish("echo {{ssm:/app/url}}")).await;
    assert_eq!(parameters["commands"], json!(["echo two"]));
}

#[tokio::test]
async fn a_secret_goes_to_a_download_under_seal() {
    let TestHouse { house, _folder, .. } = filled().await;
    let (parameters, kept) = sent(&house, document(&download("{{ssm-secure:/app/token}}"))).await;
    assert_eq!(parameters, json!({ "ssm-secure:/app/token": "hunter2-hunter2" }));
    assert!(matches!(kept, Text::Sealed(_)));
    nothing_told(&house).await;
}

#[tokio::test]
async fn what_cannot_be_resolved_is_refused() {
    let TestHouse { house, _folder, .. } = filled().await;
    for (text, part) in [
        (script(&["{{ssm:/app/none}} {{ssm:/app/url:9}}"]), "no stored parameter `/app/none`"),
        (script(&["echo {{ssm:/app/token}}"]), "SecureString"),
        (script(&["echo {{ssm:/app/list}}"]), "StringList"),
        (download("{{ssm-secure:/app/none}}"), "Parameter /app/none not found."),
        (download("{{ssm-secure:/app/url}}"), "no secret"),
    ] {
        let refusal = send(&house, document(&text)).await.unwrap_err();
        assert!(matches!(refusal.kind, Kind::Invalid | Kind::NotFound), "{refusal:?}");
        assert!(refusal.message.contains(part) && !refusal.message.contains("hunter"), "{refusal}");
    }
}

#[tokio::test]
async fn declared_secrets_are_sealed_small_and_large() {
    let TestHouse { house, _folder, .. } = filled().await;
    let mut text = script(&["echo {{ password }}"]);
    text["parameters"] = json!({ "password": { "type": "String", "noEcho": true } });
    for (length, in_row) in [(1, true), (3_000, false)] {
        let secret = "hunter2-".repeat(length);
        let parameters = BTreeMap::from([("password".to_owned(), vec![secret.clone()])]);
        let (parameters, kept) = sent(&house, Wish { parameters, ..document(&text) }).await;
        assert_eq!(parameters, json!({ "password": secret }));
        assert_eq!(matches!(kept, Text::Sealed(_)), in_row, "{length}");
    }
    nothing_told(&house).await;
}
