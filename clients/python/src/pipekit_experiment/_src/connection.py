"""One connection to the daemon for each process, made when it is first needed.

The steps (ARCHITECTURE.md, "Folders and processes"): connect; when nobody answers, start the daemon and poll
until it does. A client never unlinks a socket: that is the daemon's business, under its lock.

Fork: a child drops its parent's connection without closing it and makes its own when it needs one.
`GRPC_ENABLE_FORK_SUPPORT` is best left unset: measured with grpcio 1.85, gRPC then works in a forked child
even while the parent streams, whereas 0 hangs the child at its first call and 1 hangs it when the parent was
in a call.
"""

from __future__ import annotations

import importlib
import os
import socket as _socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipekit_experiment._src import daemon_process, hand_over
from pipekit_experiment._src.errors import DaemonUnavailableError, InternalError, from_rpc_error
from pipekit_experiment._src.folders import (
    check_runtime_folder,
    default_socket,
    endpoint_socket,
    runtime_folder,
    state_folder,
)
from pipekit_experiment._src.remote import RemoteEndpoint, remote_endpoint

if TYPE_CHECKING:
    import grpc

    from pipekit_experiment._generated.daemon_pb2 import HelloResponse

__all__ = ["Connection", "connect", "runtime_folder", "state_folder"]

PROTOCOL_MIN = 1
PROTOCOL_MAX = 1
"""Versions of the wire protocol that this client speaks."""

_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_HELLO_S = 3.0
"""Longest wait for one answer to Hello: what listens may be something else that never answers."""
_RECHECK_S = 1.0
_POLL_FIRST_S = 0.005
_POLL_LAST_S = 0.01


class Connection:
    """A channel to the daemon, after Hello. The whole process shares it."""

    def __init__(self, channel: grpc.Channel, hello: HelloResponse, socket: Path | RemoteEndpoint) -> None:
        self.channel = channel
        self.hello = hello
        self.socket = socket
        self._stubs: dict[type[Any], Any] = {}
        self.seen_at = time.monotonic()
        """When the daemon was last found listening, by the monotonic clock."""

    def stub(self, kind: type[Any]) -> Any:
        """A generated stub class on this channel; made once, which saves a tenth of a millisecond a call."""
        made = self._stubs.get(kind)
        if made is None:
            made = self._stubs[kind] = kind(self.channel)
        return made

    def discard(self) -> None:
        """Lets the next `connect()` make a new connection (and a new daemon, if this one is gone).

        For a caller that got a DaemonUnavailableError. Calls of others on this channel go on.
        """
        with _state.lock:
            if _state.connections.get(self.socket) is self:
                del _state.connections[self.socket]

    def close(self) -> None:
        """Discards the connection and closes its channel; calls still on it end as cancelled."""
        self.discard()
        self.channel.close()


