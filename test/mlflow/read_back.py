"""Prints as JSON what the MLflow client sees of a run: read_back.py TRACKING_URI RUN_ID FOLDER."""

import hashlib
import json
import os
import sys
from pathlib import Path

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts


def main() -> None:
    uri, run_id, folder = sys.argv[1:]
    # Old clients look here for the server of artifacts, whatever `tracking_uri` says.
    os.environ["MLFLOW_TRACKING_URI"] = uri
    client = MlflowClient(tracking_uri=uri)
    run = client.get_run(run_id)
    history = {
        key: [[m.step, str(m.value), m.timestamp] for m in client.get_metric_history(run_id, key)]
        for key in run.data.metrics
    }
    root = Path(download_artifacts(run_id=run_id, dst_path=folder, tracking_uri=uri))
    files = {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }
    seen = {
        "name": run.info.run_name,
        "user": run.info.user_id,
        "status": run.info.status,
        "start": run.info.start_time,
        "end": run.info.end_time,
        "params": run.data.params,
        "tags": run.data.tags,
        "history": history,
        "files": files,
    }
    print(json.dumps(seen))


main()
