"""MLflow's own client: `mlflow_peer.py URI artifact FILE` moves a file up and down, in seconds;
`mlflow_peer.py URI alias` moves and resolves an alias, in milliseconds a call."""

import json
import os
import shutil
import statistics
import sys
import tempfile
import time

import mlflow

uri, what, *rest = sys.argv[1:]
CALLS = 100
mlflow.set_tracking_uri(uri)


def transfer(path: str) -> dict[str, float]:
    with mlflow.start_run() as run:
        start = time.perf_counter()
        mlflow.log_artifact(path)
        up = time.perf_counter() - start
    folder = tempfile.mkdtemp(dir=os.path.dirname(path))
    start = time.perf_counter()
    mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path=os.path.basename(path), dst_path=folder
    )
    down = time.perf_counter() - start
    shutil.rmtree(folder)
    return {"up": up, "down": down}


def alias() -> dict[str, float]:
    client = mlflow.MlflowClient()
    client.create_registered_model("peer")
    with mlflow.start_run() as run:
        pass
    for _ in range(2):
        client.create_model_version("peer", source=run.info.artifact_uri, run_id=run.info.run_id)
    moves, reads = [], []
    for call in range(CALLS):
        start = time.perf_counter()
        client.set_registered_model_alias("peer", "production", str(call % 2 + 1))
        moves.append(time.perf_counter() - start)
        start = time.perf_counter()
        client.get_model_version_by_alias("peer", "production")
        reads.append(time.perf_counter() - start)
    return {"move": statistics.median(moves) * 1000, "read": statistics.median(reads) * 1000}


print(json.dumps(transfer(*rest) if what == "artifact" else alias()))
