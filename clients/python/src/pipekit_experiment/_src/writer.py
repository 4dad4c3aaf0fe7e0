"""The writer of one run in this process: the buffer that log() appends to, and the numbered frames made of
it.

One deque for a run, not one for each thread: its append is atomic (in CPython and without the GIL alike), it
keeps the order in which threads logged, and a thread that ends leaves nothing behind that somebody must find.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from pipekit_experiment._src.outbox import Outbox
from pipekit_experiment._src.ulid import new_ulid

if TYPE_CHECKING:
    from pipekit_experiment._src.hub import Hub
    from pipekit_experiment._src.inprocess import InProcessSink
    from pipekit_experiment._src.packing import FactKind, Packed, Row


class Writer:
    """Writes one run from one process. `buffer` and `mark` belong to the hot path, see ActiveRun.log."""

    def __init__(self, hub: Hub, run_id: str) -> None:
        self.hub = hub
        self.run_id = run_id
        self.writer_id = new_ulid()
        self.buffer: deque[Row] = deque()
        self.mark = 0
        """The flusher is to be woken when the buffer holds more rows than this."""
        self.outbox = Outbox(self.writer_id)
        self.sinks: list[InProcessSink] = []
        """Trackers that live in this process and take the same rows."""
        self.dropped = 0
        """Points given up for lack of memory and disk."""
        self.rejected = 0
        """Frames of which the daemon refused a part."""
        self.unreadable = 0
        """Points whose value could not be read, such as an array on a lost device."""
        self.pack_lock = threading.Lock()
        """Held by the one thread that packs; log() never takes it."""

    @property
    def pending(self) -> int:
        """Points logged and not acknowledged."""
        waiting = sum(len(row[3]) for row in self.buffer.copy() if row[3] is not None)
        return waiting + self.outbox.points

    def start_frame(self, payload: dict[str, Any]) -> bytes:
        """Makes the first frame of a run, numbered 1; it is first in line until it is acknowledged."""
        from pipekit_experiment._src.packing import pack

        (packed,), _ = pack([(None, "start", payload, None)], self.hub.limits)
        frame = self._frame(packed)
        with self.hub.changed:
            self.outbox.put(frame, 0)
        return frame

    def add_fact(self, kind: FactKind, payload: dict[str, Any]) -> None:
        """Puts a fact in line behind the rows logged so far."""
        self.buffer.append((None, kind, payload, None))
        if len(self.buffer) > self.mark:
            self.on_mark()

    def on_mark(self) -> None:
        """The buffer has passed the mark: wakes the flusher, and drops the oldest rows when it is full."""
        limits = self.hub.limits
        if self.mark == 0:
            self.mark = limits.wake_rows
        elif len(self.buffer) > limits.buffer_rows:
            self._drop_rows(len(self.buffer) - limits.buffer_rows)
        else:
            self.mark = limits.buffer_rows
        self.hub.wake_flusher()

    def _drop_rows(self, count: int) -> None:
        lost = 0
        for _ in range(count):
            try:
                row = self.buffer.popleft()
            except IndexError:
                break
            if row[3] is None:
                self.buffer.append(row)
            else:
                lost += len(row[3])
        if lost:
            self.dropped += lost
            self.hub.loud.say(
                f"dropped {self.run_id}",
                f"Run {self.run_id}: {lost} points were dropped, because the flusher does not keep up.",
                lost,
            )

    def doze(self) -> bool:
        """Asks to be woken at the next row; True when one is there already."""
        self.mark = 0
        return bool(self.buffer)

    def drain(self) -> int:
        """Packs what the buffer holds into frames; the number of the last frame. Reads device arrays."""
        with self.pack_lock:
            rows = self._take()
            if rows:
                for sink in self.sinks:
                    sink.put(rows)
                self._put(rows)
            return self.outbox.last_seq

    def _take(self) -> list[Row]:
        rows: list[Row] = []
        pop = self.buffer.popleft
        try:
            for _ in range(len(self.buffer)):
                rows.append(pop())
        except IndexError:
            # Another thread is dropping rows.
            pass
        return rows

    def _put(self, rows: list[Row]) -> None:
        from pipekit_experiment._src.packing import pack

        frames, failures = pack(rows, self.hub.limits)
        for packed in frames:
            frame = self._frame(packed)
            with self.hub.changed:
                self.outbox.put(frame, packed.points)
                self.hub.changed.notify_all()
        if failures.points:
            self.unreadable += failures.points
            self.hub.loud.say(
                f"unreadable {self.run_id}",
                f"Run {self.run_id}: {failures.points} points were left out, because their value could not "
                f"be read: {failures.first}.",
                failures.points,
            )

    def _frame(self, packed: Packed) -> bytes:
        from pipekit_experiment._generated.tracker_pb2 import Frame

        seq = self.outbox.last_seq + 1
        frame = Frame(writer_id=self.writer_id, seq=seq, run_id=self.run_id, records=packed.records)
        return frame.SerializeToString()
