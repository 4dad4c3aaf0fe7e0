import copy
import dataclasses
import json
import pickle
import sys
import warnings
from argparse import Namespace
from pathlib import Path

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


def test_a_copy_of_the_logger_logs_to_the_same_run(daemon):
    logger = PipekitLogger("n", save_dir="here", log_checkpoints=True)
    logger.log_metrics({"a": 1.0}, 0)
    logger.save()
    fit = pl.Trainer(logger=[logger], enable_checkpointing=False, accelerator="cpu")
    (other,) = pickle.loads(pickle.dumps(fit)).loggers
    assert (other.name, other.version, other.save_dir) == (logger.name, logger.version, "here")
    other.log_metrics({"a": 2.0}, 1)
    assert other.experiment is logger.experiment
    logger.finalize("success")
    assert daemon.points(logger.version) == {"a": [(0, 1.0), (1, 2.0)]}


def test_other_ranks_log_nothing(daemon, monkeypatch):
    from pytorch_lightning.loggers.logger import DummyExperiment
    from pytorch_lightning.utilities.rank_zero import rank_zero_only

    monkeypatch.setattr(rank_zero_only, "rank", 1)
    for ranks in ("zero", "all"):
        logger = PipekitLogger(ranks=ranks, log_graph=True)
        logger.log_metrics({"a": 1.0}, 0)
        logger.log_hyperparams({"a": 1})
        logger.log_graph(Module())
        logger.finalize("success")
        logger.experiment.log({"a": 1.0})
        assert isinstance(logger.experiment, DummyExperiment)
    assert daemon.frames == []
    with pytest.raises(ValueError, match="zero or all"):
        PipekitLogger(ranks="one")


class EveryKind(Module):
    """Logs in each of the ways that Lightning has."""

    def training_step(self, batch, index):
        loss = self.layer(batch[0]).square().mean()
        self.log("both", float(index), on_step=True, on_epoch=True)
        self.log_dict({"a": 1.0, "b": torch.tensor(2)})
        self.logger.log_metrics({"direct": index}, step=index)
        self.logger.experiment.log({"raw": loss}, index)
        return loss

    def on_validation_epoch_end(self):
        self.log("val_loss", 0.5)

    def on_train_epoch_end(self):
        self.log_dict({"step": 100.0 + self.current_epoch, "own_step": 1.0})


def test_each_way_of_logging(daemon, tmp_path):
    logger = PipekitLogger()
    trainer(logger, tmp_path).fit(EveryKind(), data(), data())
    points = daemon.points(logger.version)
    assert points["both_step"] == [(step, float(step % 4)) for step in range(8)]
    assert points["both_epoch"] == [(100, 1.5), (101, 1.5)], "a metric named step is the step"
    assert points["own_step"] == [(100, 1.0), (101, 1.0)]
    assert points["b"] == [(step, 2.0) for step in range(8)]
    assert len(points["direct"]) == len(points["raw"]) == 8
    assert points["val_loss"] == [(3, 0.5), (7, 0.5)]
    at_three = [values for step, _, values in daemon.rows(logger.version) if step == 3]
    assert {key for values in at_three for key in values} >= {
        "both_step",
        "direct",
        "raw",
        "val_loss",
        "epoch",
    }
    assert "step" not in points


def test_what_the_trainer_asks_loggers_for(daemon, tmp_path):
    """The rows that Lightning's own test of all its loggers expects."""

    class History(PipekitLogger):
        def __init__(self):
            super().__init__(prefix="tmp")
            self.history = []

        def log_metrics(self, metrics, step=None):
            super().log_metrics(metrics, step)
            self.history.append((step, sorted(metrics)))

    logger = History()
    fit = trainer(logger, tmp_path, limit_train_batches=1, limit_val_batches=1)
    fit.fit_loop.max_epochs = 1
    fit.fit(Module(), data(), data())
    fit.test(Module(), data())
    assert logger.history == [
        (0, ["epoch", "loss"]),
        (0, ["epoch", "val_loss"]),
        (1, ["epoch", "test_loss"]),
    ]
    assert sorted(daemon.points(logger.version)) == ["tmp-epoch", "tmp-loss", "tmp-test_loss", "tmp-val_loss"]


def test_two_loggers_of_one_trainer(daemon, tmp_path):
    first, second = PipekitLogger("a"), PipekitLogger("b", sinks=["mlflow://h/e"])
    trainer([first, second], tmp_path).fit(Module(), data())
    assert first.version != second.version
    assert daemon.points(first.version) == daemon.points(second.version)


@dataclasses.dataclass
class Optimizer:
    name: str = "adam"
    betas: tuple = (0.9, 0.99)
    lock: object = None


