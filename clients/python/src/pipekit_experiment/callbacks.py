"""LogToExperiment: a pipekit_train callback that logs a training to any tracker."""

from __future__ import annotations

import operator
import weakref
from collections.abc import Mapping
from typing import Any

from pipekit_experiment._src.active_run import ActiveRun
from pipekit_experiment._src.factory_operator import checked_config
from pipekit_experiment._src.guarded_tracker import GuardedTracker
from pipekit_experiment._src.loud import Loud
from pipekit_experiment._src.protocols import ExperimentTracker
from pipekit_experiment._src.tracking import HasSpecs, Tracker

__all__ = ["LogToExperiment"]


class LogToExperiment:
    """Starts a run when the training begins, logs what the loop reports, and ends the run when the training
    ends.

    Args:
        tracker: Anything with the four methods of ExperimentTracker. A tracker that raises does not hurt the
            training: the failure is reported once (and counted in `failures`), and the training goes on. Only
            what this package finds wrong at the start, such as a malformed tracker spec, is raised.
        run_name: Name of the run.
        config: Parameters added to those of `loop.get_config()`.

    Keys of `on_eval_end` get the prefix `eval/`, those of `on_epoch_end` the prefix `epoch/`. The step is
    `state.step`.

    Callbacks are stacked by putting several into one loop: each has a run of its own, at its own tracker. For
    one run at several tools, give one callback a tracker with several sinks.

    A training that breaks off ends its run as failed: at once, when the loop calls `on_exception`, as
    pipekit_experiment.training does; else when the callback is dropped, when it begins another training, or
    with the process.
    """

    def __init__(
        self, tracker: ExperimentTracker, run_name: str = "training", config: Mapping[str, Any] | None = None
    ) -> None:
        self._guarded = GuardedTracker(tracker)
        self.tracker = tracker
        self.run_name = run_name
        self.config = dict(config or {})
        self._loud = Loud(interval_s=float("inf"))
        # At the end of the process, open runs are ended by who started them.
        weakref.finalize(self, self._guarded.abandon).atexit = False

    @property
    def run(self) -> Any:
        """What the tracker's start_run returned; None before, and when it raised."""
        return self._guarded.run

    @property
    def failures(self) -> int:
        """Calls of the tracker that raised."""
        return self._guarded.failures

    @property
    def state(self) -> dict[str, Any] | None:
        """{"module", "class", "config"}: the tracker by its specs; None for a tracker that has none."""
        if not isinstance(self.tracker, HasSpecs):
            return None
        tracker = {"specs": list(self.tracker.specs), "tracker": self.tracker.tracker}
        config = {**tracker, "run_name": self.run_name, "config": self.config}
        return {"module": __name__, "class": "LogToExperiment", "config": config}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> LogToExperiment:
        """Makes the callback, with a Tracker of these specs."""
        needed = {"specs": list, "tracker": str, "run_name": str, "config": Mapping}
        found = checked_config(cls, state.get("config"), needed, {})
        tracker = Tracker(*found["specs"], tracker=found["tracker"] or None)
        return cls(tracker, found["run_name"], found["config"])

    def on_train_begin(self, loop: Any, state: Any) -> None:
        """Starts the run."""
        config: dict[str, Any] = {}
        if hasattr(loop, "get_config"):
            try:
                config.update(loop.get_config())
            except Exception as error:
                # It may hash data, and ask a daemon for it.
                self._loud.say("config", f"The loop's config is not logged: {type(error).__name__}: {error}.")
        config.update(self.config)
        self._guarded.start(self.run_name, config)

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
        self._guarded.end("completed")

    def on_exception(self, loop: Any, state: Any, error: BaseException) -> None:
        """Ends the run as failed, for a loop that tells its callbacks of what broke it off."""
        run = self.run
        if isinstance(self.tracker, Tracker) and isinstance(run, ActiveRun):
            reason = f"{type(error).__name__}: {error}"
            self._guarded.attempt("end_run", lambda: run.end("failed", reason=reason))
        self._guarded.end("failed")

    def _log(self, prefix: str, state: Any, metrics: Mapping[str, Any]) -> None:
        named = {f"{prefix}{key}": value for key, value in metrics.items()}
        self._guarded.log(named, operator.index(getattr(state, "step", 0)))
