"""Logs runs, given as JSON on stdin, by MLflow's own client into several stores; prints their ids, a list
for each store.

The script: {"stores": [uri], "experiment", "runs": [{"name", "params", "tags", "rows": [[key, step,
value, time_ms]], "files": {path: text}, "status": null while it runs, "deleted", "parent": index of a
run}]}. With "append": {"run_id": [row]} it adds to runs that are there, and with "end": {run_id: status}
ends them.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"

from mlflow import MlflowClient
from mlflow.entities import Metric


def metrics(rows):
    return [Metric(key, float(value), time_ms, step) for key, step, value, time_ms in rows]


def log(client, experiment, run, ids):
    tags = dict(run.get("tags", {}))
    if run.get("parent") is not None:
        tags["mlflow.parentRunId"] = ids[run["parent"]]
    start = min([row[3] for row in run["rows"]], default=1_700_000_000_000)
    made = client.create_run(experiment, run_name=run["name"], tags=tags, start_time=start)
    run_id = made.info.run_id
    for key, value in run.get("params", {}).items():
        client.log_param(run_id, key, value)
    rows = metrics(run["rows"])
    for at in range(0, len(rows), 1000):
        client.log_batch(run_id, metrics=rows[at : at + 1000])
    if run.get("files"):
        with tempfile.TemporaryDirectory() as folder:
            for path, text in run["files"].items():
                Path(folder, path).parent.mkdir(parents=True, exist_ok=True)
                Path(folder, path).write_text(text)
            client.log_artifacts(run_id, folder)
    if run.get("status"):
        client.set_terminated(run_id, status=run["status"], end_time=start + 60_000)
    if run.get("deleted"):
        client.delete_run(run_id)
    return run_id


script = json.load(sys.stdin)
all_ids = []
for uri in script["stores"]:
    client = MlflowClient(tracking_uri=uri)
    for run_id, rows in script.get("append", {}).items():
        client.log_batch(run_id, metrics=metrics(rows))
    for run_id, status in script.get("end", {}).items():
        client.set_terminated(run_id, status=status)
    ids = []
    if script.get("runs"):
        found = client.get_experiment_by_name(script["experiment"])
        experiment = found.experiment_id if found else client.create_experiment(script["experiment"])
        for run in script["runs"]:
            ids.append(log(client, experiment, run, ids))
    all_ids.append(ids)
print(json.dumps(all_ids))
