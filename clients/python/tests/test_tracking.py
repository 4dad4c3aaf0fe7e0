import json
import math
import threading
import time
import warnings
from pathlib import Path

import pytest
from tracking_daemon import run_script

import pipekit_experiment as pe
from pipekit_experiment import errors
from pipekit_experiment._src.hub import the_hub


def test_a_run_goes_to_the_journal_in_order(daemon):
    with pe.start_run(
        "first", config={"lr": 0.1, "opt": {"name": "adam"}}, tags={"team": "x"}, sinks=["mlflow://h/e"]
    ) as run:
        for step in range(5):
            run.log({"loss": 1.0 / (step + 1), "acc": step}, step)
        run.log_params({"epochs": 3})
        run.set_tags({"stage": 2})
        run.log({"loss": 0.0}, 5)
    (start,) = daemon.records(run.run_id, "start")
    assert (start.name, list(start.sinks), dict(start.tags)) == ("first", ["mlflow://h/e"], {"team": "x"})
    assert json.loads(start.config_json) == {"lr": 0.1, "opt": {"name": "adam"}}
    assert start.pid > 0
    assert start.host
    assert start.client == f"python/{pe.__version__}"
    rows = [(step, values) for step, _, values in daemon.rows(run.run_id)]
    assert rows == [*((i, {"loss": 1 / (i + 1), "acc": i}) for i in range(5)), (5, {"loss": 0.0})]
    assert [json.loads(p.params_json) for p in daemon.records(run.run_id, "params")] == [{"epochs": 3}]
    assert [dict(t.tags) for t in daemon.records(run.run_id, "tags")] == [{"stage": "2"}]
    (end,) = daemon.records(run.run_id, "end")
    assert end.state == 2
    assert abs(end.ended_at_us / 1e6 - time.time()) < 60
    kinds = [r.WhichOneof("record") for f in daemon.frames for r in f.records]
    assert kinds[0] == "start"
    assert kinds[-1] == "end"
    assert kinds.index("params") < kinds.index("tags") < len(kinds) - 2, "the last row stands behind the tags"
    assert (run.status, run.pending, run.dropped, run.rejected) == ("completed", 0, 0, 0)
    assert run.ended_at is not None
    assert run.metrics == {"loss": 0.0, "acc": 4.0}


def test_the_step_goes_on_by_itself(daemon):
    with pe.start_run() as run:
        run.log({"a": 1.0})
        run.log({"a": 1.0})
        run.log({"a": 1.0}, 10)
        run.log({"a": 1.0})
    assert [step for step, _ in daemon.points(run.run_id)["a"]] == [0, 1, 10, 11]
    assert run.name.startswith("run-")


def test_a_block_that_raises_ends_the_run_as_failed(daemon):
    with pytest.raises(ZeroDivisionError), pe.start_run("bad") as run:  # noqa: PT012
        run.log({"a": 1.0})
        _ = 1 / 0
    (end,) = daemon.records(run.run_id, "end")
    assert (end.state, end.reason) == (3, "ZeroDivisionError: division by zero")
    assert run.status == "failed"
    run.end()
    assert run.status == "failed", "ending it again does nothing"


def test_nothing_is_taken_after_the_end(daemon):
    run = pe.start_run()
    run.log({"a": 1.0})
    run.end()
    for call in (
        lambda: run.log({"a": 2.0}),
        lambda: run.log_params({"a": 1}),
        lambda: run.set_tags({"a": 1}),
        lambda: run.log_artifact(__file__),
    ):
        with pytest.raises(errors.RunEndedError):
            call()
    assert daemon.count(run.run_id) == 1
    with pytest.raises(ValueError, match="completed or failed") as caught:
        pe.start_run().end("killed")
    assert isinstance(caught.value, errors.InvalidArgumentError)
    assert caught.value.field == "status"


def test_a_wrong_tracker_spec_is_told_at_once(daemon):
    daemon.bad_specs.add("mlflow://")
    with pytest.raises(errors.InvalidTrackerSpecError) as caught:
        pe.start_run(sinks=["mlflow://"])
    assert caught.value.field == "sinks"
    assert isinstance(caught.value, ValueError)
    with pytest.raises(errors.InvalidTrackerSpecError, match="of type int, which is neither"):
        pe.start_run(sinks=[3])
    assert daemon.frames == []


