"""A trainer that is killed: it logs and tells, by shared memory, what has returned.

trainer_killed.py MODE SEED PAUSE_US PROGRESS: MODE is `single`, `threads` (4), `fork` (a child beside the
parent), `spawn`, or `signals` (a handler logs between the loop's calls, and within them). Prints `run ID` for
each run and `child PID`. Lane i logs 0, 1, 2, ... under its key, and after each return of log() writes the
count, an int64, to place i of the file PROGRESS, and before it to place 8 + i how many points the ring of its
process has had no room for.
"""

import faulthandler
import mmap
import multiprocessing
import os
import random
import signal
import struct
import sys
import threading
import time
import warnings

import pipekit_experiment as pe

PLACES = 16


def lane(run, number, seed, pause_us, progress):
    """Logs for ever."""
    draw = random.Random(seed * 31 + number)
    key, other, count = f"lane{number}", f"other{number}", 0
    log = run.log
    while True:
        if draw.random() < 0.2:
            log({key: float(count), other: count, "a": 0.5}, count)
        else:
            log({key: float(count)}, count)
        count += 1
        progress[64 + 8 * number : 72 + 8 * number] = struct.pack("<q", run.unprotected)
        progress[8 * number : 8 * number + 8] = struct.pack("<q", count)
        if pause_us and draw.random() < 0.2:
            time.sleep(draw.expovariate(1e6 / (5 * pause_us)))


def open_progress(path):
    """The shared places."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(descriptor, 8 * PLACES)
    return mmap.mmap(descriptor, 8 * PLACES)


def work_in_run_of_its_own(seed, pause_us, path):
    """What a spawned worker does: a run of its own."""
    warnings.simplefilter("ignore")
    run = pe.start_run("spawned")
    progress = open_progress(path)
    print("run", run.run_id, flush=True)
    lane(run, 1, seed, pause_us, progress)


def main():
    warnings.simplefilter("ignore")
    faulthandler.dump_traceback_later(120, exit=True)
    mode, seed, pause_us, path = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    progress = open_progress(path)
    run = pe.start_run(f"{mode}-{seed}")
    print("run", run.run_id, flush=True)
    if mode == "threads":
        for number in range(1, 4):
            thread = threading.Thread(target=lane, args=(run, number, seed, pause_us, progress), daemon=True)
            thread.start()
    elif mode == "fork":
        child = os.fork()
        if child == 0:
            # It dies with its parent, a moment later or before.
            lane(run, 1, seed, pause_us, progress)
        print("child", child, flush=True)
    elif mode == "spawn":
        context = multiprocessing.get_context("spawn")
        worker = context.Process(target=work_in_run_of_its_own, args=(seed, pause_us, path), daemon=True)
        worker.start()
        print("child", worker.pid, flush=True)
    elif mode == "signals":
        counts, busy = [0], []

        def handle(*_):
            if busy:
                return
            busy.append(True)
            run.log({"lane1": float(counts[0])}, counts[0])
            counts[0] += 1
            progress[8:16] = struct.pack("<q", counts[0])
            busy.clear()

        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    lane(run, 0, seed, pause_us, progress)


if __name__ == "__main__":
    main()
