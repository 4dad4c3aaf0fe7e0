"""Runs that are resumed, against the real daemon."""

import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import pytest
from real_daemon import end, read_run, tracking_in

import pipekit_experiment as pe
from pipekit_experiment import errors
from pipekit_experiment._generated import daemon_pb2
from pipekit_experiment._generated import tracker_pb2 as pb
from pipekit_experiment._generated.daemon_pb2_grpc import DaemonServiceStub
from pipekit_experiment._src.series import read_series
from pipekit_experiment._src.ulid import new_ulid


@pytest.fixture
def folder(monkeypatch):
    """A daemon in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="pkx") as made, tracking_in(Path(made), monkeypatch):
        yield Path(made)


def restarted():
    """Kills the daemon; the next call starts another."""
    made = pe.connect()
    end(made.hello.pid, signal.SIGKILL)
    made.discard()


def values(run_id, key="a"):
    return [value for _, value in read_series(run_id, (key,), 0).values.get(key, [])]


def until(condition, timeout_s=30.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "It does not happen."
        time.sleep(0.02)


def in_a_process(body, run_id, *, killed=False):
    """Runs code in a process of its own, which prints `ready` at its end, and then ends or is killed."""
    head = f"import sys\nimport pipekit_experiment as pe\nrun_id = {run_id!r}\n"
    source = f"{head}{body}\nprint('ready', flush=True)\n"
    if killed:
        source += "sys.stdin.read()\n"
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    if killed:
        process.kill()
    process.communicate()
    return process.pid


def test_a_run_that_ended_goes_on_with_its_name_config_and_steps(folder):
    with pe.start_run("first", config={"lr": 0.1}, tags={"t": "1"}, pipeline_hash="p") as first:
        for value in (1.0, 2.0, 3.0):
            first.log({"a": value})
    with pe.start_run("second", config={"lr": 9}, run_id=first.run_id, resume=True) as again:
        assert (again.name, again.config, again.pipeline_hash) == ("first", {"lr": 0.1}, "p")
        assert again.started_at == first.started_at
        assert read_run(first.run_id).state == pb.RUN_STATE_RUNNING
        again.log({"a": 4.0})
        again.log({"a": 5.0}, 2)
    assert again.read_metrics("a").values == {"a": [(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0), (2, 5.0)]}
    run = read_run(first.run_id)
    assert (run.name, run.state, run.points, dict(run.tags)) == (
        "first",
        pb.RUN_STATE_COMPLETED,
        5,
        {"t": "1"},
    )
    assert (again.rejected, again.dropped) == (0, 0)


def test_a_run_that_is_not_there_is_started(folder):
    run_id = new_ulid()
    with pe.start_run("new", config={"lr": 1}, run_id=run_id, resume=True) as run:
        assert pe.start_run("other", run_id=run_id, resume=True) is run
        run.log({"a": 1.0})
    assert (read_run(run_id).name, read_run(run_id).config_json, values(run_id)) == ("new", '{"lr":1}', [1.0])


def test_bad_input_is_told(folder):
    with pytest.raises(errors.InvalidArgumentError, match="id of the run"):
        pe.start_run("x", resume=True)
    with pytest.raises(errors.InvalidTrackerSpecError):
        pe.start_run("x", run_id=new_ulid(), resume=True, sinks=["nonsense"])


def test_a_run_that_was_pruned_is_refused(folder):
    with pe.start_run("old") as run:
        run.log({"a": 1.0})
    stub = DaemonServiceStub(pe.connect().channel)
    list(stub.Prune(daemon_pb2.PruneRequest(run_ids=[run.run_id], apply=True, without_sinks=True)))
    with pytest.raises(errors.RunPrunedError):
        pe.start_run("old", run_id=run.run_id, resume=True)


def test_an_older_daemon_is_named(folder, monkeypatch):
    made = pe.connect()
    older = daemon_pb2.HelloResponse(daemon_version="0.0.9", pid=made.hello.pid)
    monkeypatch.setattr(made, "hello", older)
    with pytest.raises(errors.ProtocolMismatchError, match=r"0\.0\.9"):
        pe.start_run("x", run_id=new_ulid(), resume=True)


def test_a_run_whose_process_was_killed_goes_on_and_nothing_of_it_is_lost(folder, monkeypatch):
    monkeypatch.setenv("PKX_ORPHAN_GRACE_S", "1")
    restarted()
    run_id = new_ulid()
    log = "run = pe.start_run('k', run_id=run_id)\nfor i in range(2000): run.log({'a': float(i)}, i)"
    in_a_process(log, run_id, killed=True)
    with pe.start_run("k", run_id=run_id, resume=True) as run:
        # What the dead process left stands before what comes now.
        assert read_run(run_id).points == 2000
        for i in range(2000, 2500):
            run.log({"a": float(i)})
        # Longer than a silent run of a dead process would stand.
        time.sleep(2)
        assert read_run(run_id).state == pb.RUN_STATE_RUNNING
        run.log({"a": 2500.0})
    assert values(run_id) == [float(i) for i in range(2501)]
    assert read_run(run_id).state == pb.RUN_STATE_COMPLETED
    # And once more, when it has long ended: by a process that is killed in its turn.
    more = "run = pe.start_run('k', run_id=run_id, resume=True)\nrun.log({'a': 2501.0})"
    in_a_process(more, run_id, killed=True)
    until(lambda: read_run(run_id).state == pb.RUN_STATE_FAILED)
    assert (values(run_id)[-1], read_run(run_id).reason) == (2501.0, "killed")


def test_an_end_that_was_spooled_before_does_not_end_what_goes_on(folder):
    run_id = new_ulid()
    restarted()
    # Its daemon is gone, and it may not start another: all of it, its end too, is in the spool.
    log = (
        "import os\nos.environ['PKX_NODE'] = '/bin/false'\nrun = pe.start_run('s', run_id=run_id)\n"
        "for i in range(50): run.log({'a': float(i)}, i)\nrun.end(timeout_s=0.5)"
    )
    in_a_process(log, run_id)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pe.start_run("s", run_id=run_id, resume=True) as run:
            assert pe.replay_spool() == 0
            run.log({"a": 50.0})
            assert run.flush(30)
            assert read_run(run_id).state == pb.RUN_STATE_RUNNING
    assert sorted(values(run_id)) == [float(i) for i in range(51)]
    assert read_run(run_id).state == pb.RUN_STATE_COMPLETED


def test_a_resume_goes_through_the_spool(folder):
    with pe.start_run("first") as first:
        first.log({"a": 1.0})
    fresh = new_ulid()
    restarted()
    log = (
        "import os\nos.environ['PKX_NODE'] = '/bin/false'\n"
        f"for name, one in [('second', run_id), ('other', {fresh!r})]:\n"
        "    run = pe.start_run(name, run_id=one, resume=True)\n"
        "    run.log({'a': 2.0})\n"
        "    run.end(timeout_s=0.5)"
    )
    in_a_process(log, first.run_id)
    until(lambda: len(values(first.run_id)) == 2 and read_run(first.run_id).state == pb.RUN_STATE_COMPLETED)
    assert (read_run(first.run_id).name, values(first.run_id)) == ("first", [1.0, 2.0])
    until(lambda: read_run(fresh).state == pb.RUN_STATE_COMPLETED)
    assert (read_run(fresh).name, values(fresh)) == ("other", [2.0])


def test_killing_the_daemon_around_end_and_resume_loses_and_doubles_nothing(folder):
    spec = f"tensorboard://{folder}/tb"
    run_id = new_ulid()
    points = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for round_ in range(3):
            with pe.start_run("k", run_id=run_id, resume=True, sinks=[spec]) as run:
                for _ in range(100):
                    run.log({"a": float(points)})
                    points += 1
                if round_ == 1:
                    restarted()
            if round_ == 0:
                until(lambda: all(sink.points_shown is not None for sink in run.sinks()))
            restarted()
        assert values(run_id) == [float(i) for i in range(points)]
        until(lambda: all(sink.points_shown is not None for sink in run.sinks()))
    (sink,) = run.sinks()
    assert (sink.points_sent, sink.points_shown, sink.points_dead, list(sink.notes)) == (
        points,
        points,
        0,
        [],
    )
    assert read_run(run_id).state == pb.RUN_STATE_COMPLETED


def test_many_processes_resume_one_run(folder):
    run_id = new_ulid()
    head = f"import os\nimport pipekit_experiment as pe\nrun_id = {run_id!r}\n"
    log = "for i in range(20): run.log({'a': 1.0}, i)\nrun.flush(30)\nos._exit(0)"
    source = f"{head}run = pe.start_run('m', run_id=run_id, resume=True)\n{log}"
    processes = [subprocess.Popen([sys.executable, "-W", "ignore", "-c", source]) for _ in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    until(lambda: read_run(run_id).points == 80)
