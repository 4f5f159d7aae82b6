//! Policies in force: what they allow, what they deny, and what stands in the way of keeping a wrong one.

use fleetwright_proto::ids::NodeId;
use fleetwright_store::Batch;

use super::{admin, operator, policy, started};
use crate::access::known::reread;
use crate::access::policies::{self, POLICY_MAX_BYTES, PolicyWish};
use crate::access::policy::ask::{Question, ask};
use crate::access::policy::{
    Action, BUILT_IN, Kind as What, Resource, Who, authorize, node_may_open, node_may_read,
};
use crate::access::records::PolicyRecord;
use crate::commands::send::{WhenEmpty, Wish, send};
use crate::error::{Kind, Refusal};
use crate::house::House;
use crate::keys::names::KeyName;
use crate::nodes::records::Tags;
use crate::tables::{ACCESS_POLICY, NODE};
use crate::tests::node;

fn wish(name: &str, text: &str) -> PolicyWish {
    PolicyWish { name: name.to_owned(), text: text.to_owned(), description: String::new() }
}

/// Puts a node with these tags into the fleet.
async fn member(house: &House, id: &str, name: &str, tags: &[(&str, &str)]) {
    let mut batch = Batch::new();
    NODE.put(&mut batch, &id.parse().unwrap(), &node(name, "Linux", tags)).unwrap();
    house.store.commit(batch).await.unwrap();
}

const DEV: &str = "mi-0123456789abcdef0";
const PROD: &str = "mi-0123456789abcdef1";

#[tokio::test]
async fn nothing_is_allowed_that_no_policy_allows() {
    let test = started().await;
    let house = &test.house;
    let ada = operator(house, "ada", &["web"]).await;
    for action in Action::ALL {
        let denied = authorize(house, &ada, *action, &Resource::Fleet).unwrap_err().to_string();
        assert_eq!(denied, format!("operator ada may not {action} on the fleet: no policy allows it"));
        assert!(authorize(house, &admin(house), *action, &Resource::Fleet).is_ok(), "{action}");
    }
}

#[tokio::test]
async fn parameters_are_decided_by_path_and_a_forbid_outweighs() {
    let test = started().await;
    let house = &test.house;
    let ada = operator(house, "ada", &["web"]).await;
    policy(
        house,
        "web",
        "permit(principal in Group::\"web\", action in [Action::\"GetParameter\", Action::\"GetParametersByPath\"], \
         resource in Path::\"/web\");\nforbid(principal, action, resource == Parameter::\"/web/secret\");",
    )
    .await;
    let check = |action, resource: Resource<'_>, want: Result<(), &str>| match (
        authorize(house, &ada, action, &resource),
        want,
    ) {
        (Ok(()), Ok(())) => {}
        (Err(denied), Err(words)) => assert!(denied.message.contains(words), "{denied}"),
        (got, want) => panic!("{resource:?}: {got:?} instead of {want:?}"),
    };
    check(Action::GetParameter, Resource::Parameter("/web/db"), Ok(()));
    check(Action::GetParameter, Resource::Parameter("/web/a/b/c"), Ok(()));
    check(Action::GetParametersByPath, Resource::Path("/web/"), Ok(()));
    check(Action::GetParametersByPath, Resource::Path("/web/a"), Ok(()));
    check(Action::GetParametersByPath, Resource::Path("/"), Err("no policy allows it"));
    check(Action::GetParameter, Resource::Parameter("/website"), Err("no policy allows it"));
    check(Action::GetParameter, Resource::Parameter("/WEB/db"), Err("no policy allows it"));
    check(Action::GetParameter, Resource::Parameter("web"), Err("no policy allows it"));
    check(Action::GetParameter, Resource::Parameter("/web/secret"), Err("policy web#2 forbids it"));
    check(Action::PutParameter, Resource::Parameter("/web/db"), Err("no policy allows it"));
    policies::delete(house, &admin(house), "web").await.unwrap();
    check(Action::GetParameter, Resource::Parameter("/web/db"), Err("no policy allows it"));
}

