//! Associations: nodes apply them by themselves, with the controller away, and each run is told exactly once.

use std::collections::BTreeSet;
use std::time::Duration;

use fleetwright_agent::journal::Record;
use fleetwright_controller::associations::check::AssociationWish;
use fleetwright_controller::associations::fault::{AssociationError, Fault};
use fleetwright_controller::associations::find::{self, Overview, Status};
use fleetwright_controller::associations::history::{self, Execution};
use fleetwright_controller::associations::records::{Cause, RunRecord};
use fleetwright_controller::associations::{sweep, write};
use fleetwright_controller::commands::state::State;
use fleetwright_controller::documents::delete;
use fleetwright_controller::documents::fault::Fault as DocumentFault;
use fleetwright_controller::documents::write::{self as documents, NewDocument, VersionWish};
use fleetwright_controller::nodes::operations::change_tags;
use fleetwright_controller::nodes::records::Tags;
use fleetwright_proto::clock::Clock;
use fleetwright_proto::ids::{AssociationId, CommandId};
use fleetwright_tests::{Death, Fleet, Host, Run};
use serde_json::json;

const HOUR: Duration = Duration::from_secs(3600);

fn wish(lines: &str) -> AssociationWish {
    let lines = lines.lines().map(str::to_owned).collect();
    AssociationWish {
        document: "AWS-RunShellScript".to_owned(),
        parameters: [("commands".to_owned(), lines)].into(),
        targets: vec![("all".to_owned(), Vec::new())],
        ..AssociationWish::default()
    }
}

fn hourly(lines: &str) -> AssociationWish {
    AssociationWish { schedule_expression: "rate(1 hour)".to_owned(), ..wish(lines) }
}

async fn create(fleet: &Fleet, wish: AssociationWish) -> AssociationId {
    write::create(fleet.house(), wish, "tester").await.expect("the association is taken").0
}

async fn overview(fleet: &Fleet, id: &AssociationId) -> Overview {
    find::get(fleet.house(), id.as_str()).await.expect("the association is known").overview
}

async fn executions(fleet: &Fleet, id: &AssociationId) -> Vec<Execution> {
    history::executions(fleet.house(), id.as_str(), None, 100).await.expect("a history").1
}

async fn runs(fleet: &Fleet, id: &AssociationId) -> Vec<RunRecord> {
    let mut found = Vec::new();
    for execution in executions(fleet, id).await {
        let targets = history::targets(fleet.house(), id.as_str(), &execution.id, None, 100).await;
        found.extend(targets.expect("the targets").1.into_iter().map(|(_, run)| run));
    }
    found
}

/// Scripts that were let go on the host, and none of them more than once.
fn scripts(host: &Host) -> usize {
    let runs = host.platform().runs();
    assert!(runs.values().all(|times| *times == 1), "a step ran twice: {runs:?}");
    runs.len()
}

async fn until_scripts(fleet: &Fleet, host: &Host, count: usize) {
    let what = format!("{count} scripts on {}", host.name());
    fleet.until(&what, async || (scripts(host) == count).then_some(())).await;
}

/// Pushes the clock until the host has run so many scripts or more, and waits until their ends are in its journal.
async fn advance_until_scripts(fleet: &Fleet, host: &Host, count: usize) {
    let what = format!("{count} scripts on {}, in time", host.name());
    let ran = async || {
        fleet.advance(Duration::from_secs(20));
        (scripts(host) >= count).then_some(())
    };
    fleet.until(&what, ran).await;
    let over = async || {
        (records(host, |record| matches!(record, Record::Finished { .. })) == scripts(host)).then_some(())
    };
    fleet.until("the ends of all scripts in the journal", over).await;
}

fn records(host: &Host, which: impl Fn(&Record) -> bool) -> usize {
    host.journal().records().iter().filter(|record| which(record)).count()
}

/// How often the host was given a set that is another than the one before.
fn sets(host: &Host) -> usize {
    records(host, |record| matches!(record, Record::AssociationsAre { .. }))
}

