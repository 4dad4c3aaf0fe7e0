"""Series of metrics as the daemon sends them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipekit_experiment._src.run import RunMetrics

if TYPE_CHECKING:
    from pipekit_experiment._generated.tracker_pb2 import ReadMetricsResponse


def unpack_series(parts: Iterable[ReadMetricsResponse]) -> RunMetrics:
    """Joins the parts of series into RunMetrics."""
    metrics = RunMetrics()
    for part in parts:
        count = len(part.values) // 8
        steps = struct.unpack(f"<{count}q", part.steps)
        values = struct.unpack(f"<{count}d", part.values)
        metrics.values.setdefault(part.key, []).extend(zip(steps, values, strict=True))
    return metrics
