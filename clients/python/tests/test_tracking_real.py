"""The tracking half against the real daemon."""

import os
import signal
import warnings

import grpc
import pytest
from real_daemon import end, is_running, read_run

import pipekit_experiment as pe
from pipekit_experiment import errors
from pipekit_experiment._generated import tracker_pb2 as pb
from pipekit_experiment._src import hub
from pipekit_experiment._src.errors import from_rpc_error


def test_a_whole_run(tracking, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("hello")
    with pe.start_run("whole", config={"lr": 0.1}, tags={"team": "x"}, pipeline_hash="p") as run:
        for step in range(1000):
            run.log({"loss": 1.0 / (step + 1), "acc": step}, step)
        run.log_params({"opt": {"name": "adam"}})
        run.set_tags({"stage": "b"})
        run.log_artifact(tmp_path / "out", "folder")
        run.log_artifact("s3://bucket/key", "kept")
    assert (run.pending, run.dropped, run.rejected) == (0, 0, 0)
    journaled = read_run(run.run_id)
    assert (journaled.name, journaled.state, journaled.points) == ("whole", pb.RUN_STATE_COMPLETED, 2000)
    assert dict(journaled.tags) == {"team": "x", "stage": "b"}
    assert journaled.pid == os.getpid()
    folder, kept = journaled.artifacts
    assert [(file.path, file.size) for file in folder.files] == [("a.txt", 5)]
    assert kept.uri == "s3://bucket/key"
    assert os.listdir(tracking.hello.staging_folder) == []
    metrics = run.read_metrics("loss")
    assert metrics.values == {"loss": [(step, 1.0 / (step + 1)) for step in range(1000)]}
    assert run.sinks() == []


def test_bad_input_is_told(tracking):
    for sinks in (["mlflow://"], ["nonsense"], ["x://y"]):
        with pytest.raises(errors.InvalidTrackerSpecError):
            pe.start_run(sinks=sinks)
    with pytest.raises(errors.InvalidTrackerSpecError, match="nobody"):
        pe.start_run(tracker="nobody")
    run = pe.start_run()
    with pytest.raises(errors.RunExistsError):
        pe.start_run("other", run_id=run.run_id)
    run.end()
    with pytest.raises(grpc.RpcError) as caught:
        read_run("0" * 26)
    assert isinstance(from_rpc_error(caught.value), errors.RunNotFoundError)


def test_a_daemon_that_is_killed_is_started_again_and_nothing_is_lost_or_doubled(tracking):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = pe.start_run()
        for step in range(3000):
            run.log({"a": float(step)}, step)
            if step in (500, 1500, 2500):
                run.flush(0.05)
                end(pe.connect().hello.pid, signal.SIGKILL)
        run.end(timeout_s=30)
    assert run.read_metrics().values == {"a": [(step, float(step)) for step in range(3000)]}
    assert (run.dropped, run.rejected) == (0, 0)
    assert pe.connect().hello.pid != tracking.hello.pid


def test_a_daemon_that_stops_in_peace_is_started_again(tracking):
    run = pe.start_run()
    run.log({"a": 1.0}, 0)
    assert run.flush()
    os.kill(tracking.hello.pid, signal.SIGTERM)
    run.log({"a": 2.0}, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run.flush(30)
        run.end()
    assert run.read_metrics().values == {"a": [(0, 1.0), (1, 2.0)]}
    end(tracking.hello.pid)
    assert not is_running(tracking.hello.pid)


def test_a_run_that_was_spooled_with_a_wrong_spec_is_kept(tracking, monkeypatch):
    # In the state folder: what waits there is for the daemon of that folder.
    monkeypatch.setenv("PKX_ENDPOINT", f"unix:{os.environ['PKX_STATE_DIR']}/none.sock")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = pe.start_run("late", sinks=["mlflow://"])
        run.log({"a": 1.0})
        run.end(timeout_s=1)
        hub.the_hub().close()
    monkeypatch.delenv("PKX_ENDPOINT")
    monkeypatch.setattr(hub, "_process", hub._Process())
    with pytest.warns(RuntimeWarning, match="refused a part"):
        assert pe.replay_spool(20) == 0
    assert read_run(run.run_id).points == 1


@pytest.mark.parametrize(
    ("uri", "experiment", "spec"),
    [
        ("http://127.0.0.1:9", "plain", "mlflow+http://127.0.0.1:9/plain"),
        ("https://h.example/base/path/", "a b/ü?#%", None),
        ("http://[::1]:9", "Default", None),
    ],
)
def test_the_daemon_understands_the_specs_of_the_mlflow_tracker(tracking, uri, experiment, spec):
    tracker = pe.adapters.mlflow.MLflowTracker(uri, experiment)
    assert spec is None or tracker.specs == (spec,)
    run = tracker.start_run("n", {})
    tracker.log_metrics(run, {"a": 1.0}, 0)
    tracker.end_run(run, "completed")
    (sink,) = run.sinks()
    assert sink.spec.startswith("mlflow")
    assert sink.points_sent == 0
