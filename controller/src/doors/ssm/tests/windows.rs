//! Maintenance windows as SDKs use them, good and bad.

use super::*;
use crate::windows::reconcile;

/// A window every two hours, and its id.
async fn window(client: &Client) -> String {
    let made = client.ok("CreateMaintenanceWindow", settings(json!({}))).await;
    made["WindowId"].as_str().unwrap().to_owned()
}

#[expect(clippy::needless_pass_by_value, reason = "every caller makes the value for this")]
fn settings(other: Value) -> Value {
    let mut input = json!({
        "Name": "patch-night", "Schedule": "rate(2 hours)", "Duration": 2, "Cutoff": 1,
        "AllowUnassociatedTargets": false,
    });
    input.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    input
}

async fn target(client: &Client, window: &str) -> String {
    let input = json!({
        "WindowId": window, "ResourceType": "INSTANCE", "OwnerInformation": "team web",
        "Targets": [{"Key": "tag:role", "Values": ["web"]}],
    });
    let made = client.ok("RegisterTargetWithMaintenanceWindow", input).await;
    made["WindowTargetId"].as_str().unwrap().to_owned()
}

fn task(window: &str, target: &str) -> Value {
    json!({
        "WindowId": window, "TaskArn": "AWS-RunShellScript", "TaskType": "RUN_COMMAND", "Priority": 1,
        "Targets": [{"Key": "WindowTargetIds", "Values": [target]}],
        "MaxConcurrency": "10%", "MaxErrors": "1", "CutoffBehavior": "CANCEL_TASK",
        "TaskInvocationParameters": {
            "RunCommand": {"Parameters": {"commands": ["echo {{WINDOW_ID}}"]}, "TimeoutSeconds": 600},
        },
    })
}

#[tokio::test]
async fn a_window_is_made_read_changed_and_deleted() {
    let client = Client::new().await;
    let once = settings(json!({
        "ClientToken": "once", "Description": "all of it", "ScheduleTimezone": "Europe/Berlin",
        "Tags": [{"Key": "team", "Value": "web"}],
    }));
    let id = client.ok("CreateMaintenanceWindow", once.clone()).await["WindowId"].clone();
    assert_eq!(client.ok("CreateMaintenanceWindow", once.clone()).await["WindowId"], id);
    let mut other = once;
    other["Duration"] = json!(3);
    client.refused("CreateMaintenanceWindow", other, "IdempotentParameterMismatch").await;
    let read = client.ok("GetMaintenanceWindow", json!({"WindowId": id})).await;
    assert_eq!((&read["Enabled"], &read["Duration"]), (&json!(true), &json!(2)));
    assert_eq!(read["CreatedDate"], 1_790_000_000.0);
    assert!(read["NextExecutionTime"].as_str().unwrap().ends_with("+02:00"), "{read}");
    let change = json!({"WindowId": id, "Enabled": false, "Cutoff": 0});
    let changed = client.ok("UpdateMaintenanceWindow", change).await;
    assert_eq!((&changed["Enabled"], &changed["Description"]), (&json!(false), &json!("all of it")));
    let whole = settings(json!({"WindowId": id, "Replace": true}));
    assert_eq!(client.ok("UpdateMaintenanceWindow", whole).await.get("Description"), None);
    let found = async |filters: Value| {
        let list = client.ok("DescribeMaintenanceWindows", json!({"Filters": filters})).await;
        list["WindowIdentities"].as_array().unwrap().len()
    };
    assert_eq!(found(json!([])).await, 1);
    assert_eq!(found(json!([{"Key": "Name", "Values": ["patch-night"]}])).await, 1);
    assert_eq!(found(json!([{"Key": "Enabled", "Values": ["true"]}])).await, 0);
    let tags = json!({"ResourceType": "MaintenanceWindow", "ResourceId": id});
    let list = client.ok("ListTagsForResource", tags).await;
    assert_eq!(list["TagList"], json!([{"Key": "team", "Value": "web"}]));
    client.ok("DeleteMaintenanceWindow", json!({"WindowId": id})).await;
    client.ok("DeleteMaintenanceWindow", json!({"WindowId": id})).await;
    client.refused("GetMaintenanceWindow", json!({"WindowId": id}), "DoesNotExistException").await;
    client.refused("UpdateMaintenanceWindow", json!({"WindowId": id}), "DoesNotExistException").await;
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let client = Client::new().await;
    for wrong in [
        json!({"Duration": 25}),
        json!({"Cutoff": 2}),
        json!({"Schedule": "cron(0 0 30 2 ? *)"}),
        json!({"Schedule": "rate(1 days)"}),
        json!({"ScheduleTimezone": "Mars/Phobos"}),
        json!({"Name": "a"}),
        json!({"StartDate": "soon"}),
        json!({"ScheduleOffset": 7}),
    ] {
        client.refused("CreateMaintenanceWindow", settings(wrong), "ValidationException").await;
    }
    let id = window(&client).await;
    let stranger = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    client.refused("RegisterTaskWithMaintenanceWindow", task(&id, stranger), "DoesNotExistException").await;
    let target = target(&client, &id).await;
    let mut lambda = task(&id, &target);
    lambda["TaskType"] = json!("LAMBDA");
    client.refused("RegisterTaskWithMaintenanceWindow", lambda, "FeatureNotAvailableException").await;
    let mut nobody = task(&id, &target);
    nobody["Targets"] = json!([]);
    client.refused("RegisterTaskWithMaintenanceWindow", nobody, "ValidationException").await;
    let unknown = json!({"WindowExecutionId": stranger});
    client.refused("GetMaintenanceWindowExecution", unknown.clone(), "DoesNotExistException").await;
    client.refused("CancelMaintenanceWindowExecution", unknown, "DoesNotExistException").await;
    let filter = json!({"Filters": [{"Key": "Nope", "Values": ["x"]}]});
    client.refused("DescribeMaintenanceWindows", filter, "ValidationException").await;
}