async fn until_all(fleet: &Fleet, id: &AssociationId, status: Status) -> Overview {
    let what = format!("association {id} {}", status.name());
    fleet
        .until(&what, async || {
            Some(overview(fleet, id).await)
                .filter(|overview| overview.targets > 0 && overview.status() == status)
        })
        .await
}

async fn until_quiet(fleet: &Fleet) {
    fleet
        .until("everything acknowledged", async || {
            fleet.help_to_connect();
            fleet.hosts().iter().all(|host| host.open_commands() == Some(0)).then_some(())
        })
        .await;
}

#[tokio::test]
async fn it_is_applied_at_once_and_by_its_schedule_with_the_controller_away() {
    let mut fleet = Fleet::start(2).await;
    let id = create(&fleet, hourly("echo fleetwright:changed /etc/motd")).await;
    let first = until_all(&fleet, &id, Status::Success).await;
    assert_eq!((first.targets, first.success), (2, 2));
    until_quiet(&fleet).await;
    assert_eq!(runs(&fleet, &id).await.len(), 2);

    fleet.stop_controller().await;
    for host in fleet.hosts() {
        advance_until_scripts(&fleet, host, 2).await;
    }
    // Also an agent that is started with nobody there goes on.
    advance_until_scripts(&fleet, fleet.host(0), 2).await;
    fleet.host(0).restart_agent();
    advance_until_scripts(&fleet, fleet.host(0), 3).await;
    fleet.host(0).restart_agent();

    fleet.start_controller().await;
    fleet.until_connected().await;
    until_quiet(&fleet).await;
    let told = runs(&fleet, &id).await;
    let ran: usize = fleet.hosts().iter().map(scripts).sum();
    assert_eq!(told.len(), ran, "each run is told once");
    let ids: BTreeSet<&CommandId> = told.iter().map(|run| &run.run).collect();
    assert_eq!(ids.len(), ran);
    assert!(told.iter().all(|run| run.state == State::Success && run.changed == ["/etc/motd"]), "{told:?}");
    let causes = |cause| told.iter().filter(|run| run.cause == cause).count();
    assert_eq!((causes(Cause::Changed), causes(Cause::Schedule)), (2, ran - 2));
    let executions = executions(&fleet, &id).await;
    assert!(
        executions.iter().all(|execution| execution.changed == execution.counts.success),
        "{executions:?}"
    );
    fleet.check().await;
}

#[tokio::test]
async fn a_node_that_joins_a_target_gets_it_and_one_that_leaves_stops() {
    let mut fleet = Fleet::start(2).await;
    let webs = vec![("tag:role".to_owned(), vec!["web".to_owned()])];
    let id = create(&fleet, AssociationWish { targets: webs, ..hourly("echo here") }).await;
    assert_eq!(overview(&fleet, &id).await.details(), "no node matches its targets");
    let web = || Tags::from([("role".to_owned(), "web".to_owned())]);
    let node = fleet.host(0).node().to_string();
    change_tags(fleet.house(), &node, web(), &[]).await.unwrap();
    until_scripts(&fleet, fleet.host(0), 1).await;
    until_all(&fleet, &id, Status::Success).await;
    assert_eq!(scripts(fleet.host(1)), 0);

    // One that enrols later is no different.
    let late = fleet.add_host().await;
    change_tags(fleet.house(), fleet.host(late).node().as_str(), web(), &[]).await.unwrap();
    until_scripts(&fleet, fleet.host(late), 1).await;

    let before = sets(fleet.host(0));
    change_tags(fleet.house(), &node, Tags::new(), &["role".to_owned()]).await.unwrap();
    fleet.until("it is gone from the host", async || (sets(fleet.host(0)) > before).then_some(())).await;
    let late_node = fleet.host(late);
    fleet.until("one target", async || (overview(&fleet, &id).await.targets == 1).then_some(())).await;
    advance_until_scripts(&fleet, late_node, 2).await;
    assert_eq!(scripts(fleet.host(0)), 1, "who left is left alone");
    sweep::run_once(fleet.house()).await.unwrap();
    assert!(history::status(fleet.house(), &id, fleet.host(0).node()).await.unwrap().is_none());

    let late_sets = sets(late_node);
    write::delete(fleet.house(), id.as_str()).await.unwrap();
    let rows = fleet.house().store.scan(b"association", None, 10).await.unwrap();
    assert!(rows.is_empty(), "{rows:?}");
    fleet.until("it is gone from all", async || (sets(late_node) > late_sets).then_some(())).await;
    until_quiet(&fleet).await;
    let ran = scripts(late_node);
    fleet.advance(2 * HOUR);
    until_quiet(&fleet).await;
    assert_eq!((scripts(fleet.host(0)), scripts(fleet.host(1)), scripts(late_node)), (1, 0, ran));
    fleet.check().await;
}

