import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ring_reader import read_ring
from tracking_daemon import run_script

import pipekit_experiment as pe
from pipekit_experiment._src.active_run import ActiveRun
from pipekit_experiment._src.hub import Hub
from pipekit_experiment._src.limits import Limits
from pipekit_experiment._src.ring import Ring
from pipekit_experiment._src.ring_blocks import RingBlock
from pipekit_experiment._src.run import now
from pipekit_experiment._src.ulid import new_ulid


class Quiet(Hub):
    """A hub without threads: the test is the flusher and the sender."""

    def wake_flusher(self):
        pass


def quiet_run(folder, **limits):
    hub = Quiet(Limits(ring_bytes=1024 * 1024, **limits))
    run = ActiveRun(hub, new_ulid(), name="n", pipeline_hash="", config={}, started_at=now())
    hub.writers[run.writer.writer_id] = run.writer
    hub.outboxes[run.writer.writer_id] = run.writer.outbox
    run.writer.start_frame({"name": "n"})
    return run


def rings(folder):
    return sorted(folder.glob("**/*.ring"))


def in_folder(monkeypatch, folder):
    monkeypatch.setenv("PKX_STATE_DIR", str(folder / "state"))
    monkeypatch.setenv("PKX_RUNTIME_DIR", str(folder / "run"))
    monkeypatch.delenv("PKX_ENDPOINT", raising=False)


@pytest.fixture
def folder(monkeypatch):
    with tempfile.TemporaryDirectory(prefix="pkx") as made:
        in_folder(monkeypatch, Path(made))
        yield Path(made)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("log"), st.integers(0, 3), st.integers(1, 60)),
        st.just("drain"),
        st.just("spill"),
        st.tuples(st.just("ack"), st.integers(1, 6)),
    ),
    max_size=40,
)


