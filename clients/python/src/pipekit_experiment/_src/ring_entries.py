"""Entries of a ring's block: what log() writes and the flusher, or after a death the daemon, reads.

See docs/ring.md, "Entries". Everything is little endian and a multiple of 8 bytes. An entry is a head, a body
and a tail: the head is a uint64 whose low 32 bits are the entry's size in bytes, then 24 bits of number, then
8 bits of kind; the tail is the CRC-32 of all before it, as a uint64. A head of 0 ends the block.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias
from zlib import crc32

if TYPE_CHECKING:
    from pipekit_experiment._src.metrics import KeySet

KIND_KEYS, KIND_ROW, KIND_FACT, KIND_HELD = 1, 2, 3, 4
ROW_OVERHEAD = 32
"""Bytes of a row beside its values: head, step, time and tail."""
MAX_NUMBER = 2**24 - 1

_HELD = struct.Struct("<QQ")


@dataclass(slots=True)
class Rows:
    """Neighbouring rows of one key set, in columns. `times_ns` are unix nanoseconds."""

    key_set: KeySet
    steps: bytes
    times_ns: list[int]
    values: bytes


@dataclass(slots=True)
class Held:
    """A row whose values are kept in memory until the flusher reads them, such as arrays on a device."""

    key_set: KeySet
    step: int
    time_ns: int
    values: tuple[Any, ...]


Item: TypeAlias = "Rows | Held | bytes"
"""What a block holds for the packer; bytes are a serialized Record."""


def head(kind: int, number: int, size: int) -> int:
    """The head of an entry of `size` bytes."""
    return kind << 56 | number << 32 | size


def sealed(body: bytes) -> bytes:
    """The entry, given its head and body."""
    return body + crc32(body).to_bytes(8, "little")


@lru_cache(maxsize=512)
def row_packer(width: int) -> Callable[..., bytes]:
    """Packs head, step, time in nanoseconds and `width` values."""
    return struct.Struct(f"<Qqq{width}d").pack


def row_head(number: int, width: int) -> int:
    """The head of rows of a key set that the block knows by `number`."""
    return head(KIND_ROW, number, ROW_OVERHEAD + 8 * width)


def row_values(body: bytes) -> tuple[int, tuple[float, ...]]:
    """Time in nanoseconds and values of a row without its tail."""
    _, _, time_ns, *values = struct.unpack(f"<Qqq{len(body) // 8 - 3}d", body)
    return time_ns, tuple(values)


def keys_entry(number: int, keys: tuple[str, ...]) -> bytes:
    """Declares a key set for the rows that follow in the block."""
    texts = [key.encode() for key in keys]
    packed = b"".join([len(text).to_bytes(2, "little") + text for text in texts])
    return _padded(KIND_KEYS, number, len(keys), packed)


def fact_entry(record: bytes) -> bytes:
    """Carries a serialized Record."""
    return _padded(KIND_FACT, 0, len(record), record)


def held_entry(points: int, token: int) -> bytes:
    """Stands for a row, or a large record, that is in memory alone."""
    size = _HELD.size + 8
    return sealed(_HELD.pack(head(KIND_HELD, min(points, MAX_NUMBER), size), token))


def points_of(word: int) -> int:
    """Metric points of the entry with the head `word`."""
    kind, number = word >> 56, word >> 32 & MAX_NUMBER
    if kind == KIND_ROW:
        return ((word & 0xFFFFFFFF) - ROW_OVERHEAD) // 8
    return number if kind == KIND_HELD else 0


def _padded(kind: int, number: int, count: int, content: bytes) -> bytes:
    length = 16 + len(content)
    padding = -length % 8
    packed_head = struct.pack("<QQ", head(kind, number, length + padding + 8), count)
    return sealed(packed_head + content + bytes(padding))


def read_items(
    data: memoryview, start: int, end: int, sets: dict[int, KeySet], held: dict[int, Held | bytes]
) -> Iterator[tuple[int, Item]]:
    """Items between two offsets of what this process wrote, each with the offset behind it.

    Neighbouring rows of one key set come as one item. No CRC is looked at.
    """
    words = data.cast("Q")
    at = start
    while at < end:
        word = words[at >> 3]
        if word == 0:
            break
        size, kind = word & 0xFFFFFFFF, word >> 56
        if kind == KIND_ROW:
            count = _run_length(words, at >> 3, size >> 3, (end - at) // size, word)
            behind = at + count * size
            yield behind, _rows(data, words, at, size, count, sets[word >> 32 & MAX_NUMBER])
            at = behind
            continue
        if kind == KIND_FACT:
            length = words[(at >> 3) + 1]
            yield at + size, bytes(data[at + 16 : at + 16 + length])
        elif kind == KIND_HELD:
            item = held.pop(words[(at >> 3) + 1], None)
            if item is not None:
                yield at + size, item
        at += size


def _run_length(words: memoryview, first: int, stride: int, limit: int, word: int) -> int:
    """How many entries from `first` on have the head `word`; looks in steps that double, so that rows of key
    sets in turn cost no more than one look each."""
    count = 1
    while count < limit:
        until = min(2 * count, limit)
        heads = words[first + count * stride : first + until * stride : stride].tolist()
        if heads.count(word) < len(heads):
            return count + next(i for i, other in enumerate(heads) if other != word)
        count = until
    return count


def _rows(data: memoryview, words: memoryview, at: int, size: int, count: int, key_set: KeySet) -> Rows:
    stride, first, end = size >> 3, at >> 3, (at + count * size) >> 3
    steps = words[first + 1 : end : stride].tobytes()
    times = words[first + 2 : end : stride].tolist()
    width = size - ROW_OVERHEAD
    values = b"".join([data[i : i + width] for i in range(at + 24, at + count * size, size)])
    return Rows(key_set, steps, times, values)
