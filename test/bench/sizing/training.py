"""A training that logs a row of ten values a second: `training.py SECONDS SYSTEM_METRICS_S`; 0 for none.

Prints `ready` once its run has started and waits for a line before it logs. The last line is JSON:
processor seconds of this process, of the loop and the threads behind it.
"""

import json
import sys
import time

import pipekit_experiment as pe

if __name__ == "__main__":
    seconds, system_s = int(sys.argv[1]), float(sys.argv[2])
    run = pe.start_run("sizing", system_metrics=system_s or False)
    print("ready", flush=True)
    sys.stdin.readline()
    before = time.process_time()
    for step in range(seconds):
        run.log({f"train/metric{i}": step * 0.37 + i for i in range(10)}, step=step)
        time.sleep(1)
    spent = time.process_time() - before
    run.end()
    print(json.dumps({"cpu_s": spent}), flush=True)
