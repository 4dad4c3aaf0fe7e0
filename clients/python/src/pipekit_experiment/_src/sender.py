"""The sender thread: streams frames to the daemon, takes acknowledgements, and finds the daemon again when it
is gone."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pipekit_experiment._src.connection import connect
from pipekit_experiment._src.errors import DaemonUnavailableError, PipekitError, from_detail, from_rpc_error

if TYPE_CHECKING:
    from pipekit_experiment._generated.tracker_pb2 import LogResponse
    from pipekit_experiment._src.connection import Connection
    from pipekit_experiment._src.hub import Hub
    from pipekit_experiment._src.outbox import Outbox

_LOG_METHOD = "/pipekit.experiment.v1.TrackerService/Log"
_CONNECT_S = 10.0
_BACKOFF_FIRST_S = 0.1
_BACKOFF_LAST_S = 10.0
_IDLE_S = 1.0
_RUN_WAIT_S = 60.0
"""How long frames of a forked child wait for the start of their run, which another process has to hand
over."""
_RUN_RETRY_S = 0.5


class _Stream:
    """One Log call. `over` tells its request iterator, which runs in a thread of grpc, to end."""

    def __init__(self) -> None:
        self.over = False
        self.acknowledged = False


class Sender:
    """`down` is true from a failed attempt to reach the daemon until one succeeds."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.down = False
        self.failures = 0
        """Failed attempts to reach the daemon."""
        self._hurried = False
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._call: Any = None
        self._turn = 0
        self._waiting_since: dict[str, float] = {}

    def start(self) -> None:
        """Starts the thread. It connects when there is something to send."""
        self._thread = threading.Thread(target=self._loop, name="pipekit-sender", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Ends the stream and the thread; nothing is sent afterwards."""
        with self._hub.changed:
            self._stopped = True
            call = self._call
            self._hub.changed.notify_all()
        if call is not None:
            call.cancel()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def lost(self, error: PipekitError) -> None:
        """The daemon cannot be reached: says so, and lets the hub put frames on disk."""
        with self._hub.changed:
            self.down = True
            self.failures += 1
            self._hub.changed.notify_all()
        folder, fault = self._hub.spool_folder, self._hub.spool_fault
        meanwhile = f"Meanwhile what is logged is kept in memory, and then in {folder}."
        if fault:
            meanwhile = (
                f"Meanwhile what is logged is kept in memory alone, since {folder} cannot take it ({fault}); "
                "when that is full, the oldest points are dropped."
            )
        self._hub.loud.say("down", f"{error} {meanwhile}")

    def hurry(self) -> int:
        """Ends a pause between two attempts; how many have failed so far."""
        with self._hub.changed:
            self._hurried = True
            self._hub.changed.notify_all()
            return self.failures

    def _loop(self) -> None:
        pause = _BACKOFF_FIRST_S
        while self._wait_for_work():
            error: PipekitError | None = None
            try:
                connection = connect(timeout_s=_CONNECT_S)
                with self._hub.changed:
                    self.down = False
                self._hub.adopt_orphans()
                if self._run_stream(connection):
                    pause = _BACKOFF_FIRST_S
            except PipekitError as failure:
                error = failure
            except Exception as failure:
                error = PipekitError(f"The sender met a defect: {failure!r}.")
            if error is not None:
                # A daemon that left in peace is started again at once; only a failed attempt counts as down.
                if not isinstance(error, _StreamBroken):
                    self.lost(error)
                self._sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, _BACKOFF_LAST_S)

    def _wait_for_work(self) -> bool:
        with self._hub.changed:
            while not self._stopped:
                if any(outbox.has_unsent for outbox in self._hub.outboxes.values()):
                    return True
                self._hub.changed.wait()
        return False

    def _sleep(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        with self._hub.changed:
            while not (self._stopped or self._hurried) and (left := deadline - time.monotonic()) > 0:
                self._hub.changed.wait(left)
            self._hurried = False

    def _run_stream(self, connection: Connection) -> bool:
        """Runs one stream until it is idle or broken. True when something was acknowledged and the end was in
        peace."""
        from pipekit_experiment._generated.tracker_pb2 import LogResponse
        from pipekit_experiment._src.quiet_grpc import grpc

        stream = _Stream()
        channel: Any = connection.channel
        open_stream = channel.stream_stream(_LOG_METHOD)
        with self._hub.changed:
            if self._stopped:
                return False
            self._call = open_stream(self._requests(stream))
        try:
            for answer in self._call:
                stream.acknowledged = True
                self._take_answer(LogResponse.FromString(answer))
        except grpc.RpcError as error:
            if self._stopped:
                return False
            connection.discard()
            failure = from_rpc_error(error)
            if isinstance(failure, DaemonUnavailableError):
                raise _StreamBroken(failure.message) from error
            raise failure from error
        finally:
            with self._hub.changed:
                stream.over = True
                self._call = None
                for outbox in self._hub.outboxes.values():
                    outbox.rewind()
                self._hub.changed.notify_all()
        return stream.acknowledged

    def _requests(self, stream: _Stream) -> Iterator[bytes]:
        while (frame := self._next_frame(stream)) is not None:
            yield b"\x0a" + _varint(len(frame)) + frame

    def _next_frame(self, stream: _Stream) -> bytes | None:
        """Waits for a frame; None when the stream is to end, also after a while without any run."""
        hub = self._hub
        idle_since = time.monotonic()
        with hub.changed:
            while not (stream.over or self._stopped):
                now = time.monotonic()
                boxes = list(hub.outboxes.values())
                wait = _IDLE_S
                if sum(outbox.in_flight_bytes for outbox in boxes) < hub.limits.in_flight_bytes:
                    for i in range(len(boxes)):
                        outbox = boxes[(self._turn + i) % len(boxes)]
                        if outbox.hold_until > now:
                            wait = min(wait, outbox.hold_until - now)
                        elif (frame := outbox.next_frame()) is not None:
                            self._turn = (self._turn + i + 1) % len(boxes)
                            return frame
                if boxes:
                    idle_since = now
                elif now - idle_since >= _IDLE_S:
                    return None
                hub.changed.wait(wait)
        return None

    def _take_answer(self, answer: LogResponse) -> None:
        with self._hub.changed:
            outbox = self._hub.outboxes.get(answer.writer_id)
            if outbox is None:
                return
            if answer.HasField("rejection"):
                failure = from_detail(answer.rejection)
                if self._run_not_there_yet(outbox, failure):
                    return
                self._refused(outbox, failure)
            else:
                self._waiting_since.pop(outbox.writer_id, None)
            outbox.ack(answer.acked_seq)
            self._hub.forget(outbox)
            self._hub.changed.notify_all()

    def _run_not_there_yet(self, outbox: Outbox, failure: PipekitError) -> bool:
        """Whether to send the frames again: the process that starts their run may hand over its start
        later."""
        since = self._waiting_since.get(outbox.writer_id)
        if since is None:
            if failure.code != "RUN_NOT_FOUND" or outbox.acked_seq:
                return False
            since = self._waiting_since[outbox.writer_id] = time.monotonic()
        elif failure.code not in ("RUN_NOT_FOUND", "INVALID_FRAME"):
            return False
        if time.monotonic() - since > _RUN_WAIT_S:
            return False
        outbox.rewind()
        outbox.hold_until = time.monotonic() + _RUN_RETRY_S
        return True

    def _refused(self, outbox: Outbox, failure: PipekitError) -> None:
        writer = self._hub.writers.get(outbox.writer_id)
        if writer is not None:
            writer.rejected += 1
        where = f" to run {writer.run_id}" if writer is not None else ""
        self._hub.loud.say(
            f"refused {outbox.writer_id}", f"The daemon refused a part of what was logged{where}: {failure}"
        )


class _StreamBroken(DaemonUnavailableError):
    """The daemon went away in the middle of a stream."""


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
