//! Whoever stands for a task has to be allowed what it does: when he registers it, and when it is done.

use super::*;
use crate::access::operators::{NewOperator, set_standing};
use crate::access::policies::{self, PolicyWish};
use crate::access::records::Standing;
use crate::access::{ADMINS, Principal, operators};
use crate::error::Kind;
use crate::windows::fault::Fault;
use crate::windows::operations::Change;
use crate::windows::records::{Reason, State};

const WEB: &str = "permit(principal in Group::\"web\", action == Action::\"SendCommand\", \
                   resource == Document::\"AWS-RunShellScript\");\n\
                   permit(principal in Group::\"web\", action == Action::\"SendCommand\", resource is Node)\n\
                   when { resource.hasTag(\"role\") && resource.getTag(\"role\") == \"web\" };";

fn admin() -> Principal {
    let groups = [ADMINS.to_owned()].into();
    Principal { name: "admin".into(), groups, from: "".into() }
}

/// A fleet of webs and dbs, and Ada, who may run scripts on webs.
async fn with_ada() -> (Site, Arc<House>, WindowId, Principal) {
    let site = Site::new();
    let house = site.house().await;
    let groups = ["web".to_owned()].into();
    let wish = NewOperator { name: "ada".to_owned(), description: String::new(), groups };
    operators::create(&house, &admin(), wish).await.unwrap();
    let wish = PolicyWish { name: "web".to_owned(), text: WEB.to_owned(), description: String::new() };
    policies::put(&house, &admin(), wish).await.unwrap();
    add_nodes(&house, "web", 2).await;
    add_nodes(&house, "db", 1).await;
    let id = window(&house, wish_for_every_night()).await;
    let ada = house.access.principal("ada").unwrap();
    (site, house, id, ada)
}

fn wish_for_every_night() -> WindowWish {
    wish("cron(0 2 ? * * *)")
}

async fn register(
    house: &House,
    window: &WindowId,
    by: &Principal,
    wish: TaskWish,
) -> Result<TaskId, crate::windows::fault::WindowError> {
    let asked_by = Some(by.clone());
    tasks::register(house, NewTask { window: window.clone(), wish, client_token: String::new(), asked_by })
        .await
}

#[tokio::test]
async fn nobody_registers_what_he_may_not_do() {
    let (_site, house, id, ada) = with_ada().await;
    let (webs, dbs) = (target(&house, &id, "web").await, target(&house, &id, "db").await);
    let denied = async |wish: TaskWish, words: &str| {
        let error = register(&house, &id, &ada, wish).await.unwrap_err();
        assert_eq!(error.fault, Fault::Other(Kind::Denied), "{error}");
        assert!(error.message.contains(words), "{error}");
    };
    denied(task_wish(1, &[&dbs]), "operator ada may not SendCommand on node db-0-0").await;
    denied(task_wish(1, &[&webs, &dbs]), "operator ada may not SendCommand on node db-0-0").await;
    let document = Some("AWS-RunPowerShellScript".to_owned());
    denied(
        TaskWish { document, ..task_wish(1, &[&webs]) },
        "operator ada may not SendCommand on document AWS-RunPowerShellScript",
    )
    .await;
    let task = register(&house, &id, &ada, task_wish(1, &[&webs])).await.unwrap();
    let kept = tasks::get(&house, &id, &task).await.unwrap();
    assert_eq!(kept.registrar.unwrap().name, "ada");
    // Nor is it brought about by a change of the task, or of the targets that it runs on.
    let elsewhere = TaskWish { targets: task_wish(1, &[&dbs]).targets, ..TaskWish::default() };
    let error = tasks::update(&house, &id, &task, elsewhere, Change::Keep, Some(&ada)).await.unwrap_err();
    assert_eq!(error.fault, Fault::Other(Kind::Denied), "{error}");
    let all = TargetWish { targets: Some(vec![("all".to_owned(), Vec::new())]), ..TargetWish::default() };
    let update = async |by: &Principal| {
        targets::update(&house, &id, &webs, all.clone(), Change::Keep, Some(by)).await.map(drop)
    };
    assert_eq!(update(&ada).await.unwrap_err().fault, Fault::Other(Kind::Denied));
    update(&admin()).await.unwrap();
    // Whoever changes a task stands for it.
    let later = TaskWish { priority: Some(9), ..TaskWish::default() };
    let changed = tasks::update(&house, &id, &task, later, Change::Keep, Some(&admin())).await.unwrap();
    assert_eq!(changed.registrar.unwrap().name, "admin");
}

/// The window opens after `meanwhile`; how Ada's task ends.
async fn ends(
    meanwhile: impl AsyncFnOnce(&Site, &House),
) -> (State, Reason, Arc<House>, crate::commands::explain::Explanation) {
    let (site, house, id, ada) = with_ada().await;
    let webs = target(&house, &id, "web").await;
    register(&house, &id, &ada, task_wish(1, &[&webs])).await.unwrap();
    meanwhile(&site, &house).await;
    site.move_to("2026-06-02T02:00:00Z");
    look(&house).await;
    let (execution, _) = history(&house, &id).await.remove(0);
    let run = runs(&house, &execution).await.remove(0);
    let why = crate::windows::explain::explain(&house, &execution, run.task_id.as_str()).await.unwrap();
    (run.state, run.reason, house, why)
}

#[tokio::test]
async fn a_task_runs_with_what_its_registrar_may_do_then() {
    let (state, _, house, why) = ends(async |_, _| {}).await;
    assert_eq!(state, State::InProgress);
    assert_eq!(commands(&house).await.len(), 1);
    assert!(why.facts.iter().any(|fact| fact.name == "registered by" && fact.value.starts_with("ada, ")));
    let refused = async |meanwhile: Meanwhile, words: &str| {
        let (state, reason, house, why) =
            ends(async |site: &Site, house: &House| meanwhile.happen(site, house).await).await;
        assert_eq!(state, State::Failed, "{reason:?}");
        assert!(matches!(&reason, Reason::NotAllowed { registrar, .. } if registrar == "ada"), "{reason:?}");
        assert!(reason.text().contains(words), "{}", reason.text());
        assert_eq!((why.code.as_str(), why.text), ("NotAllowed", reason.text()));
        assert!(commands(&house).await.is_empty(), "nothing was sent");
    };
    refused(Meanwhile::PolicyTaken, "may not do this now: operator ada may not SendCommand on document")
        .await;
    refused(Meanwhile::Disabled, "operator ada is disabled").await;
    refused(Meanwhile::Deleted, "there is no operator ada any more").await;
    refused(Meanwhile::AnotherAda, "there is no operator ada any more").await;
}

/// What happened to Ada between the registration and the night.
#[derive(Debug, Clone, Copy)]
enum Meanwhile {
    PolicyTaken,
    Disabled,
    Deleted,
    AnotherAda,
}

impl Meanwhile {
    async fn happen(self, site: &Site, house: &House) {
        match self {
            Self::PolicyTaken => policies::delete(house, &admin(), "web").await.unwrap(),
            Self::Disabled => {
                set_standing(house, &admin(), "ada", Standing::Disabled).await.unwrap();
            }
            Self::Deleted => operators::delete(house, &admin(), "ada").await.unwrap(),
            Self::AnotherAda => {
                operators::delete(house, &admin(), "ada").await.unwrap();
                site.clock.advance(Duration::from_secs(1));
                let groups = [ADMINS.to_owned(), "web".to_owned()].into();
                let wish = NewOperator { name: "ada".to_owned(), description: String::new(), groups };
                operators::create(house, &admin(), wish).await.unwrap();
            }
        }
    }
}