#[tokio::test]
async fn targets_and_tasks_are_registered_changed_and_deregistered() {
    let client = Client::new().await;
    let id = window(&client).await;
    let target = target(&client, &id).await;
    let made = client.ok("RegisterTaskWithMaintenanceWindow", task(&id, &target)).await;
    let (window, of_task) =
        (json!({"WindowId": id}), json!({"WindowId": id, "WindowTaskId": made["WindowTaskId"]}));
    let read = client.ok("GetMaintenanceWindowTask", of_task.clone()).await;
    assert_eq!((&read["TaskType"], &read["CutoffBehavior"]), (&json!("RUN_COMMAND"), &json!("CANCEL_TASK")));
    assert_eq!(read["TaskInvocationParameters"]["RunCommand"]["TimeoutSeconds"], 600);
    let list = client.ok("DescribeMaintenanceWindowTasks", window.clone()).await;
    assert_eq!(list["Tasks"][0]["Type"], "RUN_COMMAND");
    let mut change = of_task.clone();
    change["Priority"] = json!(7);
    let changed = client.ok("UpdateMaintenanceWindowTask", change).await;
    assert_eq!((&changed["Priority"], &changed["MaxErrors"]), (&json!(7), &json!("1")));
    let mut of_target = json!({"WindowId": id, "WindowTargetId": target, "Safe": true});
    let safe = of_target.clone();
    client.refused("DeregisterTargetFromMaintenanceWindow", safe, "TargetInUseException").await;
    client.ok("DeregisterTaskFromMaintenanceWindow", of_task.clone()).await;
    client.refused("DeregisterTaskFromMaintenanceWindow", of_task, "DoesNotExistException").await;
    let list = client.ok("DescribeMaintenanceWindowTargets", window).await;
    assert_eq!(list["Targets"][0]["OwnerInformation"], "team web");
    let change = json!({"WindowId": id, "WindowTargetId": target, "Name": "webs"});
    let changed = client.ok("UpdateMaintenanceWindowTarget", change).await;
    assert_eq!((&changed["Name"], &changed["OwnerInformation"]), (&json!("webs"), &json!("team web")));
    of_target["Safe"] = json!(false);
    client.ok("DeregisterTargetFromMaintenanceWindow", of_target).await;
}

