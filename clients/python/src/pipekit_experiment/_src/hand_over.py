"""An older daemon makes place for the one that came with this client, as soon as nobody uses it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipekit_experiment._src.errors import (
    InternalError,
    PipekitError,
    ProtocolMismatchError,
    from_rpc_error,
)

if TYPE_CHECKING:
    from pipekit_experiment._generated.daemon_pb2 import HandOverResponse, HelloResponse
    from pipekit_experiment._src.connection import Connection

_ANSWER_S = 5.0
_LEAVING_POLL_S = 0.01
_USED_POLL_S = 0.25
"""Between two questions to a daemon that others use."""


class _Stay(NamedTuple):
    """Why a daemon stays as it is; `later` when asking again may help."""

    reason: str
    later: bool


def is_wanted() -> bool:
    """Whoever names a program in `$PKX_DAEMON` has chosen its version."""
    return not os.environ.get("PKX_DAEMON")


def connect_to_current(
    try_connect: Callable[[], Connection | str], socket: Path, protocol_max: int, deadline: float
) -> Connection | str:
    """What `try_connect` gives, but a daemon that is older than this client leaves first, if nobody uses it.

    One that is used is taken as it is. One that shares no protocol version with this client is waited for, to
    `deadline` (by the monotonic clock, seconds); ProtocolMismatchError then says what it stays for.
    """
    refusal: ProtocolMismatchError | None = None
    while True:
        try:
            found = try_connect()
        except ProtocolMismatchError as mismatch:
            stay = _ask_to_leave(socket, protocol_max)
            if stay is not None:
                message = f"{mismatch.message} {stay.reason}"
                refusal = ProtocolMismatchError(message, field=mismatch.field, mend=mismatch.mend)
                if not stay.later or time.monotonic() + _USED_POLL_S >= deadline:
                    raise refusal from mismatch
        else:
            if isinstance(found, str):
                # Time that runs out in an answer does not hide why it was waited for.
                if refusal is not None and time.monotonic() >= deadline:
                    raise refusal
                return found
            stay = _ask_to_leave(socket, protocol_max) if _is_other(found.hello) else _FINE
            if stay is not None:
                return found
            found.channel.close()
        if time.monotonic() >= deadline:
            return "an older daemon is still leaving"
        time.sleep(_LEAVING_POLL_S if stay is None else _USED_POLL_S)


_FINE = _Stay("It is as new as this client.", False)


def _is_other(hello: HelloResponse) -> bool:
    """Whether a daemon that could be used as it is may be an older one, and can be asked."""
    from pipekit_experiment import __version__

    return hello.daemon_version != __version__ and "hand_over" in hello.capabilities


def _ask_to_leave(socket: Path, protocol_max: int) -> _Stay | None:
    """None when the daemon leaves, or is gone."""
    from pipekit_experiment import __version__
    from pipekit_experiment._generated.daemon_pb2 import HandOverRequest
    from pipekit_experiment._generated.daemon_pb2_grpc import DaemonServiceStub
    from pipekit_experiment._src.quiet_grpc import grpc

    newcomer = HandOverRequest(version=__version__, protocol_max=protocol_max)
    options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(f"unix:{socket}", options=options) as channel:
        stub: Any = DaemonServiceStub(channel)
        try:
            answer: HandOverResponse = stub.HandOver(newcomer, timeout=_ANSWER_S)
        except grpc.RpcError as error:
            return _unanswered(from_rpc_error(error))
    return None if answer.leaving else _Stay(answer.reason, answer.later)


def _unanswered(failure: PipekitError) -> _Stay | None:
    """A daemon that does not know the method fails as a defect does; one that has left does not answer."""
    return _Stay("It is too old to be asked to leave.", False) if isinstance(failure, InternalError) else None
