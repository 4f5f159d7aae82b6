"""The crate aws-sdk-ssm: the program in `rust/`, which the test command builds beside the workspace."""

import pathlib
import subprocess


def test_rust(fleet, request):
    program = pathlib.Path(request.config.getoption("--rust-client"))
    ended = subprocess.run(
        [program], env={**fleet.sdk(), "FLEETWRIGHT_NODE": fleet.node, "RUST_BACKTRACE": "0"},
        capture_output=True, text=True, check=False, timeout=180,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