def test_a_bad_run_id_or_config_is_told_at_once(daemon):
    with pytest.raises(errors.InvalidArgumentError, match="ULID"):
        pe.start_run(run_id="mine")
    with pytest.raises(errors.InvalidConfigError, match="of type list, not a mapping"):
        pe.start_run(config=[1])
    loop = {}
    loop["self"] = loop
    with pytest.raises(errors.InvalidConfigError, match="nested"):
        pe.start_run(config=loop)
    with pytest.raises(errors.InvalidConfigError, match="Two keys"):
        pe.start_run(config={1: "a", "1": "b"})


def test_facts_too_large_for_a_message_are_told_at_once_and_hold_up_nothing(daemon):
    run = pe.start_run("large")
    run.log({"a": 1.0}, 0)
    for large in (run.log_params, run.set_tags, lambda value: pe.start_run(config=value)):
        with pytest.raises(errors.InvalidConfigError, match="at most 4194304 are allowed"):
            large({"blob": "x" * 5_000_000})
    run.log({"a": 2.0}, 1)
    run.end()
    assert daemon.points(run.run_id)["a"] == [(0, 1.0), (1, 2.0)]


def test_text_that_is_no_unicode_costs_nothing_that_was_logged_beside_it(daemon, tmp_path):
    path = tmp_path / "f\udcff.txt"
    path.write_text("x")
    run = pe.start_run("n\udcff", pipeline_hash="\udcff")
    run.log({"a": 1.0}, 0)
    run.log_artifact(path)
    run.log_artifact("s3://bucket/\udcff")
    run.log({"a": 2.0}, 1)
    run.end("failed", reason="unreadable: \udcff")
    assert daemon.points(run.run_id)["a"] == [(0, 1.0), (1, 2.0)]
    assert [artifact.name for artifact in daemon.records(run.run_id, "artifact")] == ["f?.txt", "?"]
    (end,) = daemon.records(run.run_id, "end")
    assert end.reason == "unreadable: ?"


def test_what_json_cannot_say_in_a_config_becomes_text(daemon):
    config = {
        "nan": math.nan,
        "inf": [math.inf, -math.inf],
        "big": 2**60,
        "path": Path("/x"),
        "kind": int,
        "t": (1, True, None),
        "half": "\ud800",
    }
    run = pe.start_run(config=config)
    (start,) = daemon.records(run.run_id, "start")
    assert json.loads(start.config_json) == {
        "nan": "NaN",
        "inf": ["Infinity", "-Infinity"],
        "big": str(2**60),
        "path": "/x",
        "kind": "<class 'int'>",
        "t": [1, True, None],
        "half": "?",
    }
    assert run.config["kind"] is int


def test_threads_may_log_to_one_run(daemon):
    with pe.start_run() as run:

        def work(number):
            for step in range(500):
                run.log({f"t{number}": float(step)}, step)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    points = daemon.points(run.run_id)
    assert points == {f"t{i}": [(step, float(step)) for step in range(500)] for i in range(8)}


def test_a_run_without_a_daemon_warns_goes_on_and_is_handed_over_later(daemon, limits):
    limits(down_s=0.05)
    daemon.stop()
    with pytest.warns(RuntimeWarning, match="pkx serve"):
        run = pe.start_run("alone", config={"a": 1})
    for step in range(100):
        run.log({"a": float(step)}, step)
    run.log_artifact(__file__, "code.py")
    with pytest.warns(RuntimeWarning, match="will be handed over"):
        run.end(timeout_s=2)
    spool = list((daemon.folder / "spool").glob("*.frames"))
    assert len(spool) == 1
    assert run.pending == 100
    daemon.start()
    daemon.wait_for(lambda: daemon.records(run.run_id, "end"))
    assert daemon.points(run.run_id)["a"] == [(step, float(step)) for step in range(100)]
    assert daemon.records(run.run_id, "start")[0].name == "alone"
    (artifact,) = daemon.records(run.run_id, "artifact")
    assert artifact.staged
    assert Path(artifact.path).read_text() == Path(__file__).read_text()
    deadline = time.monotonic() + 5
    while spool[0].exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not spool[0].exists(), "the spool file is deleted once all is acknowledged"