@settings(max_examples=60, deadline=None)
@given(steps, st.integers(0, 7))
def test_what_is_left_is_what_was_logged_and_not_freed(script, torn):
    """Any sequence of rows, frames, acknowledgements, spills and turns of the ring."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(prefix="pkx") as made:
        folder = Path(made)
        in_folder(patch, folder)
        run = quiet_run(folder)
        writer, outbox = run.writer, run.writer.outbox
        (path,) = rings(folder)
        spool = folder / "state" / "spool" / f"{writer.writer_id}.frames"
        shapes = [[f"k{width}_{i}" for i in range(width)] for width in (1, 3, 200, 1500)]
        writer.drain()
        logged, last_entry = [], 0
        for step in script:
            match step:
                case "drain":
                    writer.drain()
                case "spill":
                    outbox.spill(folder / "state" / "spool", Limits())
                case ("ack", count):
                    while outbox.next_frame() is not None:
                        pass
                    outbox.ack(min(outbox.acked_seq + count, outbox.last_seq))
                case (_, shape, count):
                    for _ in range(count):
                        row = dict.fromkeys(shapes[shape], float(len(logged)))
                        run.log(row, len(logged))
                        logged.append((len(logged), row))
                    last_entry = 8 * len(shapes[shape]) + 32
        if run.unprotected:
            # More than the ring has room for; another test is about that.
            return
        data = path.read_bytes()
        block = writer.block
        if torn and isinstance(block, RingBlock) and block.has_unread(writer._read_offset):
            # The last entry was copied in part only: its log() has not returned.
            end = _place(data, block) + block._memory.tell()
            cut = 8 * torn if 8 * torn < last_entry else 8
            path.write_bytes(data[: end - cut] + bytes(cut) + data[end:])
            logged.pop()
        left = read_ring(path, spool)
        found = left.all_rows(outbox.acked_seq)
        assert found == logged[len(logged) - len(found) :], "in order, and nothing else"
        acked = len(logged) - len(found)
        assert acked == 0 or outbox.acked_seq > 1
        assert set(range(outbox.acked_seq + 1, left.last_seq + 1)) <= set(left.frames)


def _place(data, block):
    header, area, size, _ = (int.from_bytes(data[at : at + 4], "little") for at in (8, 12, 16, 20))
    return header + 2 * area + block.index * size


def test_acknowledged_rows_are_not_left(folder):
    run = quiet_run(folder)
    for step in range(100):
        run.log({"a": float(step)}, step)
    outbox = run.writer.outbox
    run.writer.drain()
    while outbox.next_frame() is not None:
        pass
    outbox.ack(outbox.last_seq)
    run.log({"a": 100.0}, 100)
    left = read_ring(rings(folder)[0])
    assert left.all_rows(outbox.acked_seq) == [(100, {"a": 100.0})]


def test_the_file_is_its_owners_alone_and_goes_with_the_run(daemon):
    run = pe.start_run()
    run.log({"a": 1.0})
    (path,) = rings(daemon.folder)
    assert path.parent.name == "d.rings"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.stat().st_blocks * 512 >= path.stat().st_size, "no page is missing that could be a SIGBUS"
    run.end()
    assert rings(daemon.folder) == []


def test_it_is_off_by_one_setting(daemon, monkeypatch):
    monkeypatch.setenv("PKX_RING_MB", "0")
    with pe.start_run() as run:
        for step in range(5000):
            run.log({"a": float(step)}, step)
        assert rings(daemon.folder) == []
    assert daemon.points(run.run_id)["a"] == [(step, float(step)) for step in range(5000)]
    assert run.unprotected == 0, "none was wanted"


@pytest.mark.parametrize("fault", ["folder", "room", "fallocate"])
def test_where_none_can_be_made_one_warning_says_so(daemon, monkeypatch, fault):
    if fault == "folder":
        (daemon.folder / "d.rings").mkdir(mode=0o755)
    elif fault == "room":
        full = os.statvfs("/")
        monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((*full[:3], 1, 1, *full[5:])))
    else:
        monkeypatch.setattr(
            os, "posix_fallocate", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pe.start_run() as run:
            for step in range(1000):
                run.log({"a": float(step)}, step)
    assert len([w for w in caught if "no shared-memory ring" in str(w.message)]) == 1
    assert daemon.count(run.run_id) == 1000
    assert run.unprotected == 1000
    assert rings(daemon.folder) == []
    assert list(daemon.folder.glob("**/*.making")) == []


def test_a_full_ring_never_blocks_and_says_how_many_points_it_had_no_room_for(daemon, limits):
    limits(ring_bytes=1024 * 1024)
    run = pe.start_run()
    rows = 40_000
    with run.writer.pack_lock, pytest.warns(RuntimeWarning, match="ring had no room for .* points"):  # noqa: PT031
        # The flusher is held up.
        started = time.monotonic()
        for step in range(rows):
            run.log({"a": float(step)}, step)
        assert time.monotonic() - started < 5
        assert 0 < run.unprotected < rows
        before = run.unprotected
        run.writer.pack_lock.release()
        assert run.flush(20)
        run.writer.pack_lock.acquire()
    run.log({"a": float(rows)}, rows)
    assert run.flush()
    assert isinstance(run.writer.block, RingBlock), "rows are protected again"
    assert run.unprotected == before
    run.end()
    assert daemon.points(run.run_id)["a"] == [(step, float(step)) for step in range(rows + 1)]


def test_frames_without_acknowledgement_go_to_the_spool_when_the_ring_is_full(daemon, limits):
    limits(ring_bytes=1024 * 1024, down_s=60)
    run = pe.start_run()
    daemon.hang = True
    for step in range(60_000):
        run.log({"a": float(step)}, step)
        if step % 5000 == 0:
            run.writer.drain()
    run.writer.drain()
    (path,) = rings(daemon.folder)
    spool = daemon.folder / "spool" / f"{run.writer.writer_id}.frames"
    assert spool.exists()
    left = read_ring(path, spool)
    assert left.all_rows(1) == [(step, {"a": float(step)}) for step in range(60_000)]
    assert run.unprotected == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run.end(timeout_s=0.1)


def test_a_row_on_a_device_is_kept_once_the_flusher_has_read_it(daemon):
    class OnDevice:
        shape, dtype = (), "float32"

        def __init__(self):
            self.computed = threading.Event()

        def __float__(self):
            assert self.computed.wait(10)
            return 0.5

    value = OnDevice()
    run = pe.start_run()
    daemon.hang = True
    started = time.monotonic()
    run.log({"a": value, "b": 1.0}, 0)
    run.log({"a": 1.0, "b": 1.0}, 1)
    assert time.monotonic() - started < 1, "log() does not wait for the device"
    (path,) = rings(daemon.folder)
    left = read_ring(path)
    assert left.all_rows(1) == [(1, {"a": 1.0, "b": 1.0})], "what a kill -9 leaves now"
    assert left.held_points == 2
    value.computed.set()
    run.writer.drain()
    assert read_ring(path).all_rows(1) == [(0, {"a": 0.5, "b": 1.0}), (1, {"a": 1.0, "b": 1.0})]
    assert run.unprotected == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run.end(timeout_s=0.1)


def test_values_that_need_no_device_are_kept_at_once(folder):
    run = quiet_run(folder)
    values = [1, True, 2**60, np.float32(0.5), np.float64(0.25), np.int64(3), np.array(4.0), -0.0]
    for step, value in enumerate(values):
        run.log({"a": value, "b": 0.0}, step)
    left = read_ring(rings(folder)[0])
    assert left.rows == [(step, {"a": float(value), "b": 0.0}) for step, value in enumerate(values)]
    assert left.held_points == 0


def test_a_child_never_writes_to_its_parents_ring(folder):
    run = quiet_run(folder)
    run.log({"a": 1.0}, 0)
    (path,) = rings(folder)
    before = path.read_bytes()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            # As a call of log() that a fork has interrupted.
            block = run.writer.block
            run.writer.outbox.abandon()
            try:
                block.write(b"\1" * 16)
            except ValueError:
                status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert path.read_bytes() == before
    run.log({"a": 2.0}, 1)
    assert read_ring(path).rows == [(0, {"a": 1.0}), (1, {"a": 2.0})]


def test_a_forked_child_has_a_ring_once_it_logs(daemon):
    done = run_script(
        """
