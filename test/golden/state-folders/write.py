"""Writes what a golden state folder holds, by the client and the daemon that the environment names.

`write.py runs` tells a line of JSON at each point where write.ts has to do something, and goes on when it
gets a line. `write.py spooled` logs a run while no daemon can be had; `write.py member` is rank 1 of a group.
The values are such that the test can compute them.
"""

from __future__ import annotations

import inspect
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pipekit_experiment as pe
from pipekit_experiment.operators import Operator

SINK = os.environ["GOLDEN_SINK"]
ARTIFACT = Path(os.environ["GOLDEN_HOME"], "notes.txt")


class Scale(Operator):
    """Multiplies; its weight is the factor as text."""

    def __init__(self, unit="m", factor=None):
        self.unit, self.factor = unit, factor

    def get_config(self):
        return {"unit": self.unit}

    def get_weights(self):
        return None if self.factor is None else str(self.factor).encode()

    def with_weights(self, weights):
        return Scale(self.unit, float(weights))


def checkpoint(**told):
    print(json.dumps(told), flush=True)
    sys.stdin.readline()


def log(run, steps):
    for step in steps:
        run.log({"loss": step * 0.25 + 1, "acc": -0.5 * step}, step)


def until_done(run_id):
    """Waits until every sink of an ended run is done."""
    from pipekit_experiment._src.sink_status import read_sinks

    while any(sink.state != "done" for sink in read_sinks(run_id)):
        time.sleep(0.05)


def delivered_run():
    """Ended, with an artifact, delivered but for two points that the tool refuses."""
    run = pe.start_run(
        "delivered", config={"lr": 0.5, "net": {"layers": 3}}, sinks=[SINK], tags={"team": "eo"}
    )
    log(run, range(200))
    run.log({"refused": 1.0}, 0)
    run.log({"refused": 2.0}, 1)
    ARTIFACT.write_text("what was kept\n" * 100)
    run.log_artifact(ARTIFACT)
    run.set_tags({"late": "yes"})
    run.end()
    until_done(run.run_id)
    return run.run_id


def pruned_run():
    """Ended and delivered; write.ts has it pruned."""
    run = pe.start_run("pruned", sinks=[SINK], tags={"team": "eo"})
    log(run, range(30))
    run.end()
    until_done(run.run_id)
    checkpoint(prune=run.run_id)
    return run.run_id


def resumed_run():
    """Ended, and gone on with by a second writer, and ended again; delivered."""
    run = pe.start_run("resumed", sinks=[SINK])
    log(run, range(50))
    run.end("failed", reason="out of memory")
    until_done(run.run_id)
    again = pe.start_run("resumed", run_id=run.run_id, resume=True)
    log(again, range(50, 80))
    again.end()
    until_done(run.run_id)
    return run.run_id


def member(rank, steps):
    """One of two ranks."""
    sinks = [SINK] if rank == 0 else ()
    run = pe.start_run("group", sinks=sinks, group="job-1", rank=rank, world_size=2)
    log(run, steps)
    assert run.flush()
    return run


def group_run():
    """Rank 0 goes on, rank 1, in a process of its own, has ended."""
    run = member(0, range(40))
    subprocess.run([sys.executable, __file__, "member"], check=True)
    return run.run_id


def models(run_id):
    """Two models, and a tag that was moved."""
    registry = pe.LocalModelRegistry()
    first = registry.store(Scale("m", 2.0), name="candidate", run=run_id)
    second = registry.store(Scale("km", 0.5), tags={"val_rmse": 0.04})
    registry.tag(first, "production")
    registry.tag(second, "production", force=True)
    return {"first": first, "second": second}


def write_runs():
    can = inspect.signature(pe.start_run).parameters
    runs = {"pruned": pruned_run()} if os.environ["GOLDEN_PRUNE"] else {}
    runs["delivered"] = delivered_run()
    if "resume" in can:
        runs["resumed"] = resumed_run()
    if "group" in can:
        runs["group"] = group_run()
    running = pe.start_run("running", config={"lr": 1}, sinks=[SINK])
    runs["running"] = running.run_id
    log(running, range(100))
    assert running.flush()
    while any(sink.points_pending > 0 for sink in running.sinks()):
        time.sleep(0.05)
    models_stored = models(runs["delivered"])
    checkpoint(tool="away")
    ended = pe.start_run("undelivered", sinks=[SINK])
    runs["undelivered"] = ended.run_id
    log(ended, range(150))
    ended.end()
    log(running, range(100, 200))
    assert running.flush()
    # No other is started in its place.
    os.environ["PKX_DAEMON"] = "/nowhere"
    checkpoint(daemon="kill")
    # Reaches no disk but the ring, where there is one.
    log(running, range(200, 210))
    checkpoint(runs=runs, models=models_stored)


def write_spooled():
    run = pe.start_run("spooled", sinks=[SINK])
    log(run, range(60))
    run.end(timeout_s=1)
    print(json.dumps({"runs": {"spooled": run.run_id}}), flush=True)


# Writers on another host: no daemon here ends their runs because their processes are gone.
socket.gethostname = lambda: "golden"
match sys.argv[1]:
    case "runs":
        write_runs()
    case "spooled":
        write_spooled()
    case "member":
        member(1, range(40, 60)).end()
