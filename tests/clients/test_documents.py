"""The document registry, through boto3."""

import json

import pytest

HELLO = {
    "schemaVersion": "2.2",
    "description": "says hello",
    "parameters": {
        "name": {"type": "String", "description": "whom to greet", "default": "you"},
        "words": {"type": "StringList", "default": ["a", "b"]},
    },
    "mainSteps": [
        {"action": "aws:runShellScript", "name": "hello", "inputs": {"runCommand": ["echo hello {{ name }}"]}}
    ],
}
CONTENT = json.dumps(HELLO)
YAML = """\
schemaVersion: "2.2"
description: says hello
mainSteps:
  - action: aws:runShellScript
    name: hello
    inputs:
      runCommand:
        - echo hello
"""


@pytest.fixture
def document(ssm, request):
    """A document of its own for each test."""
    name = "clients-" + request.node.name.replace("[", "-").rstrip("]")
    ssm.create_document(Name=name, Content=CONTENT, DocumentType="Command", VersionName="first")
    yield name
    ssm.delete_document(Name=name)


def other(text):
    return CONTENT.replace("hello", text)


def test_a_new_document_is_described(ssm, document):
    described = ssm.describe_document(Name=document)["Document"]
    assert described["Owner"] == "123456789012"
    assert described["Status"] == "Active"
    assert (described["DocumentVersion"], described["DefaultVersion"], described["LatestVersion"]) == ("1", "1", "1")
    assert (described["DocumentType"], described["DocumentFormat"]) == ("Command", "JSON")
    assert described["Description"] == "says hello"
    assert "Linux" in described["PlatformTypes"]
    assert described["Parameters"] == [
        {"Name": "name", "Type": "String", "Description": "whom to greet", "DefaultValue": "you"},
        {"Name": "words", "Type": "StringList", "DefaultValue": '["a","b"]'},
    ]


def test_what_cannot_be_a_document_is_refused(refused, document):
    create = lambda name, **more: refused(
        name, "create_document", **{"Name": "clients-never", "Content": CONTENT, "DocumentType": "Command", **more}
    )
    create("DocumentAlreadyExists", Name=document)
    create("InvalidDocumentContent", Content="{")
    create("InvalidDocumentContent", Content=YAML)
    create("InvalidDocumentSchemaVersion", Content=CONTENT.replace("2.2", "9.9"))
    create("MaxDocumentSizeExceeded", Content=json.dumps({**HELLO, "description": "x" * 70_000}))
    create("ValidationException", Name="aws-mine")
    create("ValidationException", Name="a b")
    create("ValidationException", DocumentType="Letter")


def test_versions(ssm, refused, document):
    refused("DuplicateDocumentContent", "update_document", Name=document, Content=CONTENT, DocumentVersion="$LATEST")
    updated = ssm.update_document(Name=document, Content=other("bye"), DocumentVersion="1", VersionName="second")
    assert updated["DocumentDescription"]["DocumentVersion"] == "2"
    assert updated["DocumentDescription"]["DefaultVersion"] == "1"
    refused("InvalidDocumentVersion", "update_document", Name=document, Content=other("x"), DocumentVersion="1")
    refused(
        "DuplicateDocumentVersionName", "update_document",
        Name=document, Content=other("x"), DocumentVersion="$LATEST", VersionName="second",
    )
    assert ssm.get_document(Name=document)["Content"] == CONTENT
    for wanted in ({"DocumentVersion": "$LATEST"}, {"DocumentVersion": "2"}, {"VersionName": "second"}):
        assert ssm.get_document(Name=document, **wanted)["Content"] == other("bye")
    refused("InvalidDocumentVersion", "get_document", Name=document, DocumentVersion="3")
    refused("InvalidDocumentVersion", "get_document", Name=document, VersionName="third")
    refused("InvalidDocument", "get_document", Name="clients-nobody")
    default = ssm.update_document_default_version(Name=document, DocumentVersion="2")["Description"]
    assert default == {"Name": document, "DefaultVersion": "2", "DefaultVersionName": "second"}
    assert ssm.get_document(Name=document)["DocumentVersion"] == "2"
    refused("InvalidDocumentVersion", "update_document_default_version", Name=document, DocumentVersion="9")
    versions = ssm.get_paginator("list_document_versions").paginate(
        Name=document, PaginationConfig={"PageSize": 1}
    )
    versions = [version for page in versions for version in page["DocumentVersions"]]
    assert [(one["DocumentVersion"], one["IsDefaultVersion"]) for one in versions] == [("1", False), ("2", True)]
    refused("InvalidDocumentOperation", "delete_document", Name=document, DocumentVersion="2")
    ssm.delete_document(Name=document, VersionName="first")
    assert len(ssm.list_document_versions(Name=document)["DocumentVersions"]) == 1


