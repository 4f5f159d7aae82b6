//! Parameters on hosts: a host gets what policies give it, hears of every change, goes on without the controller for as
//! long as its lease lasts, and no longer.

use std::time::Duration;

use fleetwright_agent::parameters::{Decryption, Given, Query, ReadError};
use fleetwright_controller::access::policies::{self, PolicyWish};
use fleetwright_controller::nodes::operations::change_tags;
use fleetwright_controller::parameters::delete::delete;
use fleetwright_controller::parameters::kinds::ParameterType;
use fleetwright_controller::parameters::put::{Overwrite, PutWish, put};
use fleetwright_tests::{Fleet, FleetSettings, Host, Keeps};

const HOUR: Duration = Duration::from_secs(3600);

async fn policy(fleet: &Fleet, text: &str) {
    let house = fleet.house();
    let admin = house.access.principal("admin").unwrap();
    let wish = PolicyWish { name: "hosts".to_owned(), text: text.to_owned(), description: String::new() };
    policies::put(house, &admin, wish).await.unwrap();
}

/// What is below `/app` is for every host.
async fn fleet_of(nodes: u32) -> Fleet {
    let fleet = FleetSettings { keeps: Keeps::InFolder, ..FleetSettings::of(nodes) }.start().await;
    let text = "permit(principal is Node, action == Action::\"GetParameter\", resource in Path::\"/app\");";
    policy(&fleet, text).await;
    fleet
}

async fn keep(fleet: &Fleet, name: &str, value: &str) {
    let wish = PutWish {
        overwrite: Overwrite::Yes,
        ..PutWish::new(name, value, ParameterType::SecureString, "tester")
    };
    put(fleet.house(), wish).await.unwrap();
}

fn query(name: &str) -> Query {
    Query::value(name, Decryption::Yes).unwrap()
}

async fn read(host: &Host, name: &str) -> Result<String, ReadError> {
    match host.parameters().get(&query(name)).await? {
        Given::Value(value) => Ok(value.text.clone()),
        Given::Names(names) => Ok(names.join(",")),
    }
}

fn held(host: &Host, name: &str) -> Option<String> {
    match host.parameters().held(&query(name))? {
        Given::Value(value) => Some(value.text.clone()),
        Given::Names(names) => Some(names.join(",")),
    }
}

/// Waits until a host holds that, without asking for it.
async fn until_held(fleet: &Fleet, host: &Host, name: &str, wanted: Option<&str>) {
    let what = format!("{} holds {wanted:?} as {name}", host.name());
    fleet
        .until(&what, async || {
            fleet.help_to_connect();
            (held(host, name).as_deref() == wanted).then_some(())
        })
        .await;
}

async fn until_written(fleet: &Fleet, host: &Host) {
    let file = host.state().join("parameters");
    fleet.until("what is held is on the disk", async || file.exists().then_some(())).await;
}

#[tokio::test]
async fn a_host_reads_what_policies_give_it_and_is_told_of_changes() {
    let fleet = fleet_of(2).await;
    let [one, two] = [fleet.host(0), fleet.host(1)];
    keep(&fleet, "/app/password", "hunter1").await;
    keep(&fleet, "/other/password", "hunter9").await;
    for host in [one, two] {
        assert_eq!(read(host, "/app/password").await.unwrap(), "hunter1");
    }
    let code = |error: ReadError| match error {
        ReadError::Refused { code, message } => {
            assert!(!message.contains("hunter"), "{message}");
            code
        }
        other => panic!("{other}"),
    };
    assert_eq!(code(read(one, "/app/none").await.unwrap_err()), "ParameterNotFound");
    // Nobody can tell what is denied from what is not there.
    for name in ["/other/password", "/other/none"] {
        assert_eq!(code(read(one, name).await.unwrap_err()), "AccessDeniedException", "{name}");
    }
    keep(&fleet, "/app/password", "hunter2").await;
    for host in [one, two] {
        until_held(&fleet, host, "/app/password", Some("hunter2")).await;
    }
    let below = Query::below("/").unwrap();
    assert_eq!(
        one.parameters().get(&below).await.unwrap(),
        Given::Names(vec!["/app/password".to_owned()].into())
    );
    delete(fleet.house(), "/app/password", None).await.unwrap();
    for host in [one, two] {
        until_held(&fleet, host, "/app/password", None).await;
    }
    assert_eq!(code(read(one, "/app/password").await.unwrap_err()), "ParameterNotFound");
}

#[tokio::test]
async fn a_right_that_ends_takes_the_value_from_the_host() {
    let fleet = fleet_of(1).await;
    let host = fleet.host(0);
    policy(
        &fleet,
        "permit(principal is Node, action == Action::\"GetParameter\", resource in Path::\"/app\")\n\
         when { principal.hasTag(\"role\") && principal.getTag(\"role\") == \"web\" };",
    )
    .await;
    keep(&fleet, "/app/password", "hunter1").await;
    assert!(matches!(read(host, "/app/password").await, Err(ReadError::Refused { .. })));
    let role = |role: &str| [("role".to_owned(), role.to_owned())].into();
    change_tags(fleet.house(), host.node().as_str(), role("web"), &[]).await.unwrap();
    assert_eq!(read(host, "/app/password").await.unwrap(), "hunter1");
    change_tags(fleet.house(), host.node().as_str(), role("db"), &[]).await.unwrap();
    until_held(&fleet, host, "/app/password", None).await;
    change_tags(fleet.house(), host.node().as_str(), role("web"), &[]).await.unwrap();
    assert_eq!(read(host, "/app/password").await.unwrap(), "hunter1");
    policy(&fleet, "forbid(principal, action, resource);").await;
    until_held(&fleet, host, "/app/password", None).await;
}

