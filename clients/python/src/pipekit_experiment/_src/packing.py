"""What a block holds into frames: what the flusher does with what log() left.

The fast path has no Python code for each point: rows of one key set come as columns, and joining bytes does
the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast

from pipekit_experiment._generated import tracker_pb2 as pb
from pipekit_experiment._src.device_values import read_ahead
from pipekit_experiment._src.limits import Limits
from pipekit_experiment._src.metrics import KeySet, to_float
from pipekit_experiment._src.ring_entries import Held, Item, Rows

Row: TypeAlias = "tuple[KeySet, int, int, tuple[Any, ...]]"
"""Key set, step, time in microseconds and values: what trackers in this process get."""
FactKind = Literal["start", "resume", "params", "artifact", "tags", "end"]

_ROW_BYTES = 20


@dataclass
class Packed:
    """The records of a frame. `failures` counts the points whose value could not be read, with the first
    reason."""

    records: list[pb.Record] = field(default_factory=list[pb.Record])
    points: int = 0
    approximate_bytes: int = 0


@dataclass
class Failures:
    """Points left out because their value could not be read, such as an array on a lost device."""

    points: int = 0
    first: str = ""

    def add(self, key: str, error: Exception) -> None:
        self.points += 1
        if not self.first:
            self.first = f'"{key}": {type(error).__name__}: {error}'


def pack(items: Iterable[Item], limits: Limits) -> tuple[list[Packed], Failures]:
    """Packs items, in order, into as few frames as the limits allow. Reads values on a device."""
    failures = Failures()
    packer = _Packer(limits)
    items = list(items)
    read_ahead(value for item in items if isinstance(item, Held) for value in item.values)
    for item in items:
        if isinstance(item, bytes):
            packer.add_record(pb.Record.FromString(item))
            continue
        rows = _read(item, failures) if isinstance(item, Held) else item
        if rows is not None:
            packer.add_rows(rows)
    packer.close_columns()
    return packer.frames, failures


def fact(kind: FactKind, given: dict[str, Any]) -> pb.Record:
    """A record of another kind than metrics."""
    payload = {name: _storable(value) for name, value in given.items()}
    match kind:
        case "start":
            return pb.Record(start=pb.RunStart(**payload))
        case "resume":
            return pb.Record(resume=pb.RunResume(**payload))
        case "params":
            return pb.Record(params=pb.Params(**payload))
        case "artifact":
            return pb.Record(artifact=pb.Artifact(**payload))
        case "tags":
            return pb.Record(tags=pb.RunTags(**payload))
        case _:
            return pb.Record(end=pb.RunEnd(**payload))


def rows_of(items: Iterable[Item]) -> Iterator[Row]:
    """The rows one by one, with values on a device as they were given."""
    for item in items:
        if isinstance(item, Held):
            yield item.key_set, item.step, item.time_ns // 1000, item.values
        elif isinstance(item, Rows):
            width = len(item.key_set.keys)
            steps = struct.unpack(f"<{len(item.times_ns)}q", item.steps)
            values = struct.iter_unpack(f"<{width}d", item.values)
            for step, time_ns, row in zip(steps, item.times_ns, values, strict=True):
                yield item.key_set, step, time_ns // 1000, row


def _storable(value: Any) -> Any:
    """Text without half surrogate pairs, which protobuf refuses.

    A file name that is no UTF-8, or an error that quotes one, must not cost the rows packed with it.
    """
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in cast("dict[Any, Any]", value).items()}
    return [_storable(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


class _Packer:
    """Makes frames; the last one is open. `_columns` are the rows at its end."""

    def __init__(self, limits: Limits) -> None:
        self.frames: list[Packed] = []
        self._limits = limits
        self._columns = _Columns()

    def add_record(self, record: pb.Record) -> None:
        self.close_columns()
        size = record.ByteSize()
        frame = self._frame()
        if frame.records and frame.approximate_bytes + size > self._limits.frame_bytes:
            frame = self._next_frame()
        frame.records.append(record)
        frame.approximate_bytes += size

    def add_rows(self, rows: Rows) -> None:
        key_set, count = rows.key_set, len(rows.times_ns)
        width, start = len(key_set.keys), 0
        row_bytes = 8 * width + _ROW_BYTES
        while start < count:
            frame = self._frame()
            known = key_set in self._columns.index
            used = frame.approximate_bytes + (0 if known else key_set.encoded_bytes)
            room = min(
                (self._limits.frame_points - frame.points) // width,
                (self._limits.frame_bytes - used) // row_bytes,
            )
            if room < 1 and (frame.records or self._columns.count):
                self._next_frame()
                continue
            end = min(count, start + max(1, room))
            self._columns.add(rows, start, end)
            frame.approximate_bytes = used + (end - start) * row_bytes
            frame.points += (end - start) * width
            start = end

    def close_columns(self) -> None:
        if self._columns.count:
            self._frame().records.append(pb.Record(metrics=self._columns.message()))
            self._columns = _Columns()

    def _frame(self) -> Packed:
        if not self.frames:
            self.frames.append(Packed())
        return self.frames[-1]

    def _next_frame(self) -> Packed:
        self.close_columns()
        self.frames.append(Packed())
        return self.frames[-1]


class _Columns:
    """Rows that become one record."""

    def __init__(self) -> None:
        self.count = 0
        self.index: dict[KeySet, int] = {}
        self._key_sets: list[bytes] = []
        self._steps: list[bytes] = []
        self._times_ns: list[int] = []
        self._values: list[bytes] = []

    def add(self, rows: Rows, start: int, end: int) -> None:
        """Adds a part of some rows."""
        number = self.index.setdefault(rows.key_set, len(self.index))
        row_bytes = 8 * len(rows.key_set.keys)
        self._key_sets.append(number.to_bytes(4, "little") * (end - start))
        self._steps.append(rows.steps[8 * start : 8 * end])
        self._times_ns += rows.times_ns[start:end]
        self._values.append(rows.values[row_bytes * start : row_bytes * end])
        self.count += end - start

    def message(self) -> pb.MetricColumns:
        return pb.MetricColumns(
            key_sets=[pb.KeySet(keys=key_set.keys) for key_set in self.index],
            row_key_set=b"".join(self._key_sets),
            row_step=b"".join(self._steps),
            row_time_us=struct.pack(f"<{self.count}q", *[time // 1000 for time in self._times_ns]),
            values=b"".join(self._values),
        )


def _read(row: Held, failures: Failures) -> Rows | None:
    """The row with plain floats, without the values that cannot be read; None when none is left."""
    key_set = row.key_set
    kept: dict[str, float] = {}
    for key, value in zip(key_set.keys, row.values, strict=True):
        try:
            kept[key] = to_float(value)
        except Exception as error:
            failures.add(key, error)
    if not kept:
        return None
    if len(kept) < len(key_set.keys):
        key_set = KeySet(tuple(kept))
    values = struct.pack(f"<{len(kept)}d", *kept.values())
    return Rows(key_set, row.step.to_bytes(8, "little", signed=True), [row.time_ns], values)


def without_metrics(frame: bytes, lost_points: int) -> bytes:
    """The frame with its metric points replaced by a tag that tells how many its writer has lost by now; its
    number stays taken."""
    message = pb.Frame.FromString(frame)
    kept = [record for record in message.records if record.WhichOneof("record") != "metrics"]
    del message.records[:]
    message.records.extend(kept)
    message.records.append(pb.Record(tags=pb.RunTags(tags={"pipekit.dropped_points": str(lost_points)})))
    return message.SerializeToString()
