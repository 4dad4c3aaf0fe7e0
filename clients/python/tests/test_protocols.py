import sys
from datetime import datetime
from pathlib import Path

import pytest

import pipekit_experiment as pe
from pipekit_experiment import errors


class TestRun:
    def test_any_tracker_can_make_one(self):
        run = pe.Run(run_id="abc", pipeline_hash="h1")
        assert (run.status, run.ended_at, run.config, run.metrics, run.artifacts) == (
            "running",
            None,
            {},
            {},
            {},
        )
        shown = run.to_dict()
        assert datetime.fromisoformat(shown["started_at"]) == run.started_at
        assert run.started_at.utcoffset().total_seconds() == 0
        assert shown["ended_at"] is None
        assert list(shown)[:3] == ["run_id", "name", "pipeline_hash"]


class TestRunMetrics:
    def test_log_latest_clear(self):
        metrics = pe.RunMetrics()
        metrics.log("loss", 0.5, step=0)
        metrics.log("loss", 0.4, step=1)
        metrics.log("acc", 1, 1)
        assert metrics.values == {"loss": [(0, 0.5), (1, 0.4)], "acc": [(1, 1.0)]}
        assert metrics.latest() == {"loss": 0.4, "acc": 1.0}
        metrics.clear()
        assert metrics.values == metrics.latest() == {}

    def test_to_dataframe_is_long(self):
        pytest.importorskip("pandas")
        metrics = pe.RunMetrics()
        assert list(metrics.to_dataframe().columns) == ["name", "step", "value"]
        metrics.log("b", 0.5, step=3)
        metrics.log("a", 1, step=4)
        frame = metrics.to_dataframe()
        assert frame.values.tolist() == [["a", 4, 1.0], ["b", 3, 0.5]]
        assert [str(kind) for kind in frame.dtypes[1:]] == ["int64", "float64"]

    def test_to_arrow_has_the_rows_of_the_dataframe(self):
        metrics = pe.RunMetrics()
        empty = metrics.to_arrow()
        assert (empty.num_rows, [str(kind) for kind in empty.schema.types]) == (
            0,
            ["string", "int64", "double"],
        )
        metrics.log("b", float("nan"), step=3)
        metrics.log("a", 1, step=4)
        table = metrics.to_arrow()
        assert table.schema == empty.schema
        assert table.column("name").to_pylist() == ["a", "b"]
        assert table.column("step").to_pylist() == [4, 3]
        assert table.to_pandas().equals(metrics.to_dataframe().astype({"name": "str"}))

    @pytest.mark.parametrize(("package", "method"), [("pandas", "to_dataframe"), ("pyarrow", "to_arrow")])
    def test_without_the_package_the_extra_is_named(self, monkeypatch, package, method):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ImportError, match=rf"{package}.*pip install 'pipekit-experiment\[dataframe\]'"):
            getattr(pe.RunMetrics(), method)()


class Registry:
    def __init__(self):
        self.stored = []

    def store(self, model_op, *, name=None, tags=None, weights=None):
        self.stored.append(model_op)
        return "ab12"

    def load(self, ref):
        return self.stored[0]

    def list(self, *, tags=None):
        return ["ab12"]

    def tag(self, hash, name, *, force=False):
        pass

    def history(self, name):
        return []

    def gc(self, *, apply=False):
        return None


class Operator:
    state = {"module": "m", "class": "C", "config": {}}  # noqa: RUF012


class TestRunArtifacts:
    def test_attach_get_clear(self):
        artifacts = pe.RunArtifacts()
        artifacts.attach("model", "s3://bucket/m.bin")
        assert artifacts.get("model") == "s3://bucket/m.bin"
        assert artifacts.get("missing") is None
        artifacts.attach("model", "s3://bucket/m2.bin")
        artifacts.attach("plot", Path("/x y/plot.png"))
        assert artifacts.items == {"model": "s3://bucket/m2.bin", "plot": "file:///x%20y/plot.png"}
        artifacts.clear()
        assert artifacts.items == {}

    def test_an_operator_is_stored(self):
        registry = Registry()
        artifacts = pe.RunArtifacts(registry)
        operator = Operator()
        artifacts.attach("model", operator)
        assert registry.stored == [operator]
        assert artifacts.get("model") == "registry://ab12"

    def test_what_is_no_operator_is_told(self):
        with pytest.raises(errors.NotAnOperatorError, match="not a str, a Path or an Operator"):
            pe.RunArtifacts().attach("model", 3)
        assert issubclass(errors.NotAnOperatorError, TypeError)


def test_protocols_are_checked_by_structure():
    class Own:
        def start_run(self, name, config): ...
        def log_metrics(self, run, metrics, step): ...
        def log_artifact(self, run, path, name): ...
        def end_run(self, run, status): ...

    assert isinstance(Own(), pe.ExperimentTracker)
    assert isinstance(pe.Tracker(), pe.ExperimentTracker)
    assert isinstance(Registry(), pe.ModelRegistry)
    assert not isinstance(Own(), pe.ModelRegistry)
    assert not isinstance(object(), pe.ExperimentTracker)
