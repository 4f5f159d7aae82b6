"""Maintenance windows through boto3: made, changed, listed, run, refused."""

import datetime
import json
import re

import pytest

from fleet import until

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
SIMPLE = {
    "Name": "simple-window",
    "Schedule": "cron(15 12 * * ? *)",
    "Duration": 2,
    "Cutoff": 1,
    "AllowUnassociatedTargets": False,
}
STRANGER = "67e55044-10b1-426f-9247-bb680e5fe0c8"
NO_WINDOW = "mw-0123456789abcdef0"


@pytest.fixture
def window(ssm):
    """Makes windows, and takes them away when the test has ended."""
    made = []

    def make(**settings):
        made.append(ssm.create_maintenance_window(**{**SIMPLE, **settings})["WindowId"])
        return made[-1]

    yield make
    for one in made:
        ssm.delete_maintenance_window(WindowId=one)


def target(ssm, window_id, **settings):
    wish = {"ResourceType": "INSTANCE", "Targets": [{"Key": "tag:role", "Values": ["web"]}], **settings}
    return ssm.register_target_with_maintenance_window(WindowId=window_id, **wish)["WindowTargetId"]


def task_wish(target_id, **settings):
    return {
        "Targets": [{"Key": "WindowTargetIds", "Values": [target_id]}],
        "TaskArn": "AWS-RunShellScript",
        "TaskType": "RUN_COMMAND",
        "MaxConcurrency": "1",
        "MaxErrors": "1",
        **settings,
    }


def task(ssm, window_id, target_id, **settings):
    wish = task_wish(target_id, **settings)
    return ssm.register_task_with_maintenance_window(WindowId=window_id, **wish)["WindowTaskId"]


def identity(ssm, window_id):
    (found,) = [one for one in ssm.describe_maintenance_windows()["WindowIdentities"] if one["WindowId"] == window_id]
    return found


def soon(seconds=3):
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return f"at({at:%Y-%m-%dT%H:%M:%S})"


def ended(ssm, window_id):
    """Waits for the only execution of a window to end."""

    def look():
        found = ssm.describe_maintenance_window_executions(WindowId=window_id)["WindowExecutions"]
        done = found and found[0]["Status"] not in ("PENDING", "IN_PROGRESS", "CANCELLING")
        return (found[0] if done else None), found

    return until(f"the execution of {window_id} has ended", look)


def test_a_name_that_no_window_has_finds_none(ssm):
    only = [{"Key": "Name", "Values": ["no-such-window"]}]
    assert ssm.describe_maintenance_windows(Filters=only)["WindowIdentities"] == []


def test_a_window_with_what_it_must_have(ssm, window):
    made = window()
    assert re.fullmatch(r"mw-[0-9a-f]{17}", made)
    found = identity(ssm, made)
    for name in ("Name", "Schedule", "Duration", "Cutoff"):
        assert found[name] == SIMPLE[name]
    assert found["Enabled"] is True
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT12:15:00Z", found["NextExecutionTime"])
    for absent in ("Description", "ScheduleTimezone", "ScheduleOffset", "StartDate", "EndDate"):
        assert absent not in found
    whole = ssm.get_maintenance_window(WindowId=made)
    assert whole["AllowUnassociatedTargets"] is False
    assert whole["NextExecutionTime"] == found["NextExecutionTime"]
    age = datetime.datetime.now(datetime.timezone.utc) - whole["CreatedDate"]
    assert abs(age) < datetime.timedelta(minutes=1) and whole["ModifiedDate"] == whole["CreatedDate"]


def test_a_window_with_everything_says_it_back(ssm, window):
    wish = {
        "Description": "all that a window may say",
        "ScheduleTimezone": "Europe/London",
        "ScheduleOffset": 1,
        "StartDate": "2021-11-01",
        "EndDate": "2021-12-31",
        "Duration": 5,
        "Cutoff": 4,
    }
    made = window(**wish)
    for found in (identity(ssm, made), ssm.get_maintenance_window(WindowId=made)):
        assert {name: found[name] for name in wish} == wish
        assert "NextExecutionTime" not in found, "it ended years ago"


