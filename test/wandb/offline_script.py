"""Logs a script, given as JSON on stdin, by W&B's own client in its offline mode, into the working folder.

The script: {"entity", "project", "id", "name", "tags", "config", "rows": [[step, {key: text}]], "exit_code"}.
"""

import json
import sys

import wandb

script = json.load(sys.stdin)
# Of another name in releases before 0.19.
prefix = "x_" if "x_disable_stats" in wandb.Settings.__annotations__ else "_"
private = {
    f"{prefix}{name}": True
    for name in (
        "disable_stats",
        "disable_meta",
    )
}
settings = wandb.Settings(console="off", silent=True, **private)
run = wandb.init(
    mode="offline",
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
run.finish(exit_code=script["exit_code"])
