"""Artifacts of strangers: what one may not do to whoever trains again from it or loads its models."""

import os
import subprocess
import sys

import numpy as np
import pytest

import pipekit_experiment as pe
from pipekit_experiment import InferenceArtifact, TrainingArtifact, errors
from pipekit_experiment._src.artifacts.places import require_known_place
from pipekit_experiment.datasets import FileDataset
from pipekit_experiment.operators import BytesModelOp, ModelRef, Sequential
from pipekit_experiment.sklearn import SklearnModelOp
from pipekit_experiment.training import Checkpoint, EarlyStopping, TrainingLoop

SKLEARN = ["sklearn"]
STRANGER = "mlflow+https://stranger.example/models"


def made(text, **fields):
    given = {"dataset_hash": "", "trained_model_hash": "", "tracker_run_id": None, "model_registry_uri": ""}
    return TrainingArtifact(training_pipeline_yaml=text, **{**given, **fields})


@pytest.fixture
def loop(real_daemon, tmp_path):
    from sklearn.linear_model import SGDRegressor

    x = np.arange(24.0).reshape(12, 2) / 24
    np.savez(tmp_path / "data.npz", x=x, y=x @ np.array([2.0, -1.0]))
    data = FileDataset(tmp_path / "data.npz")
    return TrainingLoop(SklearnModelOp(SGDRegressor()), data, backend="sklearn", n_epochs=2)


def repository(folder):
    folder.mkdir()
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=folder, check=True)
    np.savez(folder / "data.npz", x=np.ones((2, 2)), y=np.ones(2))
    return pe.adapters.dvc.DVCDatasetVersioning(folder).add("data.npz").hash


class TestCode:
    @pytest.mark.parametrize("name", ["HydraConfigLoader", "HydraConfigLoader.from_yaml", "from_state"])
    def test_no_reader_of_ours_is_called_with_the_text(self, name, tmp_path, monkeypatch):
        (tmp_path / "stranger.py").write_text("raise SystemExit('imported')\n")
        monkeypatch.syspath_prepend(tmp_path)
        named = {"module": "pipekit_experiment.adapters.hydra", "class": name}
        artifact = made("_target_: stranger.go\n", metadata={"loop": named})
        with pytest.raises(errors.NotAnOperatorError, match="no training loop"):
            artifact.rerun()

    def test_a_stored_estimator_calls_no_function_of_ours(self, tmp_path):
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import FunctionTransformer

        from pipekit_experiment._src.artifacts.pins import _resolved
        from pipekit_experiment._src.datasets.file_reading import call_reader
        from pipekit_experiment._src.registry_trust import named_object

        steps = (
            (_resolved, {"ref": "os"}),
            (named_object, {"name": "mkdir"}),
            (call_reader, {"name": "", "path": str(tmp_path / "made")}),
        )
        chain = make_pipeline(*(FunctionTransformer(func, kw_args=given) for func, given in steps))
        stored = SklearnModelOp(chain, method="transform")
        with pytest.raises(errors.UntrustedModuleError):
            SklearnModelOp.from_state(stored.state).with_weights(stored.get_weights())(np.ones((1, 1)))
        assert not (tmp_path / "made").exists()