def test_windows_are_filtered_and_come_in_pages(ssm, window):
    made = [window(Name=f"window_{number}") for number in range(12)]
    ssm.update_maintenance_window(WindowId=made[0], Enabled=False)

    def found(key, *values):
        filters = [{"Key": key, "Values": list(values)}]
        return {one["WindowId"] for one in ssm.describe_maintenance_windows(Filters=filters)["WindowIdentities"]}

    assert found("Name", "window_0", "window_2") == {made[0], made[2]}
    assert found("Enabled", "False") == {made[0]}
    assert found("Enabled", "true") == set(made[1:])
    paginator = ssm.get_paginator("describe_maintenance_windows")
    pages = list(paginator.paginate(PaginationConfig={"PageSize": 10}))
    seen = [one["WindowId"] for page in pages for one in page["WindowIdentities"]]
    assert [len(page["WindowIdentities"]) for page in pages] == [10, 2]
    assert len(seen) == len(set(seen)) and set(seen) == set(made)


def test_a_window_is_changed_and_replaced(ssm, window, refused):
    made = window(Description="first", ScheduleTimezone="Europe/Berlin", ScheduleOffset=2)
    answer = ssm.update_maintenance_window(WindowId=made, Duration=6, Enabled=False)
    assert (answer["Duration"], answer["Cutoff"], answer["Description"]) == (6, 1, "first")
    assert (answer["Enabled"], answer["ScheduleOffset"]) == (False, 2)
    assert "NextExecutionTime" not in ssm.get_maintenance_window(WindowId=made)
    refused("ValidationException", "update_maintenance_window", WindowId=made, Name="x-y-z", Replace=True)
    answer = ssm.update_maintenance_window(WindowId=made, Replace=True, Enabled=True, **SIMPLE)
    assert "Description" not in answer and "ScheduleTimezone" not in answer and "ScheduleOffset" not in answer
    assert ssm.get_maintenance_window(WindowId=made)["NextExecutionTime"].endswith("T12:15:00Z")
    refused("ValidationException", "update_maintenance_window", WindowId=made, Cutoff=2)
    assert ssm.get_maintenance_window(WindowId=made)["Cutoff"] == 1


def test_a_deleted_window_is_gone_and_may_be_deleted_again(ssm, window, refused):
    made = window()
    for _ in range(2):
        assert ssm.delete_maintenance_window(WindowId=made)["WindowId"] == made
    assert ssm.delete_maintenance_window(WindowId=NO_WINDOW)["WindowId"] == NO_WINDOW
    assert all(one["WindowId"] != made for one in ssm.describe_maintenance_windows()["WindowIdentities"])
    message = refused("DoesNotExistException", "get_maintenance_window", WindowId=made)
    assert message.startswith(f"Maintenance window {made} does not exist")


def test_a_token_makes_one_of_each(ssm, window, refused):
    token = "once-" + datetime.datetime.now().isoformat()
    made = window(ClientToken=token)
    assert window(ClientToken=token) == made
    refused("IdempotentParameterMismatch", "create_maintenance_window", **{**SIMPLE, "Duration": 3}, ClientToken=token)
    first = target(ssm, made, ClientToken=token)
    assert target(ssm, made, ClientToken=token) == first
    assert target(ssm, made) != first
    one = task(ssm, made, first, ClientToken=token)
    assert task(ssm, made, first, ClientToken=token) == one
    other = task_wish(first, Priority=7)
    refused("IdempotentParameterMismatch", "register_task_with_maintenance_window", WindowId=made, ClientToken=token,
            **other)
    assert len(ssm.describe_maintenance_window_tasks(WindowId=made)["Tasks"]) == 1


