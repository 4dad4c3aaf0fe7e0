"""Logs a script, given as JSON on stdin, by W&B's own client in its offline mode, into the working folder.

The script: {"entity", "project", "id", "name", "tags", "config", "rows": [[step, {key: text}]], "exit_code"}.
"""

import json
import sys

import wandb

script = json.load(sys.stdin)
settings = wandb.Settings(console="off", x_disable_stats=True, x_disable_meta=True, silent=True)
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