class TestPlaces:
    @pytest.mark.parametrize(
        "spec",
        [
            STRANGER,
            "mlflow+http://127.0.0.1.stranger.example/m",
            "mlflow+http://127.0.0.1@stranger.example/m",
            "mlflow+http://stranger.example\\@127.0.0.1/m",
            "MLflow+http://stranger.example/m",
            "mlflow://stranger.example/m",
            "mlflow+https://own.example.stranger.example/m",
            "mlflow+http://127.0.0.1:5000/m?token=file:/etc/passwd",
            "s3://bucket/models/?key=%65nv:HOME",
        ],
    )
    def test_a_server_that_would_be_sent_credentials(self, spec, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://own.example")
        with pytest.raises(errors.InvalidArgumentError) as caught:
            require_known_place(spec, ())
        assert caught.value.field == "model_registry_uri"
        require_known_place(spec, (spec,))

    @pytest.mark.parametrize(
        "spec",
        [
            "",
            "local:/models",
            "/models",
            "s3://bucket/models/?endpoint=http://127.0.0.1:9000",
            "mlflow+http://127.0.0.1:5000/models",
            "mlflow+http://[::1]:5000/models?poll_ms=500",
            "mlflow+https://own.example/models",
        ],
    )
    def test_a_place_that_is_known(self, spec, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://own.example/")
        require_known_place(spec, ())

    def test_models_are_not_asked_of_it(self):
        training = made("", trained_model_hash="ab" * 32, model_registry_uri=STRANGER)
        inference = InferenceArtifact(
            pe.operators.to_yaml(Sequential([])), {"steps/0": "ab" * 32}, model_registry_uri=STRANGER
        )
        for call in (training.reload_model, inference.reload_models, inference.rebuild):
            with pytest.raises(errors.InvalidArgumentError, match="would be sent credentials"):
                call()

    def test_a_registry_that_the_caller_gives_is_known(self, monkeypatch):
        hash = "ab" * 32
        text = pe.operators.to_yaml(Sequential([ModelRef("m", STRANGER)]))
        artifact = InferenceArtifact(text, {"steps/0": hash}, model_registry_uri=STRANGER)
        monkeypatch.setattr(pe.MLflowModelRegistry, "load", lambda *_, **__: BytesModelOp(b"held"))
        for given in ({"registry": STRANGER}, {"trust": [STRANGER]}):
            assert artifact.rebuild(**given).steps[0].operator.data == b"held"

    def test_a_rerun_writes_nowhere_by_itself(self, loop, tmp_path, capsys):
        registry = pe.LocalModelRegistry(tmp_path / "models")
        folder = tmp_path / "events"
        tracker = pe.adapters.tensorboard.TensorBoardTracker(folder)
        loop.callbacks = [
            pe.LogToExperiment(tracker, "training", {"a": 1}),
            Checkpoint(registry, name="production"),
            EarlyStopping("epoch/score", mode="max"),
        ]
        artifact = made(loop.to_yaml())
        artifact.rerun(trust=SKLEARN)
        told = capsys.readouterr().err
        assert registry.spec in told
        assert tracker.specs[0] in told
        assert not folder.exists()
        assert registry.list() == []
        artifact.rerun(trust=[*SKLEARN, registry.spec, *tracker.specs])
        assert registry.resolve_tag("production")
        assert "nothing is written" not in capsys.readouterr().err


class TestData:
    def test_data_are_fetched_into_their_repository_only(self, loop, tmp_path):
        hash = repository(tmp_path / "stranger")
        home = tmp_path / "home"
        home.mkdir()
        os.symlink(home, tmp_path / "stranger/link")
        for path in (home / "authorized_keys", tmp_path / "stranger/link/authorized_keys"):
            stranger = FileDataset(path, repo=tmp_path / "stranger", hash=hash)
            for name in ("dataset", "eval_dataset"):
                given = {"dataset": loop.dataset, "eval_dataset": None, name: stranger}
                changed = TrainingLoop(loop.model_op, backend="sklearn", **given)
                artifact = made(changed.to_yaml(), dataset_hash=hash if name == "dataset" else "")
                with pytest.raises(errors.DatasetNotFoundError, match="none are fetched to there"):
                    artifact.rerun(trust=SKLEARN)
        about = {"path": str(home / "data"), "repo": str(tmp_path / "stranger")}
        artifact = made(loop.to_yaml(), dataset_hash=hash, metadata={"dataset": about})
        with pytest.raises(errors.PipekitError):
            artifact.rerun(trust=SKLEARN)
        assert list(home.iterdir()) == []

    def test_in_a_clone_they_are_where_they_were_in_the_repository(self, loop, tmp_path):
        hash = repository(tmp_path / "clone")
        (tmp_path / "clone/data.npz").unlink()
        for name in ("dataset", "eval_dataset"):
            gone = FileDataset(tmp_path / "gone/data.npz", repo=tmp_path / "gone", hash=hash)
            given = {"dataset": loop.dataset, "eval_dataset": None, name: gone}
            changed = TrainingLoop(loop.model_op, backend="sklearn", **given)
            artifact = made(changed.to_yaml(), dataset_hash=hash if name == "dataset" else "")
            artifact.rerun(trust=SKLEARN, repo=tmp_path / "clone")
            assert FileDataset(tmp_path / "clone/data.npz").content_hash() == hash
            (tmp_path / "clone/data.npz").unlink()
        assert not (tmp_path / "gone").exists()


def test_what_a_stranger_records_of_the_model_costs_no_training(loop):
    recorded = {"manifest": "no JSON", "training_config": 5, "dataset_hash": ["x"]}
    for about in (recorded, {"manifest": "[1]"}, {"manifest": {}}):
        artifact = made(
            loop.to_yaml(), trained_model_hash="ab" * 32, metadata={"model": about, "seed": "9" * 30}
        )
        assert isinstance(artifact.rerun(trust=SKLEARN), SklearnModelOp)
        assert not artifact.last_rerun.same_model
