"""Prints as JSON what MLflow's own client sees of a model: registry_client.py URI NAME ALIAS FOLDER."""

import hashlib
import json
import sys
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts


def main() -> None:
    uri, name, alias, folder = sys.argv[1:]
    mlflow.set_tracking_uri(uri)
    client = MlflowClient()
    version = client.get_model_version_by_alias(name, alias)
    files = {}
    for ref in (f"models:/{name}@{alias}", f"models:/{name}/{version.version}"):
        root = Path(download_artifacts(ref, dst_path=str(Path(folder, ref.replace("/", "_")))))
        files[ref] = {
            str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in root.rglob("*")
            if path.is_file() and path.name != "registered_model_meta"
        }
    run = client.get_run(version.run_id) if version.run_id else None
    seen = {
        "version": version.version,
        "status": version.status,
        "description": version.description,
        "tags": version.tags,
        "aliases": list(version.aliases),
        "files": list(files.values()),
        "run": run and {"name": run.info.run_name, "params": run.data.params},
        "versions": [v.version for v in client.search_model_versions(f"name='{name}'")],
    }
    print(json.dumps(seen))


main()
