//! Associations through their operations, good and bad.

use super::*;
use crate::tables::NODE;
use crate::tests::node;
use fleetwright_store::Batch;

const NODE_ID: &str = "mi-0123456789abcdef0";

async fn with_node(client: &Client, id: &str) {
    let mut batch = Batch::new();
    NODE.insert(&mut batch, &id.parse().unwrap(), &node("web-1", "Linux", &[("role", "web")])).unwrap();
    client.house.store.commit(batch).await.unwrap();
}

fn names<'a>(list: &'a Value, member: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|item| item[member].as_str().unwrap()).collect()
}

#[tokio::test]
async fn associations_live_their_life() {
    let client = Client::new().await;
    with_node(&client, NODE_ID).await;
    let create = json!({
        "Name": "AWS-RunShellScript", "AssociationName": "motd", "Parameters": {"commands": ["echo hi"]},
        "Targets": [{"Key": "InstanceIds", "Values": [NODE_ID]}], "ScheduleExpression": "rate(30 minutes)",
        "ComplianceSeverity": "HIGH", "MaxConcurrency": "10%", "MaxErrors": "1",
    });
    let made = client.ok("CreateAssociation", create.clone()).await["AssociationDescription"].clone();
    let id = made["AssociationId"].as_str().unwrap();
    for (member, value) in [
        ("Name", json!("AWS-RunShellScript")),
        ("AssociationName", json!("motd")),
        ("AssociationVersion", json!("1")),
        ("InstanceId", json!(NODE_ID)),
        ("ScheduleExpression", json!("rate(30 minutes)")),
        ("ComplianceSeverity", json!("HIGH")),
        ("SyncCompliance", json!("AUTO")),
        ("MaxConcurrency", json!("10%")),
        ("Parameters", json!({"commands": ["echo hi"]})),
        ("Date", json!(1_790_000_000.0)),
    ] {
        assert_eq!(made[member], value, "{member}");
    }
    let which = json!({"AssociationId": id});
    assert_eq!(
        client.ok("DescribeAssociation", which.clone()).await["AssociationDescription"]["Name"],
        made["Name"]
    );
    let old = json!({"Name": "AWS-RunShellScript", "InstanceId": NODE_ID});
    let found = client.ok("DescribeAssociation", old.clone()).await;
    assert_eq!(found["AssociationDescription"]["AssociationId"], id);

    let update =
        json!({"AssociationId": id, "Parameters": {"commands": ["echo ho"]}, "AssociationVersion": "1"});
    let updated = client.ok("UpdateAssociation", update.clone()).await["AssociationDescription"].clone();
    assert_eq!(updated["AssociationVersion"], "2");
    assert!(updated.get("ScheduleExpression").is_none(), "what is not given is cleared");
    assert_eq!(updated["Targets"], made["Targets"]);
    client.refused("UpdateAssociation", update, "InvalidAssociationVersion").await;
    let versions = client.ok("ListAssociationVersions", which.clone()).await;
    assert_eq!(names(&versions["AssociationVersions"], "AssociationVersion"), ["1", "2"]);
    let status = json!({"Date": 1_790_000_000, "Name": "Success", "Message": "seen"});
    let mut noted = old.clone();
    noted["AssociationStatus"] = status;
    let noted = client.ok("UpdateAssociationStatus", noted).await;
    assert_eq!(noted["AssociationDescription"]["Status"]["Message"], "seen");

    let batch = json!({"Entries": [create, {"Name": "Nobody", "InstanceId": NODE_ID}]});
    let batch = client.ok("CreateAssociationBatch", batch).await;
    assert_eq!(
        (batch["Successful"].as_array().unwrap().len(), batch["Failed"].as_array().unwrap().len()),
        (1, 1)
    );
    assert_eq!(batch["Failed"][0]["Fault"], "Client");
    let filter = |key: &str, value: &str| json!({"AssociationFilterList": [{"key": key, "value": value}]});
    let count =
        async |input| client.ok("ListAssociations", input).await["Associations"].as_array().unwrap().len();
    assert_eq!(count(json!({})).await, 2);
    assert_eq!(count(filter("AssociationName", "motd")).await, 1);
    assert_eq!(count(filter("AssociationId", id)).await, 1);
    assert_eq!(count(filter("Name", "Nobody")).await, 0);

    client.ok("StartAssociationsOnce", json!({"AssociationIds": [id]})).await;
    let executions = client.ok("DescribeAssociationExecutions", which.clone()).await;
    assert_eq!(executions, json!({"AssociationExecutions": []}));
    for operation in ["DescribeEffectiveInstanceAssociations", "DescribeInstanceAssociationsStatus"] {
        client.ok(operation, json!({"InstanceId": NODE_ID})).await;
        client.refused(operation, json!({"InstanceId": "mi-0000000000000000f"}), "InvalidInstanceId").await;
    }
    client.ok("DeleteAssociation", which.clone()).await;
    client.refused("DeleteAssociation", which.clone(), "AssociationDoesNotExist").await;
    client.refused("StartAssociationsOnce", json!({"AssociationIds": [id]}), "AssociationDoesNotExist").await;
}

#[tokio::test]
async fn associations_that_make_no_sense_are_refused_by_name() {
    let client = Client::new().await;
    with_node(&client, NODE_ID).await;
    let with = |member: &str, value: Value| {
        let mut input = json!({
            "Name": "AWS-RunShellScript", "Parameters": {"commands": ["echo hi"]},
            "Targets": [{"Key": "tag:role", "Values": ["web"]}],
        });
        input[member] = value;
        input
    };
    for (member, value, name) in [
        ("Name", json!("Nobody"), "InvalidDocument"),
        ("DocumentVersion", json!("9"), "InvalidDocumentVersion"),
        ("Parameters", json!({"no": ["x"]}), "InvalidParameters"),
        ("ScheduleExpression", json!("cron(61 * * * ? *)"), "InvalidSchedule"),
        ("Targets", json!([]), "InvalidTarget"),
        ("Targets", json!([{"Key": "InstanceIds", "Values": ["mi-0000000000000000f"]}]), "InvalidInstanceId"),
        ("ComplianceSeverity", json!("BAD"), "ValidationException"),
        ("ScheduleOffset", json!(7), "ValidationException"),
        ("Tags", json!([{"Key": "a", "Value": "b"}]), "ValidationException"),
    ] {
        client.refused("CreateAssociation", with(member, value), name).await;
    }
    let unknown = json!({"AssociationId": "00000000-0000-4000-8000-000000000000"});
    client.refused("DescribeAssociation", unknown, "AssociationDoesNotExist").await;
    client.refused("DescribeAssociation", json!({"Name": "X.Y"}), "ValidationException").await;
}
