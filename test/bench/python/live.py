"""Logs one value each PACE_MS once a line comes on standard input;
prints the run id first, then, as one JSON line,
when each `log` was called (Unix microseconds), by step.

Usage: live.py POINTS PACE_MS
"""

from __future__ import annotations

import json
import sys
import time

import pipekit_experiment as pe

if __name__ == "__main__":
    points, pace_ms = int(sys.argv[1]), int(sys.argv[2])
    with pe.start_run("bench-live") as run:
        run.log({"loss": 1.0}, 0)
        run.flush(30)
        print(run.run_id, flush=True)
        sys.stdin.readline()
        times = {}
        for step in range(1, points + 1):
            times[step] = time.time_ns() // 1000
            run.log({"loss": 1.0 / step}, step)
            time.sleep(pace_ms / 1000)
    print(json.dumps(times))
