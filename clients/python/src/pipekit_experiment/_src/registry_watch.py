"""Follows a tag."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

from pipekit_experiment._generated.registry_pb2 import WatchTagRequest
from pipekit_experiment._src.connection import connect
from pipekit_experiment._src.errors import (
    DaemonUnavailableError,
    PipekitError,
    RegistryUnavailableError,
    from_rpc_error,
)
from pipekit_experiment._src.quiet_grpc import grpc
from pipekit_experiment._src.registry_types import TagMove, tag_move

# After quiet_grpc, because it imports grpc.
from pipekit_experiment._generated.registry_pb2_grpc import RegistryServiceStub  # isort: skip

_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 2.0


class TagWatch:
    """Iterator over the moves of a tag; blocks until there is one. A context manager; `close()` ends it.

    Once it has found the daemon it waits for the daemon's successor, and once it has told a move, or was
    begun after one, also for a registry's server that is away."""

    def __init__(self, registry: str, name: str, after_seq: int) -> None:
        self._registry = registry
        self._name = name
        self._after_seq = after_seq
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._connected = False
        self._pause_s = _PAUSE_S
        self._call: Any = None

    def __iter__(self) -> TagWatch:
        return self

    def __next__(self) -> TagMove:
        while True:
            try:
                move = self._next_move()
            except PipekitError as failure:
                if self._closed.is_set():
                    raise StopIteration from None
                if not self._passes(failure):
                    raise
            else:
                if move is None and self._closed.is_set():
                    raise StopIteration
                if move is not None:
                    self._after_seq, self._pause_s = move.seq, _PAUSE_S
                    return move
            # The next call goes on from where this one came to.
            self._closed.wait(self._pause_s)
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)

    def close(self) -> None:
        """Ends the iteration, also one that another thread waits in. Harmless when repeated."""
        with self._lock:
            self._closed.set()
            call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def __enter__(self) -> TagWatch:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next_move(self) -> TagMove | None:
        """None when the watch is closed, or the daemon has ended the call."""
        call = self._open_call()
        if call is None:
            return None
        try:
            return tag_move(next(call).move)
        except StopIteration:
            self._end_call(call)
            return None
        except grpc.RpcError as error:
            self._end_call(call)
            raise from_rpc_error(error) from error

    def _passes(self, failure: PipekitError) -> bool:
        """Whether to go on after a failure: what was there once comes back."""
        if isinstance(failure, RegistryUnavailableError):
            return self._after_seq > 0
        return self._connected and isinstance(failure, DaemonUnavailableError)

    def _open_call(self) -> Any:
        """The running call, else a new one; None when the watch is closed. Raises DaemonUnavailableError."""
        with self._lock:
            if self._closed.is_set() or self._call is not None:
                return self._call
        stub = connect().stub(RegistryServiceStub)
        self._connected = True
        request = WatchTagRequest(registry=self._registry, name=self._name, after_seq=self._after_seq)
        call = stub.WatchTag(request)
        with self._lock:
            if not self._closed.is_set():
                self._call = call
                return call
        call.cancel()
        return None

    def _end_call(self, call: Any) -> None:
        call.cancel()
        with self._lock:
            if self._call is call:
                self._call = None