#[tokio::test]
async fn a_command_is_decided_by_document_and_every_target() {
    let test = started().await;
    let house = &test.house;
    member(house, DEV, "dev-1", &[("env", "dev")]).await;
    member(house, PROD, "prod-1", &[("env", "prod")]).await;
    let ada = operator(house, "ada", &["web"]).await;
    policy(
        house,
        "web",
        "permit(principal in Group::\"web\", action == Action::\"SendCommand\", \
         resource == Document::\"AWS-RunShellScript\");\n\
         permit(principal in Group::\"web\", action == Action::\"SendCommand\", resource is Node)\n\
         when { resource.hasTag(\"env\") && resource.getTag(\"env\") == \"dev\" };",
    )
    .await;
    let command = |target: &str, values: &[&str]| Wish {
        targets: vec![(target.to_owned(), values.iter().map(|value| (*value).to_owned()).collect())],
        asked_by: Some(ada.clone()),
        when_empty: WhenEmpty::Refuse,
        ..crate::commands::tests::wish("true")
    };
    send(house, command("tag:env", &["dev"])).await.unwrap();
    let denied = async |wish: Wish, words: &str| {
        let error = send(house, wish).await.unwrap_err();
        assert_eq!(error.kind, Kind::Denied, "{error}");
        assert!(error.message.contains(words), "{error}");
    };
    let words = format!("may not SendCommand on node prod-1 ({PROD}): no policy allows it");
    denied(command("all", &[]), &words).await;
    denied(command("InstanceIds", &[DEV, PROD]), &words).await;
    let content = br#"{"schemaVersion":"2.2","mainSteps":[{"action":"aws:runShellScript","name":"x","inputs":{"runCommand":["true"]}}]}"#;
    let own = Wish {
        document: crate::commands::send::Wanted::Content(content.to_vec().into()),
        parameters: std::collections::BTreeMap::new(),
        ..command("tag:env", &["dev"])
    };
    denied(own, "may not SendCommand on document (inline)").await;
}

#[tokio::test]
async fn a_node_reads_what_policy_gives_to_its_tags() {
    let test = started().await;
    let house = &test.house;
    member(house, DEV, "dev-1", &[("role", "web")]).await;
    member(house, PROD, "prod-1", &[("role", "db")]).await;
    policy(
        house,
        "nodes",
        "permit(principal is Node, action == Action::\"GetParameter\", resource in Path::\"/web\")\n\
         when { principal.hasTag(\"role\") && principal.getTag(\"role\") == \"web\" };",
    )
    .await;
    let (dev, prod) = (DEV.parse().unwrap(), PROD.parse().unwrap());
    node_may_read(house, &dev, "/web/db").await.unwrap();
    let key = |name: &str| KeyName::parse(name).unwrap();
    node_may_open(house, &dev, &key("alias/aws/ssm")).await.unwrap();
    let error = node_may_open(house, &dev, &key("alias/payroll")).await.unwrap_err();
    assert!(error.message.contains("may not Decrypt on key alias/payroll"), "{error}");
    policy(
        house,
        "keys",
        "permit(principal is Node, action == Action::\"Decrypt\", resource == Key::\"alias/payroll\");",
    )
    .await;
    node_may_open(house, &dev, &key("alias/payroll")).await.unwrap();
    let denied = async |id: &NodeId, name: &str, words: &str| {
        let error: Refusal = node_may_read(house, id, name).await.unwrap_err();
        assert_eq!(error.kind, Kind::Denied);
        assert!(error.message.contains(words), "{error}");
    };
    denied(&dev, "/db/password", "may not GetParameter on parameter /db/password").await;
    denied(&prod, "/web/db", "no policy allows it").await;
    denied(&"mi-00000000000000000".parse().unwrap(), "/web/db", "does not belong to this fleet").await;
    // Tags are those of now.
    member(house, DEV, "dev-1", &[]).await;
    denied(&dev, "/web/db", "no policy allows it").await;
}

#[tokio::test]
async fn a_policy_that_cannot_be_read_opens_nothing() {
    let test = started().await;
    let house = &test.house;
    let ada = operator(house, "ada", &[]).await;
    policy(house, "all", "permit(principal, action, resource);").await;
    assert!(authorize(house, &ada, Action::GetStatus, &Resource::Fleet).is_ok());
    let mut batch = Batch::new();
    let now = house.clock.now();
    let record = PolicyRecord {
        text: "forbid(principal, action == Action::\"OfAnotherRelease\", resource);".to_owned(),
        description: String::new(),
        created: now,
        created_by: "admin".to_owned(),
        changed: now,
        changed_by: "admin".to_owned(),
    };
    ACCESS_POLICY.put(&mut batch, &"newer".to_owned(), &record).unwrap();
    house.store.commit(batch).await.unwrap();
    reread(house).await.unwrap();
    let denied = authorize(house, &ada, Action::GetStatus, &Resource::Fleet).unwrap_err();
    assert!(denied.message.contains("the policy newer cannot be read"), "{denied}");
    assert!(authorize(house, &admin(house), Action::GetStatus, &Resource::Fleet).is_ok());
    policies::delete(house, &admin(house), "newer").await.unwrap();
    assert!(authorize(house, &ada, Action::GetStatus, &Resource::Fleet).is_ok());
}

#[tokio::test]
async fn administrators_are_bound_by_no_policy() {
    let test = started().await;
    policy(&test.house, "slip", "forbid(principal, action, resource);").await;
    let admin = admin(&test.house);
    assert!(
        authorize(&test.house, &admin, Action::DeletePolicy, &Resource::Named(What::Policy, "slip")).is_ok()
    );
    let decision = test.house.access.decide(Who::Operator(&admin), Action::GetStatus, &Resource::Fleet);
    assert_eq!((decision.allowed, decision.policies), (true, vec![BUILT_IN.to_owned()]));
}

