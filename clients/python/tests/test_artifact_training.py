"""TrainingArtifact with a real daemon: captured, saved, and in another process trained again and loaded."""

import json
import os
import random
import shutil
import subprocess
import sys

import artifact_models
import numpy as np
import pytest
from artifact_models import Line, PlainLoop, Shift

import pipekit_experiment as pe
from pipekit_experiment import TrainingArtifact, errors
from pipekit_experiment.datasets import FileDataset
from pipekit_experiment.sklearn import SklearnModelOp
from pipekit_experiment.training import TrainingLoop

TRUST = ["artifact_models"]
SKLEARN = ["sklearn"]


@pytest.fixture
def registry(real_daemon, tmp_path):
    return pe.LocalModelRegistry(tmp_path / "models", trust=TRUST)


@pytest.fixture
def project(tmp_path):
    """A folder with a lock file and data, in no git repository."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "uv.lock").write_text('version = 1\n\n[[package]]\nname = "numpy"\nversion = "0.0.1"\n')
    x = np.arange(24.0).reshape(12, 2)
    np.savez(folder / "data.npz", x=x, y=x @ np.array([2.0, -1.0]) + 3)
    return folder


def sklearn_loop(project, **options):
    from sklearn.linear_model import Ridge

    dataset = FileDataset(project / "data.npz", **options)
    return TrainingLoop(SklearnModelOp(Ridge(alpha=0.1)), dataset, backend="sklearn", seed=5)


def plain_artifact(registry, **loop):
    made = PlainLoop(**loop)
    random.seed(made.seed)
    model, _ = made.run()
    return TrainingArtifact.capture(made, registry=registry, model=model, path="/")


class TestCapture:
    def test_it_fills_everything_by_itself(self, registry, project):
        loop = sklearn_loop(project)
        trained = loop.run()
        with pe.start_run("training") as run:
            run.log({"loss": 0.5}, 0)
        artifact = TrainingArtifact.capture(
            loop, registry=registry, run=run, path=project, metadata={"author": "ej"}
        )
        assert artifact.training_pipeline_yaml == loop.to_yaml()
        assert artifact.dataset_hash == loop.dataset.content_hash()
        assert artifact.model_registry_uri == registry.spec
        assert artifact.tracker_run_id == run.run_id
        assert artifact.deps_lock == (project / "uv.lock").read_text()
        about = artifact.metadata
        assert about["dataset"]["dvc"] == artifact.dataset_hash
        assert len(about["dataset"]["sha256"]) == 64
        assert about["dataset"]["path"] == str(project / "data.npz")
        assert (about["lock"]["file"], about["seed"], about["author"]) == ("uv.lock", 5, "ej")
        assert about["loop"] == {"module": "pipekit_experiment.training", "class": "TrainingLoop"}
        info = artifact.backend_info
        assert (info["backend"], info["python"]) == ("sklearn", sys.version.partition(" ")[0])
        assert {"numpy", "scikit-learn"} <= set(info["packages"])
        model = registry.stat(artifact.trained_model_hash)
        assert (model.dataset_hash, model.run_id) == (artifact.dataset_hash, run.run_id)
        assert np.allclose(registry.load(model.hash)(np.ones((1, 2))), trained(np.ones((1, 2))))

    def test_a_model_that_is_stored_already_keeps_its_hash(self, registry):
        model = Line(2.0)
        hash = registry.store(model, name="prod", training_config={"lr": 0.1})
        for given in (model, hash, "prod", hash[:10]):
            artifact = TrainingArtifact.capture(PlainLoop(), registry=registry, model=given)
            assert artifact.trained_model_hash == hash
            assert artifact.metadata["model"]["training_config"] == {"lr": 0.1}
            assert artifact.metadata["model"]["names"] == ["prod"]

    def test_a_model_that_was_changed_since_is_refused(self, registry):
        model = Line(2.0)
        registry.store(model)
        model.factor = 3.0
        with pytest.raises(errors.InvalidArgumentError, match="changed since"):
            TrainingArtifact.capture(PlainLoop(), registry=registry, model=model)

    def test_what_is_absent_is_recorded_as_absent(self, registry, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        artifact = TrainingArtifact.capture(PlainLoop(seed=2**60), registry=registry, path=tmp_path)
        about = artifact.metadata
        for part in ("dataset", "model", "git", "tracker"):
            assert "absent" in about[part], part
        assert about["lock"]["file"] == "installed"
        assert f"numpy=={np.__version__}\n" in artifact.deps_lock
        assert (artifact.dataset_hash, artifact.trained_model_hash, artifact.tracker_run_id) == ("", "", None)
        assert about["seed"] == str(2**60)
        artifact.save(tmp_path / "a")
        with pytest.raises(errors.InvalidArgumentError, match="names no model"):
            TrainingArtifact.load(tmp_path / "a").reload_model()

    def test_data_that_are_gone_are_absent(self, registry, project):
        loop = sklearn_loop(project, hash="0" * 32)
        (project / "data.npz").unlink()
        artifact = TrainingArtifact.capture(loop, registry=registry, path=project)
        assert "data.npz" in artifact.metadata["dataset"]["absent"]

    def test_wrong_arguments_are_typed(self, registry):
        with pytest.raises(errors.InvalidArgumentError, match="neither `to_yaml` nor `state`"):
            TrainingArtifact.capture(object(), registry=registry)
        with pytest.raises(errors.InvalidArgumentError, match="registry is a dict"):
            TrainingArtifact.capture(PlainLoop(), registry={})
        with pytest.raises(errors.RefNotFoundError):
            TrainingArtifact.capture(PlainLoop(), registry=registry, model="nothing")

    def test_the_run_of_a_callback_is_found(self, registry, project):
        loop = sklearn_loop(project)
        loop.callbacks.append(pe.LogToExperiment(pe.Tracker()))
        loop.run()
        artifact = TrainingArtifact.capture(loop, registry=registry, path=project)
        assert artifact.tracker_run_id == loop.callbacks[-1].run.run_id
        assert artifact.metadata["tracker"]["sinks"] == []


AGAIN = """
import json, sys
import numpy as np
import pipekit_experiment as pe
artifact = pe.TrainingArtifact.load(sys.argv[1])
fresh, loaded = artifact.rerun(trust=["sklearn"]), artifact.reload_model(trust=["sklearn"])
x = np.array([[1.0, 2.0]])
outcome = artifact.last_rerun
print(json.dumps([outcome.model_hash, outcome.same_model, fresh(x).tolist(), loaded(x).tolist()]))
"""


# A class that is trusted, which does not look at what it is given.
NESTED = "module: artifact_models\nclass: PlainLoop\nconfig:\n  op: {module: os, class: Op, config: {}}\n"


class TestRerun:
    def test_another_process_trains_the_same_model_and_loads_it(self, registry, project, tmp_path):
        loop = sklearn_loop(project)
        trained = loop.run()
        artifact = TrainingArtifact.capture(loop, registry=registry, path=project)
        artifact.save(tmp_path / "a.artifact")
        again = subprocess.run(
            [sys.executable, "-c", AGAIN, tmp_path / "a.artifact"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert again.returncode == 0, again.stderr
        hash, same, fresh, loaded = json.loads(again.stdout)
        assert (hash, same) == (artifact.trained_model_hash, True)
        assert fresh == loaded == trained(np.array([[1.0, 2.0]])).tolist()
        assert "rerun: the retrained model is the recorded one" in again.stderr
        assert "numpy 0.0.1" not in again.stderr
        assert "1 of 1 installed differ: numpy" in again.stderr

    def test_a_loop_of_another_kind_runs_with_its_seed(self, registry, capsys):
        artifact = plain_artifact(registry)
        random.seed(99)
        fresh = artifact.rerun(trust=TRUST)
        assert isinstance(fresh, Line)
        outcome = artifact.last_rerun
        assert (outcome.model_hash, outcome.same_model) == (artifact.trained_model_hash, True)
        assert outcome.duration_s >= 0
        assert "the recorded one" in capsys.readouterr().err

    def test_another_model_is_told_with_what_differs(self, registry, capsys):
        artifact = plain_artifact(registry)
        artifact.metadata["seed"] = 8
        artifact.rerun(trust=TRUST)
        outcome = artifact.last_rerun
        assert (outcome.same_model, outcome.differs) == (False, ("weights",))
        assert outcome.model_hash != artifact.trained_model_hash
        assert "is another one" in capsys.readouterr().err

    def test_an_artifact_made_by_hand_is_compared_by_the_registry(self, registry):
        model = Line(2.0)
        hash = registry.store(model, training_config={"a": 1}, dataset_hash="d")
        artifact = TrainingArtifact(
            training_pipeline_yaml=PlainLoop(noise=False).to_yaml(),
            dataset_hash="",
            trained_model_hash=hash,
            tracker_run_id=None,
            model_registry_uri=registry.spec,
            metadata={"loop": {"module": "artifact_models", "class": "PlainLoop"}},
        )
        artifact.rerun(trust=TRUST)
        assert artifact.last_rerun.same_model
        artifact.model_registry_uri = f"{registry.spec}-elsewhere"
        artifact.rerun(trust=TRUST)
        assert artifact.last_rerun.same_model is False
        artifact.rerun(trust=TRUST, registry=registry)
        assert artifact.last_rerun.same_model

    def test_strict_refuses_before_anything_runs(self, registry, capsys):
        artifact = plain_artifact(registry)
        artifact.backend_info["packages"]["numpy"] = "1.0"
        artifact.backend_info["python"] = "2.7"
        artifact_models.ran.clear()
        with pytest.raises(errors.EnvironmentDriftError, match=r"python 2\.7 -> ") as caught:
            artifact.rerun(strict=True, trust=TRUST)
        assert caught.value.field == "python, numpy"
        assert artifact_models.ran == []
        table = capsys.readouterr().err
        assert "RECORDED" in table
        assert "1.0" in table
        artifact.rerun(trust=TRUST)
        assert len(artifact_models.ran) == 1
        assert [entry.what for entry in artifact.last_rerun.drift.changed] == ["python", "numpy"]

    def test_nothing_is_imported_that_is_not_trusted(self, registry, tmp_path):
        artifact = plain_artifact(registry)
        artifact.save(tmp_path / "a")
        program = (
            "import sys; import pipekit_experiment as pe\n"
            "try:\n    pe.TrainingArtifact.load(sys.argv[1]).rerun()\n"
            "except pe.errors.UntrustedModuleError as error:\n    print(error.field)"
        )
        env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "ARTIFACT_MODELS_MARK": str(tmp_path / "mark"),
        }
        command = [sys.executable, "-c", program, tmp_path / "a"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.stdout.strip() == "artifact_models", done.stderr
        assert not (tmp_path / "mark").exists()

    @pytest.mark.parametrize(
        ("text", "loop", "error", "field"),
        [
            ("module: no_such\nclass: A\nconfig: {}\n", {}, errors.NotAnOperatorError, "no_such"),
            ("a: 1\n", {}, errors.NotAnOperatorError, "module"),
            (NESTED, {}, errors.UntrustedModuleError, "os"),
            ("a: [", {}, errors.InvalidConfigError, "line"),
            ("a: 1\n", {"module": "artifact_models", "class": "None_"}, errors.NotAnOperatorError, "None_"),
            ("a: 1\n", {"module": "artifact_models", "class": "NoLoop"}, errors.NotAnOperatorError, "NoLoop"),
        ],
    )
    def test_a_pipeline_that_is_none(self, registry, text, loop, error, field):
        artifact = plain_artifact(registry)
        artifact.training_pipeline_yaml, artifact.metadata["loop"] = text, loop
        with pytest.raises(error) as caught:
            artifact.rerun(trust=[*TRUST, "no_such"])
        assert field in caught.value.field

    def test_a_daemon_that_is_away_costs_no_training(self, registry, tmp_path, monkeypatch, capsys):
        artifact = plain_artifact(registry)
        monkeypatch.setenv("PKX_ENDPOINT", f"unix:{tmp_path}/none.sock")
        assert isinstance(artifact.rerun(trust=TRUST), Line)
        assert (artifact.last_rerun.model_hash, artifact.last_rerun.same_model) == (None, None)
        assert "cannot be told" in capsys.readouterr().err


class TestData:
    def test_data_of_nobody_are_named(self, registry, project):
        loop = sklearn_loop(project)
        loop.run()
        artifact = TrainingArtifact.capture(loop, registry=registry, path=project)
        (project / "data.npz").unlink()
        with pytest.raises(errors.DatasetNotFoundError) as caught:
            artifact.rerun(trust=SKLEARN)
        assert caught.value.field == artifact.dataset_hash
        assert artifact.drift().changed[-1].verdict == "absent"

    def test_data_are_fetched_back_by_their_hash(self, registry, tmp_path, capsys):
        repo, remote = tmp_path / "repo", tmp_path / "remote"
        repo.mkdir()
        dvc = [sys.executable, "-m", "dvc"]
        environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
        for arguments in (["init", "--no-scm", "-q"], ["remote", "add", "-d", "far", str(remote), "-q"]):
            subprocess.run([*dvc, *arguments], cwd=repo, env=environment, check=True)
        x = np.arange(24.0).reshape(12, 2)
        np.savez(repo / "data.npz", x=x, y=x @ np.array([2.0, -1.0]) + 3)
        versioning = pe.adapters.dvc.DVCDatasetVersioning(repo)
        hash = versioning.add("data.npz").hash
        versioning.push()
        loop = sklearn_loop(repo, repo=repo)
        loop.run()
        artifact = TrainingArtifact.capture(loop, registry=registry, path=repo)
        assert artifact.dataset_hash == hash
        # Gone, and in the cache no more: it comes from the remote.
        (repo / "data.npz").unlink()
        shutil.rmtree(repo / ".dvc/cache")
        artifact.deps_lock = ""
        artifact.rerun(strict=True, trust=SKLEARN)
        assert artifact.last_rerun.same_model
        assert f"data set  {hash}  absent" in capsys.readouterr().err
        assert FileDataset(repo / "data.npz").content_hash() == hash
        # Changed, and saved nowhere: it is not thrown away.
        np.savez(repo / "data.npz", x=x, y=x[:, 0])
        with pytest.raises(errors.DatasetChangedError):
            artifact.rerun(trust=SKLEARN)
        # Changed to what is saved: the recorded data come back.
        versioning.add("data.npz")
        artifact.rerun(trust=SKLEARN)
        assert artifact.last_rerun.same_model
        # In another clone, whose place the pipeline does not know.
        other = tmp_path / "other"
        shutil.copytree(repo, other)
        shutil.rmtree(repo)
        with pytest.raises(errors.PipekitError):
            artifact.rerun(trust=SKLEARN)
        (other / "data.npz").unlink()
        artifact.rerun(trust=SKLEARN, repo=other)
        assert artifact.last_rerun.same_model
        assert not repo.exists()
        # Nobody has it.
        (other / "data.npz").unlink()
        shutil.rmtree(other / ".dvc/cache")
        shutil.rmtree(remote)
        remote.mkdir()
        with pytest.raises(errors.DatasetNotFoundError, match=hash):
            artifact.rerun(trust=SKLEARN, repo=other)

    def test_record_hash_in(self, registry, tmp_path):
        repo = tmp_path / "repo"
        repo.mkdir()
        versioning = pe.adapters.dvc.DVCDatasetVersioning(repo)
        artifact = plain_artifact(registry)
        subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "-q"], cwd=repo, check=True)
        (repo / "data.csv").write_text("x,y\n1,2\n")
        versioning.add("data.csv")
        versioning.record_hash_in(artifact, "data.csv")
        artifact.save(tmp_path / "a")
        loaded = TrainingArtifact.load(tmp_path / "a")
        assert loaded == artifact
        assert [entry.verdict for entry in loaded.drift().entries if entry.what == "data set"] == ["same"]
        (repo / "data.csv").unlink()
        assert loaded.drift().changed[-1].what == "data set"

    def test_other_data_are_drift_and_are_used_when_given(self, registry, project):
        loop = sklearn_loop(project)
        loop.run()
        artifact = TrainingArtifact.capture(loop, registry=registry, path=project)
        artifact.deps_lock = ""
        np.savez(project / "other.npz", x=np.eye(2), y=np.ones(2))
        other = FileDataset(project / "other.npz")
        assert artifact.drift(dataset=other).changed[-1].present == other.content_hash()
        with pytest.raises(errors.EnvironmentDriftError, match="data set"):
            artifact.rerun(strict=True, dataset=other, trust=SKLEARN)
        artifact.rerun(dataset=other, trust=SKLEARN)
        assert artifact.last_rerun.same_model is False
        artifact.rerun(strict=True, trust=SKLEARN)
        assert artifact.last_rerun.same_model


class TestReload:
    def test_by_the_recorded_registry_or_by_another(self, registry, tmp_path):
        artifact = plain_artifact(registry)
        factor = artifact.reload_model(trust=TRUST).factor
        assert artifact.reload_model(registry).factor == factor
        assert artifact.reload_model(registry.spec, trust=TRUST).factor == factor
        artifact.model_registry_uri = str(tmp_path / "models")
        assert artifact.reload_model(trust=TRUST).factor == factor
        with pytest.raises(errors.UntrustedModuleError):
            artifact.reload_model()

    def test_a_registry_of_the_users_own(self, registry):
        class Own:
            def load(self, ref):
                return f"model {ref}"

        artifact = plain_artifact(registry)
        assert artifact.reload_model(Own()) == f"model {artifact.trained_model_hash}"

    def test_a_missing_model_is_named(self, registry, tmp_path):
        artifact = plain_artifact(registry)
        artifact.model_registry_uri = f"local:{tmp_path}/empty"
        with pytest.raises(KeyError, match=artifact.trained_model_hash):
            artifact.reload_model(trust=TRUST)
        artifact.model_registry_uri = "gs://bucket/models"
        with pytest.raises(errors.InvalidRegistrySpecError):
            artifact.reload_model()


def test_hash_is_what_store_gives_and_stores_nothing(registry):
    hash = registry.hash(Line(1.5), training_config={"a": 1}, dataset_hash="d")
    assert registry.list() == []
    assert hash == registry.store(Line(1.5), training_config={"a": 1}, dataset_hash="d")
    assert hash != registry.hash(Line(1.5), training_config={"a": 1}) != registry.hash(Line(1.5))
    assert registry.hash(Shift(1)) == registry.store(Shift(1))
    assert registry.hash(Line(), weights=b"1.5") == registry.hash(Line(1.5))
    with pytest.raises(errors.NotAnOperatorError):
        registry.hash(object())
