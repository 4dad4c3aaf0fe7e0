"""Training a loop inside a run of a Metaflow step: what its callbacks log goes to that run."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from pipekit_experiment._src.loud import Loud
from pipekit_experiment._src.protocols import ExperimentTracker
from pipekit_experiment._src.registry_trust import ALWAYS_TRUSTED
from pipekit_experiment._src.run import Run
from pipekit_experiment._src.tracking import HasSpecs
from pipekit_experiment.callbacks import LogToExperiment

_loud = Loud(interval_s=float("inf"))


class StepTracker:
    """The tracker that stands for the run of the step. Satisfies ExperimentTracker.

    A callback neither starts nor ends that run. `muted`: nor does it log, for another callback does already.
    """

    def __init__(self, run: Run, muted: bool = False) -> None:
        self._run: Any = run
        self._muted = muted

    def start_run(self, name: str, config: Mapping[str, Any] | None = None) -> Run:
        """The run of the step."""
        return self._run

    def log_metrics(self, run: Run, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """See ActiveRun.log."""
        if not self._muted:
            self._run.log(metrics, step)

    def log_artifact(self, run: Run, path: str | Path, name: str | None = None) -> None:
        """See ActiveRun.log_artifact."""
        if not self._muted:
            self._run.log_artifact(path, name)

    def end_run(self, run: Run, status: str = "completed") -> None:
        """Does nothing: the run ends with the work of the step."""


def trackers_of(loop: Any) -> list[ExperimentTracker]:
    """The trackers of the loop's callbacks that the daemon serves: destinations for the run of the step."""
    return [callback.tracker for callback in _logging(loop)]


def config_of(loop: Any) -> dict[str, Any]:
    """What `get_config` of a loop or operator tells, with what callbacks add."""
    config: dict[str, Any] = {}
    if callable(getattr(loop, "get_config", None)):
        try:
            config.update(loop.get_config())
        except Exception as error:
            _loud.say("metaflow config", f"The config is not logged: {type(error).__name__}: {error}.")
    for callback in _logging(loop):
        config.update(getattr(callback, "config", None) or {})
    return config


@contextmanager
def logging_to(run: Run | None, loop: Any) -> Generator[None]:
    """Within the block, the loop's callbacks log to `run`, each number once, instead of to runs of their own.

    A loop of pipekit's without such a callback gets one for the time. Trackers that the daemon does not serve
    are left alone.
    """
    callbacks: Any = getattr(loop, "callbacks", None)
    if run is None or not isinstance(callbacks, list):
        yield
        return
    listed = cast("list[Any]", callbacks)
    before, muted = [*listed], False
    for callback in _logging(loop):
        listed[listed.index(callback)] = LogToExperiment(StepTracker(run, muted))
        muted = True
    if not muted and _is_ours(loop):
        listed.append(LogToExperiment(StepTracker(run)))
    try:
        yield
    finally:
        listed[:] = before


def _logging(loop: Any) -> Sequence[Any]:
    """Callbacks that log to a tracker of the daemon: LogToExperiment of this package or of pipekit-train."""
    callbacks: Any = getattr(loop, "callbacks", None)
    if not isinstance(callbacks, list):
        return []
    return [
        callback
        for callback in cast("list[Any]", callbacks)
        if type(callback).__name__ == "LogToExperiment"
        and isinstance(getattr(callback, "tracker", None), HasSpecs)
    ]


def _is_ours(loop: Any) -> bool:
    """Whether the loop is of a class whose callbacks have the methods of LogToExperiment."""
    return any(kind.__module__.partition(".")[0] in ALWAYS_TRUSTED for kind in type(loop).__mro__)
