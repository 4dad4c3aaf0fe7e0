"""A training on two processes of this machine; see test_lightning_ddp.py. Prints the run's id, rank 0 only.

Arguments: strategy, ranks, what happens: `well`, `fail` (on rank 1), `twice` (a test follows the fit),
`asked` (for the experiment, before the fit).
"""

import sys
import warnings

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers.logger import DummyExperiment

from pipekit_experiment.lightning import PipekitLogger

STEPS = 4


class Module(pl.LightningModule):
    def __init__(self, fail=False):
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(4, 1)

    def training_step(self, batch, index):
        loss = self.layer(batch[0]).square().mean()
        self.log("rank", float(self.global_rank))
        self.log("mean_rank", torch.tensor(float(self.global_rank)), sync_dist=True)
        self.log("epoch_rank", float(self.global_rank), on_step=False, on_epoch=True)
        self.logger.experiment.log({f"direct{self.global_rank}": float(index)}, index)
        if self.hparams.fail and index == 2 and self.global_rank == 1:
            raise ValueError("bad batch")
        return loss

    def test_step(self, batch, index):
        self.log("test_rank", float(self.global_rank), sync_dist=True)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


class Check(pl.Callback):
    """On other ranks, experiment is a dummy if rank 0 alone logs; one run serves all if all do."""

    def on_train_batch_start(self, trainer, module, batch, index):
        dummy = isinstance(module.logger.experiment, DummyExperiment)
        assert dummy == (trainer.global_rank > 0 and RANKS == "zero")
        if dummy:
            assert module.logger.experiment.something(foo="bar") is None


def data():
    dataset = torch.utils.data.TensorDataset(torch.randn(8 * STEPS, 4))
    return torch.utils.data.DataLoader(dataset, batch_size=4)


def trainer(strategy, logger):
    return pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        devices=2,
        strategy=strategy,
        logger=logger,
        callbacks=[Check()],
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


STRATEGY, RANKS, HAPPENS = sys.argv[1:4]

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logger = PipekitLogger("ddp", ranks=RANKS, log_graph=True)
    if HAPPENS == "asked":
        _ = logger.experiment
    fit = trainer(STRATEGY, logger)
    fit.fit(Module(fail=HAPPENS == "fail"), data())
    if HAPPENS == "twice":
        fit.test(Module(), data(), verbose=False)
    if fit.is_global_zero:
        print("run", logger.version)
        if STRATEGY == "ddp":
            logger.experiment.end()
