"""Writes event files as three writers do: `event_files.py FOLDER`, with {"points": [[key, step, value,
time]], "params"} as JSON on stdin. `torch/` by torch, with its hparams and a histogram; `tf2/` by
TensorBoard's own writer, whose scalars are tensors; `both/` by two writers of the same folder at once.
"""

import json
import sys
import time

import torch
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.scalar import metadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util
from torch.utils.tensorboard import SummaryWriter

folder, script = sys.argv[1], json.load(sys.stdin)

writer = SummaryWriter(f"{folder}/torch")
for key, step, value, at in script["points"]:
    writer.add_scalar(key, float(value), step, walltime=at)
writer.add_histogram("weights", torch.tensor([0.0, 1.0]), 0)
writer.add_text("note", "a text", 0)
writer.close()
# torch makes a folder of its own for a session.
hparams = SummaryWriter(f"{folder}/session")
hparams.add_hparams(script["params"], {"hp/score": 0.5}, run_name=".")
hparams.close()

tf2 = EventFileWriter(f"{folder}/tf2")
for number, (key, step, value, at) in enumerate(script["points"]):
    summary = Summary()
    # As TensorFlow writes it: what the tag is for is told with its first value.
    first = key not in [each[0] for each in script["points"][:number]]
    meta = metadata.create_summary_metadata("", "") if first else None
    tensor = tensor_util.make_tensor_proto(float(value), dtype="float32")
    summary.value.add(tag=key, tensor=tensor, metadata=meta)
    tf2.add_event(Event(wall_time=at, step=step, summary=summary))
tf2.close()

one = SummaryWriter(f"{folder}/both", filename_suffix=".one")
time.sleep(1.1)
two = SummaryWriter(f"{folder}/both", filename_suffix=".two")
for key, step, value, at in script["points"]:
    one.add_scalar(key, float(value), step, walltime=at)
    two.add_scalar(f"two/{key}", float(value), step, walltime=at)
one.close()
two.close()
