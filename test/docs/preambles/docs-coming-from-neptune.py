"""An export in the form of neptune-exporter, and the plot of the page."""

import json
import os
import subprocess
import sys
from pathlib import Path

Path("plots").mkdir()
Path("plots/confusion.png").write_bytes(b"png")
folder = Path(os.environ["PKX_DOCS_REPOSITORY"])
rows = [
    ["sys/name", "string", None, None, "resnet-old"],
    ["sys/creation_time", "datetime", None, None, 1_700_000_000_000],
    ["train/loss", "float_series", 1, 1_700_000_001_000, 0.5],
]
subprocess.run(
    [sys.executable, str(folder / "test/importing/neptune_export.py"), "exports"],
    input=json.dumps([{"project": "org/vision", "run": "RUN-1", "rows": rows}]),
    text=True,
    check=True,
)