def test_a_daemon_that_dies_in_the_middle_costs_nothing(daemon, limits):
    limits(down_s=0.05, tick_s=0.005, frame_points=7)
    run = pe.start_run()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in range(600):
            run.log({"a": float(step), "b": -1.0}, step)
            if step in (200, 400):
                daemon.break_after = 3
            if step == 300:
                daemon.stop()
                time.sleep(0.2)
                daemon.start()
            time.sleep(0.0005)
        run.end(timeout_s=20)
    assert daemon.points(run.run_id)["a"] == [(step, float(step)) for step in range(600)]
    assert daemon.duplicates > 0, "frames without an answer were sent again"
    assert run.dropped == 0


def test_a_daemon_that_hangs_holds_up_neither_log_nor_end(daemon):
    run = pe.start_run()
    daemon.hang = True
    started = time.monotonic()
    for step in range(1000):
        run.log({"a": float(step)}, step)
    assert time.monotonic() - started < 1
    assert run.flush(timeout_s=0.2) is False
    with pytest.warns(RuntimeWarning, match="will be handed over"):
        run.end(timeout_s=0.3)
    assert time.monotonic() - started < 5
    assert list((daemon.folder / "spool").glob("*.frames"))


def test_flush_waits_for_the_disk(daemon):
    daemon.ack_delay_s = 0.2
    with pe.start_run() as run:
        run.log({"a": 1.0})
        assert run.pending == 1
        assert run.flush() is True
        assert run.pending == 0
        assert daemon.count(run.run_id) == 1


def test_what_the_daemon_refuses_is_loud_and_counted(daemon):
    run = pe.start_run()
    daemon.refuse[run.run_id] = "RUN_ENDED"
    with pytest.warns(RuntimeWarning, match="refused a part.*Refused on purpose"):  # noqa: PT031
        run.log({"a": 1.0})
        assert run.flush() is False, "what was logged is not on disk"
    assert run.rejected == 1
    assert run.flush() is True, "nothing was refused since"
    run.end()


def test_a_call_with_very_many_keys_is_split(daemon, limits):
    limits(key_set_bytes=1000, frame_bytes=4000)
    metrics = {f"key{i:04}" + "x" * 90: float(i) for i in range(300)}
    with pe.start_run() as run:
        run.log(metrics)
        run.log(metrics)
    assert daemon.points(run.run_id) == {key: [(0, value), (1, value)] for key, value in metrics.items()}
    assert max(frame.ByteSize() for frame in daemon.frames) < 6000
    assert run.metrics == metrics


def test_keys_made_anew_in_each_call_do_not_fill_the_memory(daemon):
    with pe.start_run() as run:
        for i in range(10_000):
            run.log({f"k{i}": float(i)}, i)
        assert len(run._key_sets) <= 4097
    assert daemon.count(run.run_id) == 10_000
    assert run.metrics["k9999"] == 9999
    assert len(run.metrics) == 10_000


