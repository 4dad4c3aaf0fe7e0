"""PipekitLogger: logs a PyTorch Lightning training. Works with `lightning` and `pytorch_lightning`."""

from __future__ import annotations

import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipekit_experiment._src.active_run import ActiveRun
from pipekit_experiment._src.errors import PipekitError
from pipekit_experiment._src.protocols import ExperimentTracker
from pipekit_experiment._src.tracking import start_run
from pipekit_experiment._src.ulid import new_ulid

if TYPE_CHECKING:
    from lightning_fabric.utilities.rank_zero import rank_zero_only
    from pytorch_lightning.callbacks import ModelCheckpoint
    from pytorch_lightning.loggers.logger import Logger

    def rank_zero_experiment(fn: Callable[..., ActiveRun]) -> Callable[..., ActiveRun]: ...

else:
    # A Trainer takes loggers of its own package only: the one that is in use already comes first.
    _USES_OLD_NAME = "pytorch_lightning" in sys.modules and "lightning.pytorch" not in sys.modules
    try:
        if _USES_OLD_NAME:
            raise ModuleNotFoundError
        from lightning.pytorch.loggers.logger import Logger, rank_zero_experiment
        from lightning.pytorch.utilities.rank_zero import rank_zero_only
    except ModuleNotFoundError:
        try:
            from pytorch_lightning.loggers.logger import Logger, rank_zero_experiment
            from pytorch_lightning.utilities.rank_zero import rank_zero_only
        except ModuleNotFoundError as error:
            raise ImportError(
                'PipekitLogger needs PyTorch Lightning: pip install "pipekit-experiment[lightning]"'
            ) from error

__all__ = ["PipekitLogger"]


class PipekitLogger(Logger):
    """A Lightning logger. The run starts when Lightning first logs, on the process of rank 0 only.

    Args:
        name: Name of the run.
        config: Parameters of the run; hyperparameters saved by the module are added.
        tracker, sinks, tags, pipeline_hash: See start_run.
        save_dir: Where Lightning keeps checkpoints; by default the Trainer's `default_root_dir`.
        log_checkpoints: Whether the best (else the last) checkpoint is attached when a fit ends.

    A fit that fails ends the run as failed. A fit that succeeds leaves it open, so that `trainer.test` can
    add to it: it ends with the process, or by `logger.experiment.end()`.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        tracker: str | None = None,
        sinks: Sequence[str | ExperimentTracker] | str | ExperimentTracker = (),
        tags: Mapping[str, Any] | None = None,
        pipeline_hash: str = "",
        save_dir: str | os.PathLike[str] | None = None,
        log_checkpoints: bool = False,
    ) -> None:
        super().__init__()
        self._run_id = new_ulid()
        self._name = name
        self._start: dict[str, Any] = {
            "config": config,
            "tracker": tracker,
            "sinks": sinks,
            "tags": tags,
            "pipeline_hash": pipeline_hash,
        }
        self._save_dir = None if save_dir is None else os.fspath(save_dir)
        self._log_checkpoints = log_checkpoints
        self._checkpoints: ModelCheckpoint | None = None
        self._run: ActiveRun | None = None

    @property
    @rank_zero_experiment
    def experiment(self) -> ActiveRun:
        """The run; starts it."""
        if self._run is None:
            self._run = start_run(self._name, run_id=self._run_id, **self._start)
        return self._run

    @property
    def name(self) -> str:
        """Name of the run; part of the path of checkpoints."""
        return self._name or "pipekit"

    @property
    def version(self) -> str:
        """The run's id; part of the path of checkpoints."""
        return self._run_id

    @property
    def save_dir(self) -> str | None:
        """Where Lightning keeps checkpoints."""
        return self._save_dir

    @rank_zero_only
    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, metrics: Mapping[str, Any] | None = None
    ) -> None:
        """Adds hyperparameters to the run, and metrics if given."""
        self.experiment.log_params(vars(params) if isinstance(params, Namespace) else params)
        if metrics:
            self.experiment.log(metrics)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Logs metrics. Tensors are read later, in the flusher thread."""
        self.experiment.log(metrics, step)

    def after_save_checkpoint(self, checkpoint_callback: ModelCheckpoint) -> None:
        """Remembers which checkpoints there are."""
        self._checkpoints = checkpoint_callback

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """After a fit, test or validation: waits until what was logged is on disk. Ends the run when it
        failed."""
        if self._run is None or self._run.status != "running":
            return
        self._attach_checkpoint(self._run)
        if status == "success":
            self._run.flush()
        else:
            error = sys.exc_info()[1]
            reason = status if error is None else f"{type(error).__name__}: {error}"
            self._run.end("failed", reason=reason)

    def _attach_checkpoint(self, run: ActiveRun) -> None:
        found: Any = self._checkpoints
        if found is None or not self._log_checkpoints:
            return
        self._checkpoints = None
        path = str(found.best_model_path or found.last_model_path)
        if path and os.path.exists(path):
            try:
                run.log_artifact(path, f"checkpoints/{os.path.basename(path)}")
            except PipekitError as error:
                warnings.warn(f"The checkpoint is not attached: {error}", RuntimeWarning, stacklevel=2)

    def __getstate__(self) -> dict[str, Any]:
        # A process that Lightning spawns starts the run itself.
        return {**self.__dict__, "_run": None}
