//! The controller dies at each commit of a window's execution, and a new one goes on: every occurrence has one record,
//! every task one final state, every invocation one command.

use super::*;
use crate::commands::history;
use crate::commands::operations::get as get_command;
use crate::commands::roster::TARGETS_ROW_NODES;
use crate::windows::records::State;

/// A controller dies at the commit of this number while it looks at a window that is due and again when its commands
/// have ended. Tells whether it lived that long.
async fn die_at(commits: u64, last: Last, nodes: usize) -> bool {
    let site = Site::new();
    let house = site.house().await;
    let id = window(&house, wish("cron(0 2 ? * * *)")).await;
    add_nodes(&house, "web", nodes).await;
    let (webs, again) = (target(&house, &id, "web").await, target(&house, &id, "web").await);
    task(&house, &id, task_wish(1, &[&webs, &again])).await;
    task(&house, &id, task_wish(1, &[&webs])).await;
    task(&house, &id, task_wish(2, &[&webs])).await;
    drop(house);
    site.move_to("2026-06-02T02:00:00Z");
    let (first, store) = site.dying(commits, last);
    for _ in 0..6 {
        let _ = reconcile::run_once(&first, "this").await;
        end_open_commands(&site).await;
    }
    let died = store.left.load(Ordering::SeqCst) == 0;
    drop(first);
    let house = site.house().await;
    for _ in 0..6 {
        look(&house).await;
        end_open_commands(&site).await;
    }
    look(&house).await;
    check(&house, &id, commits, last).await;
    died
}

/// As their nodes would have: with a store of their own, since nodes do not die with a controller.
async fn end_open_commands(site: &Site) {
    let house = site.house_over(site.store.clone());
    for id in commands(&house).await {
        let record = get_command(&house, &id).await.unwrap();
        if record.outcome.is_none() && record.targets_written {
            end_command(&house, &id, Verdict::Success {}).await;
        }
    }
}

async fn check(house: &House, id: &WindowId, commits: u64, last: Last) {
    let at = format!("died at commit {commits}, {last:?}");
    let found = super::history(house, id).await;
    assert_eq!(found.len(), 1, "{at}");
    let (execution, record) = &found[0];
    assert_eq!(record.state, State::Success, "{at}: {record:?}");
    assert_eq!(operations::get(house, id).await.unwrap().open, None, "{at}");
    let runs = runs(house, execution).await;
    assert_eq!(runs.len(), 3, "{at}");
    let mut used = Vec::new();
    for run in &runs {
        assert_eq!(run.state, State::Success, "{at}: {run:?}");
        used.extend(run.invocations.iter().map(|one| one.command.clone().expect("a command")));
    }
    used.sort();
    used.dedup();
    assert_eq!(used.len(), 4, "{at}: one command for each invocation");
    let sent = async |id: &CommandId| {
        let record = get_command(house, id).await.unwrap();
        !matches!(record.outcome.map(|outcome| outcome.verdict), Some(Verdict::SendInterrupted {}))
    };
    let mut all = Vec::new();
    for command in commands(house).await {
        if sent(&command).await {
            all.push(command);
        }
    }
    all.sort();
    assert_eq!(all, used, "{at}: nothing was sent that is not noted");
    let (listed, _) = history::list(house, &history::Filter::default(), None, 100).await.unwrap();
    assert!(listed.len() >= 4, "{at}");
}

async fn die_everywhere(nodes: usize, ways: &[Last]) {
    for last in ways.iter().copied() {
        let mut commits = 0;
        while die_at(commits, last, nodes).await {
            commits += 1;
            assert!(commits < 200, "an execution that never ends");
        }
        assert!(commits > 8, "{commits} commits are too few to be an execution");
    }
}

#[tokio::test]
async fn at_each_commit_of_an_execution() {
    die_everywhere(2, &[Last::Lost, Last::Kept]).await;
}

/// A command for so many nodes is written in several commits; one that is half written was not sent.
#[tokio::test]
async fn at_each_commit_of_large_commands() {
    die_everywhere(TARGETS_ROW_NODES + 1, &[Last::Lost]).await;
}