def test_tags_of_a_window(ssm, window, refused):
    made = window(Tags=[{"Key": "k1", "Value": "v1"}])
    resource = {"ResourceType": "MaintenanceWindow", "ResourceId": made}

    def tags():
        return {tag["Key"]: tag["Value"] for tag in ssm.list_tags_for_resource(**resource)["TagList"]}

    assert tags() == {"k1": "v1"}
    ssm.add_tags_to_resource(**resource, Tags=[{"Key": "k2", "Value": "v2"}])
    assert tags() == {"k1": "v1", "k2": "v2"}
    ssm.remove_tags_from_resource(**resource, TagKeys=["k1"])
    assert tags() == {"k2": "v2"}
    refused("InvalidResourceId", "list_tags_for_resource", ResourceType="MaintenanceWindow", ResourceId=NO_WINDOW)


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"Duration": 25}, "less than or equal to 24"),
        ({"Cutoff": 2}, "must be less than the duration"),
        ({"Cutoff": 24}, "less than or equal to 23"),
        ({"Schedule": "cron(0 0 30 2 ? *)"}, "never comes"),
        ({"Schedule": "cron(0 2 * * *)"}, "six fields"),
        ({"Schedule": "cron(61 2 ? * * *)"}, "schedule"),
        ({"Schedule": "rate(1 days)"}, "the unit is `day`"),
        ({"Schedule": "every night"}, "schedule"),
        ({"ScheduleTimezone": "Mars/Phobos"}, "time zone"),
        ({"ScheduleOffset": 7}, "less than or equal to 6"),
        ({"ScheduleOffset": 1, "Schedule": "rate(1 day)"}, "cron()"),
        ({"Name": "a b c"}, "pattern"),
        ({"StartDate": "soon"}, "the start date: `soon`"),
        ({"StartDate": "2031-08-01", "EndDate": "2031-07-01"}, "not later than the start date"),
        ({"ClientToken": "x" * 65}, "64"),
    ],
)
def test_windows_that_cannot_be_are_refused(refused, wrong, said):
    message = refused("ValidationException", "create_maintenance_window", **{**SIMPLE, **wrong})
    assert said in message


def test_targets_are_registered_changed_and_taken_away(ssm, window, refused):
    made = window()
    assert ssm.describe_maintenance_window_targets(WindowId=made)["Targets"] == []
    first = target(ssm, made, OwnerInformation="team web", Name="webs", Description="the web servers")
    assert UUID.fullmatch(first)
    (found,) = ssm.describe_maintenance_window_targets(WindowId=made)["Targets"]
    assert found == {
        "WindowId": made,
        "WindowTargetId": first,
        "ResourceType": "INSTANCE",
        "Targets": [{"Key": "tag:role", "Values": ["web"]}],
        "OwnerInformation": "team web",
        "Name": "webs",
        "Description": "the web servers",
    }
    by_id = target(ssm, made, Targets=[{"Key": "InstanceIds", "Values": ["mi-0123456789abcdef0"]}])
    group = target(
        ssm, made, ResourceType="RESOURCE_GROUP", Targets=[{"Key": "resource-groups:Name", "Values": ["canaries"]}]
    )

    def found(key, value):
        filters = [{"Key": key, "Values": [value]}]
        answer = ssm.describe_maintenance_window_targets(WindowId=made, Filters=filters)
        return [one["WindowTargetId"] for one in answer["Targets"]]

    assert found("Type", "RESOURCE_GROUP") == [group]
    assert found("WindowTargetId", by_id) == [by_id]
    assert found("OwnerInformation", "team web") == [first]
    answer = ssm.update_maintenance_window_target(WindowId=made, WindowTargetId=first, Name="others")
    assert (answer["Name"], answer["OwnerInformation"]) == ("others", "team web")
    tags = [{"Key": "tag:role", "Values": ["db"]}]
    answer = ssm.update_maintenance_window_target(WindowId=made, WindowTargetId=first, Targets=tags, Replace=True)
    assert answer["Targets"] == tags and "Name" not in answer and "OwnerInformation" not in answer
    answer = ssm.deregister_target_from_maintenance_window(WindowId=made, WindowTargetId=first)
    assert (answer["WindowId"], answer["WindowTargetId"]) == (made, first)
    for operation in ("deregister_target_from_maintenance_window", "update_maintenance_window_target"):
        refused("DoesNotExistException", operation, WindowId=made, WindowTargetId=first)
    refused("DoesNotExistException", "describe_maintenance_window_targets", WindowId=NO_WINDOW)


def test_targets_that_cannot_be_are_refused(ssm, window, refused):
    made = window()
    call = lambda name, **wish: refused(
        name,
        "register_target_with_maintenance_window",
        **{"WindowId": made, "ResourceType": "INSTANCE", "Targets": [{"Key": "tag:a", "Values": ["b"]}], **wish},
    )
    call("DoesNotExistException", WindowId=NO_WINDOW)
    call("ValidationException", ResourceType="HOST")
    call("ValidationException", ResourceType="RESOURCE_GROUP")
    call("ValidationException", OwnerInformation="x" * 129)
    call("ValidationException", Targets=[{"Key": f"tag:{n}", "Values": ["b"]} for n in range(6)])
    call("ValidationException", Targets=[{"Key": "colour", "Values": ["red"]}])


