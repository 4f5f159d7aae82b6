//! Policies at this door: what an operator may do with what, as a request goes through [`admit`] to its rpc.

use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::control::associations_server::Associations;
use fleetwright_proto::control::inventory_server::Inventory;
use fleetwright_proto::control::keys_server::Keys;
use fleetwright_proto::control::parameters_server::Parameters;
use fleetwright_proto::control::windows_server::Windows;
use fleetwright_proto::control::{
    ChangeKeyRequest, CreateWindowRequest, DeleteParameterRequest, DiffInventoryRequest,
    GetAssociationRequest, GetParameterRequest, GetWindowRequest, KeyChange, ListParametersRequest,
    PutParameterRequest, RotateKeyRequest, ShowInventoryRequest, UpdateWindowRequest, WindowSettings,
};
use fleetwright_store::Batch;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use tonic::{Code, Request, Response, Status};

use super::associations::AssociationsDoor;
use super::inventory::InventoryDoor;
use super::keys::KeysDoor;
use super::parameters::ParametersDoor;
use super::windows::WindowsDoor;
use crate::access::credentials::{self, CredentialWish, Issued};
use crate::access::tests::{admin, operator, policy, started};
use crate::doors::access::{Asker, Caller, Peer, RPCS, admit};
use crate::house::House;
use crate::tables::NODE;
use crate::tests::node;

const WEB: &str = "mi-0123456789abcdef0";
const DB: &str = "mi-0123456789abcdef1";

/// A house with the operator ada, who is in the group web and has a token.
struct Fleet {
    house: Arc<House>,
    headers: HeaderMap,
    _folder: tempfile::TempDir,
}

impl Fleet {
    async fn new() -> Self {
        let test = started().await;
        let house = test.house;
        let _ada = operator(&house, "ada", &["web"]).await;
        let wish = CredentialWish::Token(Some(Duration::from_secs(600)));
        let issued = credentials::issue(&house, &admin(&house), "ada", wish).await.unwrap();
        let Issued::Token { token, .. } = issued else { panic!("a token was asked for") };
        let headers = HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())]);
        let mut batch = Batch::new();
        for (id, name) in [(WEB, "web"), (DB, "db")] {
            NODE.put(&mut batch, &id.parse().unwrap(), &node(name, "Linux", &[("role", name)])).unwrap();
        }
        house.store.commit(batch).await.unwrap();
        Self { house: Arc::new(house), headers, _folder: test._folder }
    }

    async fn allow(&self, name: &str, text: &str) {
        policy(&self.house, name, text).await;
    }

    fn admitted(&self, rpc: &str) -> Result<Asker, Status> {
        let path = RPCS.iter().map(|(path, _)| *path).find(|path| path.ends_with(rpc)).unwrap();
        let asker = admit(&self.house, path, &Peer::Anonymous, &Arc::from("here"), &self.headers);
        Ok(asker.map_err(Status::from)?.expect("it is an operator's"))
    }

    /// What ada is answered.
    async fn asks<T, A>(
        &self,
        rpc: &str,
        message: T,
        call: impl AsyncFnOnce(Request<T>) -> Result<Response<A>, Status>,
    ) -> Result<A, Status> {
        let asker = self.admitted(rpc)?;
        let mut request = Request::new(message);
        request.extensions_mut().insert(asker.clone());
        let answer = call(request).await?.into_inner();
        assert!(asker.has_asked(), "{rpc} answered without asking");
        Ok(answer)
    }
}

#[track_caller]
fn is_denied<A: std::fmt::Debug>(answer: Result<A, Status>, words: &str) {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");
    assert!(status.message().contains(words), "{status}");
}

