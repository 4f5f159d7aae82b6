"""The AWS command line, over TLS."""

import json
import subprocess
import sys
import pathlib

import pytest


@pytest.fixture
def aws(fleet):
    program = pathlib.Path(sys.executable).with_name("aws")

    def call(*words, code=0):
        ended = subprocess.run(
            [sys.executable, program, "ssm", *words, "--output", "json"],
            env=fleet.sdk(tls=True), capture_output=True, text=True, check=False, timeout=60,
        )
        assert ended.returncode == code, ended.stdout + ended.stderr
        return json.loads(ended.stdout or "{}") if code == 0 else ended.stderr

    return call


def test_nodes(fleet, aws):
    listed = aws("describe-instance-information", "--filters", "Key=PingStatus,Values=Online")
    assert [node["InstanceId"] for node in listed["InstanceInformationList"]] == [fleet.node]


def test_a_command(fleet, aws):
    sent = aws(
        *["send-command", "--document-name", "AWS-RunShellScript", "--instance-ids", fleet.node],
        *["--parameters", "commands=[echo from the command line]", "--comment", "by hand"],
    )["Command"]
    where = ["--command-id", sent["CommandId"], "--instance-id", fleet.node]
    aws("wait", "command-executed", *where)
    got = aws("get-command-invocation", *where)
    assert (got["Status"], got["StandardOutputContent"]) == ("Success", "from the command line\n")
    listed = aws("list-command-invocations", "--command-id", sent["CommandId"], "--details")
    assert listed["CommandInvocations"][0]["CommandPlugins"][0]["Output"] == "from the command line\n"


def test_parameters(aws):
    aws("put-parameter", "--name", "/cli/a", "--value", "one", "--type", "String")
    aws("put-parameter", "--name", "/cli/b", "--value", "hush", "--type", "SecureString")
    listed = aws("get-parameters-by-path", "--path", "/cli", "--with-decryption")["Parameters"]
    assert {one["Name"]: one["Value"] for one in listed} == {"/cli/a": "one", "/cli/b": "hush"}
    described = aws("describe-parameters", "--parameter-filters", "Key=Path,Option=Recursive,Values=/cli")
    assert [one["Type"] for one in described["Parameters"]] == ["String", "SecureString"]
    assert "ParameterAlreadyExists" in aws(
        "put-parameter", "--name", "/cli/a", "--value", "two", "--type", "String", code=255
    )
    aws("delete-parameters", "--names", "/cli/a", "/cli/b")
    assert "ParameterNotFound" in aws("get-parameter", "--name", "/cli/a", code=255)


def test_documents(aws, tmp_path):
    content = tmp_path / "document.json"
    content.write_text(
        json.dumps(
            {
                "schemaVersion": "2.2",
                "mainSteps": [
                    {"action": "aws:runShellScript", "name": "hello", "inputs": {"runCommand": ["echo hello"]}}
                ],
            }
        )
    )
    aws("create-document", "--name", "cli-hello", "--document-type", "Command", "--content", f"file://{content}")
    got = aws("get-document", "--name", "cli-hello")
    assert got["Content"] == content.read_text()
    aws("delete-document", "--name", "cli-hello")
    assert "InvalidDocument" in aws("get-document", "--name", "cli-hello", code=255)


def test_what_is_not_here(aws):
    assert "UnsupportedOperationException" in aws("get-ops-summary", code=255)
