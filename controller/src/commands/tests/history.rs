//! Finding commands again, and targets that are groups or nobody, over the memory store.

use std::collections::BTreeMap;
use std::time::Duration;

use fleetwright_proto::ids::CommandId;

use super::kept::{finish, wish, with_node};
use crate::commands::history::{Filter, Stage, list};
use crate::commands::operations::{self, Status, status, status_details};
use crate::commands::send::{Wanted, WhenEmpty, Wish, send};
use crate::commands::tally::{Counts, Verdict};
use crate::error::Kind;
use crate::house::House;
use crate::nodes::groups::{self, NewGroup};
use crate::tables::COMMAND_FACET;
use crate::tests::{TestHouse, test_house};

const FAILED: Verdict = Verdict::Failed { errors: 1, limit: 0 };

async fn sent(house: &House, change: impl FnOnce(&mut Wish)) -> CommandId {
    let mut wish = wish("true");
    change(&mut wish);
    send(house, wish).await.unwrap().0
}

/// Every page of a list, two commands each.
async fn all(house: &House, filter: &Filter) -> Vec<CommandId> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let (page, next) = list(house, filter, after, 2).await.unwrap();
        assert!(page.len() <= 2);
        found.extend(page.into_iter().map(|(id, _)| id));
        match next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}

#[tokio::test]
async fn a_filter_finds_its_commands_newest_first_on_every_page() {
    let TestHouse { house, clock, _folder } = test_house();
    let node = with_node(&house).await;
    let document =
        br#"{"schemaVersion": "2.2", "description": "x", "mainSteps": [{"action": "aws:runShellScript",
        "name": "run", "inputs": {"runCommand": ["true"]}}]}"#;
    let inline = |wish: &mut Wish| {
        wish.document = Wanted::Content(document.to_vec().into());
        wish.parameters = BTreeMap::new();
    };
    let begin = house.clock.now();
    let mut ids = Vec::new();
    for number in 0..6u32 {
        ids.push(match number {
            2 => sent(&house, inline).await,
            3 => sent(&house, |wish| wish.requested_by = "grace".to_owned()).await,
            _ => sent(&house, |_| ()).await,
        });
        clock.advance(Duration::from_secs(60));
    }
    finish(&house, &ids[0], Verdict::Success {}).await;
    finish(&house, &ids[1], FAILED).await;
    finish(&house, &ids[2], FAILED).await;
    let minute = |number: u64| begin.plus(Duration::from_secs(60 * number));
    let table: [(Filter, &[usize]); 13] = [
        (Filter::default(), &[5, 4, 3, 2, 1, 0]),
        (Filter { statuses: vec![Status::Failed], ..Filter::default() }, &[2, 1]),
        (Filter { statuses: vec![Status::Failed, Status::Success], ..Filter::default() }, &[2, 1, 0]),
        (Filter { statuses: vec![Status::Pending], ..Filter::default() }, &[5, 4, 3]),
        (Filter { statuses: vec![Status::Failed, Status::Pending], ..Filter::default() }, &[5, 4, 3, 2, 1]),
        (Filter { stage: Some(Stage::Executing), ..Filter::default() }, &[5, 4, 3]),
        (Filter { stage: Some(Stage::Complete), ..Filter::default() }, &[2, 1, 0]),
        (Filter { document: Some("AWS-RunShellScript".into()), ..Filter::default() }, &[5, 4, 3, 1, 0]),
        (Filter { requested_by: Some("grace".into()), ..Filter::default() }, &[3]),
        (Filter { from: Some(minute(4)), ..Filter::default() }, &[5, 4]),
        (Filter { until: Some(minute(2)), ..Filter::default() }, &[1, 0]),
        (Filter { from: Some(minute(1)), until: Some(minute(3)), ..Filter::default() }, &[2, 1]),
        (
            Filter {
                statuses: vec![Status::Failed],
                document: Some("AWS-RunShellScript".into()),
                node: Some(node),
                ..Filter::default()
            },
            &[1],
        ),
    ];
    for (filter, want) in table {
        let want: Vec<_> = want.iter().map(|number| ids[*number].clone()).collect();
        assert_eq!(all(&house, &filter).await, want, "{filter:?}");
    }
    let stranger = "mi-00000000000000009".parse().unwrap();
    assert!(all(&house, &Filter { node: Some(stranger), ..Filter::default() }).await.is_empty());
}

