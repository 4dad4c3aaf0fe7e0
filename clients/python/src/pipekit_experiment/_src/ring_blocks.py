"""Blocks: where log() writes its entries, one after the other.

A block is written by many threads and by signal handlers at a time, without a lock: an entry goes in by one
call of C code that finds the place, copies and moves the place on (`mmap.write`). When it has no room, that
call raises ValueError. `seal` makes it raise from then on, and so nothing is written to a block that the
flusher has read to its end. Blocks form a chain by `links["next"]`, which dict.setdefault sets once.
"""

from __future__ import annotations

import itertools
import mmap
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias
from zlib import crc32

from pipekit_experiment._src.metrics import KeySet
from pipekit_experiment._src.ring_entries import (
    KIND_HELD,
    Held,
    Item,
    held_entry,
    keys_entry,
    points_of,
    read_items,
    row_head,
    row_packer,
)

BLOCK_HEADER_BYTES = 16
MAX_KEY_SETS = 4096
"""Key sets of one block."""

_ORDINAL = struct.Struct("<Q")
_HAS_GIL: bool = getattr(sys, "_is_gil_enabled", lambda: True)()

Bound: TypeAlias = "tuple[Callable[..., bytes], int, KeySet, bool]"
"""How rows of a key set are written to one block: packer, head, key set, and whether all values so far have
been numbers of Python itself."""


class Block:
    """What both kinds of blocks share. `write` appends an entry; it is swapped for one that wakes the flusher
    while that dozes. Raises ValueError when there is no room."""

    write: Callable[[bytes], Any]

    def __init__(self) -> None:
        self.known: dict[tuple[str, ...], Bound] = {}
        self.sets: dict[int, KeySet] = {}
        self.held: dict[int, Held | bytes] = {}
        self.links: dict[str, Block] = {}
        self.ordinal = 0
        self._numbers = itertools.count(1)
        self._tokens = itertools.count(1)

    def stamp(self, ordinal: int) -> None:
        """Gives an unused block its place in the chain."""
        self.ordinal = ordinal

    def seal(self) -> None:
        """Takes no more entries."""
        raise NotImplementedError

    def close(self) -> None:
        """Takes no more entries and has none, also in a forked child, where nobody gives a lock back."""
        raise NotImplementedError

    def has_unread(self, offset: int) -> bool:
        """Whether an entry stands behind `offset`."""
        raise NotImplementedError

    def read(self, offset: int) -> tuple[int, Sequence[Item]]:
        """What was written behind `offset`, and the offset behind that."""
        raise NotImplementedError

    def unread_points(self, offset: int) -> int:
        """Metric points behind `offset`."""
        raise NotImplementedError

    def bind(self, key_set: KeySet, builtin: bool) -> Bound:
        """Makes the block know a key set. Raises ValueError when it has no room."""
        bound = self.known.get(key_set.keys)
        if bound is not None:
            if bound[3] and not builtin:
                bound = self.known[key_set.keys] = (*bound[:3], False)
            return bound
        number = next(self._numbers)
        if number > MAX_KEY_SETS:
            raise ValueError("the block has its full number of key sets")
        self.sets[number] = key_set
        self._declare(number, key_set.keys)
        width = len(key_set.keys)
        bound = self.known[key_set.keys] = (row_packer(width), row_head(number, width), key_set, builtin)
        return bound

    def hold(self, item: Held | bytes) -> None:
        """Puts in a row or record that stays in memory. Raises ValueError when there is no room."""
        token = next(self._tokens)
        self.held[token] = item
        try:
            self.write(held_entry(len(item.values) if isinstance(item, Held) else 0, token))
        except ValueError:
            del self.held[token]
            raise

    def doze(self, wake: Callable[[], None]) -> None:
        """Has the next write call `wake`."""
        append = self.write

        def waking(entry: bytes) -> Any:
            self.write = append
            append(entry)
            wake()

        if not getattr(append, "wakes", False):
            waking.wakes = True  # pyright: ignore[reportFunctionMemberAccess]
            self.write = waking

    def _declare(self, number: int, keys: tuple[str, ...]) -> None:
        """Writes the keys where a reader without this process's memory finds them."""