#[tokio::test]
async fn without_the_controller_a_host_goes_on_through_a_reboot_until_its_lease_is_over() {
    let mut fleet = fleet_of(1).await;
    keep(&fleet, "/app/password", "hunter1").await;
    assert_eq!(read(fleet.host(0), "/app/password").await.unwrap(), "hunter1");
    until_written(&fleet, fleet.host(0)).await;
    fleet.kill_controller();
    let host = fleet.host(0);
    fleet
        .until("the link is down", async || {
            let answer = read(host, "/app/other").await;
            matches!(answer, Err(ReadError::Away { .. })).then_some(())
        })
        .await;
    assert_eq!(read(host, "/app/password").await.unwrap(), "hunter1");
    host.reboot();
    assert_eq!(read(host, "/app/password").await.unwrap(), "hunter1");
    fleet.advance(23 * HOUR);
    assert_eq!(read(host, "/app/password").await.unwrap(), "hunter1");
    host.reboot();
    assert_eq!(read(host, "/app/password").await.unwrap(), "hunter1");
    fleet.advance(2 * HOUR);
    for _ in 0..2 {
        let error = read(host, "/app/password").await.unwrap_err();
        assert!(matches!(error, ReadError::LeaseOver { .. }), "{error}");
        host.reboot();
    }
    fleet.start_controller().await;
    // The controller knows that they are connected a moment before the host does.
    let back = fleet
        .until("the host reads again", async || {
            fleet.help_to_connect();
            read(fleet.host(0), "/app/password").await.ok()
        })
        .await;
    assert_eq!(back, "hunter1");
}

#[tokio::test]
async fn a_host_that_was_away_catches_up() {
    let fleet = fleet_of(1).await;
    let host = fleet.host(0);
    for name in ["/app/kept", "/app/changed", "/app/gone", "/app/forbidden"] {
        keep(&fleet, name, "before").await;
        assert_eq!(read(host, name).await.unwrap(), "before");
    }
    host.cut_link();
    keep(&fleet, "/app/changed", "after").await;
    delete(fleet.house(), "/app/gone", None).await.unwrap();
    policy(
        &fleet,
        "permit(principal is Node, action == Action::\"GetParameter\", resource in Path::\"/app\")\n\
         unless { resource == Parameter::\"/app/forbidden\" };",
    )
    .await;
    assert_eq!(held(host, "/app/changed").as_deref(), Some("before"));
    host.heal_link();
    until_held(&fleet, host, "/app/changed", Some("after")).await;
    until_held(&fleet, host, "/app/gone", None).await;
    until_held(&fleet, host, "/app/forbidden", None).await;
    assert_eq!(held(host, "/app/kept").as_deref(), Some("before"));
    // The same after a death of the agent: what it wrote down is compared, not believed.
    until_written(&fleet, host).await;
    host.kill_agent();
    keep(&fleet, "/app/kept", "later").await;
    host.start_agent();
    until_held(&fleet, host, "/app/kept", Some("later")).await;
}

#[tokio::test]
async fn a_secret_that_a_host_has_is_not_told_again() {
    let fleet = fleet_of(1).await;
    let host = fleet.host(0);
    keep(&fleet, "/app/password", "hunter1").await;
    assert_eq!(read(host, "/app/password").await.unwrap(), "hunter1");
    until_written(&fleet, host).await;
    for _ in 0..3 {
        host.restart_agent();
        fleet.until_connected().await;
        assert_eq!(read(host, "/app/password").await.unwrap(), "hunter1");
        // An answer of now: everything before it was answered, too.
        assert!(read(host, "/app/none").await.is_err());
    }
    let filter = fleetwright_controller::audit::read::Filter {
        who: host.node().to_string(),
        action: "GetParameter".to_owned(),
        ..Default::default()
    };
    let lines = fleetwright_controller::audit::read::newest(fleet.house(), &filter, 0, 100).await.unwrap();
    let seen: Vec<_> = lines.iter().map(|line| line.on.as_str()).collect();
    assert_eq!(seen, ["parameter /app/password:1"]);
}

#[tokio::test]
async fn the_key_of_one_host_opens_nothing_of_another() {
    let fleet = fleet_of(2).await;
    let [one, two] = [fleet.host(0), fleet.host(1)];
    let text = format!(
        "permit(principal == Node::\"{}\", action == Action::\"GetParameter\", resource in Path::\"/app\");",
        one.node()
    );
    policy(&fleet, &text).await;
    keep(&fleet, "/app/password", "hunter1").await;
    assert_eq!(read(one, "/app/password").await.unwrap(), "hunter1");
    until_written(&fleet, one).await;
    // Whoever has the second host's key is the second host, whatever he asks for.
    for name in [
        "/app/password",
        "/app/password:1",
        "arn:aws:ssm:x:1:parameter/app/password",
        "app/password",
        "/app/none",
    ] {
        let error = read(two, name).await.unwrap_err();
        assert!(matches!(error, ReadError::Refused { .. }), "{name}: {error}");
    }
    // And a copy of the first one's file is of no use to it.
    two.kill_agent();
    std::fs::copy(one.state().join("parameters"), two.state().join("parameters")).unwrap();
    two.cut_link();
    two.start_agent();
    assert_eq!(two.parameters().used().0, 0);
    let bytes = std::fs::read(one.state().join("parameters")).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"hunter"));
}
