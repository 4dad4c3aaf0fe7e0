"""Logs a script, given as JSON on stdin, by W&B's own client to the server of the environment.

The script: {"entity", "project", "id", "name", "tags", "config", "rows": [[step, {key: value}]],
"late_config", "exit_code", "artifact": {"name", "files": {path: text}, "references": {path: uri}}}.
Prints the artifact's digest.
"""

import json
import sys
import tempfile
from pathlib import Path

import wandb

script = json.load(sys.stdin)
# Of another name in releases before 0.19.
prefix = "x_" if "x_disable_stats" in wandb.Settings.__annotations__ else "_"
private = {f"{prefix}{name}": True for name in ("disable_stats",)}
settings = wandb.Settings(console="off", silent=True, **private)
run = wandb.init(
    entity=script["entity"],
    project=script["project"],
    id=script["id"],
    name=script["name"],
    tags=script["tags"],
    config=script["config"],
    settings=settings,
)
for step, values in script["rows"]:
    run.log({key: float(value) for key, value in values.items()}, step=step)
run.config.update(script["late_config"])
with tempfile.TemporaryDirectory() as folder:
    artifact = wandb.Artifact(script["artifact"]["name"], type="artifact")
    for number, (path, text) in enumerate(script["artifact"]["files"].items()):
        local = Path(folder, str(number))
        local.write_text(text)
        artifact.add_file(str(local), name=path)
    for path, uri in script["artifact"]["references"].items():
        artifact.add_reference(uri, name=path, checksum=False)
    run.log_artifact(artifact)
    digest = artifact.digest
    run.finish(exit_code=script["exit_code"])
print(digest)