class TestArtifacts:
    def test_a_file_may_be_deleted_at_once(self, daemon, tmp_path):
        file = tmp_path / "plot.txt"
        file.write_text("hello")
        with pe.start_run() as run:
            run.log_artifact(file)
            run.log_artifact(str(file), "plots/other.txt")
            file.unlink()
        first, second = daemon.records(run.run_id, "artifact")
        assert (first.name, second.name) == ("plot.txt", "plots/other.txt")
        assert first.staged
        assert Path(first.path).parent == daemon.folder / "staging"
        assert Path(first.path).read_text() == Path(second.path).read_text() == "hello"
        assert run.artifacts["plot.txt"] == f"pkx:runs/{run.run_id}/artifacts/plot.txt"

    def test_folders_and_uris(self, daemon, tmp_path):
        (tmp_path / "out" / "deep").mkdir(parents=True)
        (tmp_path / "out" / "deep" / "a.bin").write_bytes(bytes(3_000_000))
        with pe.start_run() as run:
            run.log_artifact(tmp_path / "out")
            run.log_artifact("s3://bucket/key/model.bin?versionId=1")
        folder, kept = daemon.records(run.run_id, "artifact")
        assert folder.name == "out"
        assert (Path(folder.path) / "deep" / "a.bin").stat().st_size == 3_000_000
        assert (kept.name, kept.uri, kept.path) == ("model.bin", "s3://bucket/key/model.bin?versionId=1", "")

    def test_what_cannot_be_attached_is_told(self, daemon, tmp_path):
        with pe.start_run() as run:
            with pytest.raises(FileNotFoundError, match="no file or folder"):
                run.log_artifact(tmp_path / "none")
            for name in ("../x", "/x", "a//b", "", "a\\b", "x" * 600):
                with pytest.raises(errors.InvalidArgumentError):
                    run.log_artifact(__file__, name)
        assert daemon.records(run.run_id, "artifact") == []


class TestTrackersInThisProcess:
    class Own:
        def __init__(self, fail=()):
            self.calls = []
            self.fail = fail
            self.threads = set()

        def _take(self, *call):
            self.threads.add(threading.current_thread())
            self.calls.append(call)
            if call[0] in self.fail:
                raise OSError("no such luck")

        def start_run(self, name, config):
            self._take("start", name, config)
            return pe.Run(run_id="own")

        def log_metrics(self, run, metrics, step):
            self._take("metrics", run.run_id, metrics, step)

        def log_artifact(self, run, path, name):
            self._take("artifact", path, name)

        def end_run(self, run, status):
            self._take("end", status)

    def test_it_gets_the_same_rows(self, daemon, tmp_path):
        own = self.Own()
        (tmp_path / "a.txt").touch()
        with pe.start_run("n", config={"a": 1}, sinks=["mlflow://h/e", own]) as run:
            run.log({"loss": 0.5}, 3)
            run.flush()
            run.log_artifact(tmp_path / "a.txt")
        assert own.calls == [
            ("start", "n", {"a": 1}),
            ("metrics", "own", {"loss": 0.5}, 3),
            ("artifact", str(tmp_path / "a.txt"), "a.txt"),
            ("end", "completed"),
        ]
        assert threading.main_thread() not in own.threads
        assert daemon.count(run.run_id) == 1

    def test_one_that_raises_hurts_nothing(self, daemon):
        own = self.Own(fail={"metrics"})
        with pytest.warns(RuntimeWarning, match="Own raised OSError: no such luck"):  # noqa: PT031, SIM117
            with pe.start_run(sinks=own) as run:
                for step in range(5):
                    run.log({"loss": 0.5}, step)
        assert run.tracker_failures == 5
        assert daemon.count(run.run_id) == 5
        assert run.status == "completed"


def test_series_are_read_back(daemon):
    with pe.start_run() as run:
        run.log({"a": 1.0, "b": 2.0}, 0)
        run.log({"a": 3.0}, 1)
        metrics = run.read_metrics()
    assert metrics.values == {"a": [(0, 1.0), (1, 3.0)], "b": [(0, 2.0)]}
    assert metrics.latest() == {"a": 3.0, "b": 2.0}
    assert run.read_metrics("b").values == {"b": [(0, 2.0)]}


def test_sinks_are_told(daemon):
    run = pe.start_run(sinks=["mlflow://h/e"])
    (sink,) = run.sinks()
    assert (sink.spec, sink.state, sink.points_shown) == ("mlflow://h/e", "idle", None)