def hyperparams_of(daemon, logger):
    return [json.loads(record.params_json) for record in daemon.records(logger.version, "params")]


def test_hyperparams_of_each_kind(daemon):
    omegaconf = pytest.importorskip("omegaconf")
    import threading

    logger = PipekitLogger()
    node = omegaconf.OmegaConf.create({"lr": 0.1, "half": "${lr}", "layers": [1, {"width": 2}]})
    unresolved = omegaconf.OmegaConf.create({"lr": "${nowhere}", "must": "???"})
    for params in (
        Namespace(lr=0.1, inner=Namespace(width=torch.tensor(3))),
        Optimizer(),
        {"optimizer": Optimizer(name="sgd"), 1: 2, "node": node},
        node,
        unresolved,
    ):
        logger.log_hyperparams(params)
    lock = Optimizer(lock=threading.Lock())
    logger.log_hyperparams(lock, {"hp_metric": 1.0})
    logger.finalize("success")
    plain = {"lr": 0.1, "half": 0.1, "layers": [1, {"width": 2}]}
    optimizer = {"name": "adam", "betas": [0.9, 0.99], "lock": None}
    assert hyperparams_of(daemon, logger) == [
        {"lr": 0.1, "inner": {"width": "tensor(3)"}},
        optimizer,
        {"optimizer": {**optimizer, "name": "sgd"}, "1": 2, "node": plain},
        plain,
        {"lr": "${nowhere}", "must": "???"},
        {**optimizer, "lock": str(lock.lock)},
    ]
    assert daemon.points(logger.version) == {"hp_metric": [(0, 1.0)]}


def test_what_cannot_be_logged_does_not_end_a_training(daemon):
    logger = PipekitLogger()
    nested = {}
    nested["self"] = nested
    with pytest.warns(RuntimeWarning, match="Hyperparameters are not logged"):
        logger.log_hyperparams(nested)
    with pytest.warns(RuntimeWarning, match="Metrics are not logged: .*no number"):
        logger.log_metrics({"a": "text"}, 0)
    logger.log_metrics({"a": 1.0}, 1)
    logger.experiment.end()
    logger.log_metrics({"a": 2.0}, 2)
    assert daemon.points(logger.version) == {"a": [(1, 1.0)]}


def test_the_graph_tells_all_layers(daemon, tmp_path):
    logger = PipekitLogger(log_graph=True)
    trainer(logger, tmp_path).fit(Module(), data())
    (graph,) = daemon.records(logger.version, "artifact")
    assert graph.name == "graph.txt"
    text = Path(graph.path).read_text()
    assert "(layer): Linear(in_features=4, out_features=1, bias=True)" in text
    assert text.endswith("\n5 parameters, 5 of them trained\n")
    with pytest.warns(RuntimeWarning, match="graph is not attached"):
        logger.log_graph(torch.nn.LazyLinear(1))


def test_finalize_may_be_called_again(daemon):
    logger = PipekitLogger()
    logger.log_metrics({"a": 1.0}, 0)
    for status in ("success", "success", "failed", "failed", "success"):
        logger.finalize(status)
    assert [end.state for end in daemon.records(logger.version, "end")] == [3]


def test_a_fit_after_one_that_failed_is_a_run_of_its_own(daemon, tmp_path):
    logger = PipekitLogger()
    with pytest.raises(ValueError, match="bad batch"):
        trainer(logger, tmp_path).fit(Module(fail_at=2), data())
    first = logger.version
    assert logger.experiment.status == "failed"
    trainer(logger, tmp_path).fit(Module(), data())
    assert logger.version != first
    assert [len(daemon.points(run_id)["loss"]) for run_id in (first, logger.version)] == [2, 8]
    assert hyperparams_of(daemon, logger) == [{"width": 4, "fail_at": None}]


def test_a_run_that_a_copy_has_started_elsewhere_is_not_mixed_up(daemon, monkeypatch):
    from pipekit_experiment import lightning

    logger = PipekitLogger()
    wanted = logger.version

    def start(name, *, run_id, **options):
        if run_id == wanted:
            raise errors.RunExistsError("It exists.")
        return start_run(name, run_id=run_id, **options)

    start_run = lightning.start_run
    monkeypatch.setattr(lightning, "start_run", start)
    logger.log_metrics({"a": 1.0}, 0)
    logger.finalize("success")
    assert logger.version != wanted
    assert daemon.points(logger.version) == {"a": [(0, 1.0)]}


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
    extra = r"PyTorch Lightning.*pip install 'pipekit-experiment\[lightning\]'"
    with pytest.raises(ImportError, match=extra):
        import pipekit_experiment.lightning  # noqa: F401
