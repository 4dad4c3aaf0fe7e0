"""Stores the model of `one_id.py SPEC_FILE`'s document in each of its registries and prints the hashes."""

import json
import sys
from pathlib import Path

from pipekit_experiment.registry import DaemonRegistry

document = json.loads(Path(sys.argv[1]).read_text())


class Stored:
    state = document["operator"]


print(
    json.dumps(
        [
            DaemonRegistry(spec).store(
                Stored(),
                weights=document["weights"],
                training_config=document["training_config"],
                dataset_hash=document["dataset"],
            )
            for spec in document["registries"]
        ]
    )
)
