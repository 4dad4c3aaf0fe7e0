"""A tracker as callbacks of training frameworks use it: its failures are counted and told, never raised."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Literal

from pipekit_experiment._src.errors import PipekitError
from pipekit_experiment._src.loud import Loud
from pipekit_experiment._src.protocols import ExperimentTracker


class GuardedTracker:
    """One tracker and the run that is open at it.

    `run` is what the tracker's start_run returned; None before, and when it raised. `failures` counts the
    calls that raised. Raises TypeError for what is no tracker.
    """

    def __init__(self, tracker: ExperimentTracker) -> None:
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
        self.run: Any = None
        self.failures = 0
        self._open = False
        self._lock = threading.Lock()
        self._loud = Loud(interval_s=float("inf"))

    def start(self, name: str, config: dict[str, Any]) -> None:
        """Starts a run. One that is still open belongs to a training that broke off: it ends as failed.

        Raises what this package finds wrong, such as a malformed tracker spec; nothing else.
        """
        self.end("failed")
        self.run = None
        try:
            self.run = self.tracker.start_run(name, config)
            self._open = True
        except PipekitError:
            raise
        except Exception as error:
            self._failed("start_run", error)

    def log(self, metrics: Mapping[str, Any], step: int) -> None:
        """Logs metrics, if a run could be started."""
        if self.run is not None and metrics:
            self.attempt("log_metrics", lambda: self.tracker.log_metrics(self.run, metrics, step))

    def end(self, status: Literal["completed", "failed"]) -> None:
        """Ends the open run. Without one, or called again, this does nothing."""
        with self._lock:
            was_open, self._open = self._open, False
        if was_open:
            self.attempt("end_run", lambda: self.tracker.end_run(self.run, status))

    def abandon(self) -> None:
        """The callback is gone and its training has not ended: the open run ends as failed, in a thread of
        its own, since the garbage collector may call this in a thread that holds any lock."""
        if self._open:
            threading.Thread(target=self.end, args=("failed",), name="pipekit-abandon", daemon=True).start()

    def attempt(self, method: str, call: Callable[[], Any]) -> None:
        """Makes a call that may fail."""
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
