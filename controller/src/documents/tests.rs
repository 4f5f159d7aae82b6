//! The registry over the memory store: names, versions, limits, refusals, races, what is left behind.

use std::time::Duration;

use bytes::Bytes;

use super::attachments::{self, AttachmentWish, Upload};
use super::delete;
use super::fault::{DocumentError, Fault};
use super::find;
use super::kinds::{DocumentType, Format, HashType};
use super::list::{self, Filter};
use super::names::Reference;
use super::records::{KeptId, Requirement};
use super::share::{self, ShareWish};
use super::sweep::Sweep;
use super::write::{self, NewDocument, VersionWish};
use crate::house::House;
use crate::nodes::records::Tags;
use crate::tables::{DOCUMENT_LEAVING, DOCUMENT_REQUIRED, DOCUMENT_VERSION};
use crate::tests::{TestHouse, test_house};

mod changes;
mod contents;

/// A Command document that says `words`.
fn script(words: &str) -> Bytes {
    let document = serde_json::json!({
        "schemaVersion": "2.2",
        "description": "says something",
        "parameters": { "limit": { "type": "Integer", "default": 90, "description": "percent" } },
        "mainSteps": [{
            "action": "aws:runShellScript",
            "name": "say",
            "inputs": { "runCommand": [format!("echo {words}")] },
        }],
    });
    document.to_string().into()
}

fn version(content: impl Into<Bytes>) -> VersionWish {
    VersionWish { content: content.into(), author: "ada".to_owned(), ..VersionWish::default() }
}

fn new(name: &str, content: impl Into<Bytes>) -> NewDocument {
    NewDocument { name: name.to_owned(), document_type: None, tags: Tags::new(), version: version(content) }
}

async fn created(house: &House, name: &str) -> find::View {
    write::create(house, new(name, script("one"))).await.unwrap()
}

async fn get(house: &House, reference: &str) -> Result<find::Found, DocumentError> {
    find::get(house, &Reference::parse(reference, "")?).await
}

fn check<T: std::fmt::Debug>(result: Result<T, DocumentError>, fault: Fault, words: &str) {
    let error = result.unwrap_err();
    assert_eq!(error.fault, fault, "{error}");
    assert!(error.message.contains(words), "{error}");
}
