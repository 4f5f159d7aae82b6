//! Findings over the memory store: replaced, merged, counted, refused.

use std::collections::BTreeMap;

use fleetwright_proto::clock::{Clock, Timestamp};
use fleetwright_proto::ids::NodeId;
use fleetwright_store::Batch;

use super::list::{self, Filter};
use super::put::{self, FINDINGS_MAX, NewFinding, Upload, Wish};
use super::records::{Execution, Severity, Standing};
use super::summary::{self, By};
use crate::error::Kind;
use crate::house::House;
use crate::nodes::targets::Selector;
use crate::tables::{COMPLIANCE_FINDING, NODE};
use crate::tests::{TestHouse, node, test_house};

fn id(number: u32) -> NodeId {
    format!("mi-{number:017x}").parse().unwrap()
}

async fn join(house: &House, number: u32) {
    let mut batch = Batch::new();
    NODE.insert(&mut batch, &id(number), &node(&format!("host-{number}"), "Linux", &[])).unwrap();
    house.store.commit(batch).await.unwrap();
}

fn finding(id: &str, severity: Severity, standing: Standing) -> NewFinding {
    NewFinding { id: id.to_owned(), title: String::new(), severity, standing, details: BTreeMap::new() }
}

fn wish(number: u32, compliance_type: &str, upload: Upload, findings: Vec<NewFinding>) -> Wish {
    Wish {
        node: id(number),
        compliance_type: compliance_type.to_owned(),
        execution: Execution { at: Timestamp::from_millis(1_790_000_000_000), ..Execution::default() },
        content_hash: String::new(),
        upload,
        findings,
    }
}

fn everything() -> Filter {
    Filter { targets: vec![Selector::All], compliance_type: None, standing: None, severity: None }
}

async fn ids(house: &House, filter: &Filter) -> Vec<String> {
    let (found, _) = list::list(house, filter, None, 100).await.unwrap();
    found.iter().map(|found| format!("{} {} {}", found.node_name, found.compliance_type, found.id)).collect()
}

use Severity::{Critical, High, Low};
use Standing::{Compliant, NonCompliant};

#[tokio::test]
async fn all_findings_are_replaced_and_some_are_merged() {
    let TestHouse { house, _folder, .. } = test_house();
    join(&house, 1).await;
    let both = vec![finding("a", High, NonCompliant), finding("b", Low, Compliant)];
    put::put(&house, wish(1, "Custom:Disk", Upload::Complete, both)).await.unwrap();
    assert_eq!(ids(&house, &everything()).await, ["host-1 Custom:Disk a", "host-1 Custom:Disk b"]);
    let more = vec![finding("a", High, Compliant), finding("c", Critical, NonCompliant)];
    put::put(&house, wish(1, "Custom:Disk", Upload::Partial, more)).await.unwrap();
    let sums = summary::summarize(&house, &[Selector::All], None, By::Type).await.unwrap();
    assert_eq!(sums[0].counts.compliant, BTreeMap::from([(High, 1), (Low, 1)]));
    assert_eq!(sums[0].counts.non_compliant, BTreeMap::from([(Critical, 1)]));
    assert_eq!((sums[0].counts.overall_severity(), sums[0].non_compliant_nodes), (Critical, 1));
    let bad = Filter { standing: Some(NonCompliant), ..everything() };
    assert_eq!(ids(&house, &bad).await, ["host-1 Custom:Disk c"]);
    put::put(&house, wish(1, "Custom:Disk", Upload::Complete, vec![finding("d", Low, Compliant)]))
        .await
        .unwrap();
    assert_eq!(ids(&house, &everything()).await, ["host-1 Custom:Disk d"]);
    assert_eq!(COMPLIANCE_FINDING.scan(&*house.store, &(), None, 10).await.unwrap().rows.len(), 1);
    put::forget(&house, &id(1)).await.unwrap();
    assert!(ids(&house, &everything()).await.is_empty());
}

#[tokio::test]
async fn the_same_content_is_not_taken_twice() {
    let TestHouse { house, clock, _folder } = test_house();
    join(&house, 1).await;
    let named = |id: &str, hash: &str| Wish {
        content_hash: hash.to_owned(),
        execution: Execution { at: clock.now(), ..Execution::default() },
        ..wish(1, "Patch", Upload::Complete, vec![finding(id, Low, Compliant)])
    };
    put::put(&house, named("a", "x")).await.unwrap();
    put::put(&house, named("b", "x")).await.unwrap();
    assert_eq!(ids(&house, &everything()).await, ["host-1 Patch a"]);
    put::put(&house, named("b", "y")).await.unwrap();
    assert_eq!(ids(&house, &everything()).await, ["host-1 Patch b"]);
}

