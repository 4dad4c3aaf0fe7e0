"""Writes test/golden/ring.json: a ring and a spool file, and what a daemon must make of them.

Run it only when the format of docs/ring.md changes on purpose: `python test/golden/write-ring.py`.
"""

import base64
import json
import os
import sys
import tempfile
import zlib
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "clients/python/src"))

from pipekit_experiment._src import active_run, ring, spool, writer  # noqa: E402
from pipekit_experiment._src.hub import Hub  # noqa: E402
from pipekit_experiment._src.limits import Limits  # noqa: E402
from pipekit_experiment._src.run import now  # noqa: E402

RUN_ID = "01J0000000000000000000RV00"
WRITER_ID = "01J0000000000000000000WR00"
# A boot long past: its processes are dead.
OWNER = bytes([7, 0, 0, 0, 0, 0, 0, 0]) + bytes(16) + b"an earlier boot!"
TIME_NS = 1_700_000_000_123_456_789


class Quiet(Hub):
    """A hub without threads."""

    def wake_flusher(self):
        pass


def main():
    with tempfile.TemporaryDirectory() as made:
        os.environ |= {"PKX_STATE_DIR": f"{made}/state", "PKX_RUNTIME_DIR": f"{made}/run"}
        with (
            patch.object(ring, "this_process", lambda: OWNER),
            patch.object(spool, "this_process", lambda: OWNER),
            patch.object(writer, "new_ulid", lambda: WRITER_ID),
            patch.object(active_run, "time_ns", lambda: TIME_NS),
        ):
            write(Path(made))


def write(folder):
    hub = Quiet(Limits(ring_bytes=1024 * 1024))
    run = active_run.ActiveRun(hub, RUN_ID, name="golden", pipeline_hash="", config={}, started_at=now())
    outbox = run.writer.outbox
    run.writer.start_frame({"name": "golden", "host": "nowhere", "pid": 7, "started_at_us": 1})
    run.log({"spooled": 0.5}, 0)
    run.writer.drain()
    outbox.spill(folder / "state/spool", Limits())
    for step in range(1, 4):
        run.log({"framed": float(step), "ü/ß": -0.0}, step)
    run.writer.drain()
    run.log({"row": 1, "b": 2.5}, -(2**53) + 1)
    run.log_params({"lr": 0.1})
    run.log({"row": float("nan"), "b": float("inf")}, 2**53 - 1)
    run.log({"held": Held(), "b": 1.0}, 5)
    # More than a block: the rest of the rows is in the next one.
    for step in range(300):
        run.log({f"wide{i}": float(step) for i in range(200)}, step)
    assert run.unprotected == 0
    run.writer.block.write((1632).to_bytes(8, "little") + b"torn")
    (path,) = folder.glob("run/*.rings/*.ring")
    (spooled,) = folder.glob("state/spool/*.frames")
    golden = {
        "runId": RUN_ID,
        "writerId": WRITER_ID,
        "ring": packed(path),
        "spool": packed(spooled),
        "rows": {"spooled": 1, "framed": 3, "row": 2, "wide199": 300},
        "timeUs": TIME_NS // 1000,
        "heldPoints": 2,
    }
    Path(__file__).with_name("ring.json").write_text(json.dumps(golden, indent=1) + "\n")


class Held:
    """A value on a device."""

    shape, dtype = (), "float32"

    def __float__(self):
        raise AssertionError("nobody reads it")


def packed(path):
    return base64.b64encode(zlib.compress(path.read_bytes(), 9)).decode()


main()