#[tokio::test]
async fn what_cannot_be_kept_is_told() {
    let test = started().await;
    let house = &test.house;
    let ada = operator(house, "ada", &["web"]).await;
    policy(house, "web", "permit(principal in Group::\"web\", action in Action::\"Administer\", resource);")
        .await;
    let check = async |by: &crate::access::Principal, wish: PolicyWish, kind: Kind, words: &str| {
        let error = policies::put(house, by, wish).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(words), "{error}");
    };
    let all = "permit(principal, action, resource);";
    let admin = admin(house);
    check(&ada, wish("mine", all), Kind::Denied, "only members of group admins").await;
    let deleted = policies::delete(house, &ada, "web").await.unwrap_err();
    assert_eq!(deleted.kind, Kind::Denied, "{deleted}");
    check(&admin, wish("a b", all), Kind::Invalid, "is not a name of a policy").await;
    check(&admin, wish("built-in-x", all), Kind::Invalid, "built-in").await;
    check(&admin, wish("x", &" ".repeat(POLICY_MAX_BYTES + 1)), Kind::Invalid, "make two of it").await;
    check(
        &admin,
        wish("x", "permit(\nprincipal"),
        Kind::Invalid,
        "policy x has errors, and was not kept:\nline 2",
    )
    .await;
    // One that is wrong leaves the one before.
    check(&admin, wish("web", "permit("), Kind::Invalid, "line 1").await;
    assert!(policies::get(house, "web").await.unwrap().text.contains("Administer"));
    assert_eq!(policies::get(house, "x").await.unwrap_err().kind, Kind::NotFound);
    let deleted = policies::delete(house, &admin, "x").await.unwrap_err();
    assert_eq!(deleted.kind, Kind::NotFound, "{deleted}");
    let deleted = policies::delete(house, &admin, BUILT_IN).await.unwrap_err();
    assert_eq!(deleted.kind, Kind::Invalid, "{deleted}");
}

#[tokio::test]
async fn the_answer_to_a_question_comes_from_what_decides() {
    let test = started().await;
    let house = &test.house;
    member(house, DEV, "dev-1", &[("env", "dev")]).await;
    operator(house, "ada", &["web"]).await;
    policy(
        house,
        "web",
        "permit(principal in Group::\"web\", action in Action::\"Read\", resource is Node);",
    )
    .await;
    let check = async |principal: &str, action: &str, resource: &str, want: &str| {
        let question = Question {
            principal: principal.to_owned(),
            action: action.to_owned(),
            resource: resource.to_owned(),
        };
        let got = match ask(house, &question).await {
            Ok((decision, line)) => format!("{} {line}", decision.allowed),
            Err(error) => error.message,
        };
        assert!(got.contains(want), "{got}");
    };
    check("ada", "GetNode", "node:dev-1", "true GetNode on node dev-1").await;
    check("operator:ada", "GetNode", &format!("node:{DEV}"), "is allowed by web").await;
    check("ada", "SendCommand", "document:X-1", "false SendCommand on document X-1 is denied: no policy")
        .await;
    check("admin", "PutPolicy", "policy:any", "is allowed by built-in-admins").await;
    check("node:dev-1", "GetParameter", "parameter:/a", "false GetParameter on parameter /a").await;
    check("nobody", "GetNode", "node:dev-1", "there is no operator `nobody`").await;
    check("ada", "getnode", "node:dev-1", "did you mean GetNode?").await;
    check("ada", "GetNode", "fleet", "GetNode is not about a fleet: it is about node").await;
    check("ada", "GetNode", "nodes:x", "is not a resource: write fleet, or KIND:NAME").await;
    check("ada", "GetNode", "node:", "is not a resource").await;
    check("ada", "GetNode", "node:gone", "gone").await;
    let tags = Tags::new();
    let document = Resource::Document { name: "X", tags: &tags };
    assert_eq!(document.to_string(), "document X");
}

/// What every request of somebody who is no administrator costs: well below what a request costs otherwise.
#[tokio::test]
async fn a_decision_is_quick() {
    let test = started().await;
    let ada = operator(&test.house, "ada", &["web"]).await;
    policy(&test.house, "web", "permit(principal in Group::\"web\", action, resource in Path::\"/web\");")
        .await;
    let started = std::time::Instant::now();
    let rounds = 1000;
    for _ in 0..rounds {
        authorize(&test.house, &ada, Action::GetParameter, &Resource::Parameter("/web/a/b")).unwrap();
    }
    let each = started.elapsed() / rounds;
    assert!(each < std::time::Duration::from_millis(2), "{each:?}");
}
