"""How far the sinks of a run have come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, cast

from pipekit_experiment._src.connection import connect
from pipekit_experiment._src.errors import from_rpc_error

State = Literal["idle", "sending", "retrying", "done", "refused"]


@dataclass(frozen=True)
class SinkStatus:
    """One destination of a run.

    Attributes:
        spec: The tracker spec.
        state: What delivery is doing; `done` once the run has ended and the counts were compared.
        points_sent: Points that the tool has taken.
        points_pending: Points that it has still to take.
        points_dead: Points that it refused for good.
        points_shown: Points that it showed when the run was reconciled; None before that.
        last_error: The last failure; empty when there was none since the last success.
        remote_id: The run's id in the tool; empty until known.
        remote_url: Where a person sees the run; empty when unknown.
        notes: Differences and renamed keys, one sentence each.
    """

    spec: str
    state: State
    points_sent: int
    points_pending: int
    points_dead: int
    points_shown: int | None
    last_error: str
    remote_id: str
    remote_url: str
    notes: tuple[str, ...]


def read_sinks(run_id: str) -> list[SinkStatus]:
    """Asks the daemon. Raises DaemonUnavailableError, RunNotFoundError."""
    from pipekit_experiment._generated.tracker_pb2 import SinkState, SinkStatusRequest
    from pipekit_experiment._generated.tracker_pb2_grpc import TrackerServiceStub
    from pipekit_experiment._src.quiet_grpc import grpc

    try:
        stub: Any = TrackerServiceStub(connect().channel)
        answer = stub.SinkStatus(SinkStatusRequest(run_id=run_id), timeout=10.0)
    except grpc.RpcError as error:
        raise from_rpc_error(error) from error
    return [
        SinkStatus(
            spec=sink.spec,
            state=cast(State, SinkState.Name(sink.state).removeprefix("SINK_STATE_").lower()),
            points_sent=sink.points_sent,
            points_pending=sink.points_pending,
            points_dead=sink.points_dead,
            points_shown=None if sink.points_shown < 0 else sink.points_shown,
            last_error=sink.last_error,
            remote_id=sink.remote_id,
            remote_url=sink.remote_url,
            notes=tuple(sink.notes),
        )
        for sink in answer.sinks
    ]
