"""Reads, with the tools' own readers where they have one, the points that a folder shows; one JSON line.

Usage: read_files.py tensorboard|clearml FOLDER

Prints {key: [[step, value], ...]}.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections import defaultdict
from pathlib import Path

Series = dict[str, list[tuple[int, float]]]


def tensorboard(folder: Path) -> Series:
    """The one run below `folder`, by TensorBoard's own reader."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (run,) = {events.parent for events in folder.rglob("events.out.tfevents.*")}
    reader = EventAccumulator(str(run), size_guidance={"scalars": 0})
    reader.Reload()
    return {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def clearml(folder: Path) -> Series:
    """The one session zip in `folder`; test/clearml imports such zips with the real package."""
    (archive,) = folder.glob("*.zip")
    series: Series = defaultdict(list)
    with zipfile.ZipFile(archive) as session:
        for line in session.read("metrics.jsonl").decode().splitlines():
            for event in json.loads(line):
                if event["type"] == "training_stats_scalar":
                    name = f"{event['metric']}/{event['variant']}"
                    series[name].append((event["iter"], event["value"]))
    return series


if __name__ == "__main__":
    readers = {"tensorboard": tensorboard, "clearml": clearml}
    print(json.dumps(readers[sys.argv[1]](Path(sys.argv[2]))))
