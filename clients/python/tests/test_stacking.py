"""One loop, several trackers: stacked callbacks, two trackers on a loop, many sinks of one run."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest
from real_daemon import daemon_in
from test_callbacks import Loop, Own

import pipekit_experiment as pe
from pipekit_experiment import errors
from pipekit_experiment._src import hub

STEPS = 6
LOSS = [(step, 1.0 / step) for step in range(1, STEPS + 1)]


@pytest.fixture
def folder(monkeypatch):
    """A daemon of its own, in a folder whose path is short; `both` names two sinks in its config."""
    monkeypatch.setattr(hub, "_process", hub._Process())
    with tempfile.TemporaryDirectory(prefix="pkx") as made:
        config = Path(made) / "config" / "pipekit-experiment" / "config.yaml"
        config.parent.mkdir(parents=True)
        config.write_text(f"trackers:\n  both:\n    - tensorboard://{made}/c\n    - tensorboard://{made}/d\n")
        with daemon_in(Path(made)):
            yield Path(made)
            hub.the_hub().close()


@pytest.fixture(scope="module")
def mlflow_server():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="pkx") as made:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{made}/m.db"]
        command += ["--artifacts-destination", f"{made}/artifacts"]
        with open(f"{made}/log", "w") as log:
            # Its job runners are eight more processes, which nothing here needs.
            env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
            process = subprocess.Popen(
                command, cwd=made, env=env, stdout=log, stderr=log, start_new_session=True
            )
        try:
            wait_for(lambda: answers(f"http://127.0.0.1:{port}/health"), 120)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, 9)
            process.wait()


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def wait_for(condition, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.05)
    return found


def delivered(run):
    """The sinks of a run once each has taken all of it."""
    wait_for(lambda: all(sink.state == "done" for sink in run.sinks()))
    return run.sinks()


def tensorboard(folder):
    """Series of the one run below a folder, as TensorBoard reads them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (run,) = [path for path in folder.iterdir() if not path.name.startswith(".")]
    accumulator = EventAccumulator(str(run), size_guidance={"scalars": 0})
    accumulator.Reload()
    return {
        tag: [(event.step, event.value) for event in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]
    }


def about(points):
    return [(step, pytest.approx(value)) for step, value in points]