def test_tasks_are_registered_changed_and_taken_away(ssm, window, refused):
    made = window()
    assert ssm.describe_maintenance_window_tasks(WindowId=made)["Tasks"] == []
    webs = target(ssm, made)
    bare = task(ssm, made, webs)
    assert UUID.fullmatch(bare)
    (found,) = ssm.describe_maintenance_window_tasks(WindowId=made)["Tasks"]
    assert (found["WindowTaskId"], found["WindowId"], found["TaskArn"]) == (bare, made, "AWS-RunShellScript")
    assert (found["Type"], found["MaxConcurrency"], found["MaxErrors"]) == ("RUN_COMMAND", "1", "1")
    assert found["Targets"] == [{"Key": "WindowTargetIds", "Values": [webs]}]
    assert (found["Priority"], found["CutoffBehavior"]) == (0, "CONTINUE_TASK")
    invocation = {
        "RunCommand": {
            "Comment": "from a window",
            "DocumentVersion": "$DEFAULT",
            "OutputS3BucketName": "my-bucket",
            "OutputS3KeyPrefix": "windows",
            "Parameters": {"commands": ["echo {{WINDOW_ID}}"], "executionTimeout": ["60"]},
            "ServiceRoleArn": "arn:aws:iam::123456789012:role/commands",
            "TimeoutSeconds": 600,
        }
    }
    role = "arn:aws:iam::123456789012:role/windows"
    logging = {"S3BucketName": "my-bucket", "S3Region": "eu-central-1", "S3KeyPrefix": "logs"}
    full = task(
        ssm, made, webs, Name="full-task", Description="with everything", Priority=5, ServiceRoleArn=role,
        CutoffBehavior="CANCEL_TASK", LoggingInfo=logging, TaskInvocationParameters=invocation, MaxConcurrency="10%",
    )
    whole = ssm.get_maintenance_window_task(WindowId=made, WindowTaskId=full)
    assert whole["TaskInvocationParameters"] == invocation
    assert (whole["ServiceRoleArn"], whole["LoggingInfo"], whole["CutoffBehavior"]) == (role, logging, "CANCEL_TASK")
    assert (whole["TaskType"], whole["Name"], whole["MaxConcurrency"]) == ("RUN_COMMAND", "full-task", "10%")

    def found(key, value):
        filters = [{"Key": key, "Values": [value]}]
        answer = ssm.describe_maintenance_window_tasks(WindowId=made, Filters=filters)
        return [one["WindowTaskId"] for one in answer["Tasks"]]

    assert found("Priority", "5") == [full] and found("WindowTaskId", bare) == [bare]
    assert found("TaskArn", "AWS-RunShellScript") == [bare, full] and found("TaskType", "AUTOMATION") == []
    answer = ssm.update_maintenance_window_task(WindowId=made, WindowTaskId=full, Priority=0, MaxErrors="50%")
    assert (answer["Priority"], answer["MaxErrors"], answer["Description"]) == (0, "50%", "with everything")
    assert answer["TaskInvocationParameters"] == invocation
    answer = ssm.update_maintenance_window_task(
        WindowId=made, WindowTaskId=full, Replace=True, TaskArn="AWS-RunShellScript", Priority=2, MaxConcurrency="2",
        MaxErrors="0", Targets=[{"Key": "WindowTargetIds", "Values": [webs]}],
    )
    assert answer["MaxConcurrency"] == "2" and "Description" not in answer and "LoggingInfo" not in answer
    refused("TargetInUseException", "deregister_target_from_maintenance_window", WindowId=made, WindowTargetId=webs,
            Safe=True)
    answer = ssm.deregister_task_from_maintenance_window(WindowId=made, WindowTaskId=full)
    assert (answer["WindowId"], answer["WindowTaskId"]) == (made, full)
    for operation in (
        "deregister_task_from_maintenance_window", "get_maintenance_window_task", "update_maintenance_window_task"
    ):
        refused("DoesNotExistException", operation, WindowId=made, WindowTaskId=full)
    refused("DoesNotExistException", "describe_maintenance_window_tasks", WindowId=NO_WINDOW)