#[tokio::test]
async fn a_deleted_command_is_in_no_list() {
    let TestHouse { house, clock, _folder } = test_house();
    with_node(&house).await;
    let id = sent(&house, |_| ()).await;
    finish(&house, &id, FAILED).await;
    clock.advance(Duration::from_secs(31 * 24 * 3600));
    crate::commands::retention::Retention::default().run_once(&house).await.unwrap();
    let facets = COMMAND_FACET.scan(&*house.store, &(), None, 10).await.unwrap();
    assert!(facets.rows.is_empty(), "{facets:?}");
}

#[tokio::test]
async fn a_group_is_who_its_targets_are_when_it_is_used() {
    let TestHouse { house, _folder, .. } = test_house();
    let node = with_node(&house).await;
    let new = |name: &str, key: &str, value: &str| NewGroup {
        name: name.to_owned(),
        description: String::new(),
        targets: vec![(key.to_owned(), vec![value.to_owned()])],
        created_by: "ada".to_owned(),
    };
    groups::create(&house, new("webs", "tag:role", "web")).await.unwrap();
    let again = groups::create(&house, new("webs", "tag:role", "web")).await.unwrap_err();
    assert_eq!(again.kind, Kind::AlreadyExists);
    for (wrong, words) in [
        (new("loop", "resource-groups:Name", "loop"), "cannot be made of groups"),
        (new("a b", "tag:role", "web"), "`a b` is not a name"),
        (new("empty", "tag:role", ""), "no value"),
    ] {
        let refusal = groups::create(&house, wrong).await.unwrap_err();
        assert!(refusal.kind == Kind::Invalid && refusal.message.contains(words), "{refusal}");
    }
    let to_group =
        |wish: &mut Wish| wish.targets = vec![("resource-groups:Name".into(), vec!["webs".into()])];
    let mut nobody = wish("true");
    to_group(&mut nobody);
    assert_eq!(send(&house, nobody.clone()).await.unwrap_err().kind, Kind::NotFound);
    let tags = BTreeMap::from([("role".to_owned(), "web".to_owned())]);
    crate::nodes::operations::change_tags(&house, node.as_str(), tags, &[]).await.unwrap();
    let (_, record) = send(&house, nobody).await.unwrap();
    assert_eq!(record.target_count, 1);
    groups::delete(&house, "webs").await.unwrap();
    assert_eq!(groups::delete(&house, "webs").await.unwrap_err().kind, Kind::NotFound);
}

#[tokio::test]
async fn targets_that_are_nobody_end_at_once_when_that_is_wanted() {
    let TestHouse { house, _folder, .. } = test_house();
    with_node(&house).await;
    let id = sent(&house, |wish| {
        wish.targets = vec![("tag:role".into(), vec!["web".into()])];
        wish.when_empty = WhenEmpty::Keep;
    })
    .await;
    let record = operations::get(&house, &id).await.unwrap();
    let counts = operations::counts(&house, &id, &record).await.unwrap();
    let status = status(&record, &counts);
    assert_eq!((status, status_details(&record, status)), (Status::Failed, "No Instances In Tag"));
    assert_eq!(counts, Counts::default());
    let failed = Filter { statuses: vec![Status::Failed], ..Filter::default() };
    assert_eq!(all(&house, &failed).await, [id]);
    assert!(all(&house, &Filter { stage: Some(Stage::Executing), ..Filter::default() }).await.is_empty());
}
