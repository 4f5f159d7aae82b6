"""A controller of its own that is killed while it is written to: what was acknowledged is there."""

import random
import threading

import boto3
import botocore.config
import botocore.exceptions
import pytest

from fleet import Fleet, until

WRITERS = 8
KILLS = 4


@pytest.fixture
def lonely(request, tmp_path):
    with Fleet(request.config.getoption("--programs"), tmp_path, hosts=0) as running:
        yield running


def client(fleet):
    # One attempt: a write whose answer was lost may or may not have happened, and is not counted.
    settings = botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30)
    return boto3.client("ssm", config=settings, **fleet.boto3())


def write(fleet, place, acknowledged, over):
    ssm, number = client(fleet), len(acknowledged)
    kind = "SecureString" if place % 2 else "String"
    while not over.is_set():
        number += 1
        name = f"/kill/{place}/{number % 5}"
        try:
            made = ssm.put_parameter(Name=name, Value=f"{place}.{number}", Type=kind, Overwrite=True)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            return
        acknowledged.append((name, made["Version"], f"{place}.{number}"))


def test_what_was_acknowledged_survives_a_kill_at_any_moment(lonely):
    acknowledged = [[] for _ in range(WRITERS)]
    choose = random.Random(5)
    for _ in range(KILLS):
        over, before = threading.Event(), sum(map(len, acknowledged))
        writers = [threading.Thread(target=write, args=(lonely, at, acknowledged[at], over)) for at in range(WRITERS)]
        for writer in writers:
            writer.start()
        wanted = before + choose.randrange(50, 300)
        written = lambda: (sum(map(len, acknowledged)) >= wanted, sum(map(len, acknowledged)))
        until("enough was written", written)
        lonely.kill()
        over.set()
        for writer in writers:
            writer.join()
        lonely.again()
    ssm = client(lonely)
    for made in acknowledged:
        newest = {}
        for name, version, value in made:
            newest[name] = max(newest.get(name, (0, "")), (version, value))
        for name, (version, value) in newest.items():
            found = ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]
            # The write that was on its way when the controller was killed may have happened, too.
            assert found["Version"] >= version, (name, found)
            kept = ssm.get_parameter(Name=f"{name}:{version}", WithDecryption=True)["Parameter"]
            assert kept["Value"] == value, (name, version, kept)
    lonely.types("audit", "verify")
