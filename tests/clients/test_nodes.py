"""Managed nodes, activations and tags, through boto3."""

import datetime

import pytest


def test_this_host_is_a_managed_node(fleet, ssm):
    (node,) = ssm.describe_instance_information()["InstanceInformationList"]
    assert node["InstanceId"] == fleet.node
    assert node["PingStatus"] == "Online"
    assert node["PlatformType"] == "Linux"
    assert node["ResourceType"] == "ManagedInstance"
    assert node["ActivationId"] == fleet.activation
    assert node["Name"] == "this-host"
    age = datetime.datetime.now(datetime.timezone.utc) - node["LastPingDateTime"]
    assert abs(age) < datetime.timedelta(minutes=1)


@pytest.mark.parametrize(
    "key, value, found",
    [
        ("PingStatus", "Online", 1),
        ("PingStatus", "ConnectionLost", 0),
        ("PlatformTypes", "Linux", 1),
        ("PlatformTypes", "Windows", 0),
        ("ResourceType", "ManagedInstance", 1),
        ("tag:nobody", "has it", 0),
    ],
)
def test_nodes_are_filtered(ssm, key, value, found):
    new = ssm.describe_instance_information(Filters=[{"Key": key, "Values": [value]}])
    assert len(new["InstanceInformationList"]) == found
    if ":" not in key:
        old = ssm.describe_instance_information(InstanceInformationFilterList=[{"key": key, "valueSet": [value]}])
        assert old["InstanceInformationList"] == new["InstanceInformationList"]


def test_filters_that_mean_nothing_are_refused(refused):
    call = lambda name, key, value: refused(
        name, "describe_instance_information", Filters=[{"Key": key, "Values": [value]}]
    )
    call("InvalidFilterKey", "Colour", "red")
    call("InvalidInstanceInformationFilterValue", "PingStatus", "Asleep")
    call("InvalidInstanceId", "InstanceIds", "this-host")
    assert "less than or equal to 50" in refused(
        "ValidationException", "describe_instance_information", MaxResults=51
    )


def test_activations_come_in_pages(ssm, refused):
    wish = {"IamRole": "service-role/clients", "DefaultInstanceName": "paged", "RegistrationLimit": 7}
    made = [ssm.create_activation(Tags=[{"Key": "n", "Value": str(n)}], **wish) for n in range(5)]
    ids = {one["ActivationId"] for one in made}
    assert len(ids) == 5 and all(len(one["ActivationCode"]) >= 20 for one in made)
    only = [{"FilterKey": "IamRole", "FilterValues": ["service-role/clients"]}]
    pages = list(
        ssm.get_paginator("describe_activations").paginate(Filters=only, PaginationConfig={"PageSize": 2})
    )
    seen = [one for page in pages for one in page["ActivationList"]]
    assert [len(page["ActivationList"]) for page in pages] == [2, 2, 1]
    assert {one["ActivationId"] for one in seen} == ids
    for one in seen:
        assert (one["RegistrationLimit"], one["RegistrationsCount"], one["Expired"]) == (7, 0, False)
        assert one["ExpirationDate"] - one["CreatedDate"] == datetime.timedelta(days=1)
    token = ssm.describe_activations(Filters=only, MaxResults=2)["NextToken"]
    refused("InvalidNextToken", "describe_activations", NextToken=token)
    refused("InvalidNextToken", "describe_activations", Filters=only, NextToken="made up")
    for one in ids:
        ssm.delete_activation(ActivationId=one)
    assert ssm.describe_activations(Filters=only)["ActivationList"] == []
    refused("InvalidActivation", "delete_activation", ActivationId=ids.pop())


def test_activations_that_cannot_be_are_refused(refused):
    past = datetime.datetime(2020, 1, 1)
    refused("InvalidParameters", "create_activation", IamRole="x", ExpirationDate=past)
    refused("ValidationException", "create_activation", IamRole="x" * 65)
    refused("ValidationException", "create_activation", IamRole="x", RegistrationLimit=1001)
    refused("ValidationException", "delete_activation", ActivationId="x")


def test_an_activation_lets_an_agent_in_and_a_node_can_be_deregistered(fleet, ssm, refused):
    import subprocess

    made = ssm.create_activation(IamRole="x", DefaultInstanceName="guest")
    fingerprint = fleet.types("activation", "create", "-o", "json")["authority_fingerprint"]
    enrolled = subprocess.run(
        [
            *[fleet.programs / "fleetwright-agent", "enroll", "--controller", fleet.address],
            *["--activation-id", made["ActivationId"], "--authority", fingerprint],
            *["--activation-code-file", "-", "--state-dir", fleet.folder / "guest"],
        ],
        input=made["ActivationCode"], capture_output=True, text=True, check=False, timeout=60,
    )
    assert enrolled.returncode == 0, enrolled.stderr
    node = enrolled.stdout.strip()
    found = ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [node]}])
    assert [one["PingStatus"] for one in found["InstanceInformationList"]] == ["Inactive"]
    ssm.deregister_managed_instance(InstanceId=node)
    found = ssm.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [node]}])
    assert found["InstanceInformationList"] == []
    refused("InvalidInstanceId", "deregister_managed_instance", InstanceId=node)


def test_tags_of_a_node(fleet, ssm, refused):
    node = {"ResourceType": "ManagedInstance", "ResourceId": fleet.node}
    ssm.add_tags_to_resource(**node, Tags=[{"Key": "role", "Value": "web"}, {"Key": "env", "Value": "test"}])
    ssm.add_tags_to_resource(**node, Tags=[{"Key": "role", "Value": "db"}])
    tags = {tag["Key"]: tag["Value"] for tag in ssm.list_tags_for_resource(**node)["TagList"]}
    assert tags == {"role": "db", "env": "test"}
    found = ssm.describe_instance_information(Filters=[{"Key": "tag:role", "Values": ["web", "db"]}])
    assert [one["InstanceId"] for one in found["InstanceInformationList"]] == [fleet.node]
    for _ in range(2):
        ssm.remove_tags_from_resource(**node, TagKeys=["role", "env"])
    assert ssm.list_tags_for_resource(**node)["TagList"] == []
    refused("InvalidResourceId", "list_tags_for_resource", ResourceType="ManagedInstance", ResourceId="mi-" + "f" * 17)
    refused("InvalidResourceType", "list_tags_for_resource", ResourceType="Host", ResourceId=fleet.node)
    refused("ValidationException", "add_tags_to_resource", **node, Tags=[{"Key": "a", "Value": "<b>"}])
    many = [{"Key": f"k{n}", "Value": ""} for n in range(51)]
    refused("TooManyTagsError", "add_tags_to_resource", **node, Tags=many)