def test_formats(ssm):
    ssm.create_document(Name="clients-yaml", Content=YAML, DocumentType="Command", DocumentFormat="YAML")
    kept = ssm.get_document(Name="clients-yaml")
    assert (kept["DocumentFormat"], kept["Content"]) == ("YAML", YAML)
    converted = ssm.get_document(Name="clients-yaml", DocumentFormat="JSON")
    assert converted["DocumentFormat"] == "JSON"
    assert json.loads(converted["Content"])["mainSteps"][0]["inputs"] == {"runCommand": ["echo hello"]}
    ssm.delete_document(Name="clients-yaml")


def test_lists(ssm, refused, document):
    own = [{"Key": "Owner", "Values": ["Self"]}, {"Key": "Name", "Values": [document]}]
    (found,) = ssm.list_documents(Filters=own)["DocumentIdentifiers"]
    assert (found["Name"], found["Owner"], found["DocumentVersion"]) == (document, "123456789012", "1")
    pages = ssm.get_paginator("list_documents").paginate(
        DocumentFilterList=[{"key": "Owner", "value": "Amazon"}], PaginationConfig={"PageSize": 3}
    )
    names = [one["Name"] for page in pages for one in page["DocumentIdentifiers"]]
    assert "AWS-RunShellScript" in names and names == sorted(set(names))
    refused("InvalidFilterKey", "list_documents", Filters=[{"Key": "Colour", "Values": ["red"]}])


def test_shipped_documents_are_nobodys_to_change(ssm, refused):
    shipped = ssm.describe_document(Name="AWS-RunShellScript")["Document"]
    assert (shipped["Owner"], shipped["DocumentType"]) == ("Amazon", "Command")
    assert json.loads(ssm.get_document(Name="AWS-RunShellScript", DocumentFormat="JSON")["Content"])["mainSteps"]
    refused("InvalidDocumentOperation", "delete_document", Name="AWS-RunShellScript")
    refused("InvalidDocumentOperation", "update_document", Name="AWS-RunShellScript", Content=CONTENT)


def test_sharing(ssm, refused, document):
    share = lambda **more: ssm.modify_document_permission(Name=document, PermissionType="Share", **more)
    share(AccountIdsToAdd=["111111111111"])
    share(AccountIdsToAdd=["222222222222"], SharedDocumentVersion="$LATEST")
    shared = ssm.describe_document_permission(Name=document, PermissionType="Share")
    assert shared["AccountIds"] == ["111111111111", "222222222222"]
    assert [one["SharedDocumentVersion"] for one in shared["AccountSharingInfoList"]] == ["$DEFAULT", "$LATEST"]
    refused("InvalidDocumentOperation", "delete_document", Name=document)
    share(AccountIdsToRemove=["111111111111", "222222222222"])
    assert ssm.describe_document_permission(Name=document, PermissionType="Share")["AccountIds"] == []
    refused(
        "ValidationException", "modify_document_permission",
        Name=document, PermissionType="Share", AccountIdsToAdd=["somebody"],
    )
    refused("InvalidDocument", "describe_document_permission", Name="clients-nobody", PermissionType="Share")


def test_tags(ssm, document):
    here = {"ResourceType": "Document", "ResourceId": document}
    ssm.add_tags_to_resource(**here, Tags=[{"Key": "team", "Value": "a"}])
    assert ssm.list_tags_for_resource(**here)["TagList"] == [{"Key": "team", "Value": "a"}]
    found = ssm.list_documents(Filters=[{"Key": "tag:team", "Values": ["a"]}])["DocumentIdentifiers"]
    assert [one["Name"] for one in found] == [document]
    ssm.remove_tags_from_resource(**here, TagKeys=["team"])
    assert ssm.list_tags_for_resource(**here)["TagList"] == []
