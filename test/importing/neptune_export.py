"""Writes an export as neptune-exporter does, by the schema and the layout of its own `model.py`,
`parquet_writer.py` and `utils.py`: `neptune_export.py FOLDER`, with [{"project", "run", "rows": [[path,
type, step, time_ms, value]]}] as JSON on stdin. Each run's rows go to two parts, the first half to part
0.
"""

import datetime
import hashlib
import json
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

TIME = pa.timestamp("ms", tz="UTC")
SCHEMA = pa.schema(
    [
        ("project_id", pa.string()),
        ("run_id", pa.string()),
        ("attribute_path", pa.string()),
        ("attribute_type", pa.string()),
        ("step", pa.decimal128(18, 6)),
        ("timestamp", TIME),
        ("int_value", pa.int64()),
        ("float_value", pa.float64()),
        ("string_value", pa.string()),
        ("bool_value", pa.bool_()),
        ("datetime_value", TIME),
        ("string_set_value", pa.list_(pa.string())),
        ("file_value", pa.struct([("path", pa.string())])),
        (
            "histogram_value",
            pa.struct(
                [
                    ("type", pa.string()),
                    ("edges", pa.list_(pa.float64())),
                    ("values", pa.list_(pa.float64())),
                ]
            ),
        ),
    ]
)
COLUMNS = {"float_series": "float_value", "string_series": "string_value", "file_series": "file_value"}


def sanitized(part):
    plain = "".join(c if c.isalnum() or c in ("_", "-") else "_" for c in part)
    return plain + "-" + hashlib.blake2b(part.encode(), digest_size=8).hexdigest()


def moment(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.timezone.utc)


def row(run, path, kind, step, time_ms, value):
    if kind in ("file", "file_series"):
        target = Path(sys.argv[1], "files", sanitized(run["project"]), value["path"])
        target.parent.mkdir(parents=True, exist_ok=True)
        if "text" in value:
            target.write_text(value["text"])
        value = {"path": value["path"]}
    elif kind == "datetime":
        value = moment(value)
    elif kind in ("float", "float_series"):
        value = float(value)
    return {
        "project_id": run["project"],
        "run_id": run["run"],
        "attribute_path": path,
        "attribute_type": kind,
        "step": None if step is None else Decimal(str(step)).quantize(Decimal("1.000000")),
        "timestamp": None if time_ms is None else moment(time_ms),
        COLUMNS.get(kind, f"{kind}_value"): value,
    }


for run in json.load(sys.stdin):
    rows = [row(run, *each) for each in run["rows"]]
    folder = Path(sys.argv[1], "data", sanitized(run["project"]))
    folder.mkdir(parents=True, exist_ok=True)
    half = (len(rows) + 1) // 2
    for part, some in enumerate((rows[:half], rows[half:])):
        path = folder / f"{sanitized(run['run'])}_part_{part}.parquet"
        with pq.ParquetWriter(path, SCHEMA, compression="snappy") as writer:
            for at in range(0, len(some), 100):
                writer.write_batch(pa.RecordBatch.from_pylist(some[at : at + 100], schema=SCHEMA))
