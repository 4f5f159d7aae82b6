//! Nothing goes wrong, and wrong wishes are refused.

use fleetwright_controller::error::Kind;
use fleetwright_controller::nodes::operations::change_tags;
use fleetwright_tests::{Fleet, FleetSettings, Run};
use serde_json::json;

#[tokio::test]
async fn fifty_nodes_run_a_command_once_each_and_every_byte_arrives() {
    let fleet = Fleet::start(50).await;
    let command = fleet.run("echo hello\ncomplain oh\nprint 3000\necho\necho end").await;
    assert_eq!(fleet.wait_final(&command).await, "Success: 50 Success (AllStepsDone)");
    let expected = format!("hello\n{}\nend\noh\n", "x".repeat(3000));
    for host in fleet.hosts() {
        assert_eq!(fleet.output(&command, host).await, expected, "{}", host.name());
        assert_eq!(host.runs(&command), [(0, 1)]);
    }
    fleet.check().await;
}

#[tokio::test]
async fn steps_run_in_order_and_the_exit_code_decides() {
    let fleet = Fleet::start(1).await;
    let good = fleet.run(Run::steps(&["echo one", "echo two", "exit 0"])).await;
    let bad = fleet.run(Run::steps(&["echo one", "exit 3", "echo three"])).await;
    assert_eq!(fleet.wait_final(&good).await, "Success: 1 Success (AllStepsDone)");
    assert_eq!(fleet.wait_final(&bad).await, "Failed: 1 Failed (StepFailed)");
    assert_eq!(fleet.output(&good, fleet.host(0)).await, "one\ntwo\n");
    let steps = fleet.invocation(&bad, fleet.host(0)).await.steps;
    assert_eq!(steps[1].exit_code, Some(3));
    fleet.check().await;
}

#[tokio::test]
async fn targets_narrow_each_other_down() {
    let fleet = Fleet::start(4).await;
    for (host, tags) in fleet.hosts().iter().zip([
        &[("role", "web"), ("env", "prod")][..],
        &[("role", "web"), ("env", "test")],
        &[("role", "db"), ("env", "prod")],
        &[],
    ]) {
        let tags = tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        change_tags(fleet.house(), host.node().as_str(), tags, &[]).await.unwrap();
    }
    for (targets, expected) in [
        (&[("tag:role", &["web"][..])][..], &[0, 1][..]),
        (&[("tag:role", &["web", "db"]), ("tag:env", &["prod"])], &[0, 2]),
        (&[("tag-key", &["env"])], &[0, 1, 2]),
        (&[("platform", &["linux"])], &[0, 1, 2, 3]),
        (&[("InstanceIds", &["host-00004"])], &[3]),
        (&[("all", &[])], &[0, 1, 2, 3]),
    ] {
        let command = fleet.run(Run::script("echo hi").targets(targets)).await;
        fleet.wait_final(&command).await;
        let ran: Vec<_> = (0..4).filter(|&index| !fleet.host(index).runs(&command).is_empty()).collect();
        assert_eq!(ran, expected, "{targets:?}");
    }
    fleet.check().await;
}

#[tokio::test]
async fn a_wish_that_cannot_be_carried_out_is_refused_and_leaves_nothing() {
    let fleet = Fleet::start(1).await;
    for (run, kind, words) in [
        (Run::script("echo").on(&["nobody"]), Kind::NotFound, "no node `nobody`"),
        (Run::script("echo").on(&["mi-00000000000000000"]), Kind::NotFound, "mi-00000000000000000"),
        (
            Run::script("echo").targets(&[("tag:role", &["web"])]),
            Kind::NotFound,
            "no node matches tag:role=web",
        ),
        (Run::script("echo").max_concurrency("101%"), Kind::Invalid, "101%"),
        (Run::script("echo").max_errors("-1"), Kind::Invalid, "-1"),
        (Run::script("echo").parameter("nonsense", vec!["x".into()]), Kind::Invalid, "nonsense"),
        (Run::document(&json!({ "schemaVersion": "2.2", "mainSteps": [] })), Kind::Invalid, "mainSteps"),
    ] {
        let refusal = fleet.send(run).await.unwrap_err();
        assert_eq!(refusal.kind, kind, "{refusal}");
        assert!(refusal.message.contains(words), "`{words}` is not in: {refusal}");
    }
    assert_eq!(fleet.rehearse(Run::script("echo")).await.unwrap(), 1);
    let refusal =
        fleet.rehearse(Run::script("echo").parameter("nonsense", vec!["x".into()])).await.unwrap_err();
    assert_eq!(refusal.kind, Kind::Invalid, "{refusal}");
    assert!(fleet.commands().await.is_empty());
    fleet.check().await;
}

#[tokio::test]
async fn a_document_for_another_platform_ends_at_once_and_is_no_error() {
    let fleet = Fleet::start(2).await;
    let document = json!({
        "schemaVersion": "2.2",
        "mainSteps": [{
            "action": "aws:runPowerShellScript",
            "name": "windows",
            "precondition": { "StringEquals": ["platformType", "Windows"] },
            "inputs": { "runCommand": ["echo hi"] },
        }],
    });
    let command = fleet.run(Run::document(&document)).await;
    assert_eq!(fleet.wait_final(&command).await, "Incomplete: 2 Invalid Platform (UnsupportedPlatform)");
    fleet.check().await;
}

#[tokio::test]
async fn a_repeated_wish_with_the_same_token_is_the_same_command() {
    let fleet = Fleet::start(1).await;
    let first = fleet.run(Run::script("echo once").token("again")).await;
    let second = fleet.run(Run::script("echo once").token("again")).await;
    assert_eq!(first, second);
    for other in [Run::script("echo twice"), Run::script("echo once").max_errors("7")] {
        let refusal = fleet.send(other.token("again")).await.unwrap_err();
        assert_eq!(refusal.kind, Kind::Conflict);
        assert!(
            refusal.message.contains("the client token `again` was used for another request"),
            "{refusal}"
        );
    }
    fleet.wait_final(&first).await;
    assert_eq!(fleet.runs(&first), 1);
    fleet.check().await;
}

#[tokio::test]
async fn hosts_whose_clocks_are_days_wrong_run_as_well() {
    const THREE_DAYS_MS: i64 = 3 * 24 * 3_600_000;
    let settings = FleetSettings { skews_ms: vec![-THREE_DAYS_MS, 0, THREE_DAYS_MS], ..FleetSettings::of(3) };
    let fleet = settings.start().await;
    let command = fleet.run("echo hello").await;
    assert_eq!(fleet.wait_final(&command).await, "Success: 3 Success (AllStepsDone)");
    let started = fleet.invocation(&command, fleet.host(0)).await.started.unwrap();
    let requested = fleet.command(&command).await.requested;
    assert!(requested.until(started).as_secs() < 60, "started {started:?}, requested {requested:?}");
    fleet.check().await;
}