import os, time
import pipekit_experiment as pe
run = pe.start_run("x")
run.log({"parent": 1.0})
child = os.fork()
if child == 0:
    from pathlib import Path
    folder = Path(os.environ["PKX_STATE_DIR"])
    before = len(list(folder.glob("**/*.ring")))
    run.log({"child": 1.0})
    made = len(list(folder.glob("**/*.ring"))) - before
    run.flush(20)
    os._exit(made if before == 1 else 9)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
run.end()
"""
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1"], "exactly one, and not before it logs"


def test_many_threads_and_a_small_ring_lose_and_double_nothing(folder):
    run = quiet_run(folder)
    writer, outbox = run.writer, run.writer.outbox
    stop = threading.Event()
    frames = []

    def flush():
        while not stop.is_set():
            writer.drain()
            while (frame := outbox.next_frame()) is not None:
                frames.append(frame)
            outbox.ack(outbox.sent_seq)

    def work(number):
        for step in range(10_000):
            run.log({f"t{number}": float(step), "pad": 1}, step)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        flusher = threading.Thread(target=flush)
        for thread in (flusher, *threads):
            thread.start()
        for thread in threads:
            thread.join()
        stop.set()
        flusher.join()
        flush_last = writer.drain()
    finally:
        sys.setswitchinterval(interval)
    while (frame := outbox.next_frame()) is not None:
        frames.append(frame)
    assert outbox.sent_seq == flush_last
    from tracking_daemon import unpack

    from pipekit_experiment._generated import tracker_pb2

    series = {}
    for frame in frames:
        for record in tracker_pb2.Frame.FromString(frame).records:
            if record.WhichOneof("record") == "metrics":
                for step, _, values in unpack(record.metrics):
                    series.setdefault(next(iter(values)), []).append(step)
    assert series == {f"t{i}": list(range(10_000)) for i in range(4)}


def test_blocks_go_round(folder):
    ring = Ring.create(folder / "d.rings", new_ulid(), new_ulid(), 1024 * 1024)
    first, second = ring.prepare(), ring.prepare()
    assert ring.prepare() is None
    first.stamp(1)
    first.write(b"\1" * 64)
    first.seal()
    with pytest.raises(ValueError, match="range"):
        first.write(b"\1" * 64)
    ring.recycle(first)
    again = ring.prepare()
    assert again.index == first.index
    assert not again.has_unread(16)
    with pytest.raises(ValueError, match="closed"):
        first.write(b"\1" * 64)
    assert not again.has_unread(16), "a late writer does not reach a block that is used again"
    assert second.index != again.index
    ring.delete()


def test_kill_9_leaves_every_row_whose_call_had_returned(daemon):
    program = """
import os, sys, warnings
warnings.simplefilter("ignore")
import pipekit_experiment as pe
run = pe.start_run("x")
step = 0
while True:
    run.log({"a": float(step), "b": step}, step)
    step += 1
    os.write(1, step.to_bytes(8, "little"))
"""
    daemon.stop()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment)
    assert child.stdout is not None
    told = child.stdout.read(8 * 3000)
    child.send_signal(signal.SIGKILL)
    told += child.stdout.read()
    child.wait()
    returned = int.from_bytes(told[-8:], "little")
    (path,) = rings(daemon.folder)
    spools = list((daemon.folder / "spool").glob("*.frames"))
    left = read_ring(path, spools[0] if spools else None)
    rows = left.all_rows(0)
    assert rows == [(step, {"a": float(step), "b": float(step)}) for step in range(len(rows))]
    assert returned <= len(rows) <= returned + 1
