"""LogToExperiment: a pipekit_train callback that logs a training to any tracker."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from pipekit_experiment._src.errors import PipekitError
from pipekit_experiment._src.loud import Loud
from pipekit_experiment._src.protocols import ExperimentTracker

__all__ = ["LogToExperiment"]


class LogToExperiment:
    """Starts a run when the training begins, logs what the loop reports, and ends the run when the training
    ends.

    Args:
        tracker: Anything with the four methods of ExperimentTracker. A tracker that raises does not hurt the
        training:
            the failure is reported once (and counted in `failures`), and the training goes on. Only what this
            package finds wrong at the start, such as a malformed tracker spec, is raised.
        run_name: Name of the run.
        config: Parameters added to those of `loop.get_config()`.

    Keys of `on_eval_end` get the prefix `eval/`, those of `on_epoch_end` the prefix `epoch/`. The step is
    `state.step`.

    Attributes:
        run: What the tracker's start_run returned; None before, and when it raised.
        failures: Calls of the tracker that raised.
    """

    def __init__(
        self, tracker: ExperimentTracker, run_name: str = "training", config: Mapping[str, Any] | None = None
    ) -> None:
        missing = [
            method
            for method in ("start_run", "log_metrics", "log_artifact", "end_run")
            if not callable(getattr(tracker, method, None))
        ]
        if missing:
            raise TypeError(
                f"The tracker, of type {type(tracker).__name__}, does not satisfy ExperimentTracker: "
                f"{', '.join(missing)} is missing."
            )
        self.tracker = tracker
        self.run_name = run_name
        self.config = dict(config or {})
        self.run: Any = None
        self.failures = 0
        self._loud = Loud(interval_s=float("inf"))

    def on_train_begin(self, loop: Any, state: Any) -> None:
        """Starts the run."""
        config: dict[str, Any] = {**loop.get_config()} if hasattr(loop, "get_config") else {}
        config.update(self.config)
        try:
            self.run = self.tracker.start_run(self.run_name, config)
        except PipekitError:
            raise
        except Exception as error:
            self._failed("start_run", error)

    def on_step_end(self, loop: Any, state: Any, metrics: Mapping[str, Any]) -> None:
        """Logs the metrics of a step."""
        self._log("", state, metrics)

    def on_epoch_end(self, loop: Any, state: Any, metrics: Mapping[str, Any]) -> None:
        """Logs the metrics of an epoch."""
        self._log("epoch/", state, metrics)

    def on_eval_end(self, loop: Any, state: Any, eval_metrics: Mapping[str, Any]) -> None:
        """Logs the metrics of an evaluation."""
        self._log("eval/", state, eval_metrics)

    def on_train_end(self, loop: Any, state: Any) -> None:
        """Ends the run as completed."""
        if self.run is not None:
            self._try("end_run", lambda: self.tracker.end_run(self.run, "completed"))

    def _log(self, prefix: str, state: Any, metrics: Mapping[str, Any]) -> None:
        if self.run is None or not metrics:
            return
        named = {f"{prefix}{key}": value for key, value in metrics.items()}
        self._try("log_metrics", lambda: self.tracker.log_metrics(self.run, named, _step_of(state)))

    def _try(self, method: str, call: Callable[[], Any]) -> None:
        try:
            call()
        except Exception as error:
            self._failed(method, error)

    def _failed(self, method: str, error: Exception) -> None:
        self.failures += 1
        self._loud.say(
            "tracker",
            f"{type(self.tracker).__name__}.{method} raised {type(error).__name__}: {error}. The training "
            "goes on; further failures are only counted.",
        )


def _step_of(state: Any) -> int:
    return operator.index(getattr(state, "step", 0))
