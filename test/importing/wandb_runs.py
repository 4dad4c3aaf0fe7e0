"""Logs runs by W&B's own client in its offline mode, into the working folder; takes {"runs": [...]} as JSON
on stdin.

A run: {"project", "id", "name", "tags", "config", "rows": [[step, {key: value}]], "exit_code", "media"};
texts in the rows that name a number are numbers that JSON does not have.
"""

import json
import sys

import wandb


def value_of(value):
    if isinstance(value, dict):
        return {key: value_of(inner) for key, inner in value.items()}
    return float(value) if value in ("nan", "inf", "-inf") else value


for script in json.load(sys.stdin)["runs"]:
    settings = wandb.Settings(console="off", silent=True, x_disable_stats=True, x_disable_meta=True)
    run = wandb.init(
        mode="offline",
        project=script["project"],
        id=script["id"],
        name=script["name"],
        tags=script["tags"],
        notes="a note",
        group="a group",
        config=script["config"],
        settings=settings,
        reinit=True,
    )
    for step, values in script["rows"]:
        run.log({key: value_of(value) for key, value in values.items()}, step=step)
    if script.get("media"):
        run.log({"picture": wandb.Html("<p>hi</p>"), "word": "hello"})
    run.summary["best"] = 0.25
    run.finish(exit_code=script["exit_code"])
