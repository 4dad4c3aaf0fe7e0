"""Follows a tag."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any

from pipekit_experiment._generated.registry_pb2 import WatchTagRequest
from pipekit_experiment._src.connection import connect
from pipekit_experiment._src.errors import DaemonUnavailableError, from_rpc_error
from pipekit_experiment._src.quiet_grpc import grpc
from pipekit_experiment._src.registry_types import TagMove, tag_move

# After quiet_grpc, because it imports grpc.
from pipekit_experiment._generated.registry_pb2_grpc import RegistryServiceStub  # isort: skip

_PAUSE_S = 0.2


class TagWatch:
    """Iterator over the moves of a tag; blocks until there is one. A context manager; `close()` ends it."""

    def __init__(self, registry: str, name: str, after_seq: int) -> None:
        self._registry = registry
        self._name = name
        self._after_seq = after_seq
        self._lock = threading.Lock()
        self._closed = False
        self._call: Any = None

    def __iter__(self) -> TagWatch:
        return self

    def __next__(self) -> TagMove:
        while True:
            call = self._open_call()
            if call is None:
                raise StopIteration
            try:
                move = tag_move(next(call).move)
            except (grpc.RpcError, StopIteration) as error:
                self._end_call(call)
                if self._closed:
                    raise StopIteration from None
                if isinstance(error, grpc.RpcError):
                    failure = from_rpc_error(error)
                    if not isinstance(failure, DaemonUnavailableError):
                        raise failure from error
                # The daemon has ended: the next call goes to its successor, from where this one came to.
                time.sleep(_PAUSE_S)
                continue
            self._after_seq = move.seq
            return move

    def close(self) -> None:
        """Ends the iteration, also one that another thread waits in. Harmless when repeated."""
        with self._lock:
            self._closed = True
            call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def __enter__(self) -> TagWatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_call(self) -> Any:
        """The running call, else a new one; None when the watch is closed. Raises DaemonUnavailableError."""
        with self._lock:
            if self._closed or self._call is not None:
                return self._call
        stub = connect().stub(RegistryServiceStub)
        request = WatchTagRequest(registry=self._registry, name=self._name, after_seq=self._after_seq)
        call = stub.WatchTag(request)
        with self._lock:
            if not self._closed:
                self._call = call
                return call
        call.cancel()
        return None

    def _end_call(self, call: Any) -> None:
        call.cancel()
        with self._lock:
            if self._call is call:
                self._call = None
