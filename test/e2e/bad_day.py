"""A training loop that logs at a steady pace and times each call; one JSON line.

Usage: bad_day.py TRACKER STEPS. Ends its run when a line comes on the standard input.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from pathlib import Path

import pipekit_experiment as pe

PAUSE_S = 0.002


def main(tracker: str, steps: int) -> None:
    """Logs each step, validates each tenth: a second call with the same step."""
    took: list[int] = []
    run = pe.start_run("bad-day", tracker=tracker, config={"lr": 0.1, "model": {"depth": 3}})
    print(run.run_id, flush=True)

    def log(metrics: dict[str, float], step: int) -> None:
        start = time.perf_counter_ns()
        run.log(metrics, step)
        took.append(time.perf_counter_ns() - start)

    for step in range(steps):
        log({"train/loss": 1 / (step + 1), "lr": 0.1 * 0.99**step, "cost_usd": step * 0.25}, step)
        if step % 10 == 0:
            log({"val/loss": 2 / (step + 1)}, step)
        time.sleep(PAUSE_S)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.txt"
        report.write_text("done\n")
        run.log_artifact(report)
    # The daemon of a named endpoint does not read this client's spool: the end waits until one is there.
    sys.stdin.readline()
    run.end(timeout_s=60)
    took.sort()
    loaded = sorted({"mlflow", "wandb", "clearml", "tensorboard"} & set(sys.modules))
    p99 = took[math.ceil(0.99 * len(took)) - 1]
    print(
        json.dumps(
            {
                "p50_us": took[len(took) // 2] / 1000,
                "p99_us": p99 / 1000,
                "max_us": took[-1] / 1000,
                "dropped": run.dropped,
                "trackers_imported": loaded,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