class RingBlock(Block):
    """A block in the ring file. Its memory must be zero."""

    def __init__(self, memory: mmap.mmap, index: int) -> None:
        super().__init__()
        self.index = index
        self._memory = memory
        self._lock = None if _HAS_GIL else threading.RLock()
        memory.seek(BLOCK_HEADER_BYTES)
        self.write = memory.write if self._lock is None else self._write_locked

    def stamp(self, ordinal: int) -> None:
        super().stamp(ordinal)
        packed = _ORDINAL.pack(ordinal)
        self._memory[:BLOCK_HEADER_BYTES] = packed + crc32(packed).to_bytes(8, "little")

    def seal(self) -> None:
        if self._lock is None:
            self._memory.seek(0, 2)
            return
        with self._lock:
            self._memory.seek(0, 2)

    def close(self) -> None:
        try:
            self._memory.close()
        except BufferError:
            # A thread of the parent was reading it at the fork.
            self._memory.seek(0, 2)

    def has_unread(self, offset: int) -> bool:
        memory = self._memory
        try:
            return offset < memory.tell() and memory[offset : offset + 4] != b"\0\0\0\0"
        except ValueError:
            # Another thread has read it to its end and closed it.
            return False

    def read(self, offset: int) -> tuple[int, Sequence[Item]]:
        items: list[Item] = []
        try:
            view = memoryview(self._memory)
        except ValueError:
            # The run has ended meanwhile, and left its ring.
            return offset, items
        with view:
            for behind, item in read_items(view, offset, self._end(), self.sets, self.held):
                offset = behind
                items.append(item)
        return offset, items

    def unread_points(self, offset: int) -> int:
        if self._memory.closed:
            return 0
        points, end = 0, self._end()
        while offset < end and (word := int.from_bytes(self._memory[offset : offset + 8], "little")):
            points += points_of(word)
            offset += word & 0xFFFFFFFF
        return points

    def _end(self) -> int:
        if self._lock is None:
            return self._memory.tell()
        with self._lock:
            return self._memory.tell()

    def _declare(self, number: int, keys: tuple[str, ...]) -> None:
        self.write(keys_entry(number, keys))

    def _write_locked(self, entry: bytes) -> int:
        assert self._lock is not None
        with self._lock:
            return self._memory.write(entry)


class MemoryBlock(Block):
    """Entries in this process's memory: without a ring, or while it has no room. A kill -9 loses them.

    `points` is a list of one number, to which the points written are added; None where nobody asks.
    """

    def __init__(self, on_mark: Callable[[MemoryBlock], None], points: list[int] | None) -> None:
        super().__init__()
        self._points = points
        self.mark = 0
        """`on_mark` is called when it holds more entries than this."""
        self._entries: deque[bytes] = deque()
        self._on_mark = on_mark
        self._sealed = False
        # Reentrant: log() may be called from a signal handler in the middle of log().
        self._lock = threading.RLock()
        self.write = self._append

    def __len__(self) -> int:
        return len(self._entries)

    def seal(self) -> None:
        with self._lock:
            self._sealed = True

    def close(self) -> None:
        self._sealed = True
        self._entries.clear()

    def has_unread(self, offset: int) -> bool:
        return bool(self._entries)

    def read(self, offset: int) -> tuple[int, Sequence[Item]]:
        entries: list[bytes] = []
        pop = self._entries.popleft
        try:
            for _ in range(len(self._entries)):
                entries.append(pop())
        except IndexError:
            # Another thread is dropping entries.
            pass
        data = memoryview(b"".join(entries))
        return offset, [item for _, item in read_items(data, 0, len(data), self.sets, self.held)]

    def unread_points(self, offset: int) -> int:
        return sum(points_of(_head_of(entry)) for entry in self._entries.copy())

    def drop(self, count: int) -> int:
        """Gives up the oldest entries that are rows; the points lost."""
        lost = 0
        for _ in range(count):
            try:
                entry = self._entries.popleft()
            except IndexError:
                break
            points = points_of(_head_of(entry))
            if points == 0:
                self._entries.append(entry)
            elif entry[7] == KIND_HELD:
                self.held.pop(int.from_bytes(entry[8:16], "little"), None)
            lost += points
        return lost

    def _append(self, entry: bytes) -> None:
        with self._lock:
            if self._sealed:
                raise ValueError("the block is sealed")
            self._entries.append(entry)
            if self._points is not None:
                self._points[0] += points_of(_head_of(entry))
        if len(self._entries) > self.mark:
            self._on_mark(self)


def _head_of(entry: bytes) -> int:
    return int.from_bytes(entry[:8], "little")