def test_legacy_parameters_of_a_task_are_taken(ssm, window):
    made = window()
    legacy = {"commands": {"Values": ["echo legacy"]}}
    one = task(ssm, made, target(ssm, made), TaskParameters=legacy)
    whole = ssm.get_maintenance_window_task(WindowId=made, WindowTaskId=one)
    assert whole["TaskParameters"] == legacy
    assert whole["TaskInvocationParameters"]["RunCommand"]["Parameters"] == {"commands": ["echo legacy"]}


def test_tasks_that_cannot_be_are_refused(fleet, ssm, window, refused):
    made = window()
    webs = target(ssm, made)
    run = lambda **parameters: {"TaskInvocationParameters": {"RunCommand": {"Parameters": parameters}}}
    call = lambda name, **wish: refused(
        name, "register_task_with_maintenance_window", **{"WindowId": made, **task_wish(webs), **wish}
    )
    call("DoesNotExistException", WindowId=NO_WINDOW)
    call("DoesNotExistException", Targets=[{"Key": "WindowTargetIds", "Values": [STRANGER]}])
    call("DoesNotExistException", Targets=[{"Key": "InstanceIds", "Values": ["mi-0123456789abcdef0"]}])
    call("ValidationException", Targets=[{"Key": "InstanceIds", "Values": [fleet.node]}])
    call("ValidationException", Targets=[])
    call("ValidationException", TaskArn="No-Such-Document")
    call("ValidationException", MaxConcurrency="101%")
    call("ValidationException", MaxErrors="many")
    call("ValidationException", TaskType="SHELL")
    call("ValidationException", CutoffBehavior="STOP")
    assert "TARGET_ID" in call("ValidationException", **run(commands=["echo {{TARGET_ID}}"]))
    assert "WINDOW_NAME" in call("ValidationException", **run(commands=["echo {{WINDOW_NAME}}"]))
    call("FeatureNotAvailableException", TaskType="LAMBDA", TaskArn="arn:aws:lambda:eu-central-1:123456789012:function:x")
    call("FeatureNotAvailableException", TaskType="STEP_FUNCTIONS", TaskArn="arn:aws:states:eu-central-1:1:stateMachine:x")
    call("ValidationException", TaskInvocationParameters={"Lambda": {"Qualifier": "1"}})
    open_to_all = window(AllowUnassociatedTargets=True)
    task(ssm, open_to_all, webs, Targets=[{"Key": "InstanceIds", "Values": [fleet.node]}])


def test_the_schedule_is_told_as_far_as_it_is_asked_for(ssm, window, refused):
    daily = window(Name="daily")
    hourly = window(Name="hourly", Schedule="cron(30 * * * ? *)")
    answer = ssm.describe_maintenance_window_schedule(WindowId=daily, MaxResults=3)
    times = [one["ExecutionTime"] for one in answer["ScheduledWindowExecutions"]]
    assert len(times) == 3 and times == sorted(times) and all(time.endswith("T12:15:00Z") for time in times)
    more = ssm.describe_maintenance_window_schedule(WindowId=daily, MaxResults=3, NextToken=answer["NextToken"])
    assert more["ScheduledWindowExecutions"][0]["ExecutionTime"] > times[-1]
    every = [
        one
        for page in ssm.get_paginator("describe_maintenance_window_schedule").paginate(WindowId=daily)
        for one in page["ScheduledWindowExecutions"]
    ]
    assert len(every) == len({one["ExecutionTime"] for one in every}) > 100
    both = ssm.describe_maintenance_window_schedule(MaxResults=60)["ScheduledWindowExecutions"]
    assert {one["Name"] for one in both} == {"daily", "hourly"}
    assert [one["ExecutionTime"] for one in both] == sorted(one["ExecutionTime"] for one in both)
    before = [{"Key": "ScheduledBefore", "Values": [times[1]]}]
    few = ssm.describe_maintenance_window_schedule(WindowId=daily, Filters=before)
    assert [one["ExecutionTime"] for one in few["ScheduledWindowExecutions"]] == times[:1]
    assert "NextToken" not in few
    once = window(Schedule="at(2020-01-01T00:00:00)")
    assert ssm.describe_maintenance_window_schedule(WindowId=once)["ScheduledWindowExecutions"] == []
    refused("DoesNotExistException", "describe_maintenance_window_schedule", WindowId=NO_WINDOW)
    assert hourly != daily


