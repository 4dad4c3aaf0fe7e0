"""PipekitLogger in real trainings on two processes: started as scripts, spawned and forked."""

import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("pytorch_lightning")

SCRIPT = Path(__file__).parent / "ddp_training.py"
STEPS = list(range(4))


def train(strategy, ranks, happens="well"):
    """Runs the script; `torchrun` as a strategy: both processes are started as torchrun starts them."""
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OMP_NUM_THREADS": "1",
        "MASTER_ADDR": "127.0.0.1",
        "GLOO_SOCKET_IFNAME": "lo",
    }
    if strategy != "torchrun":
        return run([sys.executable, str(SCRIPT), strategy, ranks, happens], env)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        env["MASTER_PORT"] = str(free.getsockname()[1])
    env.update(WORLD_SIZE="2", LOCAL_WORLD_SIZE="2", GROUP_RANK="0", TORCHELASTIC_RUN_ID="1")
    command = [sys.executable, str(SCRIPT), "ddp", ranks, happens]
    with ThreadPoolExecutor(2) as pool:
        envs = [{**env, "RANK": rank, "LOCAL_RANK": rank} for rank in "01"]
        first, second = pool.map(lambda env: run(command, env), envs)
    assert second.returncode == 0, second.stderr[-4000:]
    return first


def run(command, env):
    """Runs a command; what it has started does not outlive it."""
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=400)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def run_of(done):
    assert done.returncode == 0, done.stderr[-4000:]
    return re.findall(r"^run (\w+)$", done.stdout, re.MULTILINE)[0]


def kinds(daemon):
    return [record.WhichOneof("record") for frame in daemon.frames for record in frame.records]


def steps(points, key):
    return [step for step, _ in points.get(key, [])]


@pytest.mark.parametrize(
    ("strategy", "ranks"),
    [("ddp", "all"), ("torchrun", "all"), ("ddp_spawn", "all"), ("ddp_fork", "all"), ("ddp_spawn", "zero")],
)
def test_a_training_on_two_processes_is_one_run(daemon, strategy, ranks):
    done = train(strategy, ranks, "asked" if strategy == "ddp_fork" else "well")
    run_id = run_of(done)
    assert {frame.run_id for frame in daemon.frames} == {run_id}
    points = daemon.points(run_id)
    assert points["rank"] == [(step, 0.0) for step in STEPS]
    assert points["mean_rank"] == [(step, 0.5) for step in STEPS]
    assert points["epoch_rank"] == [(3, 0.0)]
    assert steps(points, "direct0") == STEPS
    if ranks == "all":
        assert points["rank1/rank"] == [(step, 1.0) for step in STEPS]
        assert points["rank1/epoch_rank"] == [(3, 1.0)]
        assert steps(points, "direct1") == STEPS
        assert len(daemon.last_seq) >= 2, "each rank has a writer of its own"
    else:
        assert not [key for key in points if "1" in key]
    records = kinds(daemon)
    assert (records.count("start"), records.count("params"), records.count("end")) == (1, 1, 1)
    assert records[-1] == "end", "all ranks have handed over before the run ends"
    assert daemon.records(run_id, "end")[0].state == 2
    (graph,) = daemon.records(run_id, "artifact")
    assert graph.name == "graph.txt"
    assert "Linear" in Path(graph.path).read_text()


@pytest.mark.parametrize(("strategy", "ranks"), [("ddp", "all"), ("ddp_spawn", "zero")])
def test_a_rank_that_fails_ends_the_run_as_failed(daemon, strategy, ranks):
    done = train(strategy, ranks, "fail")
    assert done.returncode != 0
    (run_id,) = {frame.run_id for frame in daemon.frames}
    daemon.wait_for(lambda: daemon.records(run_id, "end"))
    (end,) = daemon.records(run_id, "end")
    assert end.state == 3
    if strategy == "ddp_spawn":
        assert end.reason == "ValueError: bad batch"
    assert steps(daemon.points(run_id), "direct0")[:2] == [0, 1]
    if ranks == "all":
        assert steps(daemon.points(run_id), "direct1") == [0, 1, 2]


def test_a_test_after_the_fit_adds_to_the_run(daemon):
    run_id = run_of(train("ddp_spawn", "all", "twice"))
    assert {frame.run_id for frame in daemon.frames} == {run_id}
    points = daemon.points(run_id)
    assert [value for _, value in points["test_rank"]] == [0.5]
    assert [value for _, value in points["rank1/test_rank"]] == [0.5]
    records = kinds(daemon)
    assert (records.count("start"), records.count("end"), records[-1]) == (1, 1, "end")


def test_a_forked_training_whose_run_nobody_asked_for_ends_with_rank_zero(daemon):
    run_id = run_of(train("ddp_fork", "all"))
    assert {frame.run_id for frame in daemon.frames} == {run_id}
    assert steps(daemon.points(run_id), "rank1/rank") == STEPS
    assert kinds(daemon)[-1] == "end"