#[tokio::test]
async fn an_execution_is_told_down_to_its_invocations() {
    let client = Client::new().await;
    let id = window(&client).await;
    let target = target(&client, &id).await;
    client.ok("RegisterTaskWithMaintenanceWindow", task(&id, &target)).await;
    let due = json!({"WindowId": id, "MaxResults": 2});
    let schedule = client.ok("DescribeMaintenanceWindowSchedule", due).await;
    assert_eq!(schedule["ScheduledWindowExecutions"].as_array().unwrap().len(), 2);
    let asked = json!({"ResourceType": "INSTANCE", "Targets": [{"Key": "tag:role", "Values": ["web"]}]});
    let found = client.ok("DescribeMaintenanceWindowsForTarget", asked).await;
    assert_eq!(found["WindowIdentities"], json!([{"WindowId": id, "Name": "patch-night"}]));
    client.clock.advance(Duration::from_secs(7200));
    reconcile::run_once(&client.house, "this").await.unwrap();
    let list = client.ok("DescribeMaintenanceWindowExecutions", json!({"WindowId": id})).await;
    // Nobody has the tag: the task's command ended at once, and says so.
    assert_eq!(list["WindowExecutions"][0]["Status"], "FAILED", "{list}");
    let execution = json!({"WindowExecutionId": list["WindowExecutions"][0]["WindowExecutionId"]});
    let one = client.ok("GetMaintenanceWindowExecution", execution.clone()).await;
    let tasks = client.ok("DescribeMaintenanceWindowExecutionTasks", execution.clone()).await;
    let identity = &tasks["WindowExecutionTaskIdentities"][0];
    assert_eq!(one["TaskIds"], json!([identity["TaskExecutionId"]]));
    let mut run = execution.clone();
    run["TaskId"] = identity["TaskExecutionId"].clone();
    let whole = client.ok("GetMaintenanceWindowExecutionTask", run.clone()).await;
    assert_eq!((&whole["Status"], &whole["Priority"]), (&json!("FAILED"), &json!(1)));
    let found = client.ok("DescribeMaintenanceWindowExecutionTaskInvocations", run.clone()).await;
    let invocation = &found["WindowExecutionTaskInvocationIdentities"][0];
    assert_eq!(
        (&invocation["OwnerInformation"], &invocation["WindowTargetId"]),
        (&json!("team web"), &json!(target))
    );
    assert!(invocation["Parameters"].as_str().unwrap().contains(&format!("echo {id}")));
    run["InvocationId"] = invocation["InvocationId"].clone();
    assert_eq!(&client.ok("GetMaintenanceWindowExecutionTaskInvocation", run).await, invocation);
    let command = json!({"CommandId": invocation["ExecutionId"]});
    let listed = client.ok("ListCommands", command).await;
    assert_eq!(listed["Commands"][0]["CommandId"], invocation["ExecutionId"]);
}

#[tokio::test]
async fn a_calendar_says_whether_it_is_open() {
    let client = Client::new().await;
    let text =
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20301224T000000Z\nDURATION:P2D\nEND:VEVENT\nEND:VCALENDAR";
    let document = json!({
        "Name": "Holidays", "Content": text, "DocumentType": "ChangeCalendar", "DocumentFormat": "TEXT",
    });
    client.ok("CreateDocument", document).await;
    let ask = |at: &str| json!({"CalendarNames": ["Holidays"], "AtTime": at});
    let open = client.ok("GetCalendarState", ask("2030-12-23T12:00:00Z")).await;
    assert_eq!(
        open,
        json!({"State": "OPEN", "AtTime": "2030-12-23T12:00:00Z", "NextTransitionTime": "2030-12-24T00:00:00Z"})
    );
    let closed = client.ok("GetCalendarState", ask("2030-12-24T12:00:00Z")).await;
    assert_eq!(closed["State"], "CLOSED");
    let shell = json!({"CalendarNames": ["AWS-RunShellScript"]});
    client.refused("GetCalendarState", shell, "InvalidDocumentType").await;
    client.refused("GetCalendarState", json!({"CalendarNames": ["Nope"]}), "InvalidDocument").await;
}

