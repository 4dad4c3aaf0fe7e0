"""Reads `.wandb` files with W&B's own messages. A question is `{"file": path}`; the answer is its records."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

from google.protobuf.json_format import MessageToDict
from questions import answer_questions
from wandb.proto import wandb_internal_pb2

BLOCK = 32 * 1024


def frames(data: bytes) -> Iterator[bytes]:
    """The records of a file; raises where it is damaged."""
    assert data[:7] == b":W&B" + struct.pack("<HB", 0xBEE1, 0), data[:7]
    at, record = 7, b""
    while at < len(data):
        room = BLOCK - at % BLOCK
        if room < 7:
            assert not any(data[at : at + room])
            at += room
            continue
        crc, length, kind = struct.unpack_from("<IHB", data, at)
        part = data[at + 7 : at + 7 + length]
        assert len(part) == length, f"a torn chunk at byte {at}"
        assert zlib.crc32(bytes([kind]) + part) == crc, f"damage at byte {at}"
        record = part if kind in (1, 2) else record + part
        at += 7 + length
        if kind in (1, 4):
            yield record
            record = b""
    assert record == b"", "the last record is torn"


def answer(question: dict[str, str]) -> list[Any]:
    with open(question["file"], "rb") as file:
        data = file.read()
    records = []
    for frame in frames(data):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(frame)
        records.append(MessageToDict(record, preserving_proto_field_name=True))
    return records


if __name__ == "__main__":
    answer_questions(answer)