class _State:
    """What this process holds. Replaced as a whole in a forked child."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        """Guards `connections`; never held across I/O."""
        self.connecting = threading.Lock()
        """Held by the one thread that makes a connection."""
        self.connections: dict[Path | RemoteEndpoint, Connection] = {}


def close_all(timeout_s: float) -> None:
    """At the end of the process: closes every channel, and waits for the threads that grpc runs for them.

    One that the interpreter ends while it holds the lock of a call would make the destruction of that call,
    and so the end of the process, wait for ever.
    """
    deadline = time.monotonic() + timeout_s
    with _state.lock:
        kept = list(_state.connections.values())
    for connection in kept:
        connection.close()
    for thread in threading.enumerate():
        target: Any = getattr(thread, "_target", None)
        if str(getattr(target, "__module__", "")).startswith("grpc"):
            thread.join(max(0.0, deadline - time.monotonic()))


_state = _State()
# Destroying a channel in a forked child would wait for threads that exist only in the parent.
_parents: list[_State] = []


def _after_fork_in_child() -> None:
    global _state
    _parents.append(_state)
    _state = _State()


os.register_at_fork(after_in_child=_after_fork_in_child)


def connect(*, start: bool = True, timeout_s: float = 10.0) -> Connection:
    """The process's connection to the daemon; starts the daemon when none answers and `start` is true.

    `timeout_s` (seconds) bounds the whole call. Thread-safe. A connection is kept until its daemon
    leaves or it is discarded or closed; one is kept for each endpoint that the environment names.

    Raises DaemonUnavailableError when no daemon answers or can be started, ProtocolMismatchError when client
    and daemon share no protocol version, UnsafeFolderError when the socket's folder is not the caller's
    alone, InvalidArgumentError when `$PKX_ENDPOINT` is malformed; for a daemon that is reached over TCP
    UnauthenticatedError when its certificate or the token proves nothing.
    """
    socket = remote_endpoint() or endpoint_socket()
    deadline = time.monotonic() + timeout_s
    state = _state
    ready = _kept(state, socket)
    if ready is not None:
        return ready
    if not state.connecting.acquire(timeout=timeout_s):
        raise _unavailable(socket, "another thread is still connecting")
    try:
        ready = _kept(state, socket)
        if ready is None:
            ready = _open(socket, start, deadline)
            with state.lock:
                state.connections[socket] = ready
        return ready
    finally:
        state.connecting.release()


def _kept(state: _State, socket: Path | RemoteEndpoint) -> Connection | None:
    """The connection made before, unless its daemon has left since, as one does that was idle for long.

    Looking costs the daemon a new session, so one that was found there a moment ago is taken to be there.
    """
    with state.lock:
        kept = state.connections.get(socket)
    now = time.monotonic()
    if kept is None or now - kept.seen_at < _RECHECK_S or isinstance(socket, RemoteEndpoint):
        return kept
    if _listens(socket):
        kept.seen_at = now
        return kept
    kept.discard()
    return None


def _open(socket: Path | RemoteEndpoint, start: bool, deadline: float) -> Connection:
    default = default_socket()
    is_default = socket == default
    if is_default:
        check_runtime_folder(default.parent)
    if start and is_default and hand_over.is_wanted():
        found = hand_over.connect_to_current(
            lambda: _try_connect(default, deadline), default, PROTOCOL_MAX, deadline
        )
    else:
        found = _try_connect(socket, deadline)
    if isinstance(found, Connection):
        return found
    if not start:
        raise _unavailable(socket, found)
    if not is_default:
        raise _unavailable(socket, f"{found}, and with PKX_ENDPOINT set this client starts none")
    return _start_and_connect(default, deadline)


def _start_and_connect(socket: Path, deadline: float) -> Connection:
    pause = _POLL_FIRST_S
    while True:
        with daemon_process.spawn_turn(socket) as mine:
            # The turn may come from a process whose daemon answers by now.
            found = _try_connect(socket, deadline)
            if mine and not isinstance(found, Connection):
                found = _poll(socket, deadline, daemon_process.spawn(state_folder(), socket.parent))
        if isinstance(found, Connection):
            return found
        if time.monotonic() + pause >= deadline:
            raise _unavailable(socket, f"a daemon was started, but {found} within the time given")
        _load_grpc()
        time.sleep(pause)
        pause = min(pause * 1.5, _POLL_LAST_S)


def _poll(socket: Path, deadline: float, daemon: daemon_process.DaemonProcess) -> Connection | str:
    """Waits until the daemon answers, time is over, or the daemon leaves because another was first."""
    _load_grpc()
    pause = _POLL_FIRST_S
    while True:
        has_left = daemon.has_left()
        found = _try_connect(socket, deadline)
        if isinstance(found, Connection):
            return found
        failure = daemon.failure()
        if failure is not None:
            raise failure
        if has_left or time.monotonic() + pause >= deadline:
            return found
        time.sleep(pause)
        pause = min(pause * 1.5, _POLL_LAST_S)


def _try_connect(socket: Path | RemoteEndpoint, deadline: float) -> Connection | str:
    """Connects and says Hello; says in words why that failed when no daemon answers.

    A plain connect comes first: it costs microseconds, while a failed gRPC connect starts a back-off of
    seconds.
    """
    if not _listens(socket):
        return "nobody listens there"
    _load_grpc()
    from pipekit_experiment import __version__
    from pipekit_experiment._generated.daemon_pb2 import HelloRequest
    from pipekit_experiment._generated.daemon_pb2_grpc import DaemonServiceStub
    from pipekit_experiment._src.quiet_grpc import grpc

    if isinstance(socket, RemoteEndpoint):
        channel = socket.channel(_channel_options())
    else:
        channel = grpc.insecure_channel(f"unix:{socket}", options=_channel_options())
    request = HelloRequest(
        client=f"python/{__version__}", protocol_min=PROTOCOL_MIN, protocol_max=PROTOCOL_MAX
    )
    stub: Any = DaemonServiceStub(channel)
    patience = max(0.001, min(_HELLO_S, deadline - time.monotonic()))
    try:
        hello: HelloResponse = stub.Hello(request, timeout=patience)
    except grpc.RpcError as error:
        channel.close()
        failure = from_rpc_error(error)
        if isinstance(failure, (DaemonUnavailableError, InternalError)):
            return "what listens there does not answer as a daemon does"
        raise failure from error
    except BaseException:
        channel.close()
        raise
    return Connection(channel, hello, socket)


def _listens(socket: Path | RemoteEndpoint) -> bool:
    if isinstance(socket, RemoteEndpoint):
        return socket.answers()
    with _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(socket))
        except (BlockingIOError, TimeoutError):
            # It listens, with more callers waiting than it can count.
            return True
        except OSError:
            return False
    return True


def _channel_options() -> list[tuple[str, int | str]]:
    return [
        ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
        ("grpc.enable_http_proxy", 0),
        # A new channel must not wait out the back-off of an old one to the same socket.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2000),
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
    ]


def _load_grpc() -> None:
    """Imports what Hello needs, about 0.1 s: called while a daemon starts, so that both happen at once."""
    importlib.import_module("pipekit_experiment._src.quiet_grpc")
    importlib.import_module("pipekit_experiment._generated.daemon_pb2_grpc")


def _unavailable(socket: Path | RemoteEndpoint, reason: str) -> DaemonUnavailableError:
    return DaemonUnavailableError(
        f"No daemon answers at {socket}: {reason}.",
        field=str(socket),
        mend="Start it with `pkx serve`, or look at `pkx doctor`.",
    )
