"""Parameter Store, through boto3."""

import datetime
import json

import pytest


@pytest.fixture
def put(ssm):
    """Puts parameters that are gone after the test."""
    made = set()

    def call(name, value="a value", **more):
        answer = ssm.put_parameter(**{"Name": name, "Value": value, "Type": "String", **more})
        made.add(name)
        return answer

    yield call
    made = sorted(made)
    for start in range(0, len(made), 10):
        ssm.delete_parameters(Names=made[start : start + 10])


def test_one_parameter(ssm, put):
    assert put("/py/one", "first", Description="about", AllowedPattern="^[a-z]+$")["Version"] == 1
    assert put("/py/one", "second", Overwrite=True)["Version"] == 2
    got = ssm.get_parameter(Name="/py/one")["Parameter"]
    assert (got["Value"], got["Version"], got["Type"], got["DataType"]) == ("second", 2, "String", "text")
    assert got["ARN"] == "arn:aws:ssm:eu-central-1:123456789012:parameter/py/one"
    assert abs(datetime.datetime.now(datetime.timezone.utc) - got["LastModifiedDate"]) < datetime.timedelta(minutes=1)
    assert ssm.get_parameter(Name="/py/one:1")["Parameter"]["Value"] == "first"
    assert ssm.get_parameter(Name=got["ARN"])["Parameter"]["Value"] == "second"


def test_the_same_twice(ssm, put, refused):
    """Within one second a client signs two equal requests equally; both are its own."""
    put("/py/twice")
    refused("ParameterAlreadyExists", "put_parameter", Name="/py/twice", Value="a value", Type="String")
    ssm.delete_parameter(Name="/py/twice")
    refused("ParameterNotFound", "delete_parameter", Name="/py/twice")


def test_secrets(ssm, put):
    put("/py/secret", "hush", Type="SecureString")
    assert "hush" not in ssm.get_parameter(Name="/py/secret")["Parameter"]["Value"]
    assert ssm.get_parameter(Name="/py/secret", WithDecryption=True)["Parameter"]["Value"] == "hush"
    (described,) = ssm.describe_parameters(
        ParameterFilters=[{"Key": "Name", "Values": ["/py/secret"]}]
    )["Parameters"]
    assert described["KeyId"] == "alias/aws/ssm"
    assert "hush" not in json.dumps(described, default=str)


def test_several_at_once(ssm, put, refused):
    put("/py/a", "1")
    put("/py/b", "2")
    many = ssm.get_parameters(Names=["/py/b", "/py/a", "/py/none"])
    assert {one["Name"]: one["Value"] for one in many["Parameters"]} == {"/py/a": "1", "/py/b": "2"}
    assert many["InvalidParameters"] == ["/py/none"]
    refused("ValidationException", "get_parameters", Names=[f"/py/{n}" for n in range(11)])
    deleted = ssm.delete_parameters(Names=["/py/a", "/py/none"])
    assert (deleted["DeletedParameters"], deleted["InvalidParameters"]) == (["/py/a"], ["/py/none"])


def test_paths_come_in_pages(ssm, put, refused):
    names = [f"/py/path/{n:02}" for n in range(23)]
    for name in [*names, "/py/path/deep/er", "/py/pathology"]:
        put(name, name)
    pages = lambda **more: list(
        ssm.get_paginator("get_parameters_by_path").paginate(
            Path="/py/path", PaginationConfig={"PageSize": 10}, **more
        )
    )
    flat = pages()
    assert [len(page["Parameters"]) for page in flat] == [10, 10, 3]
    assert [one["Value"] for page in flat for one in page["Parameters"]] == names
    deep = [one["Name"] for page in pages(Recursive=True) for one in page["Parameters"]]
    assert sorted(deep) == sorted([*names, "/py/path/deep/er"])
    secret = [{"Key": "Type", "Values": ["SecureString"]}]
    assert [one for page in pages(ParameterFilters=secret) for one in page["Parameters"]] == []
    described = ssm.get_paginator("describe_parameters").paginate(
        ParameterFilters=[{"Key": "Path", "Option": "Recursive", "Values": ["/py/path"]}],
        PaginationConfig={"PageSize": 7},
    )
    assert len([one for page in described for one in page["Parameters"]]) == 24
    refused("ValidationException", "get_parameters_by_path", Path="/py", MaxResults=11)
    token = ssm.get_parameters_by_path(Path="/py/path")["NextToken"]
    refused("InvalidNextToken", "get_parameters_by_path", Path="/py", NextToken=token)