def test_windows_of_a_node_are_found(fleet, ssm, window):
    webs, dbs = window(Name="of-webs"), window(Name="of-dbs")
    target(ssm, webs)
    target(ssm, dbs, Targets=[{"Key": "tag:role", "Values": ["db"]}])

    def found(key, value):
        asked = [{"Key": key, "Values": [value]}]
        answer = ssm.describe_maintenance_windows_for_target(ResourceType="INSTANCE", Targets=asked)
        return answer["WindowIdentities"]

    assert found("tag:role", "web") == [{"WindowId": webs, "Name": "of-webs"}]
    assert found("InstanceIds", fleet.node) == []
    node = {"ResourceType": "ManagedInstance", "ResourceId": fleet.node}
    ssm.add_tags_to_resource(**node, Tags=[{"Key": "role", "Value": "db"}])
    assert found("InstanceIds", fleet.node) == [{"WindowId": dbs, "Name": "of-dbs"}]
    ssm.remove_tags_from_resource(**node, TagKeys=["role"])


def test_an_execution_runs_its_tasks_on_this_host_and_tells_all_of_it(fleet, ssm, window):
    made = window(Name="now", Schedule=soon())
    host = target(ssm, made, Targets=[{"Key": "InstanceIds", "Values": [fleet.node]}], OwnerInformation="team host")
    run = lambda line: {"RunCommand": {"Parameters": {"commands": [line]}}}
    first = task(
        ssm, made, host, Priority=1, Name="first",
        TaskInvocationParameters=run("echo {{WINDOW_ID}} {{WINDOW_EXECUTION_ID}} {{ WINDOW_TARGET_ID }} {{TARGET_TYPE}}"),
    )
    task(ssm, made, host, Priority=2, Name="second", TaskInvocationParameters=run("exit 7"))
    execution = ended(ssm, made)
    of = {"WindowExecutionId": execution["WindowExecutionId"]}
    assert (execution["Status"], execution["WindowId"]) == ("FAILED", made)
    assert execution["StartTime"] <= execution["EndTime"] and execution["StatusDetails"]
    whole = ssm.get_maintenance_window_execution(**of)
    tasks = ssm.describe_maintenance_window_execution_tasks(**of)["WindowExecutionTaskIdentities"]
    assert whole["TaskIds"] == [one["TaskExecutionId"] for one in tasks]
    assert [one["Status"] for one in tasks] == ["SUCCESS", "FAILED"]
    assert [(one["TaskArn"], one["TaskType"]) for one in tasks] == [("AWS-RunShellScript", "RUN_COMMAND")] * 2
    failed = [{"Key": "STATUS", "Values": ["FAILED"]}]
    (only,) = ssm.describe_maintenance_window_execution_tasks(**of, Filters=failed)["WindowExecutionTaskIdentities"]
    assert only["TaskExecutionId"] == whole["TaskIds"][1]
    of_task = {**of, "TaskId": whole["TaskIds"][0]}
    one = ssm.get_maintenance_window_execution_task(**of_task)
    assert (one["Status"], one["Priority"], one["Type"], one["MaxErrors"]) == ("SUCCESS", 1, "RUN_COMMAND", "1")
    answer = ssm.describe_maintenance_window_execution_task_invocations(**of_task)
    (invocation,) = answer["WindowExecutionTaskInvocationIdentities"]
    assert (invocation["OwnerInformation"], invocation["WindowTargetId"]) == ("team host", host)
    assert invocation["Status"] == "SUCCESS"
    parameters = json.loads(invocation["Parameters"])
    line = f"echo {made} {of['WindowExecutionId']} {host} INSTANCE"
    assert parameters["parameters"] == {"commands": [line]}
    alone = ssm.get_maintenance_window_execution_task_invocation(**of_task, InvocationId=invocation["InvocationId"])
    for name in ("ExecutionId", "Status", "Parameters", "OwnerInformation", "StartTime", "EndTime"):
        assert alone[name] == invocation[name]
    ran = ssm.get_command_invocation(CommandId=invocation["ExecutionId"], InstanceId=fleet.node)
    assert (ran["Status"], ran["StandardOutputContent"]) == ("Success", line.removeprefix("echo ") + "\n")
    after = [{"Key": "ExecutedAfter", "Values": ["2099-01-01T00:00:00Z"]}]
    assert ssm.describe_maintenance_window_executions(WindowId=made, Filters=after)["WindowExecutions"] == []
    before = [{"Key": "ExecutedBefore", "Values": ["2099-01-01T00:00:00Z"]}]
    found = ssm.describe_maintenance_window_executions(WindowId=made, Filters=before)["WindowExecutions"]
    assert found == [execution]
    assert ssm.get_maintenance_window_task(WindowId=made, WindowTaskId=first)["Name"] == "first"


