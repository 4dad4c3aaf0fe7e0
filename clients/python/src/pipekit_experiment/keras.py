"""Keras 3, on each of its backends: LogToExperiment logs `model.fit` to any tracker; models as operators."""

from __future__ import annotations

import contextlib
import importlib
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pipekit_experiment._src.active_run import ActiveRun
from pipekit_experiment._src.extras import missing_extra
from pipekit_experiment._src.guarded_tracker import GuardedTracker
from pipekit_experiment._src.protocols import ExperimentTracker
from pipekit_experiment._src.tracking import Tracker

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    class Callback:
        """As much of keras.callbacks.Callback as is used here; Keras ships no types for it."""

        model: Any
        params: dict[str, Any] | None

else:
    try:
        from keras.callbacks import Callback
    except ImportError as error:
        if (error.name or "").partition(".")[0] in ("jax", "tensorflow", "torch"):
            raise ImportError(
                f"Keras does not find its backend {error.name}: install it, or set KERAS_BACKEND to one that "
                "is there, such as jax.",
                name=error.name,
            ) from error
        raise missing_extra(error, "keras", "pipekit_experiment.keras") from error

# After keras, whose absence names the extra.
from pipekit_experiment._src.keras_operator import KerasModelOp  # isort: skip

__all__ = ["KerasModelOp", "LogToExperiment"]

_Logs = Mapping[str, Any]


class LogToExperiment(Callback):
    """Starts a run when a fit begins, logs its epochs (and batches if wanted), and ends the run with the fit.

    Args:
        tracker: Anything with the four methods of ExperimentTracker; by default the journal alone keeps the
            run. A tracker that raises does not hurt the training: the failure is reported once (and counted
            in `failures`), and the training goes on. Only what this package finds wrong at the start, such as
            a malformed tracker spec, is raised.
        run_name: Name of the run.
        config: Parameters added to those that are found: epochs, steps, model, optimizer.
        every_n_batches: Logs the metrics after every n-th batch too; 0 for none. Keras computes them as means
            since the epoch began.
        run: A run that is open already and is left open; then there is no `tracker`.

    The step is the number of batches trained so far, for batches and epochs alike. Keys are those of Keras:
    `loss` for a batch; `epoch/loss`, `epoch/val_loss`, `epoch/learning_rate` and `epoch` in one row for an
    epoch; `eval/loss` for `model.evaluate` while a run is open.

    A fit that raises tells its callbacks nothing. Its run ends as failed when the callback is dropped, when
    it begins another fit, with the process, or at once when the fit stands in a block of this callback:

        with LogToExperiment(tracker) as log:
            model.fit(x, y, callbacks=[log])
    """

    def __init__(
        self,
        tracker: ExperimentTracker | None = None,
        run_name: str = "training",
        config: Mapping[str, Any] | None = None,
        *,
        every_n_batches: int = 0,
        run: ActiveRun | None = None,
    ) -> None:
        super().__init__()
        if run is not None and tracker is not None:
            raise TypeError("Pass a tracker or a run, not both.")
        if every_n_batches < 0:
            raise ValueError("every_n_batches is negative; 0 logs no batches.")
        self._guarded = GuardedTracker(Tracker() if tracker is None else tracker)
        self._given = run
        self._guarded.run = run
        self.run_name = run_name
        self.config = dict(config or {})
        self.every_n_batches = every_n_batches
        self._fitting = False
        self._step = 0
        self._step_of_epoch = 0
        self._logged_step = 0
        # At the end of the process, open runs are ended by who started them.
        weakref.finalize(self, self._guarded.abandon).atexit = False

    @property
    def run(self) -> Any:
        """What the tracker's start_run returned, or the given run; None before, and when it raised."""
        return self._guarded.run

    @property
    def failures(self) -> int:
        """Calls of the tracker that raised."""
        return self._guarded.failures

    def on_train_begin(self, logs: _Logs | None = None) -> None:
        """Starts the run, with what is known of the fit as its parameters."""
        self._fitting = True
        config = {**_config_of_fit(self.params or {}, self.model), **self.config}
        given = self._given
        if given is None:
            self._step = self._logged_step = 0
            self._guarded.start(self.run_name, config)
        else:
            self._guarded.attempt("log_params", lambda: given.log_params(config))

    def on_epoch_begin(self, epoch: int, logs: _Logs | None = None) -> None:
        """Takes up the count of batches, also of a fit that goes on at a later epoch."""
        steps = (self.params or {}).get("steps")
        if self._step == 0 and epoch > 0 and isinstance(steps, int):
            self._step = self._logged_step = epoch * steps
        self._step_of_epoch = self._step

    def on_train_batch_end(self, batch: int, logs: _Logs | None = None) -> None:
        """Logs the metrics after every n-th batch."""
        self._step = self._step_of_epoch + int(batch) + 1
        if self.every_n_batches and self._step - self._logged_step >= self.every_n_batches:
            self._logged_step = self._step
            self._guarded.log(logs or {}, self._step)

    def on_epoch_end(self, epoch: int, logs: _Logs | None = None) -> None:
        """Logs the metrics of training and validation, and the learning rate, in one row."""
        named = {f"epoch/{key}": value for key, value in (logs or {}).items()}
        if "epoch/learning_rate" not in named:
            rate = _found(lambda: _learning_rate(self.model))
            named.update({} if rate is None else {"epoch/learning_rate": rate})
        self._guarded.log({**named, "epoch": epoch}, self._step)

    def on_test_end(self, logs: _Logs | None = None) -> None:
        """Logs the metrics of `model.evaluate`; those of a validation come with their epoch."""
        run = self.run
        if not self._fitting and run is not None and getattr(run, "status", "running") == "running":
            self._guarded.log({f"eval/{key}": value for key, value in (logs or {}).items()}, self._step)

    def on_train_end(self, logs: _Logs | None = None) -> None:
        """Ends the run as completed."""
        self._fitting = False
        self._guarded.end("completed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._fitting = False
        self._guarded.end("completed" if error is None else "failed")


def _config_of_fit(params: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """What is known of a fit; what cannot be had, such as the size of a model not built yet, is left out."""
    found: dict[str, Any] = {
        "epochs": params.get("epochs"),
        "steps_per_epoch": params.get("steps"),
        "model": _found(lambda: model.name),
        "parameters": _found(lambda: model.count_params()),
        "optimizer": _found(lambda: model.optimizer.get_config()),
    }
    return {key: value for key, value in found.items() if value is not None}


def _learning_rate(model: Any) -> float:
    keras: Any = importlib.import_module("keras")
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


def _found(read: Callable[[], Any]) -> Any:
    # Custom models and optimizers may raise anything here, and a fit must not end of it.
    with contextlib.suppress(Exception):
        return read()
    return None
