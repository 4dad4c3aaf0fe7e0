"""Operators, data sets and loops of strangers: what a stored state may not do, whatever it names."""

import numpy as np
import pytest

import pipekit_experiment as pe
from pipekit_experiment import errors
from pipekit_experiment.datasets import ArrayDataset, FileDataset
from pipekit_experiment.operators import BytesModelOp, ModelRef, Operator, from_yaml, to_yaml, walk
from pipekit_experiment.training import TrainingLoop

TORCH = {"module": "pipekit_experiment.torch", "class": "TorchModelOp"}


class Holder(Operator):
    """Takes any config."""

    def __init__(self, **config):
        self.config = config

    def get_config(self):
        return self.config


def test_what_looks_like_an_operator_in_a_config_is_not_trusted_for_that(tmp_path):
    pytest.importorskip("torch")
    stranger = {**TORCH, "config": {"factory": "os:mkdir", "kwargs": {"path": str(tmp_path / "made")}}}
    op = from_yaml(to_yaml(BytesModelOp(b"", config={"inner": stranger})))
    assert [path for path, _ in walk(op)] == [""]
    with pytest.raises(errors.UntrustedModuleError):
        pe.InferenceArtifact.capture(Holder(inner=stranger))
    assert not (tmp_path / "made").exists()


def test_an_estimator_is_given_no_function_of_ours():
    pytest.importorskip("sklearn")
    from sklearn.preprocessing import FunctionTransformer

    from pipekit_experiment._src.extras import optional_module
    from pipekit_experiment.sklearn import SklearnModelOp

    op = SklearnModelOp(FunctionTransformer(optional_module), method="transform")
    text = TrainingLoop(op, ArrayDataset(x=np.ones((2, 2))), backend="sklearn").to_yaml()
    with pytest.raises(errors.UntrustedModuleError, match="optional_module"):
        TrainingLoop.from_yaml(text, trust=["sklearn"])


def test_a_reference_to_a_server_that_would_be_sent_credentials():
    for spec in ("mlflow+https://stranger.example/m", "mlflow://127.0.0.1/m?token=file:/etc/passwd"):
        text = to_yaml(ModelRef("production", spec))
        with pytest.raises(errors.InvalidArgumentError, match="credentials"):
            from_yaml(text)
        assert from_yaml(text, trust=[spec]).get_config()["registry"] == spec


def test_a_stored_data_set_is_put_into_its_repository_only(tmp_path):
    (tmp_path / "repo").mkdir()
    given = FileDataset(tmp_path / "authorized_keys", repo=tmp_path / "repo", hash="0" * 32)
    stored = FileDataset.from_state(given.state)
    for fetch in (stored.arrays, stored.fetch):
        with pytest.raises(errors.DatasetNotFoundError, match="none are fetched to there"):
            fetch()


def test_a_stored_loop_does_not_say_where_lightning_reads_and_writes():
    pytest.importorskip("torch")
    from pipekit_experiment.torch import TorchModelOp

    op, data = TorchModelOp(factory="stored_models:net"), ArrayDataset(x=np.ones((2, 2)))
    loop = TrainingLoop(op, data, loss="mse", backend_options={"default_root_dir": "http://stranger.example"})
    state = loop.state
    state["config"]["model_op"] = BytesModelOp().state
    with pytest.raises(errors.InvalidConfigError, match="default_root_dir"):
        TrainingLoop.from_state(state)