#[tokio::test]
async fn parameters_are_decided_by_their_paths() {
    let fleet = Fleet::new().await;
    let door = ParametersDoor::new(fleet.house.clone());
    let put = async |name: &str, kind: &str| {
        let message = PutParameterRequest {
            name: name.into(),
            value: "hush".into(),
            r#type: kind.into(),
            ..PutParameterRequest::default()
        };
        fleet.asks("/PutParameter", message, async |request| door.put_parameter(request).await).await
    };
    let get = async |name: &str, decrypt: bool| {
        let message = GetParameterRequest { name: name.into(), decrypt };
        let answer = fleet.asks("/GetParameter", message, async |request| door.get_parameter(request).await);
        answer.await.map(|answer| answer.parameter.unwrap().value)
    };
    let list = async |path: &str, values: bool| {
        let message = ListParametersRequest { path: path.into(), values, ..ListParametersRequest::default() };
        let answer =
            fleet.asks("/ListParameters", message, async |request| door.list_parameters(request).await);
        answer.await.map(|answer| answer.parameters.len())
    };
    is_denied(put("/app/x", "String").await, "may not PutParameter on parameter /app/x");
    fleet
        .allow(
            "web",
            "permit(principal in Group::\"web\", action in [Action::\"GetParameter\", Action::\"PutParameter\", \
             Action::\"GetParametersByPath\"], resource in Path::\"/app\");",
        )
        .await;
    put("/app/x", "String").await.unwrap();
    put("/app/secret", "SecureString").await.unwrap();
    is_denied(put("/other", "String").await, "/other");
    assert_eq!(get("/app/x", false).await.unwrap().as_deref(), Some("hush"));
    is_denied(get("/other", false).await, "no policy allows it");
    is_denied(get("app", false).await, "no policy allows it");
    assert_eq!((list("/app", false).await.unwrap(), list("/app", true).await.unwrap()), (2, 2));
    for (path, values) in [("", false), ("", true), ("/", true), ("/other", false)] {
        is_denied(list(path, values).await, "no policy allows it");
    }
    let delete = DeleteParameterRequest { name: "/app/x".into() };
    let deleted =
        fleet.asks("/DeleteParameter", delete, async |request| door.delete_parameter(request).await);
    is_denied(deleted.await, "DeleteParameter");

    assert_eq!(get("/app/secret", false).await.unwrap(), None, "to read it is not to open it");
    is_denied(get("/app/secret", true).await, "may not Decrypt");
    fleet
        .allow("open", "permit(principal in Group::\"web\", action == Action::\"Decrypt\", resource is Key);")
        .await;
    assert_eq!(get("/app/secret", true).await.unwrap().as_deref(), Some("hush"));
}

#[tokio::test]
async fn the_inventory_of_a_node_is_decided_by_its_tags() {
    let fleet = Fleet::new().await;
    let door = InventoryDoor::new(fleet.house.clone());
    fleet
        .allow(
            "web",
            "permit(principal in Group::\"web\", action == Action::\"ListInventoryEntries\", resource is Node) \
             when { resource.hasTag(\"role\") && resource.getTag(\"role\") == \"web\" };",
        )
        .await;
    let show = async |node: &str| {
        let message = ShowInventoryRequest { node: node.into(), ..ShowInventoryRequest::default() };
        fleet.asks("/ShowInventory", message, async |request| door.show_inventory(request).await).await
    };
    assert_eq!(show(WEB).await.unwrap().node_id, WEB);
    assert_eq!(show("web").await.unwrap().node_id, WEB);
    is_denied(show("db").await, "no policy allows it");
    let diff = DiffInventoryRequest { node: "db".into(), from_ms: 1, ..DiffInventoryRequest::default() };
    is_denied(
        fleet.asks("/DiffInventory", diff, async |request| door.diff_inventory(request).await).await,
        "no policy allows it",
    );
    is_denied(fleet.admitted("/QueryInventory"), "may not GetInventory on the fleet");
}

