"""A reference training loop over Lightning, JAX, Keras, scikit-learn or plain Python, and its callbacks.

Everything that trains is duck-typed: pipekit_train's loop and callbacks work with this package as well."""

from __future__ import annotations

from pipekit_experiment._src.training.checkpoint import Checkpoint
from pipekit_experiment._src.training.course import TrainingResult, TrainingState
from pipekit_experiment._src.training.loop import TrainingLoop
from pipekit_experiment._src.training.stopping import EarlyStopping
from pipekit_experiment.callbacks import LogToExperiment

__all__ = [
    "Checkpoint",
    "EarlyStopping",
    "LogToExperiment",
    "TrainingLoop",
    "TrainingResult",
    "TrainingState",
]
