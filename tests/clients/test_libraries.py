"""Libraries that applications read parameters with, over TLS: each in a process of its own, as an application."""

import subprocess
import sys

import pytest


@pytest.fixture
def application(fleet):
    def run(source):
        ended = subprocess.run(
            [sys.executable, "-c", source],
            env=fleet.sdk(tls=True), capture_output=True, text=True, check=False, timeout=60,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.split("\n")[:-1]

    return run


@pytest.fixture
def some(ssm):
    names = {"/lib/a": "one", "/lib/b": "two", "/lib/deep/c": "three"}
    for name, value in names.items():
        ssm.put_parameter(Name=name, Value=value, Type="SecureString" if name == "/lib/b" else "String")
    yield
    ssm.delete_parameters(Names=list(names))


def test_powertools(application, some):
    said = application(
        "from aws_lambda_powertools.utilities import parameters as p\n"
        "print(p.get_parameter('/lib/a'))\n"
        "print(p.get_parameter('/lib/b', decrypt=True))\n"
        "print(sorted(p.get_parameters('/lib', decrypt=True).items()))\n"
        "print(sorted(p.get_parameters_by_name({'/lib/a': {}, '/lib/b': {'decrypt': True}}).items()))\n"
        "p.set_parameter('/lib/a', 'changed', overwrite=True)\n"
        "print(p.get_parameter('/lib/a', force_fetch=True))\n"
        "try:\n    p.get_parameter('/lib/none')\nexcept p.exceptions.GetParameterError as error:\n    print('none')\n"
    )
    assert said == [
        "one",
        "two",
        "[('a', 'one'), ('b', 'two'), ('deep/c', 'three')]",
        "[('/lib/a', 'one'), ('/lib/b', 'two')]",
        "changed",
        "none",
    ]


def test_ssm_cache(application, some):
    said = application(
        "from ssm_cache import SSMParameter, SSMParameterGroup, InvalidParameterError\n"
        "print(SSMParameter('/lib/a').value)\n"
        "group = SSMParameterGroup(base_path='/lib')\n"
        "print(sorted(p.name for p in group.parameters('/', recursive=True)))\n"
        "try:\n    SSMParameter('/lib/none').value\nexcept InvalidParameterError:\n    print('none')\n"
    )
    assert said == ["one", "['/lib/a', '/lib/b', '/lib/deep/c']", "none"]
