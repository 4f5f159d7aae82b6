//! What a node is given, and what it is told.

use std::sync::Arc;
use std::time::Duration;

use fleetwright_proto::ids::NodeId;
use fleetwright_store::Batch;

use super::*;
use crate::access::policies::{self, PolicyWish};
use crate::access::{Principal, operators};
use crate::audit;
use crate::nodes::presence::Line;
use crate::parameters::delete::delete;
use crate::parameters::give::QueryKind;
use crate::parameters::kinds::ParameterType;
use crate::parameters::labels::label;
use crate::parameters::put::{Overwrite, PutWish, put};
use crate::tests::{TestHouse, test_house};

const WEB: &str = "mi-0123456789abcdef0";
const DB: &str = "mi-0123456789abcdef1";

struct Scene {
    house: Arc<House>,
    _test: Box<dyn std::any::Any>,
    lines: Vec<Line>,
}

impl Scene {
    /// Two nodes; what is below `/web` is for the one whose role that is.
    async fn new() -> Self {
        let TestHouse { house, clock, _folder } = test_house();
        let house = Arc::new(house);
        operators::start(&house, "key").await.unwrap();
        let mut lines = Vec::new();
        for (id, role) in [(WEB, "web"), (DB, "db")] {
            member(&house, id, role).await;
            lines.push(house.lines.open(&id.parse().unwrap(), house.clock.now()));
        }
        let scene = Self { house, _test: Box::new((clock, _folder)), lines };
        scene
            .policy(
                "permit(principal is Node, action == Action::\"GetParameter\", resource in Path::\"/web\")\n\
             when { principal.hasTag(\"role\") && principal.getTag(\"role\") == \"web\" };",
            )
            .await;
        tokio::spawn(audit::log::run(scene.house.clone()));
        tokio::spawn(follow(scene.house.clone()));
        scene
    }

    async fn policy(&self, text: &str) {
        let admin: Principal = self.house.access.principal("admin").unwrap();
        let wish = PolicyWish { name: "nodes".to_owned(), text: text.to_owned(), description: String::new() };
        policies::put(&self.house, &admin, wish).await.unwrap();
    }

    async fn put(&self, name: &str, value: &str, kind: ParameterType) {
        let wish = PutWish { overwrite: Overwrite::Yes, ..PutWish::new(name, value, kind, "ada") };
        put(&self.house, wish).await.unwrap();
    }

    fn holder(&self, node: &str) -> Holder {
        Holder::of(&self.house.held, &node.parse().unwrap())
    }

    /// Waits until the line of the node is nudged, and tells what changed.
    async fn changes(&self, holder: &mut Holder) -> Vec<String> {
        let line = self.lines.iter().find(|line| *line.node() == holder.node).unwrap();
        let told = tokio::time::timeout(Duration::from_secs(10), async {
            loop {
                line.mail().await;
                let states = holder.changes(&self.house).await;
                if !states.is_empty() {
                    return states;
                }
            }
        });
        shown(told.await.expect("the holder is told"))
    }

    async fn hold(&self, holder: &mut Holder, wanted: &[(&str, QueryKind)]) -> Vec<String> {
        let wanted = wanted.iter().map(|(text, kind)| (query(text, *kind), Token::default())).collect();
        shown(holder.hold(&self.house, Wish { wanted, ..Wish::default() }).await)
    }
}

async fn member(house: &House, id: &str, role: &str) {
    let mut batch = Batch::new();
    let record = crate::tests::node(role, "Linux", &[("role", role)]);
    NODE.put(&mut batch, &id.parse::<NodeId>().unwrap(), &record).unwrap();
    house.store.commit(batch).await.unwrap();
}

fn query(text: &str, kind: QueryKind) -> Query {
    Query { text: text.to_owned(), kind }
}

fn shown(states: Vec<(Query, State)>) -> Vec<String> {
    let show = |(query, state): (Query, State)| {
        let text = match state {
            State::Given(Given::Value { parameter, .. }) => {
                format!("{}:{}", parameter.value.expose(), parameter.version)
            }
            State::Given(Given::Names { names, .. }) => names.join(","),
            State::Given(Given::Unchanged) => "unchanged".to_owned(),
            State::Refused(error) => format!("{:?}", error.fault),
            State::Later(_) => "later".to_owned(),
        };
        format!("{} {text}", query.text)
    };
    states.into_iter().map(show).collect()
}

#[tokio::test]
async fn a_node_gets_what_policy_gives_it_and_cannot_tell_the_rest_from_nothing() {
    let scene = Scene::new().await;
    scene.put("/web/url", "https://x", ParameterType::String).await;
    scene.put("/db/url", "secret", ParameterType::String).await;
    let mut web = scene.holder(WEB);
    let long = format!("/web/url:{}", "x".repeat(3_000));
    let asked = [
        ("/web/url", QueryKind::Value),
        ("/web/none", QueryKind::Value),
        ("/db/url", QueryKind::Value),
        ("/db/none", QueryKind::Value),
        ("/web/url:9", QueryKind::Value),
        ("a b", QueryKind::Value),
        (&long, QueryKind::Value),
        ("/", QueryKind::BelowPath),
    ];
    let answers = scene.hold(&mut web, &asked).await;
    let wanted = [
        "/web/url https://x:1",
        "/web/none ParameterNotFound",
        "/db/url AccessDenied",
        "/db/none AccessDenied",
        "/web/url:9 ParameterVersionNotFound",
        "/ /web/url",
        "a b Validation",
        &format!("{long} Validation"),
    ];
    assert_eq!(answers, wanted);
    assert_eq!(scene.house.held.count(), 2, "what is refused is not held");
    let mut db = scene.holder(DB);
    let answers =
        scene.hold(&mut db, &[("/web/url", QueryKind::Value), ("/web", QueryKind::BelowPath)]).await;
    assert_eq!(answers, ["/web/url AccessDenied", "/web "]);
    drop((web, db));
    assert_eq!(scene.house.held.count(), 0);
    assert!(scene.house.held.lock().subjects.is_empty() && scene.house.held.lock().of_node.is_empty());
}

