"""Rows into columns: what the flusher does with what log() left.

A row is the tuple `(key_set, step, time_us, values)`. A row whose key set is None carries another fact of the
run: `(None, kind, payload, None)`, see Fact. The fast path has no Python code for each point: zip, chain and
struct do it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, chain
from typing import Any, Literal, TypeAlias, cast

from pipekit_experiment._generated import tracker_pb2 as pb
from pipekit_experiment._src.limits import Limits
from pipekit_experiment._src.metrics import KeySet, to_float

Row: TypeAlias = "tuple[KeySet, int, int, tuple[Any, ...]] | tuple[None, FactKind, dict[str, Any], None]"
FactKind = Literal["start", "params", "artifact", "tags", "end"]

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


def pack(rows: Sequence[Row], limits: Limits) -> tuple[list[Packed], Failures]:
    """Packs rows, in order, into as few frames as the limits allow."""
    failures = Failures()
    frames: list[Packed] = []
    open_frame: Packed | None = None
    for record, points, size in _records(rows, limits, failures):
        if open_frame is not None and (
            open_frame.points + points > limits.frame_points
            or open_frame.approximate_bytes + size > limits.frame_bytes
        ):
            open_frame = None
        if open_frame is None:
            open_frame = Packed()
            frames.append(open_frame)
        open_frame.records.append(record)
        open_frame.points += points
        open_frame.approximate_bytes += size
    return frames, failures


def _records(rows: Sequence[Row], limits: Limits, failures: Failures) -> Iterator[tuple[pb.Record, int, int]]:
    start = 0
    for end in [*(i for i, row in enumerate(rows) if row[0] is None), len(rows)]:
        if end > start:
            for chunk in _chunks(rows[start:end], limits):
                columns = _columns(chunk, failures)
                if columns is not None:
                    yield pb.Record(metrics=columns), len(columns.values) // 8, columns.ByteSize()
        if end < len(rows):
            record = _fact(rows[end])
            yield record, 0, record.ByteSize()
        start = end + 1


def _fact(row: Row) -> pb.Record:
    kind = row[1]
    given = cast("dict[str, Any]", row[2] or {})
    payload = {name: _storable(value) for name, value in given.items()}
    match kind:
        case "start":
            return pb.Record(start=pb.RunStart(**payload))  # pyright: ignore[reportCallIssue]
        case "params":
            return pb.Record(params=pb.Params(**payload))  # pyright: ignore[reportCallIssue]
        case "artifact":
            return pb.Record(artifact=pb.Artifact(**payload))  # pyright: ignore[reportCallIssue]
        case "tags":
            return pb.Record(tags=pb.RunTags(**payload))  # pyright: ignore[reportCallIssue]
        case _:
            return pb.Record(end=pb.RunEnd(**payload))  # pyright: ignore[reportCallIssue]


def _storable(value: Any) -> Any:
    """Text without half surrogate pairs, which protobuf refuses.

    A file name that is no UTF-8, or an error that quotes one, must not cost the rows packed with it.
    """
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {_storable(name): _storable(item) for name, item in cast("dict[Any, Any]", value).items()}
    return [_storable(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def _chunks(rows: Sequence[Any], limits: Limits) -> Iterator[Sequence[Any]]:
    """Cuts metric rows so that each piece fits a frame."""
    distinct = dict.fromkeys([row[0] for row in rows])
    if len(distinct) == 1:
        (key_set,) = distinct
        width = len(key_set.keys)
        room = (limits.frame_bytes - key_set.encoded_bytes) // (8 * width + _ROW_BYTES)
        most = max(1, min(limits.frame_points // width, room))
        for start in range(0, len(rows), most):
            yield rows[start : start + most]
        return
    points = list(accumulate([len(row[3]) for row in rows]))
    size = 8 * points[-1] + _ROW_BYTES * len(rows) + sum(key_set.encoded_bytes for key_set in distinct)
    if len(rows) == 1 or (points[-1] <= limits.frame_points and size <= limits.frame_bytes):
        yield rows
        return
    half = len(rows) // 2
    yield from _chunks(rows[:half], limits)
    yield from _chunks(rows[half:], limits)


def _columns(rows: Sequence[Any], failures: Failures) -> pb.MetricColumns | None:
    key_sets, steps, times, values = zip(*rows, strict=True)
    try:
        flat = [*chain.from_iterable(values)]
        packed_values = struct.pack(f"<{len(flat)}d", *flat)
    except Exception:
        # Some value has no float: read them one by one and leave out what cannot be read.
        rows = [readable for row in rows if (readable := _readable(row, failures)) is not None]
        return _columns(rows, failures) if rows else None
    index = {key_set: i for i, key_set in enumerate(dict.fromkeys(key_sets))}
    count = len(rows)
    if len(index) == 1:
        row_key_set = bytes(4 * count)
    else:
        row_key_set = struct.pack(f"<{count}I", *map(index.__getitem__, key_sets))
    return pb.MetricColumns(
        key_sets=[pb.KeySet(keys=key_set.keys) for key_set in index],
        row_key_set=row_key_set,
        row_step=struct.pack(f"<{count}q", *steps),
        row_time_us=struct.pack(f"<{count}q", *times),
        values=packed_values,
    )


def _readable(row: Any, failures: Failures) -> Any:
    """The row with plain floats, without the values that cannot be read; None when none is left."""
    key_set, step, time_us, values = row
    kept: dict[str, float] = {}
    for key, value in zip(key_set.keys, values, strict=True):
        try:
            kept[key] = to_float(value)
        except Exception as error:
            failures.add(key, error)
    if not kept:
        return None
    if len(kept) < len(key_set.keys):
        key_set = KeySet(tuple(kept))
    return key_set, step, time_us, tuple(kept.values())


def without_metrics(frame: bytes, lost_points: int) -> bytes:
    """The frame with its metric points replaced by a tag that tells how many its writer has lost by now; its
    number stays taken."""
    message = pb.Frame.FromString(frame)
    kept = [record for record in message.records if record.WhichOneof("record") != "metrics"]
    del message.records[:]
    message.records.extend(kept)
    message.records.append(pb.Record(tags=pb.RunTags(tags={"pipekit.dropped_points": str(lost_points)})))
    return message.SerializeToString()
