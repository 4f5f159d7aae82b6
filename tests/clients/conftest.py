"""One fleet for all tests: a real controller and a real agent of this host, and clients that were changed in nothing."""

import boto3
import pytest

import contract
from fleet import Fleet


def pytest_addoption(parser):
    parser.addoption("--programs", required=True, help="the folder that fleetwright and fleetwright-agent are in")
    parser.addoption("--node-modules", required=True, help="the folder that npm installed the JavaScript clients in")
    parser.addoption("--rust-client", required=True, help="the program that drives the Rust crate")


@pytest.fixture(scope="session")
def fleet(request, tmp_path_factory):
    with Fleet(request.config.getoption("--programs"), tmp_path_factory.mktemp("fleet")) as running:
        yield running


@pytest.fixture(scope="session")
def ssm(fleet):
    """A boto3 client whose every answer is held against botocore's model."""
    return contract.checked(boto3.client("ssm", **fleet.boto3()))


@pytest.fixture
def refused(ssm):
    """Calls an operation that must be refused under a name, and gives the message."""

    def call(name, operation, **arguments):
        with pytest.raises(ssm.exceptions.ClientError) as caught:
            getattr(ssm, operation)(**arguments)
        assert caught.value.response["Error"]["Code"] == name, caught.value.response
        return caught.value.response["Error"]["Message"]

    return call