def test_stacked_callbacks_have_a_run_each(folder, mlflow_server):
    own = Own()
    callbacks = [
        pe.LogToExperiment(pe.adapters.mlflow.MLflowTracker(mlflow_server, "stacked"), "n"),
        pe.LogToExperiment(pe.Tracker(f"tensorboard://{folder}/a"), "n"),
        pe.LogToExperiment(own, "n"),
    ]
    Loop(*callbacks).run(STEPS)
    to_mlflow, to_files, _ = [callback.run for callback in callbacks]
    assert to_mlflow.run_id != to_files.run_id
    for run in (to_mlflow, to_files):
        (sink,) = delivered(run)
        assert (sink.points_sent, sink.points_shown, sink.points_dead) == (12, 12, 0)
    assert tensorboard(folder / "a")["loss"] == about(LOSS)
    import mlflow

    client = mlflow.MlflowClient(mlflow_server)
    experiment = client.get_experiment_by_name("stacked").experiment_id
    (shown,) = client.search_runs([experiment])
    history = client.get_metric_history(shown.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == LOSS
    assert shown.info.status == "FINISHED"
    assert [call[2:] for call in own.calls if call[0] == "log_metrics" and "loss" in call[2]] == [
        ({"loss": value}, step) for step, value in LOSS
    ]
    assert own.calls[-1] == ("end_run", "completed")


def test_two_trackers_on_one_loop(folder):
    trackers = [pe.Tracker(f"tensorboard://{folder}/{name}") for name in "ab"]
    runs = [tracker.start_run("n", {"lr": 0.1}) for tracker in trackers]
    for step, value in LOSS:
        for tracker, run in zip(trackers, runs, strict=True):
            tracker.log_metrics(run, {"loss": value}, step)
    for tracker, run in zip(trackers, runs, strict=True):
        tracker.end_run(run, "completed")
        delivered(run)
    assert [tensorboard(folder / name)["loss"] for name in "ab"] == [about(LOSS)] * 2


def test_one_tracker_in_two_loops_at_once(folder):
    tracker = pe.Tracker(f"tensorboard://{folder}/a")
    callbacks = [pe.LogToExperiment(tracker, f"loop{i}") for i in range(2)]
    threads = [threading.Thread(target=Loop(callback).run, args=(300,)) for callback in callbacks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for callback in callbacks:
        assert [step for step, _ in callback.run.read_metrics("loss").values["loss"]] == list(range(1, 301))
        (sink,) = delivered(callback.run)
        assert sink.points_shown == 600
        assert callback.failures == 0


def test_a_tracker_of_the_config_is_one_run_with_several_sinks(folder):
    callback = pe.LogToExperiment(pe.Tracker(f"tensorboard://{folder}/c", tracker="both"), "n")
    Loop(callback).run(STEPS)
    sinks = delivered(callback.run)
    assert sorted(sink.spec for sink in sinks) == [f"tensorboard://{folder}/{name}" for name in "cd"]
    assert [sink.points_shown for sink in sinks] == [12, 12], "a sink named twice takes the run once"
    assert [tensorboard(folder / name)["loss"] for name in "cd"] == [about(LOSS)] * 2


def test_four_tools_take_one_run_and_one_that_is_away_delays_nobody(folder):
    sinks = [
        "mlflow+http://127.0.0.1:9/e",
        f"tensorboard://{folder}/tb",
        f"wandb+offline://{folder}/wandb?project=p",
        f"clearml+offline://{folder}/clearml?project=digits",
    ]
    own = Own()
    with pe.start_run("four", sinks=[*sinks, own]) as run:
        for step, value in LOSS:
            run.log({"loss": value, "cost_usd": 0.25 * step}, step)
    tools = wait_for(lambda: all_but_mlflow_done(run))
    assert sorted(tools) == ["clearml+offline", "mlflow", "tensorboard", "wandb+offline"]
    away = tools.pop("mlflow")
    assert (away.state, away.points_sent, away.points_pending) == ("retrying", 0, 12)
    assert all((sink.points_sent, sink.points_dead) == (12, 0) for sink in tools.values())
    assert tensorboard(folder / "tb") == {
        "loss": about(LOSS),
        "cost_usd": [(step, 0.25 * step) for step, _ in LOSS],
    }
    assert run.read_metrics("loss").values == {"loss": LOSS}
    assert len([call for call in own.calls if call[0] == "log_metrics"]) == STEPS


def all_but_mlflow_done(run):
    tools = {sink.spec.partition(":")[0]: sink for sink in run.sinks()}
    done = [sink.state == "done" for tool, sink in tools.items() if tool != "mlflow"]
    return tools if all(done) else None


def test_a_wrong_spec_among_good_ones_starts_nothing(folder):
    with pytest.raises(errors.InvalidTrackerSpecError):
        pe.start_run(sinks=[f"tensorboard://{folder}/tb", "nonsense://x"])
    with pytest.raises(errors.InvalidTrackerSpecError, match="not one, two"):
        pe.start_run(tracker="one", sinks=[pe.Tracker(tracker="two")])
    assert not (folder / "tb").exists()


def test_a_callback_whose_training_broke_off_fails_its_run_when_it_is_dropped(daemon):
    first, second = pe.LogToExperiment(pe.Tracker()), pe.LogToExperiment(pe.Tracker())
    state = SimpleNamespace(step=1)
    for callback in (second, first):
        callback.on_train_begin(Loop(), state)
        callback.on_step_end(Loop(), state, {"loss": 1.0})
    ids = [first.run.run_id, second.run.run_id]
    Loop(second).run(1)
    del first, callback
    daemon.wait_for(lambda: all(daemon.records(run_id, "end") for run_id in ids))
    assert [daemon.records(run_id, "end")[0].state for run_id in ids] == [3, 3]
    assert daemon.records(second.run.run_id, "end")[0].state == 2
