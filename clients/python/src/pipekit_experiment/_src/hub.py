"""What a process has for all of its runs: the flusher thread, the sender thread, and their writers.

Fork: a child starts with an empty hub, no threads and no locks held; what the parent had buffered is the
parent's.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

from pipekit_experiment._src.connection import close_all
from pipekit_experiment._src.folders import state_folder
from pipekit_experiment._src.limits import DEFAULT_LIMITS, Limits
from pipekit_experiment._src.loud import Loud
from pipekit_experiment._src.outbox import Outbox
from pipekit_experiment._src.remote import spool_name
from pipekit_experiment._src.sender import Sender
from pipekit_experiment._src.spool import SpoolFile, spool_files
from pipekit_experiment._src.writer import Writer

EXIT_WAIT_S = 5.0
_DOZE_AFTER_S = 2.0
_FIRST_NAP_S, _LONGEST_NAP_S = 0.4, 60.0
_THREADS_WAIT_S = 1.0


class OpenRun(Protocol):
    """A run that this process has not ended."""

    def end_at_exit(self, timeout_s: float) -> None:
        """Ends the run, for the process ends."""
        ...

    def after_fork(self) -> None:
        """Gives the run of a forked child a writer of its own."""
        ...


class Hub:
    """`changed` guards every outbox and tells of new frames, acknowledgements and the state of the link."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self.loud = Loud()
        self.changed = threading.Condition(threading.RLock())
        self.writers: dict[str, Writer] = {}
        self.outboxes: dict[str, Outbox] = {}
        """Of the writers, of ended runs that wait for acknowledgement, and of dead writers."""
        self.runs: dict[str, OpenRun] = {}
        self.sender = Sender(self)
        self.staging_folder = state_folder() / "staging"
        """Where files to attach are copied to; a connected daemon names its own."""
        self.spool_fault = ""
        """Why the spool cannot be written; empty while it can."""
        # SimpleQueue.put is reentrant: log() may be called from a signal handler or a finalizer.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._start_lock = threading.Lock()
        self._flusher: threading.Thread | None = None
        self._closed = False

    @property
    def spool_folder(self) -> Path:
        return state_folder() / spool_name()

    def wake_flusher(self) -> None:
        """Makes the flusher look at the buffers; starts it when this process has none yet."""
        self._wake.put(None)
        if self._flusher is None:
            self._start()

    def _start(self) -> None:
        with self._start_lock:
            if self._flusher is not None or self._closed:
                return
            self._flusher = threading.Thread(target=self._flush_loop, name="pipekit-flusher", daemon=True)
            try:
                self._flusher.start()
            except RuntimeError:
                # The interpreter is ending: close() packs what is left.
                return
            self.sender.start()
            atexit.register(self.close)
            multiprocessing = sys.modules.get("multiprocessing.util")
            if multiprocessing is not None:
                # A forked worker of multiprocessing ends by os._exit, which skips atexit.
                multiprocessing.Finalize(None, self.close, exitpriority=100)

    def add(self, writer: Writer) -> None:
        """Takes in a writer and makes sure that the threads run."""
        with self.changed:
            self.writers[writer.writer_id] = writer
            self.outboxes[writer.writer_id] = writer.outbox
        self.wake_flusher()

    def _flush_loop(self) -> None:
        idle_ticks, nap_s = 0, _FIRST_NAP_S
        while not self._closed:
            # Waking a thread costs a log() call some ten microseconds, so a loop that logs is looked at by
            # the clock.
            if idle_ticks * self.limits.tick_s >= _DOZE_AFTER_S and not any(
                [writer.doze() for writer in self._writers()]
            ):
                # Not for ever: a thread may have been on its way into a block as that was told to wake.
                self._wait(min(nap_s, self.limits.down_s) if self._has_memory() else nap_s)
                nap_s = min(4 * nap_s, _LONGEST_NAP_S)
            self._wait(self.limits.tick_s)
            idle = True
            for writer in self._writers():
                idle = idle and not writer.has_unread
                try:
                    writer.drain()
                except Exception as error:
                    self.loud.say("flusher", f"The flusher met a defect: {error!r}.")
            idle_ticks, nap_s = (idle_ticks + 1, nap_s) if idle else (0, _FIRST_NAP_S)
            self.relieve()

    def _writers(self) -> list[Writer]:
        with self.changed:
            return list(self.writers.values())

    def _wait(self, timeout: float | None) -> None:
        with suppress(Empty):
            self._wake.get(timeout=timeout)

    def _has_memory(self) -> bool:
        return any(outbox.memory_bytes for outbox in list(self.outboxes.values()))

    def relieve(self) -> None:
        """Moves frames from memory to the spool: all when the daemon is gone, the largest when they are too
        many."""
        limits = self.limits
        with self.changed:
            boxes = list(self.outboxes.values())
            if self.sender.down:
                overdue = time.monotonic() - limits.down_s
                for outbox in boxes:
                    if outbox.oldest_at <= overdue:
                        self._spill(outbox)
            boxes.sort(key=lambda outbox: outbox.memory_bytes, reverse=True)
            for outbox in boxes:
                if sum(box.memory_bytes for box in boxes) <= limits.window_bytes:
                    break
                if not self._spill(outbox):
                    self._drop(outbox, sum(box.memory_bytes for box in boxes) - limits.window_bytes)

    def _spill(self, outbox: Outbox) -> bool:
        try:
            taken = outbox.spill(self.spool_folder, self.limits)
        except OSError as error:
            self.spool_fault = error.strerror or str(error)
            self.loud.say("spool", f"The spool in {self.spool_folder} cannot be written: {self.spool_fault}.")
            return False
        self.spool_fault = "" if taken else "it has its full size"
        return taken

    def _drop(self, outbox: Outbox, wanted_bytes: int) -> None:
        lost = outbox.drop_oldest(wanted_bytes)
        writer = self.writers.get(outbox.writer_id)
        if lost and writer is not None:
            self.loud.say(
                f"dropped {writer.run_id}",
                f"Run {writer.run_id}: {lost} points were dropped, because no daemon answers and the spool "
                "takes no more.",
                lost,
            )

    def adopt_orphans(self) -> int:
        """Takes over spool files of dead writers; how many."""
        adopted = 0
        for path in spool_files(self.spool_folder):
            if path.stem in self.outboxes:
                continue
            spool = SpoolFile.adopt(path)
            if spool is None:
                continue
            outbox = Outbox.of_spool(spool)
            if outbox.torn_bytes:
                self.loud.say(
                    f"torn {path.name}",
                    f"The spool file {path} ends in {outbox.torn_bytes} bytes that are no whole frame; "
                    "they are lost.",
                )
            if outbox.empty:
                spool.delete()
                continue
            with self.changed:
                self.outboxes[outbox.writer_id] = outbox
                self.changed.notify_all()
            adopted += 1
        return adopted

    def wait_acked(self, outbox: Outbox, seq: int, deadline: float, *, once: bool = False) -> bool:
        """Waits until the daemon has acknowledged `seq`; False when the deadline (monotonic seconds) came
        first.

        With `once`, also when an attempt to reach the daemon, made after this call, has failed.
        """
        with self.changed:
            failures = self.sender.hurry() if self.sender.down else self.sender.failures
            while outbox.acked_seq < seq:
                left = deadline - time.monotonic()
                if left <= 0 or (once and self.sender.failures > failures):
                    return False
                self.changed.wait(left)
        return True

    def retire(self, writer: Writer) -> None:
        """The run has ended here: forgets its writer; its outbox stays until all is acknowledged."""
        with self.changed:
            self.writers.pop(writer.writer_id, None)
            self.forget(writer.outbox)

    def forget(self, outbox: Outbox) -> None:
        """Lets go of an outbox whose run has ended here and whose frames are all acknowledged. Called with
        the lock held."""
        if outbox.empty and outbox.writer_id not in self.writers:
            self.outboxes.pop(outbox.writer_id, None)
            outbox.leave_ring()

    def spill_all(self) -> None:
        """Puts every frame in memory on disk."""
        with self.changed:
            for outbox in self.outboxes.values():
                if not outbox.empty:
                    self._spill(outbox)

    def abandon(self) -> None:
        """In a forked child: closes its copies of the parent's spool files and rings, and nothing else is
        touched again."""
        self._closed = True
        for outbox in self.outboxes.values():
            outbox.abandon()

    def close(self) -> None:
        """At the end of the process: ends open runs, waits a bounded time for the daemon, spools the rest."""
        if self._closed:
            return
        deadline = time.monotonic() + EXIT_WAIT_S
        for run in list(self.runs.values()):
            run.end_at_exit(deadline - time.monotonic())
        self._closed = True
        self._wake.put(None)
        for writer in list(self.writers.values()):
            writer.drain()
            for sink in writer.sinks:
                sink.close(deadline)
        for outbox in list(self.outboxes.values()):
            self.wait_acked(outbox, outbox.last_seq, deadline, once=True)
        self.sender.stop()
        with self.changed:
            left = sum(outbox.points for outbox in self.outboxes.values() if not outbox.empty)
            self.spill_all()
            unsent = [outbox for outbox in self.outboxes.values() if not outbox.empty]
            where = self.whereabouts(unsent)
            for outbox in self.outboxes.values():
                outbox.leave_ring()
                outbox.close()
        close_all(_THREADS_WAIT_S)
        if unsent:
            self.loud.say("exit", f"{left} points are left that no daemon has taken; {where}")

    def whereabouts(self, outboxes: Sequence[Outbox]) -> str:
        """Where frames are after an attempt to put them in the spool: the end of a sentence."""
        stuck = [outbox for outbox in outboxes if outbox.memory_bytes]
        if not stuck:
            return f"they are kept in {self.spool_folder} and will be handed over when a daemon runs."
        if all(outbox.ring is not None for outbox in stuck):
            return (
                f"the spool in {self.spool_folder} cannot take them ({self.spool_fault}), so they are kept "
                "in shared memory until a daemon takes them or the machine stops."
            )
        return (
            f"the spool in {self.spool_folder} cannot take them ({self.spool_fault}), so they end with this "
            "process."
        )


class _Process:
    """What this process holds. Replaced as a whole in a forked child."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.hub: Hub | None = None


_process = _Process()
# A parent's locks may be held and its threads do not exist here: nothing of it is destroyed or used again.
_parents: list[_Process] = []


def the_hub() -> Hub:
    """This process's hub."""
    process = _process
    with process.lock:
        if process.hub is None:
            process.hub = Hub()
        return process.hub


def _after_fork_in_child() -> None:
    global _process
    parent = _process
    _parents.append(parent)
    _process = _Process()
    if parent.hub is not None:
        parent.hub.abandon()
        for run in list(parent.hub.runs.values()):
            run.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
