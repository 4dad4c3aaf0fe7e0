"""The run that start_run returns: logs to the daemon without waiting for anything."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pipekit_experiment._src.errors import RunEndedError
from pipekit_experiment._src.hub import Hub, the_hub
from pipekit_experiment._src.metrics import (
    MAX_STEP,
    PLAIN_TYPES,
    KeySet,
    accept_values,
    check_metrics,
    check_step,
    to_float,
)
from pipekit_experiment._src.run import Run, RunMetrics, RunStatus, now
from pipekit_experiment._src.run_config import config_json, text_tags
from pipekit_experiment._src.staging import check_artifact_name, default_name, is_uri, stage
from pipekit_experiment._src.writer import Writer

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from typing_extensions import Self

    from pipekit_experiment._src.sink_status import SinkStatus

_MAX_KNOWN_KEY_SETS = 4096
_END_WAIT_S = 10.0


class ActiveRun(Run):
    """A run in progress, and a context manager that ends it: completed, or failed when the block raised.

    `log` may be called from any thread. Nothing here raises because the daemon, a disk or a tracker fails:
    what is logged is buffered, then spooled to disk, then dropped with a warning and a count in `dropped`.
    """

    def __init__(
        self,
        hub: Hub,
        run_id: str,
        *,
        name: str,
        pipeline_hash: str,
        config: dict[str, Any],
        started_at: datetime,
    ) -> None:
        self.run_id = run_id
        self.name = name
        self.pipeline_hash = pipeline_hash
        self.config = config
        self.artifacts = {}
        self.started_at = started_at
        self.ended_at = None
        self.status: RunStatus = "running"
        self._owner_pid = os.getpid()
        self._next_step = 0
        self._known: dict[tuple[str, ...], KeySet] = {}
        self._latest: dict[KeySet, tuple[KeySet, int, int, tuple[Any, ...]]] = {}
        self._attach(Writer(hub, run_id))

    def _attach(self, writer: Writer) -> None:
        self._writer = writer
        self._buffer = writer.buffer
        self._append = writer.buffer.append

    @property
    def writer(self) -> Writer:
        """What writes this run from this process."""
        return self._writer

    # The hot path. Each line is here because it is measured; see test_hotpath.py.
    def log(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Logs one value a metric: a number, or an array with a single number (of numpy, torch, jax, ...).

        `step` is an integer within +-(2^53 - 1); None means one after the step of the call before, 0 at
        first. A value on a device is kept as it is and read by the flusher thread, so that no call waits for
        the device. Takes about a microsecond. Raises InvalidMetricError (a ValueError) that names the fault,
        before anything is kept, and RunEndedError.
        """
        try:
            keys = tuple(metrics)
            key_set = self._known[keys]
            values = tuple(metrics.values())
        except (KeyError, TypeError, AttributeError):
            self._log_new(metrics, step)
            return
        if not PLAIN_TYPES.issuperset(map(type, values)):
            values = accept_values(keys, values)
        if step is None:
            step = self._next_step
        if type(step) is not int or not -MAX_STEP <= step <= MAX_STEP:
            step = check_step(step)
        self._next_step = step + 1
        row = (key_set, step, time.time_ns() // 1000, values)
        self._append(row)
        self._latest[key_set] = row
        if len(self._buffer) > self._writer.mark:
            self._writer.on_mark()

    def _log_new(self, metrics: Mapping[str, Any], step: int | None) -> None:
        """Logs a row with keys not seen before."""
        self._check_running()
        check_metrics(metrics)
        metrics = dict(metrics)
        keys = tuple(metrics)
        if not keys:
            return
        key_set = KeySet(keys)
        limit = self._writer.hub.limits.key_set_bytes
        if key_set.encoded_bytes > limit and len(keys) > 1:
            step = self._next_step if step is None else check_step(step)
            accept_values(keys, tuple(metrics.values()))
            half = len(keys) // 2
            for part in (keys[:half], keys[half:]):
                self._log_new({key: metrics[key] for key in part}, step)
            return
        if len(self._known) >= _MAX_KNOWN_KEY_SETS:
            # Keys are made anew in each call, such as f"loss_{i}": they must not fill the memory.
            self._forget_key_sets()
        self._known[keys] = key_set
        self.log(metrics, step)

    def _forget_key_sets(self) -> None:
        metrics = self.metrics
        latest = KeySet(tuple(metrics))
        row = (latest, self._next_step - 1, time.time_ns() // 1000, tuple(metrics.values()))
        self._known.clear()
        self._latest.clear()
        self._latest[latest] = row

    @property
    def metrics(self) -> dict[str, float]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Latest value of each metric. Reading it waits for values on a device; a value that cannot be read
        is left out."""
        latest: dict[str, float] = {}
        for key_set, _, _, values in sorted(self._latest.copy().values(), key=lambda row: row[2]):
            for key, value in zip(key_set.keys, values, strict=True):
                try:
                    latest[key] = to_float(value)
                except Exception:
                    continue
        return latest

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Adds hyperparameters; nested mappings are flattened with dots. What JSON cannot say becomes text.

        Raises InvalidConfigError, RunEndedError.
        """
        self._check_running()
        self._writer.add_fact("params", {"params_json": config_json(params, "params")})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Sets labels; the last value wins. Values become text. Raises RunEndedError."""
        self._check_running()
        self._writer.add_fact("tags", {"tags": text_tags(tags)})

    def log_artifact(self, path: str | os.PathLike[str], name: str | None = None) -> None:
        """Attaches a file or folder, or by its URI what is kept elsewhere. `name` is by default the path's
        last part.

        The content is copied before this returns (blocks are shared where the file system can), so the caller
        may change or delete it. Raises ArtifactUnreadableError (a FileNotFoundError), InvalidArgumentError
        for a bad name, StorageFullError, RunEndedError.
        """
        self._check_running()
        name = check_artifact_name(default_name(path) if name is None else name)
        if is_uri(path):
            uri = os.fspath(path)
            self._writer.add_fact("artifact", {"name": name, "uri": uri})
        else:
            staged = stage(path, self._writer.hub.staging_folder)
            uri = f"pkx:runs/{self.run_id}/artifacts/{name}"
            self._writer.add_fact("artifact", {"name": name, "path": str(staged), "staged": True})
        for sink in self._writer.sinks:
            sink.artifact(os.fspath(path), name)
        self.artifacts[name] = uri

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Waits until all that was logged before is on the daemon's disk; False when the time (seconds) ran
        out."""
        deadline = time.monotonic() + timeout_s
        writer = self._writer
        last = writer.drain()
        writer.hub.wake_flusher()
        return writer.hub.wait_acked(writer.outbox, last, deadline)

    def end(
        self,
        status: Literal["completed", "failed"] = "completed",
        *,
        reason: str = "",
        timeout_s: float = _END_WAIT_S,
    ) -> None:
        """Ends the run, and waits up to `timeout_s` seconds for its acknowledgement.

        Ending it again does nothing. When the daemon does not answer, what is left goes to the spool, and a
        warning says so. In a forked child this only hands over what the child has logged: the run ends where
        it was started.
        """
        if status not in ("completed", "failed"):
            raise ValueError(f"A run ends as completed or failed, not as {status!r}.")
        if self.status != "running":
            return
        self.status = status
        # The hot path finds no key set from now on, and so comes to see that the run has ended.
        self._known = {}
        self.ended_at = now()
        writer, hub = self._writer, self._writer.hub
        deadline = time.monotonic() + timeout_s
        if os.getpid() == self._owner_pid:
            state = 2 if status == "completed" else 3
            ended_at_us = int(self.ended_at.timestamp() * 1_000_000)
            writer.add_fact("end", {"state": state, "reason": reason[:2000], "ended_at_us": ended_at_us})
        last = writer.drain()
        for sink in writer.sinks:
            sink.end(status)
            sink.close(deadline)
        if last == 0:
            self._leave(hub, writer)
            return
        hub.wake_flusher()
        if not hub.wait_acked(writer.outbox, last, deadline, once=True):
            hub.spill_all()
            hub.loud.say(
                f"end {self.run_id}",
                f"Run {self.run_id} has ended, and the daemon has not taken {writer.outbox.points} of its "
                f"points yet; they are kept in {hub.spool_folder} and will be handed over.",
            )
        self._leave(hub, writer)

    def _leave(self, hub: Hub, writer: Writer) -> None:
        hub.retire(writer)
        hub.runs.pop(self.run_id, None)

    def end_at_exit(self, timeout_s: float) -> None:
        """Ends the run because the process ends: failed when an exception ended it, else completed."""
        error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        if error is None:
            self.end(timeout_s=timeout_s)
        else:
            self.end("failed", reason=f"{type(error).__name__}: {error}", timeout_s=timeout_s)

    def after_fork(self) -> None:
        """In a forked child: a writer of its own; what the parent has buffered is the parent's."""
        hub = the_hub()
        writer = Writer(hub, self.run_id)
        self._attach(writer)
        hub.runs[self.run_id] = self
        with hub.changed:
            hub.writers[writer.writer_id] = writer
            hub.outboxes[writer.writer_id] = writer.outbox

    @property
    def pending(self) -> int:
        """Points logged by this process and not yet on the daemon's disk."""
        return self._writer.pending

    @property
    def dropped(self) -> int:
        """Points of this process that were given up: no daemon, no room on disk, or a value that could not be
        read."""
        return self._writer.dropped + self._writer.unreadable

    @property
    def rejected(self) -> int:
        """Frames of this process of which the daemon refused a part; the warning says why."""
        return self._writer.rejected

    @property
    def tracker_failures(self) -> int:
        """Calls that trackers living in this process failed."""
        return sum(sink.failures for sink in self._writer.sinks)

    def read_metrics(self, *keys: str, max_points: int = 0) -> RunMetrics:
        """Reads series back from the journal: the given keys, else all. `max_points` > 0 thins each series
        out, with its smallest and largest values kept. Flushes first. Raises DaemonUnavailableError,
        RunNotFoundError.
        """
        from pipekit_experiment._src.series import read_series

        if self.status == "running":
            self.flush()
        return read_series(self.run_id, keys, max_points)

    def sinks(self) -> list[SinkStatus]:
        """How far each destination has taken this run. Raises DaemonUnavailableError, RunNotFoundError."""
        from pipekit_experiment._src.sink_status import read_sinks

        return read_sinks(self.run_id)

    def _check_running(self) -> None:
        if self.status != "running":
            raise RunEndedError(
                f"Run {self.run_id} has ended and takes no more.", field="run", mend="Start another run."
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.end()
        else:
            self.end("failed", reason=f"{type(error).__name__}: {error}")

    def __repr__(self) -> str:
        return f"ActiveRun(run_id={self.run_id!r}, name={self.name!r}, status={self.status!r})"
