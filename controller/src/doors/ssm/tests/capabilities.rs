//! Each capability through its operations, good and bad.

use super::*;
use crate::commands::records::InvocationRecord;
use crate::commands::{roster, state};
use crate::tables::NODE;
use crate::tests::node;
use fleetwright_store::Batch;

const NODE_ID: &str = "mi-0123456789abcdef0";
const DOCUMENT: &str = r#"{"schemaVersion":"2.2","description":"says hello","parameters":{"name":{"type":"String","default":"you"},"often":{"type":"Integer","default":1}},"mainSteps":[{"action":"aws:runShellScript","name":"hello","inputs":{"runCommand":["echo {{ name }}"]}}]}"#;

async fn with_node(client: &Client, id: &str, platform: &str) {
    let mut batch = Batch::new();
    NODE.insert(&mut batch, &id.parse().unwrap(), &node("web-1", platform, &[("role", "web")])).unwrap();
    client.house.store.commit(batch).await.unwrap();
}

fn names<'a>(list: &'a Value, member: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|item| item[member].as_str().unwrap()).collect()
}

#[tokio::test]
async fn activations_are_made_listed_and_deleted() {
    let client = Client::new().await;
    let made = client
        .ok(
            "CreateActivation",
            json!({
                "IamRole": "service-role/x", "DefaultInstanceName": "web", "Description": "for tests",
                "RegistrationLimit": 3, "Tags": [{"Key": "role", "Value": "web"}],
            }),
        )
        .await;
    assert!(made["ActivationCode"].as_str().unwrap().len() >= 20);
    for _ in 0..2 {
        client.ok("CreateActivation", json!({"IamRole": "other"})).await;
    }
    let mut seen = Vec::new();
    let mut input = json!({"MaxResults": 2});
    loop {
        let page = client.ok("DescribeActivations", input.clone()).await;
        seen.extend(page["ActivationList"].as_array().unwrap().clone());
        match page.get("NextToken") {
            Some(token) => input["NextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(seen.len(), 3);
    let id = made["ActivationId"].as_str().unwrap();
    let filter = json!({"Filters": [{"FilterKey": "IamRole", "FilterValues": ["service-role/x"]}]});
    let found = client.ok("DescribeActivations", filter).await["ActivationList"].clone();
    assert_eq!(
        found,
        json!([{
            "ActivationId": id, "Description": "for tests", "DefaultInstanceName": "web", "IamRole": "service-role/x",
            "RegistrationLimit": 3, "RegistrationsCount": 0, "Expired": false,
            "CreatedDate": 1_790_000_000.0, "ExpirationDate": 1_790_086_400.0,
            "Tags": [{"Key": "role", "Value": "web"}],
        }])
    );
    client
        .refused("CreateActivation", json!({"IamRole": "x", "ExpirationDate": 1}), "InvalidParameters")
        .await;
    client.refused("CreateActivation", json!({}), "ValidationException").await;
    client.refused("DescribeActivations", json!({"NextToken": "x"}), "InvalidNextToken").await;
    client.ok("DeleteActivation", json!({"ActivationId": id})).await;
    client.refused("DeleteActivation", json!({"ActivationId": id}), "InvalidActivation").await;
}

#[tokio::test]
async fn nodes_are_described_tagged_and_deregistered() {
    let client = Client::new().await;
    with_node(&client, NODE_ID, "Linux").await;
    with_node(&client, "mi-00000000000000001", "Windows").await;
    let list = client.ok("DescribeInstanceInformation", json!({})).await;
    let list = &list["InstanceInformationList"];
    assert_eq!(names(list, "InstanceId"), ["mi-00000000000000001", NODE_ID]);
    assert_eq!(list[1]["PingStatus"], "Inactive");
    let found = async |key: &str, values: &[&str]| {
        let new = client
            .ok("DescribeInstanceInformation", json!({"Filters": [{"Key": key, "Values": values}]}))
            .await;
        new["InstanceInformationList"].as_array().unwrap().len()
    };
    assert_eq!(found("PlatformTypes", &["Linux"]).await, 1);
    assert_eq!(found("InstanceIds", &[NODE_ID, "mi-0000000000000000f"]).await, 1);
    assert_eq!(found("PingStatus", &["Online"]).await, 0);
    assert_eq!(found("PingStatus", &["Online", "Inactive"]).await, 2);
    assert_eq!(found("tag:role", &["web"]).await, 2);
    assert_eq!(found("ResourceType", &["EC2Instance"]).await, 0);
    let old = json!({"InstanceInformationFilterList": [{"key": "PlatformTypes", "valueSet": ["Windows"]}]});
    let old = client.ok("DescribeInstanceInformation", old).await;
    assert_eq!(names(&old["InstanceInformationList"], "InstanceId"), ["mi-00000000000000001"]);
    for (key, value, name) in [
        ("Nope", "x", "InvalidFilterKey"),
        ("PingStatus", "x", "InvalidInstanceInformationFilterValue"),
        ("InstanceIds", "web-1", "InvalidInstanceId"),
    ] {
        let filter = json!({"Filters": [{"Key": key, "Values": [value]}]});
        client.refused("DescribeInstanceInformation", filter, name).await;
    }
    client.refused("DescribeInstanceInformation", json!({"MaxResults": 4}), "ValidationException").await;

    let tags = |more: Value| {
        let mut input = json!({"ResourceType": "ManagedInstance", "ResourceId": NODE_ID});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    client.ok("AddTagsToResource", tags(json!({"Tags": [{"Key": "env", "Value": "a"}]}))).await;
    client.ok("RemoveTagsFromResource", tags(json!({"TagKeys": ["role", "never"]}))).await;
    let listed = client.ok("ListTagsForResource", tags(json!({}))).await;
    assert_eq!(listed, json!({"TagList": [{"Key": "env", "Value": "a"}]}));
    let twice = json!([{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]);
    client.refused("AddTagsToResource", tags(json!({"Tags": twice})), "ValidationException").await;
    let many: Vec<_> = (0..51).map(|at| json!({"Key": format!("k{at}"), "Value": ""})).collect();
    client.refused("AddTagsToResource", tags(json!({"Tags": many})), "TooManyTagsError").await;
    for id in ["web-1", "mi-0000000000000000f"] {
        client.refused("ListTagsForResource", tags(json!({"ResourceId": id})), "InvalidResourceId").await;
    }
    client
        .refused("ListTagsForResource", tags(json!({"ResourceType": "OpsItem"})), "InvalidResourceType")
        .await;

    client.ok("DeregisterManagedInstance", json!({"InstanceId": NODE_ID})).await;
    client.refused("DeregisterManagedInstance", json!({"InstanceId": NODE_ID}), "InvalidInstanceId").await;
}

#[tokio::test]
async fn documents_live_their_life() {
    let client = Client::new().await;
    let create = json!({
        "Name": "Hello", "Content": DOCUMENT, "DocumentType": "Command", "VersionName": "v1",
        "Tags": [{"Key": "a", "Value": "b"}],
    });
    let made = client.ok("CreateDocument", create.clone()).await["DocumentDescription"].clone();
    for (member, value) in [
        ("Name", json!("Hello")),
        ("Owner", json!("000000000000")),
        ("Status", json!("Active")),
        ("DocumentVersion", json!("1")),
        ("Description", json!("says hello")),
        ("PlatformTypes", json!(["Linux", "MacOS"])),
        ("SchemaVersion", json!("2.2")),
        ("DocumentFormat", json!("JSON")),
        ("HashType", json!("Sha256")),
        ("Tags", json!([{"Key": "a", "Value": "b"}])),
        (
            "Parameters",
            json!([
                {"Name": "name", "Type": "String", "DefaultValue": "you"},
                {"Name": "often", "Type": "Integer", "DefaultValue": "1"},
            ]),
        ),
    ] {
        assert_eq!(made[member], value, "{member}");
    }
    client.refused("CreateDocument", create, "DocumentAlreadyExists").await;
    let yaml = json!({"Name": "Yaml", "Content": "schemaVersion: '2.2'\n", "DocumentType": "Command"});
    client.refused("CreateDocument", yaml, "InvalidDocumentContent").await;

    let second = DOCUMENT.replace("hello", "bye");
    let update =
        json!({"Name": "Hello", "Content": second, "DocumentVersion": "$LATEST", "VersionName": "v2"});
    let updated = client.ok("UpdateDocument", update.clone()).await["DocumentDescription"].clone();
    assert_eq!((&updated["DocumentVersion"], &updated["DefaultVersion"]), (&json!("2"), &json!("1")));
    client.refused("UpdateDocument", update, "DuplicateDocumentContent").await;

    let got = client.ok("GetDocument", json!({"Name": "Hello", "VersionName": "v2"})).await;
    assert_eq!((&got["Content"], &got["DocumentVersion"]), (&json!(second), &json!("2")));
    let as_yaml = client.ok("GetDocument", json!({"Name": "Hello", "DocumentFormat": "YAML"})).await;
    assert!(as_yaml["Content"].as_str().unwrap().starts_with("schemaVersion: "), "{as_yaml}");
    for (input, name) in [
        (json!({"Name": "Nobody"}), "InvalidDocument"),
        (json!({"Name": "Hello", "DocumentVersion": "9"}), "InvalidDocumentVersion"),
        (json!({"Name": "Hello", "VersionName": "v9"}), "InvalidDocumentVersion"),
        (json!({"Name": "Hello", "VersionName": "v2", "DocumentVersion": "1"}), "InvalidDocumentVersion"),
        (json!({"Name": "a b"}), "ValidationException"),
        (json!({"Name": "Hello", "DocumentVersion": "latest"}), "ValidationException"),
    ] {
        client.refused("GetDocument", input, name).await;
    }
    let default = json!({"Name": "Hello", "DocumentVersion": "2"});
    let set = client.ok("UpdateDocumentDefaultVersion", default).await;
    assert_eq!(
        set["Description"],
        json!({"Name": "Hello", "DefaultVersion": "2", "DefaultVersionName": "v2"})
    );
    let described = client.ok("DescribeDocument", json!({"Name": "Hello"})).await;
    assert_eq!(described["Document"]["DocumentVersion"], "2");
    let page = client.ok("ListDocumentVersions", json!({"Name": "Hello", "MaxResults": 1})).await;
    assert_eq!(names(&page["DocumentVersions"], "DocumentVersion"), ["1"]);
    let next = json!({"Name": "Hello", "MaxResults": 5, "NextToken": page["NextToken"]});
    let page = client.ok("ListDocumentVersions", next).await;
    assert_eq!(page["DocumentVersions"][0]["IsDefaultVersion"], true);
    client.ok("DeleteDocument", json!({"Name": "Hello", "DocumentVersion": "1"})).await;
    client.ok("DeleteDocument", json!({"Name": "Hello"})).await;
    client.refused("DeleteDocument", json!({"Name": "Hello"}), "InvalidDocument").await;
}

#[tokio::test]
async fn documents_are_listed_and_shared() {
    let client = Client::new().await;
    for name in ["Hello", "World"] {
        client
            .ok("CreateDocument", json!({"Name": name, "Content": DOCUMENT, "DocumentType": "Command"}))
            .await;
    }
    let own = json!({"Filters": [{"Key": "Owner", "Values": ["Self"]}], "MaxResults": 1});
    let page = client.ok("ListDocuments", own.clone()).await;
    assert_eq!(names(&page["DocumentIdentifiers"], "Name"), ["Hello"]);
    let mut next = own;
    next["NextToken"] = page["NextToken"].clone();
    let page = client.ok("ListDocuments", next).await;
    assert_eq!(names(&page["DocumentIdentifiers"], "Name"), ["World"]);
    let old = json!({"DocumentFilterList": [{"key": "Name", "value": "AWS-RunShell"}]});
    let shipped = client.ok("ListDocuments", old).await;
    assert_eq!(names(&shipped["DocumentIdentifiers"], "Owner"), ["Amazon"]);
    client
        .refused("ListDocuments", json!({"Filters": [{"Key": "x", "Values": ["y"]}]}), "InvalidFilterKey")
        .await;

    let share = |more: Value| {
        let mut input = json!({"Name": "Hello", "PermissionType": "Share"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        input
    };
    let add = share(json!({"AccountIdsToAdd": ["111111111111"], "SharedDocumentVersion": "$ALL"}));
    client.ok("ModifyDocumentPermission", add).await;
    client.ok("ModifyDocumentPermission", share(json!({"AccountIdsToAdd": ["222222222222"]}))).await;
    let shared = client.ok("DescribeDocumentPermission", share(json!({}))).await;
    assert_eq!(
        shared,
        json!({
            "AccountIds": ["111111111111", "222222222222"],
            "AccountSharingInfoList": [
                {"AccountId": "111111111111", "SharedDocumentVersion": "$ALL"},
                {"AccountId": "222222222222", "SharedDocumentVersion": "$DEFAULT"},
            ],
        })
    );
    let page = client.ok("DescribeDocumentPermission", share(json!({"MaxResults": 1}))).await;
    let next = share(json!({"MaxResults": 1, "NextToken": page["NextToken"]}));
    let page = client.ok("DescribeDocumentPermission", next).await;
    assert_eq!((page["AccountIds"].clone(), page.get("NextToken")), (json!(["222222222222"]), None));
    client.refused("DeleteDocument", json!({"Name": "Hello"}), "InvalidDocumentOperation").await;
    let bad = share(json!({"AccountIdsToAdd": ["x"]}));
    client.refused("ModifyDocumentPermission", bad, "ValidationException").await;
    let tags =
        json!({"ResourceType": "Document", "ResourceId": "Hello", "Tags": [{"Key": "a", "Value": "b"}]});
    client.ok("AddTagsToResource", tags.clone()).await;
    assert_eq!(client.ok("ListTagsForResource", tags).await["TagList"], json!([{"Key": "a", "Value": "b"}]));
    let shipped = json!({"ResourceType": "Document", "ResourceId": "AWS-RunShellScript", "Tags": []});
    client.refused("AddTagsToResource", shipped, "InvalidResourceId").await;
}

#[tokio::test]
async fn commands_are_sent_listed_and_cancelled() {
    let client = Client::new().await;
    with_node(&client, NODE_ID, "Linux").await;
    let send = json!({
        "InstanceIds": [NODE_ID], "DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["true"]},
        "Comment": "hi", "TimeoutSeconds": 60, "MaxConcurrency": "10%", "MaxErrors": "1",
    });
    let sent = client.ok("SendCommand", send.clone()).await["Command"].clone();
    for (member, value) in [
        ("DocumentName", json!("AWS-RunShellScript")),
        ("Comment", json!("hi")),
        ("Parameters", json!({"commands": ["true"]})),
        ("InstanceIds", json!([NODE_ID])),
        ("Targets", json!([])),
        ("Status", json!("Pending")),
        ("TargetCount", json!(1)),
        ("MaxConcurrency", json!("10%")),
        ("TimeoutSeconds", json!(60)),
        ("RequestedDateTime", json!(1_790_000_000.0)),
    ] {
        assert_eq!(sent[member], value, "{member}");
    }
    let id = sent["CommandId"].as_str().unwrap();
    let by_tag = json!({"Targets": [{"Key": "tag:role", "Values": ["nobody"]}], "DocumentName": "AWS-RunShellScript",
        "Parameters": {"commands": ["true"]}});
    let empty = client.ok("SendCommand", by_tag).await["Command"].clone();
    assert_eq!(
        (&empty["Status"], &empty["StatusDetails"]),
        (&json!("Failed"), &json!("No Instances In Tag"))
    );
    let listed = client.ok("ListCommands", json!({"CommandId": id})).await["Commands"].clone();
    assert_eq!(listed[0]["Parameters"], json!({"commands": ["true"]}));
    let count =
        async |input: Value| client.ok("ListCommands", input).await["Commands"].as_array().unwrap().len();
    let filtered = |key: &str, value: &str| json!({"Filters": [{"key": key, "value": value}]});
    assert_eq!(count(json!({})).await, 2);
    assert_eq!(count(json!({"InstanceId": NODE_ID})).await, 1);
    assert_eq!(count(filtered("Status", "Failed")).await, 1);
    assert_eq!(count(filtered("ExecutionStage", "Executing")).await, 1);
    assert_eq!(count(filtered("DocumentName", "AWS-RunShellScript")).await, 2);
    assert_eq!(count(filtered("InvokedAfter", "2026-09-21T14:13:21Z")).await, 0);
    assert_eq!(count(filtered("InvokedBefore", "2026-09-21T14:13:21Z")).await, 2);
    client.refused("ListCommands", filtered("Status", "Done"), "ValidationException").await;
    client.refused("ListCommands", filtered("InvokedAfter", "today"), "ValidationException").await;
    let none = "00000000-0000-0000-0000-000000000000";
    client.refused("ListCommands", json!({"CommandId": none}), "InvalidCommandId").await;
    client.refused("CancelCommand", json!({"CommandId": none}), "InvalidCommandId").await;
    client.refused("CancelCommand", json!({"CommandId": "x".repeat(36)}), "InvalidCommandId").await;
    client.ok("CancelCommand", json!({"CommandId": id})).await;
    let got = client.ok("GetCommandInvocation", json!({"CommandId": id, "InstanceId": NODE_ID})).await;
    assert_eq!((&got["Status"], &got["ResponseCode"]), (&json!("Cancelled"), &json!(-1)));
    let bad = json!({"CommandId": none, "InstanceId": NODE_ID});
    client.refused("GetCommandInvocation", bad, "InvocationDoesNotExist").await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_named() {
    let client = Client::new().await;
    with_node(&client, NODE_ID, "Linux").await;
    let content = DOCUMENT.replace("2.2", "2.0");
    client
        .ok("CreateDocument", json!({"Name": "Policy", "Content": content, "DocumentType": "Policy"}))
        .await;
    let check = async |more: Value, name: &str| {
        let mut input = json!({
            "InstanceIds": [NODE_ID], "DocumentName": "AWS-RunShellScript", "Parameters": {"commands": ["true"]},
        });
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.refused("SendCommand", input, name).await
    };
    for (more, name) in [
        (json!({"DocumentName": "Nothing"}), "InvalidDocument"),
        (json!({"DocumentName": "Policy"}), "InvalidDocument"),
        (json!({"DocumentVersion": "77"}), "InvalidDocumentVersion"),
        (json!({"DocumentHash": "00"}), "InvalidDocument"),
        (json!({"Parameters": {}}), "InvalidParameters"),
        (json!({"Parameters": {"commands": ["x"], "nope": ["y"]}}), "InvalidParameters"),
        (json!({"InstanceIds": ["mi-0000000000000000f"]}), "InvalidInstanceId"),
        (json!({"InstanceIds": ["i-12345678"]}), "InvalidInstanceId"),
        (json!({"InstanceIds": [NODE_ID, NODE_ID]}), "DuplicateInstanceId"),
        (json!({"InstanceIds": []}), "ValidationException"),
        (json!({"Targets": [{"Key": "tag:a", "Values": ["b"]}]}), "ValidationException"),
        (json!({"InstanceIds": null, "Targets": [{"Key": "nope", "Values": ["b"]}]}), "ValidationException"),
        (json!({"MaxErrors": "lots"}), "ValidationException"),
        (json!({"TimeoutSeconds": 5}), "ValidationException"),
        (json!({"OutputS3BucketName": "bucket"}), "InvalidOutputFolder"),
        (
            json!({"NotificationConfig": {"NotificationArn": "arn:aws:sns:x:1:y"}}),
            "InvalidNotificationConfig",
        ),
        (json!({"CloudWatchOutputConfig": {"CloudWatchOutputEnabled": true}}), "ValidationException"),
        (json!({"AlarmConfiguration": {"Alarms": [{"Name": "a"}]}}), "ValidationException"),
    ] {
        check(more, name).await;
    }
    let count = client.ok("ListCommands", json!({})).await["Commands"].as_array().unwrap().len();
    assert_eq!(count, 0);
}

#[tokio::test]
async fn invocations_of_all_commands_are_one_list() {
    let client = Client::new().await;
    let nodes = ["mi-00000000000000001", "mi-00000000000000002", "mi-00000000000000003"];
    for id in nodes {
        with_node(&client, id, "Linux").await;
    }
    let mut sent = Vec::new();
    for _ in 0..3 {
        let input = json!({
            "Targets": [{"Key": "tag:role", "Values": ["web"]}], "DocumentName": "AWS-RunShellScript",
            "Parameters": {"commands": ["true"]},
        });
        sent.push(client.ok("SendCommand", input).await["Command"]["CommandId"].as_str().unwrap().to_owned());
        client.clock.advance(Duration::from_secs(1));
    }
    let all = async |mut input: Value| {
        let mut seen = Vec::new();
        loop {
            let page = client.ok("ListCommandInvocations", input.clone()).await;
            let found = page["CommandInvocations"].as_array().unwrap();
            seen.extend(found.iter().map(|one| {
                format!("{} {}", one["CommandId"].as_str().unwrap(), one["InstanceId"].as_str().unwrap())
            }));
            match page.get("NextToken") {
                Some(token) => input["NextToken"] = token.clone(),
                None => return seen,
            }
        }
    };
    let newest_first: Vec<_> =
        sent.iter().rev().flat_map(|id| nodes.iter().map(move |node| format!("{id} {node}"))).collect();
    for size in [1, 2, 4, 50] {
        assert_eq!(all(json!({"MaxResults": size})).await, newest_first, "pages of {size}");
    }
    assert_eq!(all(json!({"MaxResults": 2, "CommandId": sent[1]})).await, newest_first[3..6]);
    let one: Vec<_> = sent.iter().rev().map(|id| format!("{id} {}", nodes[1])).collect();
    assert_eq!(all(json!({"MaxResults": 1, "InstanceId": nodes[1]})).await, one);

    let key = (sent[0].parse().unwrap(), nodes[0].parse().unwrap());
    let found = roster::find(&client.house, &key).await.unwrap().unwrap();
    let ended = InvocationRecord { state: state::State::Success, ..found.record.clone() };
    let mut batch = Batch::new();
    found.write(&mut batch, ended).unwrap();
    client.house.store.commit(batch).await.unwrap();
    let success = json!({"Filters": [{"key": "Status", "value": "Success"}]});
    assert_eq!(all(success).await, [format!("{} {}", sent[0], nodes[0])]);
}

#[tokio::test]
async fn parameters_live_their_life() {
    let client = Client::new().await;
    let put = async |name: &str, value: &str, more: Value| {
        let mut input = json!({"Name": name, "Value": value, "Type": "String"});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.ok("PutParameter", input).await
    };
    assert_eq!(put("/app/db", "one", json!({})).await, json!({"Version": 1, "Tier": "Standard"}));
    put("/app/db", "two", json!({"Overwrite": true})).await;
    let refused = client
        .refused(
            "PutParameter",
            json!({"Name": "/app/db", "Value": "x", "Type": "String"}),
            "ParameterAlreadyExists",
        )
        .await;
    assert!(!refused.contains('x') || refused.contains("exist"), "{refused}");
    let got = client.ok("GetParameter", json!({"Name": "/app/db"})).await;
    assert_eq!(
        got["Parameter"],
        json!({
            "Name": "/app/db", "Type": "String", "Value": "two", "Version": 2,
            "LastModifiedDate": 1_790_000_000.0, "DataType": "text",
            "ARN": "arn:aws:ssm:eu-central-1:000000000000:parameter/app/db",
        })
    );
    client
        .ok(
            "LabelParameterVersion",
            json!({"Name": "/app/db", "ParameterVersion": 1, "Labels": ["old", "1bad"]}),
        )
        .await;
    let labelled = client.ok("GetParameter", json!({"Name": "/app/db:old"})).await;
    let labelled = &labelled["Parameter"];
    assert_eq!((&labelled["Value"], &labelled["Selector"]), (&json!("one"), &json!(":old")));
    let history = client.ok("GetParameterHistory", json!({"Name": "/app/db"})).await;
    assert_eq!(history["Parameters"][0]["Labels"], json!(["old"]));
    assert_eq!(history["Parameters"][1]["Value"], "two");
    let gone = json!({"Name": "/app/db", "ParameterVersion": 1, "Labels": ["old", "new"]});
    let gone = client.ok("UnlabelParameterVersion", gone).await;
    assert_eq!(gone, json!({"RemovedLabels": ["old"], "InvalidLabels": ["new"]}));

    put("/app/secret", "hush", json!({"Type": "SecureString"})).await;
    let sealed = client.ok("GetParameter", json!({"Name": "/app/secret"})).await;
    assert_ne!(sealed["Parameter"]["Value"], "hush");
    let opened = client.ok("GetParameter", json!({"Name": "/app/secret", "WithDecryption": true})).await;
    assert_eq!(opened["Parameter"]["Value"], "hush");
    let many = json!({"Names": ["/app/db", "/app/secret", "/nobody"], "WithDecryption": true});
    let many = client.ok("GetParameters", many).await;
    assert_eq!(names(&many["Parameters"], "Value"), ["two", "hush"]);
    assert_eq!(many["InvalidParameters"], json!(["/nobody"]));

    for at in 0..5 {
        put(&format!("/list/{at}"), "x", json!({"Tags": [{"Key": "n", "Value": at.to_string()}]})).await;
    }
    let mut seen = Vec::new();
    let mut input = json!({"Path": "/list", "MaxResults": 2});
    loop {
        let page = client.ok("GetParametersByPath", input.clone()).await;
        seen.extend(names(&page["Parameters"], "Name").into_iter().map(str::to_owned));
        match page.get("NextToken") {
            Some(token) => input["NextToken"] = token.clone(),
            None => break,
        }
    }
    assert_eq!(seen, ["/list/0", "/list/1", "/list/2", "/list/3", "/list/4"]);
    let other = json!({"Path": "/app", "MaxResults": 2, "NextToken": input["NextToken"]});
    client.refused("GetParametersByPath", other, "InvalidNextToken").await;
    let described = json!({"ParameterFilters": [{"Key": "tag:n", "Values": ["3"]}]});
    let described = client.ok("DescribeParameters", described).await;
    assert_eq!(names(&described["Parameters"], "Name"), ["/list/3"]);
    let old =
        client.ok("DescribeParameters", json!({"Filters": [{"Key": "Name", "Values": ["/app"]}]})).await;
    assert_eq!(names(&old["Parameters"], "Name"), ["/app/db", "/app/secret"]);

    let tags =
        json!({"ResourceType": "Parameter", "ResourceId": "/app/db", "Tags": [{"Key": "a", "Value": "b"}]});
    client.ok("AddTagsToResource", tags.clone()).await;
    assert_eq!(
        client.ok("ListTagsForResource", tags.clone()).await["TagList"],
        json!([{"Key": "a", "Value": "b"}])
    );
    client.ok("DeleteParameter", json!({"Name": "/app/db"})).await;
    client.refused("DeleteParameter", json!({"Name": "/app/db"}), "ParameterNotFound").await;
    client.refused("GetParameter", json!({"Name": "/app/db"}), "ParameterNotFound").await;
    client.refused("ListTagsForResource", tags, "InvalidResourceId").await;
    let deleted = client.ok("DeleteParameters", json!({"Names": ["/list/0", "/nobody"]})).await;
    assert_eq!(deleted, json!({"DeletedParameters": ["/list/0"], "InvalidParameters": ["/nobody"]}));
}

#[tokio::test]
async fn parameters_that_cannot_be_are_named() {
    let client = Client::new().await;
    for (input, name) in [
        (json!({"Name": "aws-x", "Value": "v", "Type": "String"}), "ValidationException"),
        (json!({"Name": "/a b", "Value": "v", "Type": "String"}), "ValidationException"),
        (json!({"Name": "/a", "Value": "v", "Type": "Text"}), "ValidationException"),
        (json!({"Name": "/a", "Value": "v".repeat(5000), "Type": "String"}), "ValidationException"),
        (
            json!({"Name": "/a", "Value": "v", "Type": "String", "Description": "d".repeat(1025)}),
            "ValidationException",
        ),
        (
            json!({"Name": "/a", "Value": "v", "Type": "String", "AllowedPattern": "("}),
            "InvalidAllowedPatternException",
        ),
        (
            json!({"Name": "/a", "Value": "v", "Type": "String", "AllowedPattern": "^x$"}),
            "ParameterPatternMismatchException",
        ),
        (
            json!({"Name": "/a".repeat(16), "Value": "v", "Type": "String"}),
            "HierarchyLevelLimitExceededException",
        ),
        (json!({"Value": "v", "Type": "String"}), "ValidationException"),
        (json!({"Name": "/a", "Value": 1, "Type": "String"}), "SerializationException"),
    ] {
        client.refused("PutParameter", input, name).await;
    }
    for (operation, input, name) in [
        ("GetParameters", json!({"Names": vec!["/a"; 11]}), "ValidationException"),
        ("GetParameters", json!({"Names": []}), "ValidationException"),
        ("GetParametersByPath", json!({"Path": "/a", "MaxResults": 11}), "ValidationException"),
        ("GetParametersByPath", json!({"Path": "a"}), "ValidationException"),
        (
            "DescribeParameters",
            json!({"ParameterFilters": [{"Key": "Label", "Values": ["x"]}]}),
            "InvalidFilterKey",
        ),
        ("DescribeParameters", json!({"MaxResults": 51}), "ValidationException"),
        ("GetParameterHistory", json!({"Name": "/nobody"}), "ParameterNotFound"),
        ("LabelParameterVersion", json!({"Name": "/nobody", "Labels": ["a"]}), "ParameterNotFound"),
    ] {
        client.refused(operation, input, name).await;
    }
}
