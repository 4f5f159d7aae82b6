"""A controller and an agent as processes, and what clients must know of them."""

import json
import os
import pathlib
import re
import subprocess
import time

REGION = "eu-central-1"
# Much less is needed; a busy machine may take it.
PATIENCE = 60.0


def until(what, look, within=PATIENCE):
    """Looks until there is an answer, and shows what was seen last when there never is."""
    end = time.monotonic() + within
    while True:
        answer, seen = look()
        if answer:
            return answer
        assert time.monotonic() < end, f"{what}: not within {within} s; last seen: {seen}"
        time.sleep(0.05)


class Fleet:
    def __init__(self, programs, folder, hosts=1):
        self.programs, self.folder, self.hosts = pathlib.Path(programs).resolve(), pathlib.Path(folder), hosts
        self.data = self.folder / "data"
        self.running = []

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        config = self.folder / "fleetwright.toml"
        config.write_text(
            f'listen = "127.0.0.1:0"\ndata_dir = "{self.data}"\n[agents]\nheartbeat_seconds = 2\n'
            f'[ssm]\nlisten = "127.0.0.1:0"\naccount = "123456789012"\n'
        )
        self.serve()
        self.authority = self.data / "authority/authority.pem"
        key = self.types("access", "key", "create", "-o", "json")
        self.key, self.secret = key["access_key_id"], key["secret_access_key"]
        if self.hosts:
            self.agent()

    def serve(self):
        log = self.spawn("controller", "fleetwright", "serve", "--config", self.folder / "fleetwright.toml")
        self.address, self.plain = until("the controller is ready", lambda: addresses(log))

    def kill(self):
        """Kills the controller as nothing else does: without a word."""
        self.running[0].kill()
        self.running.pop(0).wait()

    def again(self):
        """Starts the controller that was killed, on the ports that it gets now."""
        self.serve()
        self.running.insert(0, self.running.pop())

    def agent(self):
        made = self.types("activation", "create", "--name", "this-host", "-o", "json")
        state = self.folder / "agent"
        enrolled = subprocess.run(
            [
                *[self.programs / "fleetwright-agent", "enroll", "--controller", self.address],
                *["--activation-id", made["activation_id"], "--authority", made["authority_fingerprint"]],
                *["--activation-code-file", "-", "--state-dir", state],
            ],
            input=made["activation_code"], capture_output=True, text=True, check=False, timeout=PATIENCE,
        )
        assert enrolled.returncode == 0, enrolled.stderr
        self.node, self.activation = enrolled.stdout.strip(), made["activation_id"]
        self.spawn("agent", "fleetwright-agent", "run", "--state-dir", state)
        self.types("node", "wait")

    def spawn(self, name, program, *arguments):
        log = self.folder / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [self.programs / program, *arguments],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=self.environment(),
            )
        self.running.append(process)
        return log

    def stop(self):
        for process in reversed(self.running):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        self.running.clear()

    def types(self, *words):
        """What the operator's command line answers, as JSON if it is any."""
        ended = subprocess.run(
            [self.programs / "fleetwright", *words],
            env=self.environment(), capture_output=True, text=True, check=False, timeout=PATIENCE,
        )
        assert ended.returncode == 0, f"{words}: {ended.stderr}"
        return json.loads(ended.stdout) if "json" in words else ended.stdout

    def environment(self):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder)}
        if hasattr(self, "authority"):
            environment |= {
                "FLEETWRIGHT_ADDR": self.address,
                "FLEETWRIGHT_AUTHORITY": str(self.authority),
                "FLEETWRIGHT_CERTIFICATE": str(self.data / "operator/admin.pem"),
                "FLEETWRIGHT_KEY": str(self.data / "operator/admin.key"),
            }
        return environment

    def sdk(self, tls=False):
        """The environment in which an SDK finds this fleet."""
        endpoint = f"https://{self.address}" if tls else f"http://{self.plain}"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "AWS_ENDPOINT_URL_SSM": endpoint,
            "AWS_CA_BUNDLE": str(self.authority),
            "NODE_EXTRA_CA_CERTS": str(self.authority),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def boto3(self, tls=False):
        """What boto3 is told."""
        return {
            "endpoint_url": f"https://{self.address}" if tls else f"http://{self.plain}",
            "verify": str(self.authority),
            "region_name": REGION,
            "aws_access_key_id": self.key,
            "aws_secret_access_key": self.secret,
        }


def addresses(log):
    """The port with TLS and the one without, once both are open."""
    text = log.read_text()
    found = [re.search(rf"\bready\b.*\b{name}=(127\.0\.0\.1:\d+)", text) for name in ("address", "ssm")]
    return ([one.group(1) for one in found] if all(found) else None), text
