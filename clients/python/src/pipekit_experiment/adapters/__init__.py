"""Trackers by the tool they write to. None of them imports its tool: the daemon speaks its protocol."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipekit_experiment.adapters import clearml as clearml
    from pipekit_experiment.adapters import dvc as dvc
    from pipekit_experiment.adapters import hydra as hydra
    from pipekit_experiment.adapters import metaflow as metaflow
    from pipekit_experiment.adapters import mlflow as mlflow
    from pipekit_experiment.adapters import tensorboard as tensorboard
    from pipekit_experiment.adapters import wandb as wandb

__all__ = ["clearml", "dvc", "hydra", "metaflow", "mlflow", "tensorboard", "wandb"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
