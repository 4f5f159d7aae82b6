//! Secrets: to read a parameter is not to open it.

use super::*;
use crate::access::tests::{admin, operator, policy};

impl Client {
    /// The same house as the operator ada of the group web sees it.
    async fn as_ada(&self) -> Self {
        let house = &self.house;
        let _ada = operator(house, "ada", &["web"]).await;
        let wish = NewAccessKey { operator: "ada".to_owned(), description: String::new(), expires_in: None };
        let created = keys::create(house, &admin(house), wish).await.unwrap();
        Self {
            house: house.clone(),
            clock: self.clock.clone(),
            key: created.key.id.to_string(),
            secret: created.secret.reveal().to_owned(),
            visit: Visit::uncounted(),
            _folder: TempDir::new().unwrap(),
        }
    }
}

#[tokio::test]
async fn a_secret_is_opened_only_for_who_may_open_it() {
    let client = Client::new().await;
    for (name, kind) in [("/app/plain", "String"), ("/app/secret", "SecureString")] {
        client.ok("PutParameter", json!({"Name": name, "Value": "hush", "Type": kind})).await;
    }
    let ada = client.as_ada().await;
    policy(
        &client.house,
        "web",
        "permit(principal in Group::\"web\", action in Action::\"Read\", resource in Path::\"/app\");",
    )
    .await;
    let opens = [
        ("GetParameter", json!({"Name": "/app/secret", "WithDecryption": true})),
        ("GetParameters", json!({"Names": ["/app/plain", "/app/secret"], "WithDecryption": true})),
        ("GetParametersByPath", json!({"Path": "/app", "WithDecryption": true})),
        ("GetParameterHistory", json!({"Name": "/app/secret", "WithDecryption": true})),
    ];
    for (operation, input) in &opens {
        let told = ada.refused(operation, input.clone(), "AccessDeniedException").await;
        assert!(told.contains("ada may not Decrypt") && !told.contains("hush"), "{operation}: {told}");
    }
    ada.ok("GetParameter", json!({"Name": "/app/plain", "WithDecryption": true})).await;
    let sealed = ada.ok("GetParameter", json!({"Name": "/app/secret"})).await;
    assert_ne!(sealed["Parameter"]["Value"], "hush");
    let decrypt = "permit(principal in Group::\"web\", action == Action::\"Decrypt\", resource is Key);";
    policy(&client.house, "open", decrypt).await;
    for (operation, input) in opens {
        assert!(ada.ok(operation, input).await.to_string().contains("hush"), "{operation}");
    }
}
