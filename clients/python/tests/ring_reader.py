"""Reads what a dead process left, by the letter of docs/ring.md and with none of the client's code."""

import struct
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from tracking_daemon import unpack

from pipekit_experiment._generated import tracker_pb2


@dataclass
class Left:
    """Frames by number, and rows in no frame: (step, values by key) each."""

    frames: dict
    rows: list
    held_points: int = 0
    cut_blocks: int = 0
    last_seq: int = 0

    def all_rows(self, above: int):
        """Rows of frames above a number, then those in no frame."""
        framed = [
            (step, values)
            for seq in sorted(self.frames)
            if seq > above
            for record in self.frames[seq].records
            if record.WhichOneof("record") == "metrics"
            for step, _, values in unpack(record.metrics)
        ]
        return framed + self.rows


def read_ring(path: Path, spool: Path | None = None) -> Left:
    data = path.read_bytes()
    assert data[:8] == b"PKXRNG1\n"
    assert struct.unpack_from("<I", data, 116)[0] == crc32(data[:116])
    header_bytes, area_bytes, block_bytes, blocks = struct.unpack_from("<IIII", data, 8)
    mark = max(
        (
            struct.unpack_from("<QQQQ", data, at)
            for at in (256, 320)
            if struct.unpack_from("<I", data, at + 32)[0] == crc32(data[at : at + 32])
        ),
        default=(0, 0, 0, 0),
    )
    _, ordinal, offset, last_seq = mark
    left = Left({}, [], last_seq=last_seq)
    for area in (0, 1):
        start = header_bytes + area * area_bytes
        _read_frames(data[start : start + area_bytes], left.frames, last_seq)
    if spool is not None and spool.exists():
        _read_frames(spool.read_bytes()[56:], left.frames, last_seq)
    found = []
    for index in range(blocks):
        start = header_bytes + 2 * area_bytes + index * block_bytes
        block = data[start : start + block_bytes]
        number, checked = struct.unpack_from("<QI", block)
        if number and checked == crc32(block[:8]) and number >= ordinal:
            found.append((number, block))
    for number, block in sorted(found):
        _read_block(block, offset if number == ordinal else 0, left)
    return left


def _read_frames(data: bytes, frames: dict, last_seq: int) -> None:
    at = before = 0
    while at + 20 <= len(data):
        length, checked, seq, _ = struct.unpack_from("<IIQI", data, at)
        frame = data[at + 20 : at + 20 + length]
        if not length or len(frame) < length or checked != crc32(frame, crc32(data[at + 8 : at + 20])):
            return
        if seq <= before:
            return
        before = seq
        if seq <= last_seq:
            frames[seq] = tracker_pb2.Frame.FromString(frame)
        at += 20 + length


def _read_block(block: bytes, start: int, left: Left) -> None:
    at, key_sets = 16, {}
    while at + 8 <= len(block):
        (head,) = struct.unpack_from("<Q", block, at)
        if head == 0:
            return
        size, number, kind = head & 0xFFFFFFFF, head >> 32 & 0xFFFFFF, head >> 56
        entry = block[at : at + size]
        if len(entry) < max(size, 16) or struct.unpack("<Q", entry[-8:])[0] != crc32(entry[:-8]):
            left.cut_blocks += 1
            return
        if kind == 1:
            (count,) = struct.unpack_from("<Q", entry, 8)
            keys, place = [], 16
            for _ in range(count):
                (length,) = struct.unpack_from("<H", entry, place)
                keys.append(entry[place + 2 : place + 2 + length].decode())
                place += 2 + length
            key_sets[number] = keys
        elif kind == 2 and at >= start:
            step, _, *values = struct.unpack(f"<qq{size // 8 - 4}d", entry[8:-8])
            left.rows.append((step, dict(zip(key_sets[number], values, strict=True))))
        elif kind == 4 and at >= start:
            left.held_points += number
        at += size
