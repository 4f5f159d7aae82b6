//! Inventory and compliance: answers for people and programs, and what is asked.

use fleetwright_cli::Exit;
use fleetwright_proto::control::compliance_server::Compliance;
use fleetwright_proto::control::inventory_server::Inventory;
use fleetwright_proto::control::*;
use tonic::{Request, Response, Status};

use crate::controller::{Asked, Script, Shared};
use crate::fleet::*;

type Answer<T> = Result<Response<T>, Status>;

fn entry(attributes: &[(&str, &str)]) -> InventoryEntry {
    let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    InventoryEntry { attributes: attributes.collect() }
}

fn package(name: &str, version: &str) -> InventoryEntry {
    entry(&[("Name", name), ("Version", version), ("Architecture", "x86_64"), ("Summary", "a long text")])
}

fn view(type_name: &str, items: Vec<InventoryEntry>) -> InventoryTypeView {
    InventoryTypeView {
        type_name: type_name.into(),
        schema_version: "1.1".into(),
        since_ms: NOW_MS - 7_200_000,
        item_count: u32::try_from(items.len()).unwrap(),
        items,
    }
}

/// Answers of a controller that knows one node.
#[tonic::async_trait]
impl Inventory for Shared {
    async fn show_inventory(&self, request: Request<ShowInventoryRequest>) -> Answer<ShowInventoryResponse> {
        self.note(Asked::Show(request.into_inner()))?;
        Ok(Response::new(ShowInventoryResponse {
            node_id: WEB.into(),
            node_name: "web-1".into(),
            types: vec![
                view("AWS:Application", vec![package("bash", "5.2"), package("open\u{1b}[2Jssl", "3.0.15")]),
                view("AWS:Network", vec![]),
            ],
            looked_ms: NOW_MS - 60_000,
        }))
    }

    async fn diff_inventory(&self, request: Request<DiffInventoryRequest>) -> Answer<DiffInventoryResponse> {
        self.note(Asked::Diff(request.into_inner()))?;
        let difference = |before: Option<InventoryEntry>, after| InventoryDifference {
            type_name: "AWS:Application".into(),
            before,
            after,
        };
        Ok(Response::new(DiffInventoryResponse {
            node_id: WEB.into(),
            differences: vec![
                difference(Some(package("openssl", "3.0.14")), Some(package("openssl", "3.0.15"))),
                difference(Some(package("vim", "9")), None),
                difference(None, Some(package("zsh", "5.9"))),
            ],
        }))
    }

    async fn query_inventory(
        &self,
        request: Request<QueryInventoryRequest>,
    ) -> Answer<QueryInventoryResponse> {
        let request = request.into_inner();
        self.note(Asked::Query(request.clone()))?;
        let found = |node: &str, name: &str, items| InventoryMatch {
            node_id: node.into(),
            node_name: name.into(),
            items,
        };
        let (matches, next) = match request.page_token.as_str() {
            "" => (found(WEB, "web-1", vec![package("openssl", "3.0.14")]), "more"),
            _ => (found(DB, "db-1", vec![package("openssl", "1.1.1")]), ""),
        };
        Ok(Response::new(QueryInventoryResponse {
            matches: vec![matches],
            nodes: 2,
            items: 2,
            next_page_token: next.into(),
        }))
    }

    async fn count_inventory(&self, _: Request<CountInventoryRequest>) -> Answer<CountInventoryResponse> {
        self.check()?;
        let count = |value: &str, nodes| InventoryCount { value: value.into(), nodes, items: nodes };
        Ok(Response::new(CountInventoryResponse { counts: vec![count("3.0.14", 7), count("3.0.15", 2)] }))
    }

    async fn put_inventory(&self, request: Request<PutInventoryRequest>) -> Answer<PutInventoryResponse> {
        self.note(Asked::PutInventory(request.into_inner()))?;
        Ok(Response::new(PutInventoryResponse {}))
    }
}

#[tonic::async_trait]
impl Compliance for Shared {
    async fn summarize_compliance(
        &self,
        _: Request<SummarizeComplianceRequest>,
    ) -> Answer<SummarizeComplianceResponse> {
        self.check()?;
        Ok(Response::new(SummarizeComplianceResponse {
            summaries: vec![ComplianceSummary {
                of: "Patch".into(),
                node_name: String::new(),
                status: "NON_COMPLIANT".into(),
                overall_severity: "HIGH".into(),
                compliant: [("LOW".to_owned(), 10)].into(),
                non_compliant: [("HIGH".to_owned(), 1)].into(),
                executed_ms: NOW_MS - 3_600_000,
                nodes: 2,
                non_compliant_nodes: 1,
            }],
            next_page_token: String::new(),
        }))
    }

