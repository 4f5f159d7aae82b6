"""The JavaScript SDK, driven by node's own test runner."""

import pathlib
import shutil
import subprocess


def test_javascript(fleet, request):
    modules = pathlib.Path(request.config.getoption("--node-modules"))
    # Modules are looked for beside the file that wants them.
    script = shutil.copy(pathlib.Path(__file__).with_name("clients.test.mjs"), modules)
    environment = {**fleet.sdk(tls=True), "FLEETWRIGHT_NODE": fleet.node}
    ended = subprocess.run(
        ["node", "--test", "--test-reporter", "spec", script],
        env=environment, capture_output=True, text=True, check=False, timeout=180,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
