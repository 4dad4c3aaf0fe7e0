"""Logs a script, given as JSON on stdin, by MLflow's own client; prints the run's id.

The script: {"uri", "experiment", "name", "params", "tags", "rows": [[key, step, value, time_ms]], "files":
{path: text}, "status"}; values are texts, so that NaN and infinities travel.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric

script = json.load(sys.stdin)
client = MlflowClient(tracking_uri=script["uri"])
experiment = client.get_experiment_by_name(script["experiment"])
experiment_id = experiment.experiment_id if experiment else client.create_experiment(script["experiment"])
run = client.create_run(experiment_id, run_name=script["name"], tags=script["tags"])
run_id = run.info.run_id
for key, value in script["params"].items():
    client.log_param(run_id, key, value)
metrics = [Metric(key, float(value), time_ms, step) for key, step, value, time_ms in script["rows"]]
client.log_batch(run_id, metrics=metrics)
# Old clients look here for the server of artifacts, whatever the client was made with.
os.environ["MLFLOW_TRACKING_URI"] = script["uri"]
with tempfile.TemporaryDirectory() as folder:
    for path, text in script["files"].items():
        local = Path(folder, path)
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_text(text)
    client.log_artifacts(run_id, folder)
client.set_terminated(run_id, status=script["status"])
print(run_id)
