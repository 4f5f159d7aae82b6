//! Inventory and compliance as SDKs ask for them.

use fleetwright_store::Batch;

use super::*;
use crate::inventory::catalogue;
use crate::tables::NODE;
use crate::tests::node;

const WEB: &str = "mi-0123456789abcdef0";
const DB: &str = "mi-0123456789abcdef1";

/// A client of a fleet of two.
async fn client() -> Client {
    let client = Client::new().await;
    let mut batch = Batch::new();
    for (id, name) in [(WEB, "web-1"), (DB, "db-1")] {
        NODE.insert(&mut batch, &id.parse().unwrap(), &node(name, "Linux", &[("role", name)])).unwrap();
    }
    client.house.store.commit(batch).await.unwrap();
    tokio::spawn(catalogue::follow(client.house.clone()));
    client
}

async fn put(client: &Client, node: &str, type_name: &str, content: Value) {
    let item = json!({
        "TypeName": type_name, "SchemaVersion": "1.0", "CaptureTime": "2026-09-21T14:13:20Z", "Content": content,
    });
    client.ok("PutInventory", json!({"InstanceId": node, "Items": [item]})).await;
}

fn package(name: &str, version: &str) -> Value {
    json!({"Name": name, "Version": version, "PackageId": format!("{name}_{version}_amd64.deb")})
}

async fn filled() -> Client {
    let client = client().await;
    for (node, platform, version) in [(WEB, "Debian GNU/Linux", "3.0.14-1"), (DB, "Ubuntu", "3.0.15-1")] {
        let who = json!([{"InstanceId": node, "PlatformName": platform, "PlatformType": "Linux"}]);
        put(&client, node, "AWS:InstanceInformation", who).await;
        put(&client, node, "AWS:Application", json!([package("openssl", version), package("bash", "5.2-1")]))
            .await;
    }
    client
}