def test_a_tracker_satisfies_the_protocol_and_passes_on(daemon, tmp_path):
    tracker = pe.Tracker("mlflow://h/e", "mlflow://h/f")
    assert isinstance(tracker, pe.ExperimentTracker)
    run = tracker.start_run("n", {"lr": 1})
    tracker.log_metrics(run, {"a": 1}, step=2)
    (tmp_path / "f").touch()
    tracker.log_artifact(run, str(tmp_path / "f"), "g")
    tracker.end_run(run, "failed")
    (start,) = daemon.records(run.run_id, "start")
    assert list(start.sinks) == ["mlflow://h/e", "mlflow://h/f"]
    assert daemon.points(run.run_id) == {"a": [(2, 1.0)]}
    assert daemon.records(run.run_id, "artifact")[0].name == "g"
    assert daemon.records(run.run_id, "end")[0].state == 3
    with pytest.raises(TypeError, match="did not start"):
        tracker.log_metrics(pe.Run(run_id="x"), {"a": 1}, 0)
    with pytest.raises(errors.InvalidArgumentError, match=r"not as 'gone'. Pass completed or failed"):
        tracker.end_run(run, "gone")


def test_the_mlflow_tracker_makes_a_spec_without_mlflow(daemon):
    program = """
import sys
import pipekit_experiment as pe
tracker = pe.adapters.mlflow.MLflowTracker(tracking_uri="https://h:5000/base/", experiment_name="a b/ü")
run = tracker.start_run("n", {})
tracker.end_run(run, "completed")
assert not {"mlflow", "numpy", "torch"} & set(sys.modules)
print(*tracker.specs)
"""
    done = run_script(program)
    assert done.stdout.split() == ["mlflow+https://h:5000/a%20b%2F%C3%BC?base=%2Fbase"], done.stderr


@pytest.mark.parametrize(
    ("uri", "match"),
    [
        ("http://me:secret@h:5000", "holds credentials"),
        ("", "not an http"),
        ("file:///x", "not an http"),
        ("http://", "not the address"),
        ("http://h:port", "cannot be parsed"),
        ("http://h/?a=1", "not the address"),
    ],
)
def test_a_wrong_mlflow_address_is_told(uri, match):
    with pytest.raises(errors.InvalidTrackerSpecError, match=match) as caught:
        pe.adapters.mlflow.MLflowTracker(tracking_uri=uri)
    assert "secret" not in str(caught.value)


class TestTheEndOfTheProcess:
    def test_an_open_run_is_completed(self, daemon):
        done = run_script(
            "import pipekit_experiment as pe\nrun = pe.start_run('x')\nrun.log({'a': 1.0})\nprint(run.run_id)"
        )
        run_id = done.stdout.strip()
        assert daemon.count(run_id) == 1, done.stderr
        assert daemon.records(run_id, "end")[0].state == 2
        assert done.stderr == ""

    def test_an_exception_fails_an_open_run(self, daemon):
        done = run_script(
            "import pipekit_experiment as pe\nrun = pe.start_run('x')\nprint(run.run_id)\n"
            "raise OSError('gone')"
        )
        (end,) = daemon.records(done.stdout.strip(), "end")
        assert (end.state, end.reason) == (3, "OSError: gone")

    def test_without_a_daemon_it_does_not_hang_and_keeps_all(self, daemon):
        daemon.stop()
        started = time.monotonic()
        done = run_script(
            "import pipekit_experiment as pe\nrun = pe.start_run('x')\n"
            "for i in range(50): run.log({'a': 1.0})\nprint(run.run_id)"
        )
        assert time.monotonic() - started < 10
        assert "will be handed over" in done.stderr
        daemon.start()
        assert pe.replay_spool(timeout_s=10) == 0
        run_id = done.stdout.strip()
        assert daemon.count(run_id) == 50
        assert daemon.records(run_id, "end")[0].state == 2


def test_import_is_light():
    program = """
import sys
import pipekit_experiment
heavy = {"grpc", "numpy", "torch", "google.protobuf", "asyncio"} & set(sys.modules)
assert not heavy, heavy
pipekit_experiment.start_run, pipekit_experiment.adapters.mlflow.MLflowTracker
heavy = {"grpc", "numpy", "torch", "mlflow", "google.protobuf"} & set(sys.modules)
assert not heavy, heavy
"""
    done = run_script(program)
    assert done.returncode == 0, done.stderr


def test_the_hub_is_left_clean_when_runs_have_ended(daemon):
    with pe.start_run() as run:
        run.log({"a": 1.0})
    hub = the_hub()
    assert not hub.runs
    assert not hub.writers
    assert not hub.outboxes