#[tokio::test]
async fn windows_associations_and_keys_are_decided_one_by_one() {
    let fleet = Fleet::new().await;
    let windows = WindowsDoor::new(fleet.house.clone());
    let settings = |name: &str| {
        Some(WindowSettings {
            name: Some(name.into()),
            schedule: Some("rate(1 day)".into()),
            duration_hours: Some(2),
            cutoff_hours: Some(1),
            enabled: Some(true),
            allow_unassociated_targets: Some(false),
            ..WindowSettings::default()
        })
    };
    let create = async |name: &str| {
        let message = CreateWindowRequest { settings: settings(name), ..CreateWindowRequest::default() };
        fleet.asks("/CreateWindow", message, async |request| windows.create_window(request).await).await
    };
    is_denied(create("night").await, "CreateMaintenanceWindow");
    fleet
        .allow(
            "web",
            "permit(principal in Group::\"web\", action == Action::\"CreateMaintenanceWindow\", resource);\n\
             permit(principal in Group::\"web\", action in Action::\"Read\", resource is Window);\n\
             permit(principal in Group::\"web\", action == Action::\"RotateKey\", resource == Key::\"mine\");",
        )
        .await;
    let id = create("night").await.unwrap().window.unwrap().window_id;
    let get = async || {
        let get = GetWindowRequest { window: "night".into() };
        fleet.asks("/GetWindow", get, async |request| windows.get_window(request).await).await
    };
    assert_eq!(get().await.unwrap().window.unwrap().window_id, id);
    let tasks = "forbid(principal, action == Action::\"DescribeMaintenanceWindowTasks\", resource);";
    fleet.allow("no-tasks", tasks).await;
    is_denied(get().await, "DescribeMaintenanceWindowTasks");
    let update = UpdateWindowRequest { window: id.clone(), settings: settings("day") };
    let updated = fleet.asks("/UpdateWindow", update, async |request| windows.update_window(request).await);
    is_denied(updated.await, &id);

    let associations = AssociationsDoor::new(fleet.house.clone());
    let wanted = GetAssociationRequest { association: "nobody".into(), version: 0 };
    let missing =
        fleet.asks("/GetAssociation", wanted, async |request| associations.get_association(request).await);
    assert_eq!(missing.await.unwrap_err().code(), Code::NotFound);

    let keys = KeysDoor::new(fleet.house.clone());
    let rotate = async |name: &str| {
        let message = RotateKeyRequest { name: name.into() };
        fleet.asks("/RotateKey", message, async |request| keys.rotate_key(request).await).await
    };
    is_denied(rotate("alias/aws/ssm").await, "RotateKey");
    assert_eq!(rotate("mine").await.unwrap_err().code(), Code::NotFound);
    let mut delete = ChangeKeyRequest { name: "mine".into(), ..ChangeKeyRequest::default() };
    delete.set_change(KeyChange::Delete);
    let deleted = fleet.asks("/ChangeKey", delete, async |request| keys.change_key(request).await);
    is_denied(deleted.await, "DeleteKey");
}

#[tokio::test]
async fn what_policies_do_not_give_stays_with_the_administrators() {
    let fleet = Fleet::new().await;
    let of_fleet = |caller: &Caller| matches!(caller, Caller::Operator | Caller::OperatorFor(_));
    for (rpc, caller) in RPCS {
        if of_fleet(caller) || *caller == Caller::Administrator {
            is_denied(fleet.admitted(rpc), "ada may not");
        }
    }
    fleet.allow("all", "permit(principal in Group::\"web\", action, resource);").await;
    for (rpc, caller) in RPCS {
        match caller {
            Caller::Administrator => is_denied(fleet.admitted(rpc), "only administrators may"),
            Caller::Anyone | Caller::Node => {}
            _ => assert!(fleet.admitted(rpc).is_ok(), "{rpc}"),
        }
    }
    fleet
        .allow(
            "no",
            "forbid(principal, action in [Action::\"Backup\", Action::\"RotateRootKey\"], resource);",
        )
        .await;
    is_denied(fleet.admitted("/TakeBackup"), "forbids it");
    is_denied(fleet.admitted("/RotateRootKey"), "forbids it");
}
