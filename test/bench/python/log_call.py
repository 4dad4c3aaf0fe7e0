"""Cost of one call that logs ten scalars, ours or the mlflow client's; one JSON line.

Usage: log_call.py ours|floor|mlflow-sync|mlflow-async CALLS [MLFLOW_URL]
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable

SCALARS = {f"metric/{i}": 0.5 + i for i in range(10)}


def percentile(sorted_values: list[int], share: float) -> float:
    """Nearest-rank percentile, microseconds."""
    rank = max(0, math.ceil(share * len(sorted_values)) - 1)
    return sorted_values[rank] / 1000


def measure(log: Callable[[dict[str, float], int], object], calls: int, pause_s: float) -> dict[str, float]:
    """Times each call alone; the clock's own cost, some 0.1 us, is included."""
    took: list[int] = []
    for step in range(calls):
        start = time.perf_counter_ns()
        log(SCALARS, step)
        took.append(time.perf_counter_ns() - start)
        if pause_s:
            time.sleep(pause_s)
    took.sort()
    return {
        "p50_us": percentile(took, 0.5),
        "p99_us": percentile(took, 0.99),
        "max_us": took[-1] / 1000,
    }


def ours(calls: int) -> dict[str, dict[str, float]]:
    """Our client: the run is journaled only."""
    import pipekit_experiment as pe

    with pe.start_run("bench-log-call") as run:
        for step in range(200):
            run.log(SCALARS, step)
        full = measure(run.log, calls, 0)
        paced = measure(run.log, min(calls, 1000), 0.002)
        run.flush(30)
        assert run.dropped == 0, f"{run.dropped} points dropped"
    return {"full": full, "paced": paced}


def floor(calls: int) -> dict[str, dict[str, float]]:
    """The least that any logger does: copy keys and values, look at the types, read the clock."""

    def copy(metrics: dict[str, float], step: int) -> object:
        return (
            tuple(metrics),
            tuple(map(type, metrics.values())),
            tuple(metrics.values()),
            step,
            time.time_ns(),
        )

    return {"full": measure(copy, calls, 0), "paced": measure(copy, min(calls, 1000), 0.002)}


def peer(calls: int, url: str, synchronous: bool) -> dict[str, dict[str, float]]:
    """The mlflow client against the same server that other rows use."""
    import mlflow

    mlflow.set_tracking_uri(url)
    mlflow.set_experiment("bench-log-call")
    with mlflow.start_run():

        def log(metrics: dict[str, float], step: int) -> object:
            return mlflow.log_metrics(metrics, step=step, synchronous=synchronous)

        for step in range(3):
            log(SCALARS, step)
        full = measure(log, calls, 0)
        paced = measure(log, min(calls, 100), 0.002)
    return {"full": full, "paced": paced}


if __name__ == "__main__":
    what, count = sys.argv[1], int(sys.argv[2])
    if what == "ours":
        result = ours(count)
    elif what == "floor":
        result = floor(count)
    else:
        result = peer(count, sys.argv[3], what == "mlflow-sync")
    print(json.dumps(result))
