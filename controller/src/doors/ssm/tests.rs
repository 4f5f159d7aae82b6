//! The door as a client sees it, over a house in memory.

use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::clock::ManualClock;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::access::keys::{self, NewAccessKey};
use crate::access::{self, FIRST_OPERATOR};
use crate::tests::{TestHouse, test_house};

mod associations;
mod capabilities;
mod hostile;
mod inventory;
mod secrets;
mod windows;

const REGION: &str = "eu-central-1";

/// A signing client of one house.
struct Client {
    house: Arc<House>,
    clock: ManualClock,
    key: String,
    secret: String,
    visit: Arc<Visit>,
    _folder: TempDir,
}

/// What was answered.
#[derive(Debug)]
struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Client {
    async fn new() -> Self {
        Self::of(test_house()).await
    }

    /// Changes are answered when the audit log has them, so somebody has to write it.
    async fn of(TestHouse { house, clock, _folder }: TestHouse) -> Self {
        access::operators::start(&house, "the first key").await.unwrap();
        let admin = house.access.principal(FIRST_OPERATOR).unwrap();
        let wish = NewAccessKey {
            operator: FIRST_OPERATOR.to_owned(),
            description: String::new(),
            expires_in: None,
        };
        let created = keys::create(&house, &admin, wish).await.unwrap();
        let house = Arc::new(house);
        tokio::spawn(crate::audit::log::run(house.clone()));
        Self {
            house,
            clock,
            key: created.key.id.to_string(),
            secret: created.secret.reveal().to_owned(),
            visit: Visit::uncounted(),
            _folder,
        }
    }

    /// A request as a client signs it now.
    fn request(&self, operation: &str, body: &[u8]) -> Request<Full<Bytes>> {
        self.request_for(REGION, operation, body)
    }

    fn request_for(&self, region: &str, operation: &str, body: &[u8]) -> Request<Full<Bytes>> {
        let now = self.house.clock.now();
        let moment = chrono::DateTime::from_timestamp_millis(now.millis())
            .unwrap()
            .format("%Y%m%dT%H%M%SZ")
            .to_string();
        let date = &moment[..8];
        let target = format!("{TARGET_PREFIX}{operation}");
        let sum = |bytes: &[u8]| hex::encode(ring::digest::digest(&ring::digest::SHA256, bytes));
        let signed = "content-type;host;x-amz-date;x-amz-target";
        let canonical = format!(
            "POST\n/\n\ncontent-type:application/x-amz-json-1.1\nhost:fleet.example\nx-amz-date:{moment}\nx-amz-target:{target}\n\n{signed}\n{}",
            sum(body)
        );
        let scope = format!("{date}/{region}/ssm/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}", sum(canonical.as_bytes()));
        let key = sigv4::signing_key(&self.secret, date, region);
        let signature = hex::encode(ring::hmac::sign(&key, text.as_bytes()));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={signature}",
            self.key
        );
        Request::post("/")
            .header("host", "fleet.example")
            .header("content-type", "application/x-amz-json-1.1")
            .header("content-length", body.len())
            .header("x-amz-date", &moment)
            .header("x-amz-target", target)
            .header("authorization", authorization)
            .header("amz-sdk-invocation-id", uuid::Uuid::new_v4().to_string())
            .extension(self.visit.clone())
            .body(Full::new(Bytes::copy_from_slice(body)))
            .unwrap()
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Answered {
        let (parts, body) = answer(&self.house, request).await.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answered {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&bytes).unwrap(),
        }
    }

    async fn call(&self, operation: &str, input: Value) -> Answered {
        self.send(self.request(operation, input.to_string().as_bytes())).await
    }

    /// The output of a call that is good.
    async fn ok(&self, operation: &str, input: Value) -> Value {
        let answered = self.call(operation, input).await;
        assert_eq!(answered.status, 200, "{operation}: {}", answered.body);
        answered.body
    }

    /// The message of a call that is refused under this name.
    async fn refused(&self, operation: &str, input: Value, name: &str) -> String {
        let answered = self.call(operation, input).await;
        answered.refusal(name)
    }
}

impl Answered {
    /// The message of a refusal, which must be of this name and of the form that every client reads.
    fn refusal(&self, name: &str) -> String {
        assert_eq!(self.body["__type"], name, "{}", self.body);
        assert!((400..=599).contains(&self.status), "{}", self.status);
        assert_eq!(self.headers["x-amzn-errortype"], name);
        assert_eq!(self.headers["content-type"], "application/x-amz-json-1.1");
        assert_eq!(self.headers["x-amzn-requestid"].len(), 36);
        assert_eq!(self.body["message"], self.body["Message"]);
        assert!(self.body.get("code").is_none());
        let message = self.body["message"].as_str().unwrap().to_owned();
        assert!(!message.contains('\n') || name.starts_with("InvalidDocument"), "{message}");
        message
    }
}
