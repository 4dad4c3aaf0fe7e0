"""A tracker that lives in the training process, fed beside the daemon and never able to hurt the training."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from pipekit_experiment._src.loud import Loud
from pipekit_experiment._src.metrics import to_float

if TYPE_CHECKING:
    from pipekit_experiment._src.packing import Row
    from pipekit_experiment._src.protocols import ExperimentTracker
    from pipekit_experiment._src.run import Run

_MAX_WAITING_ROWS = 200_000


class InProcessSink:
    """Calls a user's tracker from a thread of its own, in order. `failures` counts the calls that raised."""

    def __init__(self, tracker: ExperimentTracker, loud: Loud) -> None:
        self.tracker = tracker
        self.failures = 0
        self.dropped = 0
        self._loud = loud
        self._queue: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._waiting = 0
        self._run: Run | None = None
        self._thread = threading.Thread(target=self._loop, name="pipekit-tracker", daemon=True)

    def start(self, name: str, config: dict[str, Any]) -> None:
        """Starts the thread, which starts the tracker's run."""
        self._queue.put(("start", (name, config)))
        self._thread.start()

    def put(self, rows: Sequence[Row]) -> None:
        """Hands over rows. When the tracker is too slow, rows are dropped and counted."""
        for row in rows:
            if self._queue.qsize() >= _MAX_WAITING_ROWS:
                self.dropped += 1
                self._loud.say("tracker slow", f"{self._name} is too slow: rows are dropped.")
                continue
            self._queue.put(("row", row))

    def artifact(self, path: str, name: str) -> None:
        """Hands over an artifact, behind the rows so far."""
        self._queue.put(("artifact", (path, name)))

    def end(self, status: str) -> None:
        """Ends the tracker's run, behind the rows so far."""
        self._queue.put(("end", status))

    def close(self, deadline: float) -> bool:
        """Waits until everything was handed over; False when the deadline (monotonic seconds) came first."""
        self._queue.put(("close", None))
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    @property
    def _name(self) -> str:
        return f"The tracker {type(self.tracker).__name__}"

    def _loop(self) -> None:
        while True:
            kind, payload = self._queue.get()
            match kind:
                case "start":
                    name, config = payload
                    self._run = self._try(lambda n=name, c=config: self.tracker.start_run(n, c))
                case "row":
                    self._row(payload)
                case "artifact":
                    path, name = payload
                    self._on_run(lambda run, p=path, n=name: self.tracker.log_artifact(run, p, n))
                case "end":
                    self._on_run(lambda run, s=payload: self.tracker.end_run(run, s))
                case _:
                    return

    def _row(self, row: Row) -> None:
        metrics: dict[str, float] = {}
        for key, value in zip(row[0].keys, row[3], strict=True):
            try:
                metrics[key] = to_float(value)
            except Exception:
                # The packer counts and reports values that cannot be read.
                continue
        self._on_run(lambda run: self.tracker.log_metrics(run, metrics, row[1]))

    def _on_run(self, call: Callable[[Run], Any]) -> None:
        run = self._run
        if run is not None:
            self._try(lambda: call(run))

    def _try(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            self.failures += 1
            self._loud.say(
                f"tracker {id(self)}",
                f"{self._name} raised {type(error).__name__}: {error}. The training goes on.",
            )
            return None
