"""A training loop that logs points and files at a steady pace, and tells what it logged.

trainer_files.py ROWS PAUSE_MS EVERY FOLDER [SPEC...]: prints `run ID`, and at the end a line of JSON. Each
EVERY rows a file is written to FOLDER and logged as an artifact, `file-N` with the text `N`. With
$PKX_TEST_NOFILE the soft limit of open files of this process is set to that many more than are open, once a
third is logged, and back after two thirds.
"""

import faulthandler
import json
import os
import resource
import sys
import time
import warnings
from pathlib import Path

import pipekit_experiment as pe

warnings.simplefilter("ignore")
faulthandler.dump_traceback_later(float(os.environ.get("PKX_TEST_HANG_S", "120")), exit=True)
rows, pause_ms, every, folder = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
spare = os.environ.get("PKX_TEST_NOFILE")
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

run = pe.start_run("files", config={"lr": 0.1}, sinks=sys.argv[5:])
print("run", run.run_id, flush=True)
slowest, files = 0.0, 0
for row in range(rows):
    if spare is not None and row == rows // 3:
        opened = len(os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (opened + int(spare), hard))
    if spare is not None and row == 2 * rows // 3:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    before = time.perf_counter()
    run.log({"a": float(row)}, row)
    slowest = max(slowest, time.perf_counter() - before)
    is_short = spare is not None and rows // 3 <= row < 2 * rows // 3
    if row % every == 0 and not is_short:
        path = folder / f"file-{files}"
        path.write_text(str(files))
        run.log_artifact(path)
        files += 1
    time.sleep(pause_ms / 1000)
run.end(timeout_s=60)
given_up = {"dropped": run.dropped, "rejected": run.rejected}
print(json.dumps({"counts": {"a": rows}, "files": files, "slowestMs": slowest * 1000, **given_up}))