def test_an_execution_is_cancelled_with_what_runs_and_what_waits(fleet, ssm, window):
    made = window(Name="cancelled", Schedule=soon())
    host = target(ssm, made, Targets=[{"Key": "InstanceIds", "Values": [fleet.node]}])
    sleeps = {"RunCommand": {"Parameters": {"commands": ["sleep 600"]}}}
    for priority in (1, 2):
        task(ssm, made, host, Priority=priority, TaskInvocationParameters=sleeps)

    def running():
        found = ssm.describe_maintenance_window_executions(WindowId=made)["WindowExecutions"]
        if not found:
            return None, found
        tasks = ssm.describe_maintenance_window_execution_tasks(WindowExecutionId=found[0]["WindowExecutionId"])
        states = [one["Status"] for one in tasks["WindowExecutionTaskIdentities"]]
        return (found[0] if states == ["IN_PROGRESS", "PENDING"] else None), states

    execution = until("the first task runs", running)["WindowExecutionId"]
    answer = ssm.cancel_maintenance_window_execution(WindowExecutionId=execution)
    assert answer["WindowExecutionId"] == execution
    assert ended(ssm, made)["Status"] == "CANCELLED"
    tasks = ssm.describe_maintenance_window_execution_tasks(WindowExecutionId=execution)
    assert [one["Status"] for one in tasks["WindowExecutionTaskIdentities"]] == ["CANCELLED", "CANCELLED"]
    ssm.cancel_maintenance_window_execution(WindowExecutionId=execution)


def test_executions_that_nobody_knows_are_refused(ssm, window, refused):
    of = {"WindowExecutionId": STRANGER}
    for operation in (
        "get_maintenance_window_execution",
        "describe_maintenance_window_execution_tasks",
        "cancel_maintenance_window_execution",
    ):
        refused("DoesNotExistException", operation, **of)
    of_task = {**of, "TaskId": STRANGER}
    refused("DoesNotExistException", "get_maintenance_window_execution_task", **of_task)
    refused("DoesNotExistException", "describe_maintenance_window_execution_task_invocations", **of_task)
    refused("DoesNotExistException", "get_maintenance_window_execution_task_invocation", **of_task,
            InvocationId=STRANGER)
    assert ssm.describe_maintenance_window_executions(WindowId=window())["WindowExecutions"] == []
    refused("ValidationException", "describe_maintenance_windows", Filters=[{"Key": "Colour", "Values": ["red"]}])
    refused("ValidationException", "describe_maintenance_windows", MaxResults=101)


def test_a_calendar_says_when_changes_may_be_made(ssm, refused):
    text = "\r\n".join([
        "BEGIN:VCALENDAR", "PRODID:-//AWS//Change Calendar 1.0//EN", "VERSION:2.0", "X-CALENDAR-TYPE:DEFAULT_CLOSED",
        "X-WR-CALDESC:nights", "BEGIN:VEVENT", "DTSTAMP:20260101T000000Z", "UID:1", "SUMMARY:open nights",
        "DTSTART;TZID=Europe/Berlin:20260105T220000", "DURATION:PT6H", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH",
        "END:VEVENT", "END:VCALENDAR", "",
    ])
    ssm.create_document(Name="Nights", Content=text, DocumentType="ChangeCalendar", DocumentFormat="TEXT")
    state = lambda at: ssm.get_calendar_state(CalendarNames=["Nights"], AtTime=at)
    night = state("2030-07-01T21:00:00Z")
    assert (night["State"], night["NextTransitionTime"]) == ("OPEN", "2030-07-02T02:00:00Z")
    day = state("2030-07-05T12:00:00Z")
    assert (day["State"], day["NextTransitionTime"]) == ("CLOSED", "2030-07-08T20:00:00Z")
    assert ssm.get_document(Name="Nights")["Content"] == text
    refused("InvalidDocument", "get_calendar_state", CalendarNames=["Nope"])
    refused("InvalidDocumentType", "get_calendar_state", CalendarNames=["AWS-RunShellScript"])
    ssm.delete_document(Name="Nights")