#[tokio::test]
async fn lists_come_in_pages_and_sums_by_node_and_type() {
    let TestHouse { house, _folder, .. } = test_house();
    for number in 1..=3 {
        join(&house, number).await;
        for compliance_type in ["Association", "Patch"] {
            let standing = if number == 2 { NonCompliant } else { Compliant };
            let some = (0..5).map(|at| finding(&format!("f{at}"), High, standing)).collect();
            put::put(&house, wish(number, compliance_type, Upload::Complete, some)).await.unwrap();
        }
    }
    let (mut seen, mut after) = (0, None);
    loop {
        let (found, next) = list::list(&house, &everything(), after, 7).await.unwrap();
        seen += found.len();
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, 30);
    let by_type = summary::summarize(&house, &[Selector::All], None, By::Type).await.unwrap();
    let told: Vec<_> =
        by_type.iter().map(|sum| (sum.of.as_str(), sum.nodes, sum.non_compliant_nodes)).collect();
    assert_eq!(told, [("Association", 3, 1), ("Patch", 3, 1)]);
    let by_node = summary::summarize(&house, &[Selector::All], Some("Patch"), By::Node).await.unwrap();
    let told: Vec<_> =
        by_node.iter().map(|sum| (sum.node_name.as_str(), sum.counts.standing().name())).collect();
    assert_eq!(told, [("host-1", "COMPLIANT"), ("host-2", "NON_COMPLIANT"), ("host-3", "COMPLIANT")]);
    let (found, _) = list::list(&house, &everything(), None, 1).await.unwrap();
    assert_eq!(found[0].reason(), "is as it should be, found at 2026-09-21T14:13:20Z");
}

#[tokio::test]
async fn what_is_not_good_is_refused_with_what_would_be_right() {
    let TestHouse { house, _folder, .. } = test_house();
    join(&house, 1).await;
    let one = || vec![finding("a", High, Compliant)];
    let many = (0..=FINDINGS_MAX).map(|at| finding(&at.to_string(), Low, Compliant)).collect();
    let long = |name: &str, value: usize| {
        let details = BTreeMap::from([(name.to_owned(), "x".repeat(value))]);
        vec![NewFinding { details, ..finding("a", Low, Compliant) }]
    };
    for (wish, kind, words) in [
        (wish(1, "Custom:", Upload::Complete, one()), Kind::Invalid, "`Custom:` is not a compliance type"),
        (wish(1, "a b", Upload::Complete, one()), Kind::Invalid, "`a b`"),
        (wish(1, "Patch", Upload::Complete, many), Kind::Exhausted, "10001 findings"),
        (wish(1, "Patch", Upload::Complete, [one(), one()].concat()), Kind::Invalid, "put twice"),
        (
            wish(1, "Patch", Upload::Complete, vec![finding("", Low, Compliant)]),
            Kind::Invalid,
            "id of a finding",
        ),
        (wish(1, "Patch", Upload::Complete, long("x", 4_097)), Kind::Invalid, "4096 at most"),
        (wish(1, "Patch", Upload::Complete, long("", 1)), Kind::Invalid, "names have 1 to 64"),
        (wish(9, "Patch", Upload::Complete, one()), Kind::NotFound, "no node"),
        (
            Wish { execution: Execution::default(), ..wish(1, "Patch", Upload::Complete, one()) },
            Kind::Invalid,
            "when it was found",
        ),
    ] {
        let error = put::put(&house, wish).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.message.contains(words), "`{words}` is not in: {error}");
    }
    for number in 0..put::TYPES_MAX {
        put::put(&house, wish(1, &format!("Custom:T{number}"), Upload::Complete, one())).await.unwrap();
    }
    let error = put::put(&house, wish(1, "Custom:Last", Upload::Complete, one())).await.unwrap_err();
    assert_eq!(error.kind, Kind::Exhausted);
    assert!(Severity::parse("bad").unwrap_err().message.contains("CRITICAL, HIGH"));
    assert!(By::parse("rack").is_err());
}