#[tokio::test]
async fn inventory_is_put_and_listed_in_pages() {
    let client = filled().await;
    let listed = client
        .ok(
            "ListInventoryEntries",
            json!({"InstanceId": WEB, "TypeName": "AWS:Application", "MaxResults": 1}),
        )
        .await;
    assert_eq!(listed["Entries"], json!([package("bash", "5.2-1")]));
    assert_eq!(
        (listed["SchemaVersion"].as_str(), listed["CaptureTime"].as_str()),
        (Some("1.0"), Some("2026-09-21T14:13:20Z"))
    );
    let next = json!({
        "InstanceId": WEB, "TypeName": "AWS:Application", "MaxResults": 1, "NextToken": listed["NextToken"],
    });
    let listed = client.ok("ListInventoryEntries", next).await;
    assert_eq!(listed["Entries"], json!([package("openssl", "3.0.14-1")]));
    assert!(listed.get("NextToken").is_none());
    let filter = json!([{"Key": "AWS:Application.Name", "Values": ["open"], "Type": "BeginWith"}]);
    let wanted = json!({"InstanceId": WEB, "TypeName": "AWS:Application", "Filters": filter});
    let listed = client.ok("ListInventoryEntries", wanted).await;
    assert_eq!(listed["Entries"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nodes_are_found_by_filters_and_counted_by_aggregators() {
    let client = filled().await;
    let old = json!([
        {"Key": "AWS:Application.Name", "Values": ["openssl"], "Type": "Equal"},
        {"Key": "AWS:Application.Version", "Values": ["3.0.15"], "Type": "LessThan"},
    ]);
    let wanted = json!({"Filters": old, "ResultAttributes": [{"TypeName": "AWS:Application"}]});
    let found = client.ok("GetInventory", wanted).await;
    let entities = found["Entities"].as_array().unwrap();
    assert_eq!((entities.len(), entities[0]["Id"].as_str()), (1, Some(WEB)));
    let data = &entities[0]["Data"];
    assert_eq!(data["AWS:Application"]["Content"], json!([package("openssl", "3.0.14-1")]));
    assert_eq!(data["AWS:InstanceInformation"]["Content"][0]["PlatformName"], "Debian GNU/Linux");
    let count = json!({"Aggregators": [{
        "Expression": "AWS:InstanceInformation.PlatformType",
        "Aggregators": [{"Expression": "AWS:InstanceInformation.PlatformName"}],
    }]});
    let counted = client.ok("GetInventory", count).await;
    assert_eq!(
        counted["Entities"][0]["Data"]["AWS:InstanceInformation"]["Content"],
        json!([
            {"Count": "1", "PlatformName": "Debian GNU/Linux", "PlatformType": "Linux"},
            {"Count": "1", "PlatformName": "Ubuntu", "PlatformType": "Linux"},
        ])
    );
    let groups = json!({"Aggregators": [{"Groups": [{"Name": "old", "Filters": old_filter()}]}]});
    let counted = client.ok("GetInventory", groups).await;
    assert_eq!(
        counted["Entities"][0]["Data"]["AWS:Application"]["Content"],
        json!([{"Name": "old", "MatchingCount": "1", "NonMatchingCount": "1"}])
    );
}

fn old_filter() -> Value {
    json!([{"Key": "AWS:Application.Version", "Values": ["3.0.14-1"]}])
}

#[tokio::test]
async fn schemas_say_what_types_there_are() {
    let client = client().await;
    let all = client.ok("GetInventorySchema", json!({})).await["Schemas"].clone();
    assert!(all.as_array().unwrap().len() > 12);
    let one = client.ok("GetInventorySchema", json!({"TypeName": "AWS:Network"})).await["Schemas"].clone();
    assert_eq!(one[0]["Attributes"][0], json!({"Name": "Name", "DataType": "string"}));
    client
        .refused("GetInventorySchema", json!({"TypeName": "AWS:Nothing"}), "InvalidTypeNameException")
        .await;
}

#[tokio::test]
async fn a_custom_type_is_deleted_once() {
    let client = client().await;
    put(&client, WEB, "Custom:Rack", json!([{"Row": "4"}])).await;
    let dry = client.ok("DeleteInventory", json!({"TypeName": "Custom:Rack", "DryRun": true})).await;
    assert_eq!(dry["DeletionSummary"]["RemainingCount"], 1);
    let wanted = json!({"TypeName": "Custom:Rack", "ClientToken": "67e55044-10b1-426f-9247-bb680e5fe0c8"});
    let done = client.ok("DeleteInventory", wanted.clone()).await;
    assert_eq!(
        done["DeletionSummary"],
        json!({
            "TotalCount": 1, "RemainingCount": 0,
            "SummaryItems": [{"Version": "1.0", "Count": 1, "RemainingCount": 0}],
        })
    );
    client.clock.advance(Duration::from_secs(1));
    let again = client.ok("DeleteInventory", wanted).await;
    assert_eq!(again["DeletionId"], done["DeletionId"]);
    let told = client.ok("DescribeInventoryDeletions", json!({"DeletionId": done["DeletionId"]})).await;
    assert_eq!(told["InventoryDeletions"][0]["LastStatus"], "Complete");
    let entries = json!({"InstanceId": WEB, "TypeName": "Custom:Rack"});
    assert_eq!(client.ok("ListInventoryEntries", entries).await["Entries"], json!([]));
}

#[tokio::test]
async fn findings_are_put_listed_and_summed_up() {
    let client = client().await;
    let items = json!([
        {"Id": "root", "Title": "disk is full", "Severity": "HIGH", "Status": "NON_COMPLIANT", "Details": {"used": "97%"}},
        {"Id": "home", "Severity": "LOW", "Status": "COMPLIANT"},
    ]);
    let put = |items: Value, upload: &str| {
        json!({
            "ResourceId": WEB, "ResourceType": "ManagedInstance", "ComplianceType": "Custom:Disk", "UploadType": upload,
            "ExecutionSummary": {"ExecutionTime": 1_790_000_000.0, "ExecutionId": "e-1", "ExecutionType": "Command"},
            "Items": items,
        })
    };
    client.ok("PutComplianceItems", put(items, "COMPLETE")).await;
    let listed =
        client.ok("ListComplianceItems", json!({"ResourceIds": [WEB]})).await["ComplianceItems"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!((&listed[1]["Id"], &listed[1]["Details"]["used"]), (&json!("root"), &json!("97%")));
    let bad = json!({"Filters": [{"Key": "Status", "Values": ["NON_COMPLIANT"], "Type": "EQUAL"}], "MaxResults": 1});
    let listed = client.ok("ListComplianceItems", bad).await;
    assert_eq!((listed["ComplianceItems"][0]["Id"].as_str(), listed.get("NextToken")), (Some("root"), None));
    let sums = client.ok("ListComplianceSummaries", json!({})).await["ComplianceSummaryItems"].clone();
    assert_eq!(sums[0]["NonCompliantSummary"]["SeveritySummary"]["HighCount"], 1);
    let of = client.ok("ListResourceComplianceSummaries", json!({})).await["ResourceComplianceSummaryItems"]
        .clone();
    assert_eq!((&of[0]["Status"], &of[0]["OverallSeverity"]), (&json!("NON_COMPLIANT"), &json!("HIGH")));
    let fixed = json!([{"Id": "root", "Severity": "HIGH", "Status": "COMPLIANT"}]);
    client.ok("PutComplianceItems", put(fixed, "PARTIAL")).await;
    let of = client.ok("ListResourceComplianceSummaries", json!({})).await["ResourceComplianceSummaryItems"]
        .clone();
    assert_eq!(
        (&of[0]["Status"], &of[0]["CompliantSummary"]["CompliantCount"]),
        (&json!("COMPLIANT"), &json!(2))
    );
}

#[tokio::test]
async fn what_is_wrong_has_its_name() {
    let client = client().await;
    let item = |type_name: &str| {
        json!({
            "TypeName": type_name, "SchemaVersion": "1.0", "CaptureTime": "2026-09-21T14:13:20Z", "Content": [{"a": "b"}],
        })
    };
    let only_hash = json!({
        "TypeName": "Custom:Rack", "SchemaVersion": "1.0", "CaptureTime": "2026-09-21T14:13:20Z", "ContentHash": "x",
    });
    let findings = |kind: &str, node: &str| {
        json!({
            "ResourceId": node, "ResourceType": kind, "ComplianceType": "Custom:Disk",
            "ExecutionSummary": {"ExecutionTime": 1_790_000_000.0}, "Items": [],
        })
    };
    let gone = "mi-00000000000000009";
    for (operation, input, name) in [
        ("PutInventory", json!({"InstanceId": gone, "Items": [item("Custom:Rack")]}), "InvalidInstanceId"),
        (
            "PutInventory",
            json!({"InstanceId": WEB, "Items": [item("AWS:Nothing")]}),
            "InvalidTypeNameException",
        ),
        ("PutInventory", json!({"InstanceId": WEB, "Items": [only_hash]}), "ItemContentMismatchException"),
        ("GetInventory", json!({"Filters": [{"Key": "Name", "Values": ["x"]}]}), "InvalidFilter"),
        ("GetInventory", json!({"Aggregators": [{}]}), "InvalidAggregatorException"),
        ("DeleteInventory", json!({"TypeName": "AWS:Application"}), "InvalidTypeNameException"),
        (
            "DeleteInventory",
            json!({"TypeName": "Custom:Rack", "SchemaDeleteOption": "DisableSchema"}),
            "InvalidOptionException",
        ),
        (
            "DescribeInventoryDeletions",
            json!({"DeletionId": "67e55044-10b1-426f-9247-bb680e5fe0c9"}),
            "InvalidDeletionIdException",
        ),
        ("PutComplianceItems", findings("Instance", WEB), "InvalidResourceType"),
        ("PutComplianceItems", findings("ManagedInstance", gone), "InvalidResourceId"),
        ("ListComplianceItems", json!({"ResourceIds": ["web-1"]}), "InvalidResourceId"),
        ("ListComplianceItems", json!({"Filters": [{"Key": "Rack", "Values": ["x"]}]}), "InvalidFilter"),
    ] {
        client.refused(operation, input, name).await;
    }
}
