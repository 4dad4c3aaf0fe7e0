"""The writer of one run in this process: the blocks that log() writes to, and the numbered frames made of
them.

One chain of blocks for a run, not one for each thread: a block takes entries from many threads, it keeps the
order in which they logged, and a thread that ends leaves nothing behind that somebody must find.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pipekit_experiment._src.errors import PipekitError
from pipekit_experiment._src.folders import check_runtime_folder, default_socket, endpoint_socket
from pipekit_experiment._src.outbox import Outbox
from pipekit_experiment._src.remote import is_remote
from pipekit_experiment._src.ring import Ring
from pipekit_experiment._src.ring_blocks import BLOCK_HEADER_BYTES, Block, MemoryBlock, RingBlock
from pipekit_experiment._src.ring_entries import Held, Item, fact_entry, sealed
from pipekit_experiment._src.ulid import new_ulid

if TYPE_CHECKING:
    from pipekit_experiment._src.hub import Hub
    from pipekit_experiment._src.inprocess import InProcessSink
    from pipekit_experiment._src.metrics import KeySet
    from pipekit_experiment._src.packing import FactKind, Packed

_MAX_FACT_BYTES = 128 * 1024
"""Largest record that goes into a block; a larger one waits in memory until it is in a frame."""
_MAX_RING_MB = 1024
_BUILTIN: frozenset[type] = frozenset((float, int, bool))


class Writer:
    """Writes one run from one process. `block` belongs to the hot path, see ActiveRun.log."""

    def __init__(self, hub: Hub, run_id: str) -> None:
        self.hub = hub
        self.run_id = run_id
        self.writer_id = new_ulid()
        self.outbox = Outbox(self.writer_id)
        self.sinks: list[InProcessSink] = []
        """Trackers that live in this process and take the same rows."""
        self.rejected = 0
        """Frames of which the daemon refused a part."""
        self.unreadable = 0
        """Points whose value could not be read, such as an array on a lost device."""
        self.pack_lock = threading.Lock()
        """Held by the one thread that packs; log() never takes it."""
        self._unprotected_frames = 0
        self._points_in_memory = [0]
        self._ring: Ring | None = None
        self._wants_ring = False
        self._ring_opening = self._ring_opened = False
        self._open_lock = threading.RLock()
        self._ready: deque[RingBlock] = deque()
        # Sealed and empty: the first row, in whichever process and thread, opens the ring.
        first = MemoryBlock(self._on_mark, None)
        first.seal()
        self.block: Block = first
        """Where log() writes."""
        self._read_block: Block = first
        self._read_offset = BLOCK_HEADER_BYTES
        self._told_lost = 0

    @property
    def dropped(self) -> int:
        """Points given up for lack of memory and disk."""
        return self.outbox.dropped

    @property
    def pending(self) -> int:
        """Points logged and not acknowledged."""
        with self.hub.changed:
            block: Block | None = self._read_block
            offset, waiting = self._read_offset, 0
            while block is not None:
                waiting += block.unread_points(offset)
                block, offset = block.links.get("next"), BLOCK_HEADER_BYTES
            return waiting + self.outbox.points

    @property
    def unprotected(self) -> int:
        """Points that a kill -9 could have cost, or still can: logged while the ring had no room, or there
        was none though one was wanted."""
        return self._unprotected_frames + self._points_in_memory[0]

    @property
    def has_unread(self) -> bool:
        """Whether something waits to be packed."""
        return "next" in self._read_block.links or self._read_block.has_unread(self._read_offset)

    def start_frame(self, payload: dict[str, Any], resume: dict[str, Any] | None = None) -> bytes:
        """Makes the first frame of a run, numbered 1; it is first in line until it is acknowledged.

        With `resume` the daemon takes that record where the run is there, and the start where it is not.
        """
        from pipekit_experiment._src.packing import fact, pack

        self._open_ring()
        facts = [fact("resume", resume)] if resume is not None else []
        facts.append(fact("start", payload))
        (packed,), _ = pack([one.SerializeToString() for one in facts], self.hub.limits)
        frame = self._frame(packed, 1)
        self._put([(frame, 0)])
        return frame

    def add_fact(self, kind: FactKind, payload: dict[str, Any]) -> None:
        """Puts a fact in line behind the rows logged so far."""
        from pipekit_experiment._src.packing import fact

        record = fact(kind, payload).SerializeToString()
        entry = fact_entry(record)
        while True:
            block = self.block
            try:
                if len(record) > _MAX_FACT_BYTES:
                    block.hold(record)
                else:
                    block.write(entry)
                return
            except ValueError:
                self.next_block(block)

    def add_row(self, key_set: KeySet, step: int, time_ns: int, values: tuple[Any, ...], plain: bool) -> None:
        """Puts a row in line, of a key set that the block need not know; `plain` values are numbers in this
        process's memory. Raises ArithmeticError or struct.error for one that is beyond the largest float."""
        while True:
            block = self.block
            try:
                if not plain:
                    if key_set.keys in block.known:
                        block.bind(key_set, False)
                    block.hold(Held(key_set, step, time_ns, values))
                    key_set.latest = time_ns, values
                    return
                builtin = _BUILTIN.issuperset(map(type, values))
                pack, entry_head, _, _ = block.bind(key_set, builtin)
                body = pack(entry_head, step, time_ns, *values)
                block.write(sealed(body))
                key_set.latest = body
                return
            except ValueError:
                self.next_block(block)

    def next_block(self, block: Block) -> None:
        """Goes on behind a block that has no room. Any number of threads and signal handlers may do so at a
        time."""
        if self.block is not block:
            return
        block.seal()
        candidate = self._candidate()
        candidate.stamp(block.ordinal + 1)
        following = block.links.setdefault("next", candidate)
        if following is not candidate and isinstance(candidate, RingBlock):
            self._ready.appendleft(candidate)
        # Two threads may come here late and set an earlier block: it is sealed, and they follow its links.
        self.block = following
        self.hub.wake_flusher()

    def _candidate(self) -> Block:
        if not self._ring_opened:
            self._open_ring()
        try:
            return self._ready.popleft()
        except IndexError:
            return MemoryBlock(self._on_mark, self._points_in_memory if self._wants_ring else None)

    def _open_ring(self) -> None:
        with self._open_lock:
            if self._ring_opened or self._ring_opening:
                # Opening: a signal handler that logs has interrupted it, and does without.
                return
            self._ring_opening = True
            # A daemon on another host cannot read this one's memory.
            size = 0 if is_remote() else _ring_bytes(self.hub)
            if size > 0:
                self._wants_ring = True
                self._make_ring(size)
            self._ring_opened = True

    def _make_ring(self, size: int) -> None:
        try:
            socket = endpoint_socket()
            if socket == default_socket():
                check_runtime_folder(socket.parent)
            ring = Ring.create(socket.with_suffix(".rings"), self.writer_id, self.run_id, size)
            first = ring.prepare()
        except (OSError, PipekitError) as error:
            self.hub.loud.say(
                "ring",
                f"There is no shared-memory ring: {error}. A kill -9 of this process can cost what it logs "
                "in its last moments.",
            )
            return
        if first is not None:
            self._ready.append(first)
        self.outbox.ring = self._ring = ring

    def _on_mark(self, block: MemoryBlock) -> None:
        """The block has passed its mark: wakes the flusher, and drops the oldest rows when it is full."""
        limits = self.hub.limits
        if block.mark == 0:
            block.mark = limits.wake_rows
        elif len(block) > limits.buffer_rows:
            self._drop_rows(block, len(block) - limits.buffer_rows)
        else:
            block.mark = limits.buffer_rows
        self.hub.wake_flusher()

    def _drop_rows(self, block: MemoryBlock, count: int) -> None:
        lost = block.drop(count)
        if lost:
            self.outbox.rows_dropped += lost
            self.hub.loud.say(
                f"dropped {self.run_id}",
                f"Run {self.run_id}: {lost} points were dropped, because the flusher does not keep up.",
                lost,
            )

    def doze(self) -> bool:
        """Asks to be woken at the next row; True when one is there already."""
        self.block.doze(self.hub.wake_flusher)
        return self.has_unread

    def drain(self) -> int:
        """Packs what the blocks hold into frames; the number of the last frame. Reads device arrays."""
        with self.pack_lock:
            while True:
                block = self._read_block
                # Looked at first: a block with another behind it is sealed, and what it holds is all.
                following = block.links.get("next")
                self._drain_block(block)
                if following is None:
                    break
                with self.hub.changed:
                    self._read_block, self._read_offset = following, BLOCK_HEADER_BYTES
                if isinstance(block, RingBlock) and self._ring is not None:
                    self._ring.recycle(block)
            self._make_ready()
            return self.outbox.last_seq

    def _drain_block(self, block: Block) -> None:
        if isinstance(block, MemoryBlock):
            self._tell_unprotected(block.unread_points(self._read_offset))
            block.mark = self.hub.limits.wake_rows
        offset, items = block.read(self._read_offset)
        if items:
            self._pack(items, (block.ordinal, offset))
        with self.hub.changed:
            self._read_offset = offset

    def _make_ready(self) -> None:
        try:
            while self._ring is not None and (block := self._ring.prepare()) is not None:
                self._ready.append(block)
        except OSError as error:
            self.hub.loud.say("ring", f"The ring of run {self.run_id} cannot be mapped: {error}.")
        if self._ready and isinstance(self.block, MemoryBlock):
            self.next_block(self.block)

    def _tell_unprotected(self, points: int) -> None:
        if points and self._ring is not None:
            self.hub.loud.say(
                f"unprotected {self.run_id}",
                f"Run {self.run_id}: the shared-memory ring had no room for {points} points, so a kill -9 of "
                "this process could have cost them. Raise PKX_RING_MB if this goes on.",
                points,
            )

    def _pack(self, items: Sequence[Item], behind: tuple[int, int]) -> None:
        from pipekit_experiment._src.packing import fact, pack, rows_of

        if self.sinks:
            rows = list(rows_of(items))
            for sink in self.sinks:
                sink.put(rows)
        if self.dropped > self._told_lost:
            self._told_lost = self.dropped
            told = {"tags": {"pipekit.dropped_points": str(self.dropped)}}
            items = [fact("tags", told).SerializeToString(), *items]
        packed, failures = pack(items, self.hub.limits)
        first = self.outbox.last_seq + 1
        frames = [(self._frame(one, first + i), one.points) for i, one in enumerate(packed)]
        if behind[1] == BLOCK_HEADER_BYTES:
            # Of a block in memory: they have no place in the ring that must move with them.
            for frame in frames:
                self._put([frame], behind)
        else:
            self._put(frames, behind)
        if failures.points:
            self.unreadable += failures.points
            self.hub.loud.say(
                f"unreadable {self.run_id}",
                f"Run {self.run_id}: {failures.points} points were left out, because their value could not "
                f"be read: {failures.first}.",
                failures.points,
            )

    def _put(self, frames: list[tuple[bytes, int]], behind: tuple[int, int] = (0, 0)) -> None:
        """Hands frames to the outbox, and with them the end of the rows that they hold."""
        if not frames:
            return
        hub = self.hub
        with hub.changed:
            if not self.outbox.put_kept(frames, behind, hub.spool_folder, hub.limits):
                points = sum(points for _, points in frames) if behind[1] != BLOCK_HEADER_BYTES else 0
                self._unprotected_frames += points
                self._tell_unprotected(points)
            hub.changed.notify_all()

    def _frame(self, packed: Packed, seq: int) -> bytes:
        from pipekit_experiment._generated.tracker_pb2 import Frame

        frame = Frame(writer_id=self.writer_id, seq=seq, run_id=self.run_id, records=packed.records)
        return frame.SerializeToString()


def _ring_bytes(hub: Hub) -> int:
    given = os.environ.get("PKX_RING_MB")
    if not given:
        return hub.limits.ring_bytes
    try:
        megabytes = int(given)
    except ValueError:
        megabytes = -1
    if not 0 <= megabytes <= _MAX_RING_MB:
        hub.loud.say(
            "ring size", f"PKX_RING_MB is {given!r} and not a whole number from 0 to {_MAX_RING_MB}."
        )
        return hub.limits.ring_bytes
    return megabytes * 1024 * 1024
