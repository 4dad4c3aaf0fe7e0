import os
import signal
import stat
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tracking_daemon import run_script

import pipekit_experiment as pe
from pipekit_experiment._generated import tracker_pb2
from pipekit_experiment._src.hub import the_hub
from pipekit_experiment._src.limits import Limits
from pipekit_experiment._src.outbox import Outbox
from pipekit_experiment._src.spool import SpoolFile, spool_files
from pipekit_experiment._src.ulid import new_ulid

frames = st.lists(st.tuples(st.integers(0, 2**31), st.binary(max_size=200)), max_size=12)


def filled(folder, contents):
    file = SpoolFile.create(folder, new_ulid())
    file.append([(seq, points, frame) for seq, (points, frame) in enumerate(contents, 1)])
    return file


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames, st.integers(0, 4000), st.integers(1, 255))
def test_what_is_appended_is_read_and_damage_ends_the_file(tmp_path, contents, at, flip):
    file = filled(tmp_path, contents)
    assert [(e.points, e.frame) for e in file.entries()] == contents
    assert [e.seq for e in file.entries()] == list(range(1, len(contents) + 1))
    data = bytearray(file.path.read_bytes())
    whole = [e.end for e in file.entries()]
    at %= len(data)
    if 8 <= at < 56:
        # Who owns the file is for the daemon to check.
        at = 0
    data[at] ^= flip
    file.path.write_bytes(data)
    kept = [(e.points, e.frame) for e in file.entries()]
    assert kept == contents[: sum(end <= at for end in whole)] if at >= 8 else kept == []
    file.delete()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames, st.integers(0, 4000))
def test_a_torn_tail_is_cut(tmp_path, contents, cut):
    file = filled(tmp_path, contents)
    whole = [e.end for e in file.entries()]
    size = cut % (file.size + 1)
    os.truncate(file.path, size)
    assert len(list(file.entries())) == sum(end <= size for end in whole)
    file.delete()


def test_a_file_of_the_first_clients_is_read_and_one_of_later_clients_is_left_alone(tmp_path):
    file = filled(tmp_path, [(1, b"x"), (2, b"yz")])
    file.close()
    header = 8 + 40 + 8
    entries = file.path.read_bytes()[header:]
    file.path.write_bytes(b"PKXSPL1\n" + entries)
    adopted = SpoolFile.adopt(file.path)
    assert adopted is not None
    assert [(e.seq, e.points, e.frame) for e in adopted.entries()] == [(1, 1, b"x"), (2, 2, b"yz")]
    adopted.close()
    file.path.write_bytes(b"PKXSPL3\n" + entries)
    assert SpoolFile.adopt(file.path) is None
    assert file.path.exists()


def test_the_state_folder_made_for_a_first_spool_is_one_that_the_daemon_takes(tmp_path):
    state = tmp_path / "made" / "state"
    SpoolFile.create(state / "spool", new_ulid()).close()
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (state, state / "spool")] == [0o700, 0o700]


def test_a_file_is_its_owners_until_the_owner_is_gone(tmp_path):
    file = filled(tmp_path, [(1, b"x")])
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert SpoolFile.adopt(file.path) is None
    file.close()
    adopted = SpoolFile.adopt(file.path)
    assert adopted is not None
    assert SpoolFile.adopt(file.path) is None
    adopted.delete()
    assert SpoolFile.adopt(file.path) is None
    (tmp_path / "notes.txt").touch()
    (tmp_path / "short.frames").touch()
    assert spool_files(tmp_path) == []


def test_a_failed_append_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    file = filled(tmp_path, [(1, b"x")])
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        file.append([(2, 1, b"y" * 1000)])
    assert file.path.stat().st_size == file.size
    assert [e.frame for e in file.entries()] == [b"x"]


