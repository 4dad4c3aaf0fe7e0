"""Points per second from log() to the durable acknowledgement, in rows of ten scalars; one JSON line.

Usage: points.py POINTS
"""

from __future__ import annotations

import json
import sys
import time

import pipekit_experiment as pe

SCALARS = {f"metric/{i}": 0.5 + i for i in range(10)}

if __name__ == "__main__":
    points = int(sys.argv[1])
    with pe.start_run("bench-points") as run:
        run.log(SCALARS, 0)
        run.flush(30)
        start = time.perf_counter()
        for step in range(points // 10):
            run.log(SCALARS, step)
        logged = time.perf_counter() - start
        run.flush(120)
        took = time.perf_counter() - start
        dropped = run.dropped
    print(
        json.dumps(
            {
                "seconds": took,
                "log_seconds": logged,
                "points": points,
                "dropped": dropped,
            }
        )
    )
