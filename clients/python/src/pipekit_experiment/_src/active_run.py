"""The run that start_run returns: logs to the daemon without waiting for anything."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from struct import error as StructError
from time import time_ns
from typing import TYPE_CHECKING, Any, Literal
from zlib import crc32

from pipekit_experiment._src.errors import InvalidArgumentError, RunEndedError
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
from pipekit_experiment._src.remote import is_remote
from pipekit_experiment._src.ring_entries import row_values
from pipekit_experiment._src.run import Run, RunMetrics, RunStatus, now
from pipekit_experiment._src.run_config import config_json, text_tags
from pipekit_experiment._src.staging import check_artifact_name, default_name, is_uri, stage
from pipekit_experiment._src.writer import Writer

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from pipekit_experiment._generated.tracker_pb2 import Run as RunMessage
    from pipekit_experiment._src.sink_status import SinkStatus

_MAX_KNOWN_KEY_SETS = 4096
_END_WAIT_S = 10.0
_MIN_STEP = -MAX_STEP
_BUILTIN = (float, int)


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
        self._last_step = -1
        self._key_sets: dict[tuple[str, ...], KeySet] = {}
        self._refusals_told = 0
        self._writer = Writer(hub, run_id)

    @property
    def writer(self) -> Writer:
        """What writes this run from this process."""
        return self._writer

    def go_on_from(self, found: RunMessage) -> None:
        """Takes over what the daemon knows of a run that is resumed: name, config, start, and last step."""
        self.name, self.pipeline_hash = found.name, found.pipeline_hash
        self.config = json.loads(found.config_json or "{}")
        self.started_at = datetime.fromtimestamp(found.started_at_us / 1_000_000, timezone.utc)
        steps = (one.last_step for one in found.series if not one.key.startswith("system/"))
        self._last_step = max(self._last_step, *steps, -1)

    # The hot path. Each line is here because it is measured; see test_hotpath.py.
    def log(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Logs one value a metric: a number, or an array with a single number (of numpy, torch, jax, ...).

        `step` is an integer within +-(2^53 - 1); None means one after the step of the call before, 0 at
        first. A value on a device is kept as it is and read by the flusher thread, so that no call waits for
        the device. Takes about two microseconds. Raises InvalidMetricError (a ValueError) that names the
        fault, before anything is kept, and RunEndedError.

        Once this has returned, a kill -9 of the process does not lose the row (docs/ring.md), unless a value
        is on a device: then once the flusher has read it.
        """
        block = self._writer.block
        try:
            pack, head, key_set, builtin = block.known[tuple(metrics)]
            if step is None:
                step = self._last_step + 1
            if type(step) is not int or not _MIN_STEP <= step <= MAX_STEP:
                step = check_step(step)
            values = metrics.values()
            # The cheapest look at types: a sum is a float or int only if all values are Python's own numbers.
            # A value on a device makes it something else, without a wait, and has `builtin` false afterwards.
            if (not builtin or type(sum(values)) not in _BUILTIN) and not PLAIN_TYPES.issuperset(
                map(type, values)
            ):
                self._log_slowly(metrics, step)
                return
            body = pack(head, step, time_ns(), *values)
            block.write(body + crc32(body).to_bytes(8, "little"))
        except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, StructError):
            self._log_slowly(metrics, step)
            return
        self._last_step = step
        key_set.latest = body

    def _log_slowly(self, metrics: Mapping[str, Any], step: int | None) -> None:
        """Logs a row with other values than floats, with keys new to its block, or whose block is full."""
        self._check_running()
        check_metrics(metrics)
        metrics = dict(metrics)
        keys = tuple(metrics)
        if not keys:
            return
        key_set = self._key_sets.get(keys) or KeySet(keys)
        step = check_step(self._last_step + 1 if step is None else step)
        values = tuple(metrics.values())
        plain = PLAIN_TYPES.issuperset(map(type, values))
        if not plain:
            values = accept_values(keys, values)
            plain = PLAIN_TYPES.issuperset(map(type, values))
        if key_set.encoded_bytes > self._writer.hub.limits.key_set_bytes and len(keys) > 1:
            half = len(keys) // 2
            for part in (keys[:half], keys[half:]):
                self._log_slowly({key: metrics[key] for key in part}, step)
            return
        if keys not in self._key_sets:
            if len(self._key_sets) >= _MAX_KNOWN_KEY_SETS:
                # Keys are made anew in each call, such as f"loss_{i}": they must not fill the memory.
                self._forget_key_sets()
            self._key_sets[keys] = key_set
        try:
            self._writer.add_row(key_set, step, time_ns(), values, plain)
        except (ArithmeticError, StructError):
            # An int beyond the largest float: the packer counts it as unreadable.
            self._writer.add_row(key_set, step, time_ns(), values, False)
        self._last_step = step

    def _forget_key_sets(self) -> None:
        metrics = self.metrics
        self._key_sets.clear()
        # A key of its own, which no call can have: it stands for all keys so far.
        latest = self._key_sets[()] = KeySet(tuple(metrics))
        latest.latest = time_ns(), tuple(metrics.values())

    @property
    def metrics(self) -> dict[str, float]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Latest value of each metric. Reading it waits for values on a device; a value that cannot be read
        is left out."""
        rows: list[tuple[int, tuple[Any, ...], KeySet]] = []
        for key_set in self._key_sets.copy().values():
            latest = key_set.latest
            if latest is not None:
                time_ns, values = row_values(latest) if isinstance(latest, bytes) else latest
                rows.append((time_ns, values, key_set))
        metrics: dict[str, float] = {}
        for _, values, key_set in sorted(rows, key=lambda row: row[0]):
            for key, value in zip(key_set.keys, values, strict=True):
                try:
                    metrics[key] = to_float(value)
                except Exception:
                    continue
        return metrics

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
        for a bad name or a file that a daemon on another host cannot read, StorageFullError, RunEndedError.
        """
        self._check_running()
        name = check_artifact_name(default_name(path) if name is None else name)
        if is_remote() and not is_uri(path):
            raise InvalidArgumentError(
                "A daemon on another host cannot read files of this one.",
                field="path",
                mend="Put the file where its readers find it, and log its URI.",
            )
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
        """Waits until all that was logged before is on the daemon's disk.

        True when it is. False when the time (seconds) ran out, and when the daemon has refused a part of what
        was logged since the flush before: a warning says why, and `rejected` counts the frames.
        """
        deadline = time.monotonic() + timeout_s
        writer = self._writer
        last = writer.drain()
        writer.hub.wake_flusher()
        acked = writer.hub.wait_acked(writer.outbox, last, deadline)
        refused = writer.rejected > self._refusals_told
        self._refusals_told = writer.rejected
        return acked and not refused

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
        it was started. Raises InvalidArgumentError (a ValueError) for another status.
        """
        if status not in ("completed", "failed"):
            raise InvalidArgumentError(
                f"A run ends as completed or failed, not as {status!r}.",
                field="status",
                mend="Pass completed or failed.",
            )
        if self.status != "running":
            return
        self.status = status
        self.ended_at = now()
        writer, hub = self._writer, self._writer.hub
        # The hot path finds no key set in a new block, and so comes to see that the run has ended.
        writer.next_block(writer.block)
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
                f"points yet; {hub.whereabouts([writer.outbox])}",
            )
        self._leave(hub, writer)

    def _leave(self, hub: Hub, writer: Writer) -> None:
        hub.retire(writer)
        hub.runs.pop(self.run_id, None)

    def end_at_exit(self, timeout_s: float) -> None:
        """Ends the run because the process ends: failed when an exception ended it, else completed."""
        # In an interactive session that is an error of some cell, which has not ended the process.
        interactive = hasattr(sys, "ps1")
        error = None if interactive else getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        if error is None:
            self.end(timeout_s=timeout_s)
        else:
            self.end("failed", reason=f"{type(error).__name__}: {error}", timeout_s=timeout_s)

    def after_fork(self) -> None:
        """In a forked child: a writer of its own; what the parent has buffered is the parent's."""
        hub = the_hub()
        writer = self._writer = Writer(hub, self.run_id)
        self._refusals_told = 0
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
    def unprotected(self) -> int:
        """Points of this process that a kill -9 of it could have cost or still can: they were logged while
        the shared-memory ring had no room (see PKX_RING_MB), or could not be made."""
        return self._writer.unprotected

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
