"""Series of metrics as the daemon sends them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pipekit_experiment._src.connection import connect
from pipekit_experiment._src.errors import from_rpc_error
from pipekit_experiment._src.run import RunMetrics

if TYPE_CHECKING:
    from pipekit_experiment._generated.tracker_pb2 import ReadMetricsResponse


def read_series(run_id: str, keys: Iterable[str], max_points: int) -> RunMetrics:
    """Asks the daemon. Raises DaemonUnavailableError, RunNotFoundError."""
    from pipekit_experiment._generated.tracker_pb2 import ReadMetricsRequest
    from pipekit_experiment._generated.tracker_pb2_grpc import TrackerServiceStub
    from pipekit_experiment._src.quiet_grpc import grpc

    request = ReadMetricsRequest(run_id=run_id, keys=keys, max_points=max_points)
    try:
        stub: Any = TrackerServiceStub(connect().channel)
        return _unpack(stub.ReadMetrics(request))
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error


def _unpack(parts: Iterable[ReadMetricsResponse]) -> RunMetrics:
    """Joins the parts of series into RunMetrics."""
    metrics = RunMetrics()
    for part in parts:
        count = len(part.values) // 8
        steps = struct.unpack(f"<{count}q", part.steps)
        values = struct.unpack(f"<{count}d", part.values)
        metrics.values.setdefault(part.key, []).extend(zip(steps, values, strict=True))
    return metrics