#[tokio::test]
async fn whoever_holds_a_parameter_is_told_of_each_change() {
    let scene = Scene::new().await;
    scene.put("/web/url", "one", ParameterType::String).await;
    let mut web = scene.holder(WEB);
    let asked = [
        ("/web/url", QueryKind::Value),
        ("/web/url:live", QueryKind::Value),
        ("/web/", QueryKind::BelowPath),
    ];
    scene.hold(&mut web, &asked).await;
    scene.put("/web/url", "two", ParameterType::String).await;
    assert_eq!(scene.changes(&mut web).await, ["/web/url two:2"]);
    scene.put("/web/more", "x", ParameterType::String).await;
    assert_eq!(scene.changes(&mut web).await, ["/web/ /web/more,/web/url"]);
    label(&scene.house, "/web/url", Some(1), &["live".to_owned()], None).await.unwrap();
    // It was refused before there was such a label, so nothing is held.
    assert_eq!(scene.hold(&mut web, &asked[1..2]).await, ["/web/url:live one:1"]);
    label(&scene.house, "/web/url", Some(2), &["live".to_owned()], None).await.unwrap();
    assert_eq!(scene.changes(&mut web).await, ["/web/url:live two:2"]);
    delete(&scene.house, "/web/url", None).await.unwrap();
    let mut told = scene.changes(&mut web).await;
    told.sort();
    assert_eq!(told, ["/web/ /web/more", "/web/url ParameterNotFound", "/web/url:live ParameterNotFound"]);
    assert_eq!(scene.house.held.count(), 1);
}

#[tokio::test]
async fn a_right_that_ends_is_told_and_so_is_another_role() {
    let scene = Scene::new().await;
    scene.put("/web/url", "one", ParameterType::String).await;
    let asked = [("/web/url", QueryKind::Value)];
    let mut web = scene.holder(WEB);
    scene.hold(&mut web, &asked).await;
    member(&scene.house, WEB, "retired").await;
    assert_eq!(scene.changes(&mut web).await, ["/web/url AccessDenied"]);
    member(&scene.house, WEB, "web").await;
    assert_eq!(scene.hold(&mut web, &asked).await, ["/web/url one:1"]);
    scene.policy("forbid(principal, action, resource);").await;
    assert_eq!(scene.changes(&mut web).await, ["/web/url AccessDenied"]);
}

#[tokio::test]
async fn a_secret_that_goes_out_is_in_the_audit_log_once() {
    let scene = Scene::new().await;
    scene.put("/web/password", "hunter2", ParameterType::SecureString).await;
    let mut web = scene.holder(WEB);
    let opened = [("/web/password", QueryKind::Opened), ("/web/password", QueryKind::Value)];
    let answers = scene.hold(&mut web, &opened).await;
    assert_eq!(answers[0], "/web/password hunter2:1");
    assert!(!answers[1].contains("hunter2"), "{answers:?}");
    let token = web.queries[&query("/web/password", QueryKind::Opened)].1.clone();
    drop(web);
    // As after a reconnect: it has it, and nothing goes out.
    let mut web = scene.holder(WEB);
    let query = query("/web/password", QueryKind::Opened);
    let tokens = [token.clone(), token];
    for has in tokens {
        let wish = Wish { whole: true, wanted: vec![(query.clone(), has)], ..Wish::default() };
        web.hold(&scene.house, wish).await;
    }
    scene.hold(&mut web, &[("/db/x", QueryKind::Opened), ("/db/x", QueryKind::Opened)]).await;
    // Denials are noted and not waited for: an event behind them is.
    let behind = denial_free_event(&scene.house);
    scene.house.audit.note_durably(behind).await.unwrap();
    let filter = audit::read::Filter { who: WEB.to_owned(), ..audit::read::Filter::default() };
    let lines = audit::read::newest(&scene.house, &filter, 0, 100).await.unwrap();
    let seen: Vec<_> =
        lines.iter().map(|line| format!("{} {} {:?}", line.action, line.on, line.outcome)).collect();
    assert_eq!(seen, ["GetParameter parameter /web/password:1 Done", "GetParameter parameter /db/x Denied"]);
}

fn denial_free_event(house: &House) -> audit::Event {
    audit::Event {
        at: house.clock.now(),
        who: "somebody".to_owned(),
        action: "GetStatus".to_owned(),
        on: String::new(),
        from: String::new(),
        outcome: audit::Outcome::Done,
        detail: String::new(),
    }
}

#[tokio::test]
async fn what_one_node_holds_is_bounded() {
    let scene = Scene::new().await;
    scene.put("/web/url", "one", ParameterType::String).await;
    let mut web = scene.holder(WEB);
    web.queries = (0..OF_NODE_MAX)
        .map(|at| {
            let key = format!("/web/{at}").parse().unwrap();
            (query(&format!("/web/{at}"), QueryKind::Value), (Subject::Parameter(key), Token::default()))
        })
        .collect();
    web.held.lock().count = OF_NODE_MAX;
    assert_eq!(scene.hold(&mut web, &[("/web/url", QueryKind::Value)]).await, ["/web/url Other(Exhausted)"]);
    web.held.lock().count = HELD_MAX;
    web.queries.clear();
    assert_eq!(scene.hold(&mut web, &[("/web/url", QueryKind::Value)]).await, ["/web/url later"]);
    web.held.lock().count = 0;
}
