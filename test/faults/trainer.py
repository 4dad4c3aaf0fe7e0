"""A training loop for the fault tests: logs POINTS rows with pauses drawn from SEED, tells what it logged.

trainer.py SEED POINTS PAUSE_MS [SPEC...]: prints `run ID` once the run is started, and at the end a line of
JSON with the points logged of each key, the slowest log() in milliseconds, and points given up. The value of
a point is its number within its key, so that loss, repetition and order show. With $PKX_TEST_PROGRESS a file
of two int64 tells at any time how many rows were logged, and when the last one was (unix microseconds).
"""

import faulthandler
import json
import mmap
import os
import random
import struct
import sys
import time
import warnings

import pipekit_experiment as pe

warnings.simplefilter("ignore")
# A loop that hangs tells where.
faulthandler.dump_traceback_later(float(os.environ.get("PKX_TEST_HANG_S", "60")), exit=True)
seed, points, pause_ms = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
draw = random.Random(seed)
progress = None
if path := os.environ.get("PKX_TEST_PROGRESS"):
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    os.ftruncate(descriptor, 16)
    progress = mmap.mmap(descriptor, 16)

run = pe.start_run(f"trainer-{seed}", config={"seed": seed}, sinks=sys.argv[4:])
print("run", run.run_id, flush=True)
counts = {"a": 0, "b": 0, "c/d": 0}
slowest = 0.0
for row in range(points):
    keys = [key for key in counts if key == "a" or draw.random() < 0.5]
    values = {key: float(counts[key]) for key in keys}
    before = time.perf_counter()
    run.log(values, row)
    slowest = max(slowest, time.perf_counter() - before)
    for key in keys:
        counts[key] += 1
    if progress is not None:
        progress[:] = struct.pack("<qq", row + 1, time.time_ns() // 1000)
    if pause_ms and draw.random() < 0.3:
        time.sleep(draw.expovariate(1000 / pause_ms))
run.end(timeout_s=float(os.environ.get("PKX_TEST_END_S", "10")))
given_up = {"dropped": run.dropped, "rejected": run.rejected}
print(json.dumps({"counts": counts, "slowestMs": slowest * 1000, **given_up}))
