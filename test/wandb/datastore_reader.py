"""Reads `.wandb` files as an older W&B client does, by its DataStore. A question is `{"file": path}`."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict
from questions import answer_questions
from wandb.proto import wandb_internal_pb2
from wandb.sdk.internal.datastore import DataStore


def answer(question: dict[str, str]) -> list[Any]:
    store = DataStore()
    store.open_for_scan(question["file"])
    records = []
    while (data := store.scan_data()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        records.append(MessageToDict(record, preserving_proto_field_name=True))
    store.close()
    return records


if __name__ == "__main__":
    answer_questions(answer)