#[tokio::test]
async fn a_new_version_and_a_wish_are_applied_at_once() {
    let fleet = Fleet::start(1).await;
    let id = create(&fleet, hourly("echo one")).await;
    until_scripts(&fleet, fleet.host(0), 1).await;
    write::update(fleet.house(), id.as_str(), hourly("exit 3"), Some(1), "tester").await.unwrap();
    let failed = until_all(&fleet, &id, Status::Failed).await;
    assert_eq!((failed.failed, failed.details().as_str()), (1, "1 failed of 1 nodes"));
    until_quiet(&fleet).await;
    write::run_now(fleet.house(), id.as_str()).await.unwrap();
    until_scripts(&fleet, fleet.host(0), 3).await;
    until_quiet(&fleet).await;
    let command = fleet.run(Run::document(&json!({
        "schemaVersion": "2.2",
        "mainSteps": [{ "action": "aws:refreshAssociation", "name": "refresh", "inputs": { "associationIds": [] } }],
    })));
    let command = command.await;
    assert_eq!(fleet.wait_final(&command).await, "Success: 1 Success (AllStepsDone)");
    until_scripts(&fleet, fleet.host(0), 4).await;
    until_quiet(&fleet).await;
    let told = runs(&fleet, &id).await;
    let mut causes: Vec<_> = told.iter().map(|run| run.cause.name()).collect();
    causes.sort_unstable();
    assert_eq!(causes, ["Asked", "Changed", "Changed", "Refreshed"]);
    let refused =
        write::update(fleet.house(), id.as_str(), hourly("x"), Some(1), "tester").await.unwrap_err();
    assert_eq!(refused.fault, Fault::InvalidAssociationVersion, "{refused}");
    let (_, versions, _) = find::versions(fleet.house(), id.as_str(), None, 10).await.unwrap();
    assert_eq!(versions.len(), 2);
}

#[tokio::test]
async fn what_it_prints_is_kept_with_its_run() {
    let fleet = Fleet::start(1).await;
    let small = create(&fleet, wish("echo hello")).await;
    let large = create(&fleet, wish("print 200000\nfleetwright-is-unknown")).await;
    until_all(&fleet, &small, Status::Success).await;
    until_all(&fleet, &large, Status::Failed).await;
    until_quiet(&fleet).await;
    let run_of = async |id: &AssociationId| runs(&fleet, id).await.pop().unwrap().run;
    assert_eq!(fleet.output(&run_of(&small).await, fleet.host(0)).await, "hello\n");
    let printed = fleet.output(&run_of(&large).await, fleet.host(0)).await;
    let tail = printed.trim_start_matches('x');
    assert_eq!(printed.len() - tail.len(), 200_000);
    assert!(tail.contains("fleetwright-is-unknown: not found\n"), "{tail}");
    for id in [&small, &large] {
        write::delete(fleet.house(), id.as_str()).await.unwrap();
    }
    let mut left = fleet.house().blobs.list(None).await.unwrap();
    // The texts of the documents that are shipped stay.
    left.retain(|blob| !blob.path.to_string().starts_with("shipped/"));
    assert!(left.is_empty(), "{left:?}");
    let rows = fleet.house().store.scan(b"output", None, 10).await.unwrap();
    assert!(rows.is_empty(), "{rows:?}");
}

