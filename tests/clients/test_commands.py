"""Run Command on the agent of this host, through boto3."""

import datetime
import uuid

import botocore.exceptions
import pytest

from fleet import until

SHELL = "AWS-RunShellScript"


@pytest.fixture
def send(fleet, ssm):
    def call(*commands, **more):
        wish = {"InstanceIds": [fleet.node], "DocumentName": SHELL, "Parameters": {"commands": list(commands)}, **more}
        return ssm.send_command(**wish)["Command"]

    return call


@pytest.fixture
def ended(fleet, ssm):
    """Waits as scripts do, and gives the invocation."""

    def call(command):
        where = {"CommandId": command["CommandId"], "InstanceId": fleet.node}
        waiter = ssm.get_waiter("command_executed")
        try:
            waiter.wait(**where, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        except botocore.exceptions.WaiterError as error:
            assert "terminal failure state" in str(error), error
        return ssm.get_command_invocation(**where)

    return call


def test_a_command_runs_and_its_output_is_there(fleet, ssm, send, ended):
    sent = send("echo to stdout", "echo to stderr >&2", Comment="a comment", TimeoutSeconds=60, MaxErrors="1")
    assert sent["Status"] in ("Pending", "InProgress")
    assert sent["Parameters"] == {"commands": ["echo to stdout", "echo to stderr >&2"]}
    assert (sent["Comment"], sent["TimeoutSeconds"], sent["MaxErrors"]) == ("a comment", 60, "1")
    assert (sent["InstanceIds"], sent["TargetCount"]) == ([fleet.node], 1)
    invocation = ended(sent)
    assert (invocation["Status"], invocation["ResponseCode"]) == ("Success", 0)
    assert invocation["StandardOutputContent"] == "to stdout\n"
    assert invocation["StandardErrorContent"] == "to stderr\n"
    assert invocation["ExecutionElapsedTime"].startswith("PT")
    start = datetime.datetime.fromisoformat(invocation["ExecutionStartDateTime"])
    assert abs(datetime.datetime.now(datetime.timezone.utc) - start) < datetime.timedelta(minutes=2)
    command = until(
        "the command is over", lambda: over(ssm.list_commands(CommandId=sent["CommandId"])["Commands"][0])
    )
    assert (command["Status"], command["CompletedCount"], command["ErrorCount"]) == ("Success", 1, 0)
    assert command["Parameters"] == sent["Parameters"]


def over(command):
    return (command if command["Status"] not in ("Pending", "InProgress") else None), command


def test_a_command_that_fails(send, ended):
    invocation = ended(send("echo before", "exit 3"))
    assert (invocation["Status"], invocation["StatusDetails"], invocation["ResponseCode"]) == ("Failed", "Failed", 3)
    assert invocation["StandardOutputContent"] == "before\n"


def test_long_output_is_cut_where_the_service_cuts_it(fleet, ssm, send, ended):
    sent = send("head -c 30000 /dev/zero | tr '\\0' x", "head -c 10000 /dev/zero | tr '\\0' y >&2")
    invocation = ended(sent)
    assert len(invocation["StandardOutputContent"]) == 24_000
    assert len(invocation["StandardErrorContent"]) == 8_000
    listed = ssm.list_command_invocations(CommandId=sent["CommandId"], Details=True)
    (plugin,) = listed["CommandInvocations"][0]["CommandPlugins"]
    assert len(plugin["Output"]) == 2_500
    assert (plugin["Status"], plugin["ResponseCode"]) == ("Success", 0)
    assert plugin["ResponseStartDateTime"] <= plugin["ResponseFinishDateTime"]


def test_several_steps_have_names(fleet, ssm, refused, send, ended):
    import json

    step = lambda name, text: {
        "action": "aws:runShellScript", "name": name, "inputs": {"runCommand": [f"echo {text}"]}
    }
    content = {"schemaVersion": "2.2", "mainSteps": [step("first", "one"), step("second", "two")]}
    ssm.create_document(Name="clients-steps", Content=json.dumps(content), DocumentType="Command")
    sent = ssm.send_command(InstanceIds=[fleet.node], DocumentName="clients-steps")["Command"]
    where = {"CommandId": sent["CommandId"], "InstanceId": fleet.node}
    until("it is over", lambda: over(ssm.list_commands(CommandId=sent["CommandId"])["Commands"][0]))
    refused("InvalidPluginName", "get_command_invocation", **where)
    refused("InvalidPluginName", "get_command_invocation", **where, PluginName="third")
    second = ssm.get_command_invocation(**where, PluginName="second")
    assert (second["PluginName"], second["StandardOutputContent"]) == ("second", "two\n")
    listed = ssm.list_command_invocations(CommandId=sent["CommandId"], Details=True)["CommandInvocations"]
    assert [plugin["Name"] for plugin in listed[0]["CommandPlugins"]] == ["first", "second"]
    ssm.delete_document(Name="clients-steps")


def test_a_command_is_cancelled(fleet, ssm, send, ended):
    sent = send("sleep 300")
    until("it runs", lambda: runs(ssm.list_commands(CommandId=sent["CommandId"])["Commands"][0]))
    ssm.cancel_command(CommandId=sent["CommandId"], InstanceIds=[fleet.node])
    until("it is cancelled", lambda: cancelled(ssm, fleet, sent))
    ssm.cancel_command(CommandId=sent["CommandId"])


def runs(command):
    return command["Status"] == "InProgress", command


def cancelled(ssm, fleet, sent):
    seen = ssm.get_command_invocation(CommandId=sent["CommandId"], InstanceId=fleet.node)
    return seen["Status"] == "Cancelled", seen


def test_commands_come_in_pages(fleet, ssm, send):
    sent = [send("true")["CommandId"] for _ in range(5)]
    pages = ssm.get_paginator("list_commands").paginate(
        InstanceId=fleet.node, PaginationConfig={"PageSize": 2, "MaxItems": 5}
    )
    assert [command["CommandId"] for page in pages for command in page["Commands"]] == sent[::-1]
    pages = ssm.get_paginator("list_command_invocations").paginate(
        InstanceId=fleet.node, PaginationConfig={"PageSize": 2, "MaxItems": 5}
    )
    assert [one["CommandId"] for page in pages for one in page["CommandInvocations"]] == sent[::-1]
    soon = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    after = [{"key": "InvokedAfter", "value": soon}]
    assert ssm.list_commands(Filters=after)["Commands"] == []
    assert ssm.list_command_invocations(Filters=after)["CommandInvocations"] == []


def test_targets_without_a_node(ssm):
    nobody = [{"Key": "tag:nobody", "Values": ["has it"]}]
    sent = ssm.send_command(Targets=nobody, DocumentName=SHELL, Parameters={"commands": ["true"]})["Command"]
    assert sent["Targets"] == nobody
    assert sent["StatusDetails"] == "No Instances In Tag"


@pytest.mark.parametrize(
    "name, wrong",
    [
        ("InvalidDocument", {"DocumentName": "clients-nobody"}),
        ("InvalidDocumentVersion", {"DocumentVersion": "99"}),
        ("InvalidParameters", {"Parameters": {}}),
        ("InvalidParameters", {"Parameters": {"commands": ["true"], "colour": ["red"]}}),
        ("InvalidInstanceId", {"InstanceIds": ["mi-" + "f" * 17]}),
        ("InvalidInstanceId", {"InstanceIds": ["i-0123456789abcdef0"]}),
        ("DuplicateInstanceId", {"InstanceIds": ["mi-" + "f" * 17] * 2}),
        ("ValidationException", {"InstanceIds": ["this-host"]}),
        ("ValidationException", {"InstanceIds": [f"mi-{n:017x}" for n in range(51)]}),
        ("ValidationException", {"InstanceIds": []}),
        ("ValidationException", {"Targets": [{"Key": "tag:a", "Values": ["b"]}]}),
        ("ValidationException", {"MaxConcurrency": "0"}),
        ("ValidationException", {"MaxErrors": "101%"}),
        ("ValidationException", {"Comment": "x" * 101}),
        ("ValidationException", {"TimeoutSeconds": 2_592_001}),
        ("InvalidOutputFolder", {"OutputS3BucketName": "bucket"}),
        ("InvalidNotificationConfig", {"NotificationConfig": {"NotificationArn": "arn:aws:sns:eu-west-1:1:x"}}),
    ],
)
def test_what_cannot_be_sent_is_refused(fleet, refused, name, wrong):
    wish = {"InstanceIds": [fleet.node], "DocumentName": SHELL, "Parameters": {"commands": ["true"]}}
    refused(name, "send_command", **{**wish, **wrong})


def test_commands_that_do_not_exist(fleet, refused):
    nobody = str(uuid.uuid4())
    refused("InvalidCommandId", "list_commands", CommandId=nobody)
    refused("InvalidCommandId", "list_command_invocations", CommandId=nobody)
    refused("InvalidCommandId", "cancel_command", CommandId=nobody)
    refused("InvalidCommandId", "cancel_command", CommandId="x" * 36)
    refused("InvocationDoesNotExist", "get_command_invocation", CommandId=nobody, InstanceId=fleet.node)