    async fn list_compliance(&self, _: Request<ListComplianceRequest>) -> Answer<ListComplianceResponse> {
        self.check()?;
        Ok(Response::new(ListComplianceResponse {
            findings: vec![ComplianceFinding {
                node_id: WEB.into(),
                node_name: "web-1".into(),
                compliance_type: "Custom:Disk".into(),
                id: "root".into(),
                title: "disk is full".into(),
                severity: "HIGH".into(),
                status: "NON_COMPLIANT".into(),
                details: [("used".to_owned(), "97%".to_owned())].into(),
                executed_ms: NOW_MS - 60_000,
                execution_id: "e-1".into(),
                execution_type: "Command".into(),
                reason: "is not as it should be (HIGH)".into(),
            }],
            next_page_token: String::new(),
        }))
    }

    async fn put_compliance(&self, request: Request<PutComplianceRequest>) -> Answer<PutComplianceResponse> {
        self.note(Asked::PutCompliance(request.into_inner()))?;
        Ok(Response::new(PutComplianceResponse {}))
    }
}

fn script() -> Script {
    Script { nodes: vec![node(WEB, "web-1"), node(DB, "db-1")], ..Script::default() }
}

#[tokio::test]
async fn answers_are_golden() {
    let fleet = Fleet::start(script()).await;
    let lines = [
        ("inventory_list", "inventory list --type AWS:Application"),
        ("inventory_show", "inventory show web-1"),
        ("inventory_show_type", "inventory show web-1 --type AWS:Application"),
        ("inventory_diff", "inventory diff web-1 --from 24h"),
        ("inventory_query", "inventory query AWS:Application~where~Name~=~openssl"),
        ("inventory_missing", "inventory query AWS:Application --missing"),
        ("inventory_count", "inventory query AWS:Application --count-by Version"),
        ("compliance_summary", "compliance summary"),
        ("compliance_list", "compliance list"),
    ];
    for (name, line) in lines {
        let mut golden = String::new();
        for format in ["table", "json", "jsonl"] {
            let ended = fleet.types(&format!("{line} -o {format}")).await;
            golden.push_str(&format!("=== piped -o {format}\n{}", ended.text()));
        }
        insta::assert_snapshot!(name, golden);
    }
}

#[tokio::test]
async fn moments_and_targets_are_asked_for() {
    let fleet = Fleet::start(script()).await;
    fleet.types("inventory show web-1 --at 2h").await;
    fleet.types("inventory diff web-1 --from 2026-11-01 --to 2026-11-02T00:00:00Z").await;
    fleet.types("inventory query AWS:Application -t tag:role=web --missing").await;
    let asked = fleet.controller.asked();
    let Asked::Show(show) = &asked[0] else { panic!("{asked:?}") };
    assert_eq!((show.at_ms, show.with_items), (NOW_MS - 7_200_000, false));
    let Asked::Diff(diff) = &asked[1] else { panic!("{asked:?}") };
    assert_eq!(diff.to_ms - diff.from_ms, 86_400_000);
    let Asked::Query(query) = &asked[2] else { panic!("{asked:?}") };
    assert_eq!((query.targets[0].key.as_str(), query.missing), ("tag:role", true));
}

#[tokio::test]
async fn inventory_and_findings_are_put() {
    let fleet = Fleet::start(script()).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rack.json");
    let put = format!("inventory put web-1 {}", file.display());
    std::fs::write(&file, r#"{"SchemaVersion":"1.0","TypeName":"Custom:Rack","Content":{"Row":"4"}}"#)
        .unwrap();
    fleet.types(&put).await.check(Exit::Done, "", "put Custom:Rack of web-1\n");
    std::fs::write(&file, r#"{"SchemaVersion":"1.0","TypeName":"Custom:Rack","Content":[{"Row":4}]}"#)
        .unwrap();
    let ended = fleet.types(&put).await;
    assert_eq!(ended.exit, Exit::Usage);
    assert!(ended.stderr.contains("Content is no list of objects with texts"), "{}", ended.stderr);
    let line =
        "compliance put web-1 Custom:Disk root --status NON_COMPLIANT --severity HIGH --detail used=97%";
    fleet.types(line).await.check(Exit::Done, "", "put finding root of web-1\n");
    let asked = fleet.controller.asked();
    let Asked::PutInventory(put) = &asked[0] else { panic!("{asked:?}") };
    assert_eq!(put.types[0].items[0].attributes["Row"], "4");
    let Asked::PutCompliance(put) = &asked[1] else { panic!("{asked:?}") };
    assert_eq!((put.partial, put.findings[0].details["used"].as_str()), (true, "97%"));
}