#[tokio::test]
async fn an_agent_may_die_between_any_two_records_and_runs_no_step_again() {
    let fleet = Fleet::start(1).await;
    let host = fleet.host(0);
    // The set is one write of three: its text, the association, its revision. Then accepted, started, ended, finished.
    for records in 3..=8 {
        let full = host.journal().records().len() + records;
        host.journal().limit_to(records);
        let id = create(&fleet, wish("echo one")).await;
        let last = async || (host.journal().records().len() == full).then_some(());
        fleet.until("the last record", last).await;
        host.kill_agent();
        host.journal().unlimit();
        host.start_agent();
        fleet.until_connected().await;
        let done = async || {
            fleet.help_to_connect();
            let overview = overview(&fleet, &id).await;
            (overview.success + overview.failed == 1).then_some(())
        };
        fleet.until("it is applied", done).await;
        until_quiet(&fleet).await;
        let told = runs(&fleet, &id).await;
        assert_eq!(told.len(), 1, "after record {records}: {told:?}");
        scripts(host);
        write::delete(fleet.house(), id.as_str()).await.unwrap();
        let gone = async || {
            matches!(host.journal().records().last(), Some(Record::AssociationsAre { .. })).then_some(())
        };
        fleet.until("the association is gone from the host", gone).await;
    }
    fleet.check().await;
}

