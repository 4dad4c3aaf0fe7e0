"""Trains the classifier with Lightning and our logger, stores and promotes the model; prints a JSON line.

Usage: train.py SINK_SPEC...
"""

from __future__ import annotations

import json
import logging
import sys
import warnings

import pipekit_experiment as pe
import pytorch_lightning as pl
from digits import DigitsTask, accuracy, loaders, split
from pipekit_experiment.lightning import PipekitLogger
from pipekit_experiment.torch import TorchModelOp

HIDDEN = 64
EPOCHS = 12


class EpochLines(pl.Callback):
    """Shows progress as one line an epoch."""

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        shown = "  ".join(f"{name} {values[name]:.3f}" for name in sorted(values) if "/" in name)
        print(
            f"  epoch {trainer.current_epoch + 1:2d}/{EPOCHS}  {shown}",
            file=sys.stderr,
            flush=True,
        )


def main(sinks: list[str]) -> None:
    """Runs the whole path of a training process."""
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    pl.seed_everything(7, verbose=False)
    logger = PipekitLogger(name="digits", sinks=sinks, tags={"data": "sklearn-digits"})
    task = DigitsTask(hidden=HIDDEN)
    trainer = pl.Trainer(
        max_epochs=EPOCHS,
        logger=logger,
        log_every_n_steps=1,
        callbacks=[EpochLines()],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        accelerator="cpu",
    )
    trainer.fit(task, *loaders())
    logger.experiment.end()

    registry = pe.LocalModelRegistry()
    op = TorchModelOp(task.network, factory="digits:make_network", kwargs={"hidden": HIDDEN})
    test_accuracy = accuracy(task.network, split()[1])
    digest = registry.store(
        op,
        name="candidate",
        tags={"data": "sklearn-digits", "test_accuracy": test_accuracy},
        run=logger.experiment.run_id,
    )
    registry.tag(digest, "production", reason="test accuracy above 0.95")

    trackers = sorted({"mlflow", "wandb", "tensorboard", "clearml"} & set(sys.modules))
    if trackers:
        raise SystemExit(f"the training process imported {trackers}: it must import no tracker")
    print(
        json.dumps(
            {
                "run_id": logger.experiment.run_id,
                "hash": digest,
                "accuracy": test_accuracy,
                "imported_trackers": trackers,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