steps = st.lists(
    st.one_of(
        st.just("put"),
        st.just("send"),
        st.just("spill"),
        st.just("break"),
        st.tuples(st.just("ack"), st.integers(0, 5)),
    ),
    max_size=60,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(steps)
def test_an_outbox_sends_every_frame_in_order_whatever_happens(tmp_path, script):
    """Against a model: a daemon that takes frame n + 1 after frame n, and streams that break at any time."""
    outbox = Outbox(new_ulid())
    put, journal, on_wire = 0, 0, []

    def send():
        frame = outbox.next_frame()
        if frame is not None:
            on_wire.append(int(frame))
        return frame

    def deliver(lag):
        nonlocal journal
        while len(on_wire) > lag:
            seq = on_wire.pop(0)
            assert seq <= journal + 1, "a gap"
            journal = max(journal, seq)
            outbox.ack(seq)

    for step in script:
        match step:
            case "put":
                put += 1
                outbox.put(str(put).encode(), 1)
            case "send":
                send()
            case "spill":
                assert outbox.spill(tmp_path, Limits())
                assert outbox.memory_bytes == 0
            case "break":
                on_wire.clear()
                outbox.rewind()
            case (_, lag):
                deliver(lag)
        assert outbox.points == put - outbox.acked_seq
        assert outbox.has_unsent == (outbox.sent_seq < put)
    while send():
        pass
    deliver(0)
    assert journal == put
    assert outbox.empty
    assert (outbox.points, outbox.memory_bytes, outbox.in_flight_bytes) == (0, 0, 0)
    assert not outbox.spooled
    assert spool_files(tmp_path) == []


def test_a_killed_process_leaves_its_spool_to_the_next_one(daemon):
    daemon.stop()
    program = """
import os, sys, time, warnings
warnings.simplefilter("ignore")
import pipekit_experiment as pe
from pipekit_experiment._src import hub
run = pe.start_run("x")
for step in range(5000):
    run.log({"a": float(step)}, step)
box = run.writer.outbox
deadline = time.monotonic() + 20
while box.last_seq < 2 or box.memory_bytes or run.writer.has_unread:
    assert time.monotonic() < deadline
    time.sleep(0.01)
print(run.run_id, flush=True)
os.kill(os.getpid(), 9)
"""
    done = run_script(program)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (left,) = spool_files(daemon.folder / "spool")
    # A crash in the middle of an append.
    with open(left, "ab") as file:
        file.write(b"\x00\x01")
    daemon.start()
    with pytest.warns(RuntimeWarning, match="2 bytes that are no whole frame"):  # noqa: PT031, SIM117
        with pe.start_run("the next one") as run:
            run.log({"b": 1.0})
            daemon.wait_for(lambda: daemon.count(done.stdout.strip()) == 5000)
    assert daemon.points(done.stdout.strip())["a"] == [(step, float(step)) for step in range(5000)]
    assert spool_files(daemon.folder / "spool") == []


def test_two_processes_do_not_replay_one_file_twice(daemon):
    daemon.stop()
    done = run_script(
        "import pipekit_experiment as pe\nrun = pe.start_run('x')\nrun.log({'a': 1.0})\nprint(run.run_id)"
    )
    daemon.start()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    program = "import pipekit_experiment as pe\npe.replay_spool()"
    others = [subprocess.Popen([sys.executable, "-c", program], env=environment) for _ in range(3)]
    assert [other.wait(30) for other in others] == [0, 0, 0]
    assert daemon.count(done.stdout.strip()) == 1
    assert daemon.duplicates == 0


def test_memory_beyond_the_window_goes_to_the_spool_in_order(daemon, limits):
    limits(window_bytes=20_000, frame_points=100, tick_s=0.002, in_flight_bytes=3000)
    daemon.ack_delay_s = 0.002
    with pe.start_run() as run:
        for step in range(20_000):
            run.log({"a": float(step)}, step)
            if step % 1000 == 0:
                time.sleep(0.005)
        assert run.flush(30)
    assert daemon.points(run.run_id)["a"] == [(step, float(step)) for step in range(20_000)]
    assert daemon.duplicates == 0
    assert run.dropped == 0
    assert spool_files(daemon.folder / "spool") == []


def test_without_daemon_and_disk_the_oldest_points_are_dropped_with_a_count(daemon, limits):
    limits(window_bytes=20_000, frame_points=100, tick_s=0.002, down_s=60)
    (daemon.folder / "spool").write_text("a file where the folder should be")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run = pe.start_run("kept")
        daemon.stop()
        for step in range(5000):
            run.log({"a": float(step)}, step)
            if step == 10:
                run.log_params({"lr": 1})
            if step % 100 == 0:
                time.sleep(0.002)
        writer = run.writer
        writer.drain()
        the_hub().relieve()
        assert writer.outbox.memory_bytes < 30_000
        daemon.start()
        assert run.flush(20)
        run.end()
    texts = [str(warning.message) for warning in caught]
    assert any("points were dropped" in text for text in texts)
    assert any("cannot be written" in text for text in texts)
    series = daemon.points(run.run_id)["a"]
    assert 0 < len(series) < 5000
    assert len(series) + run.dropped == 5000
    assert series[-1] == (4999, 4999.0), "the newest are kept"
    assert daemon.records(run.run_id, "params"), "only points are dropped"
    told = [int(t.tags["pipekit.dropped_points"]) for t in daemon.records(run.run_id, "tags")]
    assert len(told) > 1
    assert told[-1] == run.dropped, "the journal, where the last tag wins, tells of the whole loss"
    assert run.rejected == 0
    assert daemon.records(run.run_id, "end")


def test_a_full_spool_counts_as_no_disk(tmp_path):
    outbox = Outbox(new_ulid())
    frame = tracker_pb2.Frame(
        writer_id="w",
        seq=1,
        records=[tracker_pb2.Record(metrics=tracker_pb2.MetricColumns(values=bytes(800)))],
    )
    outbox.put(frame.SerializeToString(), 100)
    assert outbox.spill(tmp_path, Limits(spool_bytes=2000))
    outbox.put(frame.SerializeToString(), 100)
    outbox.put(frame.SerializeToString(), 100)
    assert not outbox.spill(tmp_path, Limits(spool_bytes=2000))
    assert outbox.drop_oldest(500) == 100
    assert outbox.points == 200
    assert [Path(p).stem for p in spool_files(tmp_path)] == [outbox.writer_id]
