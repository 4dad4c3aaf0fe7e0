"""PipekitLogger: logs a PyTorch Lightning training. Works with `lightning` and `pytorch_lightning`."""

from __future__ import annotations

import os
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import get_spawning_popen
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipekit_experiment._src.active_run import ActiveRun
from pipekit_experiment._src.errors import RunExistsError
from pipekit_experiment._src.extras import missing_extra
from pipekit_experiment._src.hub import the_hub
from pipekit_experiment._src.hyperparams import plain_hyperparams
from pipekit_experiment._src.joined_run import join_run
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
            raise missing_extra(error, "lightning", "PipekitLogger", "PyTorch Lightning") from error

__all__ = ["PipekitLogger"]


class PipekitLogger(Logger):
    """A Lightning logger. The run starts when Lightning first logs.

    Args:
        name: Name of the run.
        config: Parameters of the run; hyperparameters saved by the module are added.
        tracker, sinks, tags, pipeline_hash, system_metrics: See start_run.
        save_dir: Where Lightning keeps checkpoints; by default the Trainer's `default_root_dir`.
        prefix: Put before each metric key, with a `-` between, as Lightning's own loggers do.
        ranks: `zero` (the default): only the process of rank 0 logs, and `experiment` is a dummy elsewhere.
            `all`: every rank logs into the one run, each by a writer of its own. Keys of rank 0 stay as they
            are, so that charts are the same in both modes; those of rank r get the prefix `rank<r>/`. Other
            ranks join when the fit starts; before (in `setup`) their `experiment` is a dummy. What is logged
            by `experiment.log` gets no prefix.
        log_checkpoints: Whether the best (else the last) checkpoint is attached when a fit ends.
        log_graph: Whether a list of all layers is attached as `graph.txt` when a fit starts.

    A fit that fails ends the run as failed; the next fit of this logger is a run of its own. A fit that
    succeeds leaves it open, so that `trainer.test` can add to it: it ends with the process, or by
    `logger.experiment.end()`. With a spawning strategy the run starts and ends in the main process. With a
    forking one it does if `logger.experiment` was asked for before the fit; else it ends with the forked
    process of rank 0, and what is logged later goes to a run of its own.

    Nothing here raises into a training, save what is wrong with the tracker spec or config at the start.
    """

    LOGGER_JOIN_CHAR = "-"

    def __init__(
        self,
        name: str | None = None,
        *,
        config: Mapping[str, Any] | None = None,
        tracker: str | None = None,
        sinks: Sequence[str | ExperimentTracker] | str | ExperimentTracker = (),
        tags: Mapping[str, Any] | None = None,
        pipeline_hash: str = "",
        system_metrics: bool | float = False,
        save_dir: str | os.PathLike[str] | None = None,
        prefix: str = "",
        ranks: Literal["zero", "all"] = "zero",
        log_checkpoints: bool = False,
        log_graph: bool = False,
    ) -> None:
        super().__init__()
        if ranks not in ("zero", "all"):
            raise ValueError(f"ranks is zero or all, not {ranks!r}.")
        self._run_id = new_ulid()
        self._name = name
        self._start: dict[str, Any] = {
            "config": config,
            "tracker": tracker,
            "sinks": sinks,
            "tags": tags,
            "pipeline_hash": pipeline_hash,
            "system_metrics": system_metrics,
        }
        self._save_dir = None if save_dir is None else os.fspath(save_dir)
        self._prefix = prefix
        self._ranks = ranks
        self._log_checkpoints = log_checkpoints
        self._log_graph = log_graph
        self._checkpoints: ModelCheckpoint | None = None
        self._run: ActiveRun | None = None
        self._started_elsewhere = False
        self._strategy: Any = None
        """Of the fit under way, when all ranks log."""

    @property
    def experiment(self) -> ActiveRun:
        """The run; starts it. A dummy on ranks that do not log."""
        if self._started_elsewhere and (_rank() == 0 or self._ranks == "all"):
            if self._run is None:
                self._run = join_run(self._run_id)
            return self._run
        return self._experiment_of_rank_zero()

    @rank_zero_experiment
    def _experiment_of_rank_zero(self) -> ActiveRun:
        if self._run is None:
            # A copy of this logger may have started it in this process.
            known = the_hub().runs.get(self._run_id)
            self._run = known if isinstance(known, ActiveRun) else self._started()
        return self._run

    def _started(self) -> ActiveRun:
        try:
            return start_run(self._name, run_id=self._run_id, **self._start)
        except RunExistsError:
            # A copy of this logger has started it in another process.
            self._run_id = new_ulid()
            return start_run(self._name, run_id=self._run_id, **self._start)

    def _begin(self) -> None:
        """A fit begins: a run that has ended is not added to."""
        if self._run is not None and self._run.status != "running" and not self._started_elsewhere:
            self._run = None
            self._run_id = new_ulid()

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
        """Adds hyperparameters to the run, and metrics if given. Takes a mapping, a Namespace, a dataclass or
        an OmegaConf node, nested in any way."""
        self._begin()
        run = self.experiment
        _attempt("Hyperparameters are not logged", lambda: run.log_params(plain_hyperparams(params)))
        if metrics:
            self.log_metrics(metrics)

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Logs metrics. Tensors are read later, in the flusher thread."""
        rank = _rank()
        if rank > 0 and (self._ranks == "zero" or not self._started_elsewhere):
            return
        prefix = f"{self._prefix}{self.LOGGER_JOIN_CHAR}" if self._prefix else ""
        if rank > 0:
            prefix = f"rank{rank}/{prefix}"
        named = {f"{prefix}{key}": value for key, value in metrics.items()} if prefix else metrics
        run = self.experiment
        _attempt("Metrics are not logged", lambda: run.log(named, step))

    def log_graph(self, model: Any, input_array: Any = None) -> None:
        """Called by the Trainer on all ranks when a fit starts: attaches the list of layers if wanted, and
        lets the other ranks join the run if they log."""
        if _rank() == 0:
            self._begin()
        if self._ranks == "all":
            self._join_ranks(model)
        if self._log_graph and _rank() == 0:
            run = self.experiment
            _attempt("The graph is not attached", lambda: _attach_layers(run, model))

    def _join_ranks(self, model: Any) -> None:
        try:
            strategy = model.trainer.strategy
        except (AttributeError, RuntimeError):
            # Called by hand, with a module that no Trainer has.
            return
        if strategy.world_size < 2:
            return
        self._strategy = strategy
        run_id = str(strategy.broadcast(self._run_id))
        if _rank() > 0:
            if run_id != self._run_id:
                self._run_id, self._run = run_id, None
            self._started_elsewhere = True

    def after_save_checkpoint(self, checkpoint_callback: ModelCheckpoint) -> None:
        """Remembers which checkpoints there are."""
        self._checkpoints = checkpoint_callback

    def save(self) -> None:
        """Nothing: the Trainer calls this after each row, and the flusher needs no word."""

    def finalize(self, status: str) -> None:
        """After a fit, test or validation: waits until what was logged is on disk. Ends the run when it
        failed. Called again, it does nothing."""
        run, strategy = self._run, self._strategy
        self._strategy = None
        if run is not None and run.status == "running":
            if _rank() == 0:
                self._attach_checkpoint(run)
            if status == "success":
                run.flush()
            else:
                run.end("failed", reason=_reason(status))
        if strategy is not None and status == "success":
            # Rank 0 may end the run from here on; it must not do so before all have handed over.
            strategy.barrier("pipekit_experiment")

    def _attach_checkpoint(self, run: ActiveRun) -> None:
        found: Any = self._checkpoints
        if found is None or not self._log_checkpoints:
            return
        self._checkpoints = None
        path = str(found.best_model_path or found.last_model_path)
        if path and os.path.exists(path):
            name = f"checkpoints/{os.path.basename(path)}"
            _attempt("The checkpoint is not attached", lambda: run.log_artifact(path, name))

    def __getstate__(self) -> dict[str, Any]:
        state = {**self.__dict__, "_run": None, "_strategy": None}
        if get_spawning_popen() is not None and _rank() == 0 and not self._started_elsewhere:
            # A strategy spawns its processes: the run begins and ends here, and they add to it.
            self._begin()
            state["_run_id"] = self._experiment_of_rank_zero().run_id
            state["_started_elsewhere"] = True
        return state


def _rank() -> int:
    return int(getattr(rank_zero_only, "rank", 0) or 0)


def _attempt(complaint: str, call: Callable[[], Any]) -> None:
    """Makes a call whose failure must not end a training."""
    try:
        call()
    except Exception as error:
        the_hub().loud.say(complaint, f"{complaint}: {error}")


def _reason(status: str) -> str:
    error = sys.exc_info()[1]
    if error is None:
        return status
    lines = str(error).strip().splitlines()
    if type(error).__name__ == "ProcessRaisedException" and lines:
        # Its text is the traceback of a spawned process, whose last line says what happened.
        return lines[-1]
    return f"{type(error).__name__}: {error}"


def _attach_layers(run: ActiveRun, model: Any) -> None:
    # Not Lightning's ModelSummary: it runs the model on its example input, here on one rank only.
    sizes = [(parameter.numel(), parameter.requires_grad) for parameter in model.parameters()]
    total, trained = sum(size for size, _ in sizes), sum(size for size, grows in sizes if grows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.txt"
        path.write_text(f"{model}\n\n{total} parameters, {trained} of them trained\n", encoding="utf-8")
        run.log_artifact(path, "graph.txt")