def test_history_and_labels(ssm, put, refused):
    for version in range(1, 5):
        put("/py/history", f"value {version}", Overwrite=True)
    assert ssm.label_parameter_version(Name="/py/history", Labels=["live"])["ParameterVersion"] == 4
    labelled = ssm.label_parameter_version(Name="/py/history", ParameterVersion=2, Labels=["live", "ssm-no"])
    assert labelled["InvalidLabels"] == ["ssm-no"]
    assert ssm.get_parameter(Name="/py/history:live")["Parameter"]["Version"] == 2
    pages = ssm.get_paginator("get_parameter_history").paginate(
        Name="/py/history", PaginationConfig={"PageSize": 3}
    )
    former = [one for page in pages for one in page["Parameters"]]
    assert [one["Value"] for one in former] == [f"value {version}" for version in range(1, 5)]
    assert [one["Labels"] for one in former] == [[], ["live"], [], []]
    gone = ssm.unlabel_parameter_version(Name="/py/history", ParameterVersion=2, Labels=["live", "never"])
    assert (gone["RemovedLabels"], gone["InvalidLabels"]) == (["live"], ["never"])
    refused("ParameterVersionNotFound", "get_parameter", Name="/py/history:live")
    refused("ParameterVersionNotFound", "get_parameter", Name="/py/history:9")
    refused("ParameterNotFound", "get_parameter_history", Name="/py/none")


def test_policies(ssm, put, refused):
    at = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    policy = [{"Type": "Expiration", "Version": "1.0", "Attributes": {"Timestamp": at}}]
    assert put("/py/policy", Tier="Advanced", Policies=json.dumps(policy))["Tier"] == "Advanced"
    (described,) = ssm.describe_parameters(
        ParameterFilters=[{"Key": "Name", "Values": ["/py/policy"]}]
    )["Parameters"]
    (kept,) = described["Policies"]
    assert (kept["PolicyType"], kept["PolicyStatus"], json.loads(kept["PolicyText"])) == (
        "Expiration", "Pending", policy[0]
    )
    wrong = json.dumps([{"Type": "Never", "Version": "1.0", "Attributes": {}}])
    refused(
        "InvalidPolicyTypeException", "put_parameter",
        Name="/py/wrong", Value="x", Type="String", Tier="Advanced", Policies=wrong,
    )


def test_tags(ssm, put):
    put("/py/tagged", Tags=[{"Key": "team", "Value": "a"}])
    here = {"ResourceType": "Parameter", "ResourceId": "/py/tagged"}
    ssm.add_tags_to_resource(**here, Tags=[{"Key": "env", "Value": "b"}])
    found = ssm.describe_parameters(ParameterFilters=[{"Key": "tag:env", "Values": ["b"]}])["Parameters"]
    assert [one["Name"] for one in found] == ["/py/tagged"]
    ssm.remove_tags_from_resource(**here, TagKeys=["team"])
    assert ssm.list_tags_for_resource(**here)["TagList"] == [{"Key": "env", "Value": "b"}]


@pytest.mark.parametrize(
    "name, wrong",
    [
        ("ValidationException", {"Name": "/py/a b"}),
        ("ValidationException", {"Name": "aws-mine"}),
        ("ValidationException", {"Name": "/SSM/mine"}),
        ("ValidationException", {"Type": "Text"}),
        ("ValidationException", {"Value": "x" * 4097}),
        ("ValidationException", {"Description": "x" * 1025}),
        ("ValidationException", {"Tier": "Golden"}),
        ("HierarchyLevelLimitExceededException", {"Name": "/a" * 16}),
        ("InvalidAllowedPatternException", {"AllowedPattern": "("}),
        ("ParameterPatternMismatchException", {"AllowedPattern": "^[0-9]+$"}),
        ("ValidationException", {"Type": "SecureString", "KeyId": "not a key"}),
    ],
)
def test_what_cannot_be_put_is_refused(refused, name, wrong):
    message = refused(name, "put_parameter", **{"Name": "/py/wrong", "Value": "a value", "Type": "String", **wrong})
    assert "a value" not in message


def test_types_do_not_change(put, refused):
    put("/py/type")
    refused(
        "HierarchyTypeMismatchException", "put_parameter",
        Name="/py/type", Value="x", Type="SecureString", Overwrite=True,
    )