#[tokio::test]
async fn the_controller_may_die_at_any_commit() {
    let mut fleet = Fleet::start(1).await;
    for death in [Death::BeforeCommit, Death::AfterCommit] {
        for commits in 0.. {
            let before = scripts(fleet.host(0));
            fleet.kill_controller_after(commits, death);
            let lived = fleet.unless_killed(async {
                let id = create(&fleet, wish("echo one")).await;
                until_all(&fleet, &id, Status::Success).await;
                until_quiet(&fleet).await;
            });
            let lived = lived.await.is_some();
            if !lived {
                fleet.restart_controller().await;
            }
            fleet.until_connected().await;
            let (found, _) = find::list(fleet.house(), &find::Filter::default(), None, 10).await.unwrap();
            for view in &found {
                until_all(&fleet, &view.id, Status::Success).await;
            }
            until_quiet(&fleet).await;
            assert!(found.len() <= 1);
            for view in &found {
                assert_eq!(runs(&fleet, &view.id).await.len(), 1, "{death:?} {commits}");
                assert_eq!(scripts(fleet.host(0)), before + 1, "{death:?} {commits}");
                write::delete(fleet.house(), view.id.as_str()).await.unwrap();
            }
            let rows = fleet.house().store.scan(b"association", None, 10).await.unwrap();
            assert!(rows.is_empty(), "{death:?} {commits}: {rows:?}");
            if lived {
                assert!(commits >= 2, "only {commits} commits in the life of an association");
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_hundred_with_one_schedule_do_not_begin_in_the_same_second() {
    let fleet = Fleet::start(1).await;
    let mut ids = Vec::new();
    for _ in 0..100 {
        let schedule_expression = "cron(0/10 * * * ? *)".to_owned();
        let wish = AssociationWish { schedule_expression, only_at_schedule: true, ..wish("echo one") };
        ids.push(create(&fleet, wish).await);
    }
    assert_eq!(scripts(fleet.host(0)), 0, "nothing is applied before its schedule says so");
    let next = find::get(fleet.house(), ids[0].as_str()).await.unwrap().next_run.unwrap();
    fleet.advance(fleet.clock().now().until(next));
    let hundred = async || {
        // Time stands while the host is at work, so that a slow machine does not come to the next moment.
        if fleet.host(0).open_commands() == Some(0) {
            fleet.advance(Duration::from_millis(500));
        }
        (scripts(fleet.host(0)) >= 100).then_some(())
    };
    fleet.until("a hundred runs", hundred).await;
    until_quiet(&fleet).await;
    let mut starts = Vec::new();
    for id in &ids {
        let told = runs(&fleet, id).await;
        assert_eq!((told.len(), told[0].cause), (1, Cause::Schedule));
        starts.push(told[0].started.millis() / 1000);
    }
    let seconds: BTreeSet<_> = starts.iter().collect();
    assert_eq!(seconds.len(), 100, "{starts:?}");
}

#[tokio::test]
async fn a_document_that_changes_is_applied_again_and_one_in_use_stays() {
    let fleet = Fleet::start(1).await;
    let version = |script: &str| {
        VersionWish {
        content: json!({
            "schemaVersion": "2.2",
            "mainSteps": [{ "action": "aws:runShellScript", "name": "s", "inputs": { "runCommand": [script] } }],
        })
        .to_string()
        .into(),
        author: "tester".to_owned(),
        ..VersionWish::default()
    }
    };
    let house = fleet.house();
    let new = NewDocument {
        name: "Motd".to_owned(),
        document_type: None,
        tags: Tags::new(),
        version: version("echo one"),
    };
    documents::create(house, new).await.unwrap();
    let wish = AssociationWish { document: "Motd".to_owned(), parameters: [].into(), ..wish("") };
    let id = create(&fleet, wish).await;
    until_scripts(&fleet, fleet.host(0), 1).await;
    documents::update(house, "Motd", "1", version("echo two")).await.unwrap();
    documents::set_default(house, "Motd", "2").await.unwrap();
    until_scripts(&fleet, fleet.host(0), 2).await;
    until_quiet(&fleet).await;
    let told = runs(&fleet, &id).await;
    assert_eq!(
        told.iter().map(|run| run.document_version.as_str()).collect::<BTreeSet<_>>(),
        BTreeSet::from(["1", "2"])
    );
    let refused = delete::delete(house, "Motd").await.unwrap_err();
    assert_eq!(refused.fault, DocumentFault::AssociatedInstances, "{refused}");
    write::delete(house, id.as_str()).await.unwrap();
    delete::delete(house, "Motd").await.unwrap();
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_written() {
    let fleet = Fleet::start(1).await;
    let check = async |change: &dyn Fn(&mut AssociationWish), fault: Fault, text: &str| {
        let mut wish = hourly("echo one");
        change(&mut wish);
        let error: AssociationError = write::create(fleet.house(), wish, "tester").await.unwrap_err();
        assert_eq!(error.fault, fault, "{error}");
        assert!(error.message.contains(text), "{error}");
    };
    check(&|wish| wish.document = "Nobody".to_owned(), Fault::InvalidDocument, "no document `Nobody`").await;
    check(&|wish| wish.document_version = "9".to_owned(), Fault::InvalidDocumentVersion, "no version `9`")
        .await;
    check(&|wish| wish.parameters.clear(), Fault::InvalidParameters, "`commands` has no value").await;
    check(
        &|wish| drop(wish.parameters.insert("comands".to_owned(), Vec::new())),
        Fault::InvalidParameters,
        "did you mean `commands`?",
    )
    .await;
    check(
        &|wish| wish.schedule_expression = "cron(61 * * * ? *)".to_owned(),
        Fault::InvalidSchedule,
        "minutes",
    )
    .await;
    check(
        &|wish| wish.schedule_expression = "at(2001-01-01T00:00:00)".to_owned(),
        Fault::InvalidSchedule,
        "lies in the past",
    )
    .await;
    check(
        &|wish| wish.targets = vec![("InstanceIds".to_owned(), vec!["mi-00000000000000000".to_owned()])],
        Fault::InvalidInstanceId,
        "no node `mi-00000000000000000`",
    )
    .await;
    check(
        &|wish| wish.targets = vec![("resource-groups:Name".to_owned(), vec!["nobody".to_owned()])],
        Fault::InvalidTarget,
        "no group `nobody`",
    )
    .await;
    let rows = fleet.house().store.scan(b"association", None, 10).await.unwrap();
    assert!(rows.is_empty(), "{rows:?}");
    let error = find::get(fleet.house(), "nobody").await.unwrap_err();
    assert_eq!(error.fault, Fault::AssociationDoesNotExist);
}
