import copy
import json
import pickle
import sys
import warnings

import pytest
import torch

from pipekit_experiment import errors

pl = pytest.importorskip("pytorch_lightning")

from pipekit_experiment.lightning import PipekitLogger  # noqa: E402


class Module(pl.LightningModule):
    def __init__(self, width=4, fail_at=None):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(width, 1)
        self.fail_at = fail_at

    def training_step(self, batch, index):
        if index == self.fail_at:
            raise ValueError("bad batch")
        loss = self.layer(batch[0]).square().mean()
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, index):
        self.log("val_loss", self.layer(batch[0]).square().mean())

    def test_step(self, batch, index):
        self.log("test_loss", self.layer(batch[0]).square().mean())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


def data():
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(16, 4)), batch_size=4)


def trainer(logger, tmp_path, **more):
    settings = {"enable_checkpointing": False, **more}
    return pl.Trainer(
        max_epochs=2,
        logger=logger,
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
        accelerator="cpu",
        **settings,
    )


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="pytorch_lightning|lightning_fabric|torch")
        yield


def test_a_real_training_is_logged(daemon, tmp_path):
    logger = PipekitLogger("digits", config={"seed": 1}, sinks=["mlflow://h/e"], tags={"k": "v"})
    fit = trainer(logger, tmp_path)
    fit.fit(Module(), data(), data())
    run = logger.experiment
    assert (logger.version, logger.name) == (run.run_id, "digits")
    points = daemon.points(run.run_id)
    assert [step for step, _ in points["loss"]] == list(range(8))
    assert len(points["val_loss"]) == 2
    (start,) = daemon.records(run.run_id, "start")
    assert (json.loads(start.config_json), list(start.sinks)) == ({"seed": 1}, ["mlflow://h/e"])
    (params,) = daemon.records(run.run_id, "params")
    assert json.loads(params.params_json) == {"width": 4, "fail_at": None}
    assert run.pending == 0, "finalize waits for the disk"
    fit.test(Module(), data())
    assert "test_loss" in daemon.points(run.run_id), "a test after the fit adds to the run"
    assert not daemon.records(run.run_id, "end")
    run.end()
    assert daemon.records(run.run_id, "end")[0].state == 2


def test_a_training_that_fails_ends_the_run_as_failed(daemon, tmp_path):
    logger = PipekitLogger()
    with pytest.raises(ValueError, match="bad batch"):
        trainer(logger, tmp_path).fit(Module(fail_at=2), data())
    (end,) = daemon.records(logger.version, "end")
    assert (end.state, end.reason) == (3, "ValueError: bad batch")
    assert len(daemon.points(logger.version)["loss"]) == 2


def test_the_best_checkpoint_is_attached(daemon, tmp_path):
    logger = PipekitLogger("n", log_checkpoints=True)
    keep = pl.callbacks.ModelCheckpoint(monitor="val_loss", filename="best")
    trainer(logger, tmp_path, enable_checkpointing=True, callbacks=[keep]).fit(Module(), data(), data())
    (artifact,) = daemon.records(logger.version, "artifact")
    assert artifact.name == "checkpoints/best.ckpt"
    assert torch.load(artifact.path, weights_only=False)["epoch"] == 1
    assert f"n/{logger.version}/checkpoints" in keep.best_model_path


def test_the_run_starts_when_something_is_logged(daemon):
    logger = PipekitLogger()
    assert logger.version
    logger.finalize("success")
    assert daemon.frames == []
    for other in (copy.deepcopy(logger), pickle.loads(pickle.dumps(logger))):
        assert other.version == logger.version
    logger.log_metrics({"a": torch.tensor(1.0)}, 3)
    pickle.dumps(logger)
    logger.finalize("success")
    assert daemon.points(logger.version) == {"a": [(3, 1.0)]}


def test_other_ranks_log_nothing(daemon, monkeypatch):
    from pytorch_lightning.utilities.rank_zero import rank_zero_only

    monkeypatch.setattr(rank_zero_only, "rank", 1)
    logger = PipekitLogger()
    logger.log_metrics({"a": 1.0}, 0)
    logger.log_hyperparams({"a": 1})
    logger.finalize("success")
    logger.experiment.log({"a": 1.0})
    assert daemon.frames == []


def test_a_wrong_spec_is_told_before_the_training(daemon, tmp_path):
    daemon.bad_specs.add("mlflow://")
    with pytest.raises(errors.InvalidTrackerSpecError):
        trainer(PipekitLogger(sinks=["mlflow://"]), tmp_path).fit(Module(), data())


def test_without_lightning_the_extra_is_named(monkeypatch):
    for name in list(sys.modules):
        if name.split(".")[0] in ("pytorch_lightning", "lightning"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pytorch_lightning", None)
    monkeypatch.setitem(sys.modules, "lightning", None)
    monkeypatch.delitem(sys.modules, "pipekit_experiment.lightning")
    with pytest.raises(ImportError, match=r'pip install "pipekit-experiment\[lightning\]"'):
        import pipekit_experiment.lightning  # noqa: F401
