"""What one writer has packed and the daemon has not acknowledged, oldest first: spooled frames, then those in
memory, of which the ring has a copy.

Every method is called with the hub's lock held.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipekit_experiment._src.limits import Limits
from pipekit_experiment._src.spool import SpoolFile

if TYPE_CHECKING:
    from pipekit_experiment._src.ring import Ring


class Pending(NamedTuple):
    """A numbered frame. `at` is when it was packed, monotonic seconds."""

    seq: int
    points: int
    frame: bytes
    at: float


class Outbox:
    """Frames of one writer. `sent_seq` is the last one sent on the present stream."""

    def __init__(self, writer_id: str) -> None:
        self.writer_id = writer_id
        self.last_seq = 0
        self.acked_seq = 0
        self.sent_seq = 0
        self.points = 0
        """Points of frames that are not acknowledged."""
        self.memory_bytes = 0
        self.in_flight_bytes = 0
        self.torn_bytes = 0
        """Bytes at the end of an adopted spool file that are no whole frame."""
        self.hold_until = 0.0
        """Nothing is sent before this time, monotonic seconds."""
        self.ring: Ring | None = None
        self.rows_dropped = 0
        """Points dropped before they were packed."""
        self._lost = 0
        self._memory: deque[Pending] = deque()
        self._sent_in_memory = 0
        self._sizes: deque[tuple[int, int, int]] = deque()
        """Sent and not acknowledged: seq, bytes, points."""
        self._spool: SpoolFile | None = None
        self._spool_read = 0
        self._spool_acked = 0
        self._spool_ends: deque[tuple[int, int]] = deque()

    @classmethod
    def of_spool(cls, spool: SpoolFile) -> Outbox:
        """The outbox of a writer that died."""
        outbox = cls(spool.writer_id)
        outbox._spool = spool
        for entry in spool.entries():
            outbox.last_seq = entry.seq
            outbox.points += entry.points
            outbox._spool_read = entry.end
        whole = outbox._spool_read
        outbox._spool_read = 0
        outbox.torn_bytes = spool.size - whole
        return outbox

    @property
    def empty(self) -> bool:
        return self.acked_seq >= self.last_seq

    @property
    def spooled(self) -> bool:
        return self._spool is not None

    @property
    def dropped(self) -> int:
        """Points given up, before and after they were packed."""
        return self.rows_dropped + self._lost

    @property
    def oldest_at(self) -> float:
        """When the oldest frame in memory was packed; infinity when there is none."""
        return self._memory[0].at if self._memory else float("inf")

    def put(self, frame: bytes, points: int) -> None:
        """Adds the frame numbered `last_seq + 1`."""
        self.last_seq += 1
        self._memory.append(Pending(self.last_seq, points, frame, time.monotonic()))
        self.memory_bytes += len(frame)
        self.points += points

    def put_kept(
        self, frames: Sequence[tuple[bytes, int]], behind: tuple[int, int], folder: Path, limits: Limits
    ) -> bool:
        """Adds frames (and their points) that hold the rows before `behind` (block, offset) of the ring.

        A copy of them is in the ring before they may be sent, so that after a death they are found with
        their numbers; earlier ones make room by going to the spool. False when the ring cannot take them,
        nor the spool once they have their numbers.
        """
        numbered = [(self.last_seq + 1 + i, points, frame) for i, (frame, points) in enumerate(frames)]
        kept = self.ring is None or self.ring.keep(numbered)
        if not kept and self.ring is not None and self._try_spill(folder, limits):
            kept = self.ring.keep(numbered)
        for frame, points in frames:
            self.put(frame, points)
        if self.ring is not None:
            self.ring.mark(*behind, self.last_seq)
        # Only now: a number that stands in the spool must never be given to other rows.
        return kept or self._try_spill(folder, limits)

    def _try_spill(self, folder: Path, limits: Limits) -> bool:
        try:
            return self.spill(folder, limits, sync=False)
        except OSError:
            return False

    def leave_ring(self) -> None:
        """The process or run ends: deletes the ring, unless a frame is there and nowhere else."""
        if self.ring is None:
            return
        if self._memory:
            self.ring.close()
        else:
            self.ring.delete()
        self.ring = None

    def next_frame(self) -> bytes | None:
        """The next frame to send; None when all are sent."""
        if self._spool is not None:
            entry = self._spool.read(self._spool_read)
            if entry is not None:
                self._spool_read = entry.end
                self._spool_ends.append((entry.seq, entry.end))
                return self._sending(entry.seq, entry.points, entry.frame)
        if self._sent_in_memory < len(self._memory):
            pending = self._memory[self._sent_in_memory]
            self._sent_in_memory += 1
            return self._sending(pending.seq, pending.points, pending.frame)
        return None

    @property
    def has_unsent(self) -> bool:
        return self.sent_seq < self.last_seq

    def _sending(self, seq: int, points: int, frame: bytes) -> bytes:
        self.sent_seq = seq
        self.in_flight_bytes += len(frame)
        self._sizes.append((seq, len(frame), points))
        return frame

    def ack(self, seq: int) -> None:
        """Every frame up to `seq` is on disk or was refused for good."""
        self.acked_seq = max(self.acked_seq, seq)
        self.sent_seq = max(self.sent_seq, seq)
        while self._sizes and self._sizes[0][0] <= seq:
            _, size, points = self._sizes.popleft()
            self.in_flight_bytes -= size
            self.points -= points
        while self._memory and self._memory[0].seq <= seq:
            self.memory_bytes -= len(self._memory.popleft().frame)
            self._sent_in_memory = max(0, self._sent_in_memory - 1)
        while self._spool_ends and self._spool_ends[0][0] <= seq:
            self._spool_acked = self._spool_ends.popleft()[1]
        if self._spool is not None and not self._spool_ends and self._spool.read(self._spool_read) is None:
            self._spool.delete()
            self._forget_spool()
        if self.ring is not None:
            self.ring.release(seq)

    def rewind(self) -> None:
        """The stream broke: what is not acknowledged is sent again."""
        self.sent_seq = self.acked_seq
        self.in_flight_bytes = 0
        self._sent_in_memory = 0
        self._sizes.clear()
        self._spool_read = self._spool_acked
        self._spool_ends.clear()

    def spill(self, folder: Path, limits: Limits, *, sync: bool = True) -> bool:
        """Moves the frames in memory to the spool file; without `sync` they outlive this process and not the
        machine. Raises OSError; False when the file has its full size."""
        if not self._memory:
            return True
        if self._spool is not None and self._spool.size + self.memory_bytes > limits.spool_bytes:
            return False
        if self._spool is None:
            self._spool = SpoolFile.create(folder, self.writer_id)
            self._spool_read = self._spool_acked = 0
        unsent = self._sent_in_memory
        try:
            entries = [(frame.seq, frame.points, frame.frame) for frame in self._memory]
            self._spool.append(entries, sync=sync)
        except OSError:
            if self._spool.read(0) is None:
                self._spool.delete()
                self._forget_spool()
            raise
        # What was sent from memory is in flight still: the reader starts behind it.
        for pending in list(self._memory)[:unsent]:
            entry = self._spool.read(self._spool_read)
            if entry is not None and entry.seq == pending.seq:
                self._spool_read = entry.end
                self._spool_ends.append((entry.seq, entry.end))
        self._memory.clear()
        self._sent_in_memory = 0
        self.memory_bytes = 0
        if self.ring is not None:
            self.ring.release(self.last_seq)
        return True

    def drop_oldest(self, wanted_bytes: int) -> int:
        """Gives up metric points of the oldest unsent frames in memory until about `wanted_bytes` are free;
        the points lost.

        The frames keep their numbers and their other records: a gap in the numbers would cost all that
        follows.
        """
        from pipekit_experiment._src.packing import without_metrics

        lost = freed = 0
        for i in range(self._sent_in_memory, len(self._memory)):
            pending = self._memory[i]
            if freed >= wanted_bytes:
                break
            if pending.points:
                lost += pending.points
                # The tag is one for the run, and its last value wins: it must tell of all.
                frame = without_metrics(pending.frame, self.dropped + lost)
                freed += len(pending.frame) - len(frame)
                self._memory[i] = pending._replace(points=0, frame=frame)
        self.memory_bytes -= freed
        self.points -= lost
        self._lost += lost
        return lost

    def close(self) -> None:
        """Lets go of the files; what they hold is for another process."""
        if self.ring is not None:
            self.ring.close()
        self._close_spool()

    def abandon(self) -> None:
        """In a forked child: lets go of the parent's files. Nothing is written to the parent's ring any more,
        not even by a call of log() that the fork has interrupted."""
        if self.ring is not None:
            self.ring.abandon()
        self._close_spool()

    def _close_spool(self) -> None:
        if self._spool is not None:
            self._spool.close()
            self._forget_spool()

    def _forget_spool(self) -> None:
        self._spool = None
        self._spool_read = self._spool_acked = 0
        self._spool_ends.clear()
