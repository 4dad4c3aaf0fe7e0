"""Logs a script with torch.utils.tensorboard, as without us: `with_torch.py FOLDER SCRIPT_JSON`."""

from __future__ import annotations

import json
import sys

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

folder, script = sys.argv[1], json.loads(sys.argv[2])
writer = SummaryWriter(folder)
for summary in hparams(script["params"], {})[1:]:
    writer.file_writer.add_summary(summary)
for key, step, value, time in script["points"]:
    writer.add_scalar(key, float(value), step, walltime=time)
writer.close()