/// From here on the client signs with a key of this operator.
async fn become_operator(client: &mut Client, name: &str) {
    let admin = client.house.access.principal(FIRST_OPERATOR).unwrap();
    let wish = NewAccessKey { operator: name.to_owned(), description: String::new(), expires_in: None };
    let created = keys::create(&client.house, &admin, wish).await.unwrap();
    (client.key, client.secret) = (created.key.id.to_string(), created.secret.reveal().to_owned());
}

#[tokio::test]
async fn whoever_is_no_administrator_lets_windows_do_what_he_may_do_and_no_more() {
    use crate::access::operators::{self, NewOperator};
    use crate::access::policies::{self, PolicyWish};
    let mut client = Client::new().await;
    let admin = client.house.access.principal(FIRST_OPERATOR).unwrap();
    let (own, other) = (window(&client).await, window(&client).await);
    let text = format!(
        "permit(principal == Operator::\"ada\", action, resource == Window::\"{own}\");\n\
         permit(principal == Operator::\"ada\", action == Action::\"SendCommand\", \
         resource == Document::\"AWS-RunShellScript\");"
    );
    let wish = NewOperator { name: "ada".to_owned(), description: String::new(), groups: [].into() };
    operators::create(&client.house, &admin, wish).await.unwrap();
    let policy = PolicyWish { name: "ada".to_owned(), text, description: String::new() };
    policies::put(&client.house, &admin, policy).await.unwrap();
    become_operator(&mut client, "ada").await;

    client.ok("GetMaintenanceWindow", json!({"WindowId": own})).await;
    client.ok("DescribeMaintenanceWindowSchedule", json!({"WindowId": own})).await;
    let tags = json!({"ResourceType": "MaintenanceWindow", "ResourceId": own});
    client.ok("ListTagsForResource", tags).await;
    for (operation, input) in [
        ("GetMaintenanceWindow", json!({"WindowId": other})),
        ("DeleteMaintenanceWindow", json!({"WindowId": other})),
        ("DescribeMaintenanceWindowSchedule", json!({"WindowId": other})),
        ("DescribeMaintenanceWindowSchedule", json!({})),
        ("DescribeMaintenanceWindows", json!({})),
        ("CreateMaintenanceWindow", settings(json!({}))),
        ("ListTagsForResource", json!({"ResourceType": "MaintenanceWindow", "ResourceId": other})),
    ] {
        client.refused(operation, input, "AccessDeniedException").await;
    }
    let webs = target(&client, &own).await;
    let made = client.ok("RegisterTaskWithMaintenanceWindow", task(&own, &webs)).await;
    let mut powershell = task(&own, &webs);
    powershell["TaskArn"] = json!("AWS-RunPowerShellScript");
    let message = client
        .refused("RegisterTaskWithMaintenanceWindow", powershell.clone(), "AccessDeniedException")
        .await;
    assert!(message.contains("may not SendCommand on document AWS-RunPowerShellScript"), "{message}");
    let change = json!({
        "WindowId": own, "WindowTaskId": made["WindowTaskId"], "TaskArn": "AWS-RunPowerShellScript",
    });
    client.refused("UpdateMaintenanceWindowTask", change, "AccessDeniedException").await;

    // An execution is of its window, also where a request names the execution alone.
    client.clock.advance(Duration::from_secs(7200));
    reconcile::run_once(&client.house, "this").await.unwrap();
    let list = client.ok("DescribeMaintenanceWindowExecutions", json!({"WindowId": own})).await;
    let execution = json!({"WindowExecutionId": list["WindowExecutions"][0]["WindowExecutionId"]});
    client.ok("GetMaintenanceWindowExecution", execution.clone()).await;
    become_operator(&mut client, FIRST_OPERATOR).await;
    let list = client.ok("DescribeMaintenanceWindowExecutions", json!({"WindowId": other})).await;
    let of_other = json!({"WindowExecutionId": list["WindowExecutions"][0]["WindowExecutionId"]});
    become_operator(&mut client, "ada").await;
    for operation in ["GetMaintenanceWindowExecution", "CancelMaintenanceWindowExecution"] {
        client.refused(operation, of_other.clone(), "AccessDeniedException").await;
    }
}
