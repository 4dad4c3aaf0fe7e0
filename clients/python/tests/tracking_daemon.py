"""A daemon in the test's process: the real wire, an in-memory journal, and switches for everything that can
go wrong."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from pipekit_experiment._generated import (
    daemon_pb2,
    daemon_pb2_grpc,
    errors_pb2,
    tracker_pb2,
    tracker_pb2_grpc,
)
from pipekit_experiment._src import hub
from pipekit_experiment._src.errors import ERROR_TRAILER
from pipekit_experiment._src.limits import Limits


class FakeDaemon(tracker_pb2_grpc.TrackerServiceServicer, daemon_pb2_grpc.DaemonServiceServicer):
    """Journals frames as the real daemon does: de-duplicated by (writer_id, seq), a gap refused.

    Switches: `ack_delay_s`; `hang` (frames are read and never answered); `break_after` (the stream breaks
    after that many frames, each of them journaled and not acknowledged); `refuse` (run id to the code that
    refuses its frames).
    """

    def __init__(self, socket: Path, folder: Path) -> None:
        self.socket = socket
        self.folder = folder
        self.ack_delay_s = 0.0
        self.hang = False
        self.break_after: int | None = None
        self.refuse: dict[str, str] = {}
        self.bad_specs: set[str] = set()
        self.frames: list[tracker_pb2.Frame] = []
        self.last_seq: dict[str, int] = {}
        self.duplicates = 0
        self.streams = 0
        self.changed = threading.Condition()
        self._server: Any = None

    def start(self) -> FakeDaemon:
        self._server = grpc.server(
            ThreadPoolExecutor(16),
            options=[("grpc.max_receive_message_length", 16 * 1024 * 1024), ("grpc.so_reuseport", 0)],
        )
        tracker_pb2_grpc.add_TrackerServiceServicer_to_server(self, self._server)
        daemon_pb2_grpc.add_DaemonServiceServicer_to_server(self, self._server)
        self._server.add_insecure_port(f"unix:{self.socket}")
        self._server.start()
        return self

    def stop(self) -> None:
        """Dies at once; what was journaled stays."""
        if self._server is not None:
            self._server.stop(0).wait(5)
            self._server = None
            self.socket.unlink(missing_ok=True)

    def Hello(self, request: Any, context: grpc.ServicerContext) -> Any:
        return daemon_pb2.HelloResponse(
            protocol=1,
            daemon_version="0",
            state_folder=str(self.folder),
            staging_folder=str(self.folder / "staging"),
        )

    def StartRun(self, request: Any, context: grpc.ServicerContext) -> Any:
        start = request.frame.records[0].start
        for spec in start.sinks:
            if spec in self.bad_specs:
                _abort(context, "INVALID_TRACKER_SPEC", f"The tracker spec {spec} is wrong.", "sinks")
        self._append(request.frame)
        return tracker_pb2.StartRunResponse(run=tracker_pb2.Run(run_id=request.frame.run_id, name=start.name))

    def Log(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        self.streams += 1
        taken = 0
        for request in requests:
            frame = request.frame
            if self.hang:
                continue
            answer = tracker_pb2.LogResponse(writer_id=frame.writer_id, acked_seq=frame.seq)
            code = self.refuse.get(frame.run_id) or self._append(frame)
            taken += 1
            if self.break_after is not None and taken >= self.break_after:
                self.break_after = None
                context.abort(grpc.StatusCode.UNAVAILABLE, "broken on purpose")
            if code:
                answer.rejection.CopyFrom(
                    errors_pb2.ErrorDetail(
                        code=errors_pb2.ErrorCode.Value(f"ERROR_CODE_{code}"), message="Refused on purpose."
                    )
                )
            if self.ack_delay_s:
                time.sleep(self.ack_delay_s)
            yield answer

    def ReadMetrics(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        for key, points in self.points(request.run_id).items():
            if request.keys and key not in request.keys:
                continue
            yield tracker_pb2.ReadMetricsResponse(
                key=key,
                steps=struct.pack(f"<{len(points)}q", *[step for step, _ in points]),
                values=struct.pack(f"<{len(points)}d", *[value for _, value in points]),
            )

    def SinkStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        start = self.records(request.run_id, "start")[0]
        return tracker_pb2.SinkStatusResponse(
            sinks=[tracker_pb2.Sink(spec=spec, state=1, points_shown=-1) for spec in start.sinks]
        )

    def _append(self, frame: Any) -> str | None:
        with self.changed:
            last = self.last_seq.get(frame.writer_id, 0)
            if frame.seq <= last:
                self.duplicates += 1
                return None
            if frame.seq != last + 1:
                return "INVALID_FRAME"
            starts = bool(frame.records) and frame.records[0].WhichOneof("record") == "start"
            if not starts and not any(other.run_id == frame.run_id for other in self.frames):
                return "RUN_NOT_FOUND"
            copy = tracker_pb2.Frame()
            copy.CopyFrom(frame)
            self.frames.append(copy)
            self.last_seq[frame.writer_id] = frame.seq
            self.changed.notify_all()
            return None

    def records(self, run_id: str, kind: str) -> list[Any]:
        """The records of a kind, in journal order."""
        with self.changed:
            return [
                getattr(record, kind)
                for frame in self.frames
                if frame.run_id == run_id
                for record in frame.records
                if record.WhichOneof("record") == kind
            ]

    def rows(self, run_id: str) -> list[tuple[int, int, dict[str, float]]]:
        """Rows of a run in journal order: step, time in microseconds, values by key."""
        return [row for columns in self.records(run_id, "metrics") for row in unpack(columns)]

    def points(self, run_id: str) -> dict[str, list[tuple[int, float]]]:
        """Series of a run."""
        series: dict[str, list[tuple[int, float]]] = {}
        for step, _, values in self.rows(run_id):
            for key, value in values.items():
                series.setdefault(key, []).append((step, value))
        return series

    def count(self, run_id: str) -> int:
        return sum(len(columns.values) // 8 for columns in self.records(run_id, "metrics"))

    def wait_for(self, condition: Any, timeout_s: float = 10.0) -> None:
        """Waits until the journal satisfies a condition; fails the test when it does not in time."""
        with self.changed:
            assert self.changed.wait_for(condition, timeout_s), (
                "the journal did not come to what was waited for"
            )


def unpack(columns: Any) -> list[tuple[int, int, dict[str, float]]]:
    """The rows of MetricColumns, read by the letter of tracker.proto."""
    count = len(columns.row_key_set) // 4
    key_sets = struct.unpack(f"<{count}I", columns.row_key_set)
    steps = struct.unpack(f"<{count}q", columns.row_step)
    times = struct.unpack(f"<{count}q", columns.row_time_us)
    values = iter(struct.unpack(f"<{len(columns.values) // 8}d", columns.values))
    rows = [
        (step, time_us, {key: next(values) for key in columns.key_sets[key_set].keys})
        for key_set, step, time_us in zip(key_sets, steps, times, strict=True)
    ]
    assert next(values, None) is None
    return rows


def _abort(context: grpc.ServicerContext, code: str, message: str, field: str) -> None:
    detail = errors_pb2.ErrorDetail(
        code=errors_pb2.ErrorCode.Value(f"ERROR_CODE_{code}"), message=message, field=field, mend="Mend it."
    )
    context.set_trailing_metadata(((ERROR_TRAILER, detail.SerializeToString()),))
    context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    """A fake daemon that listens, folders of its own, and a fresh hub for this process."""
    # Not tmp_path: a socket's path must be short.
    with tempfile.TemporaryDirectory(prefix="pkx") as made:
        folder = Path(made)
        socket = folder / "d.sock"
        monkeypatch.setenv("PKX_STATE_DIR", made)
        monkeypatch.setenv("PKX_RUNTIME_DIR", str(folder / "run"))
        monkeypatch.setenv("PKX_ENDPOINT", f"unix:{socket}")
        monkeypatch.setattr(hub, "_process", hub._Process())
        monkeypatch.setattr(hub, "EXIT_WAIT_S", 1.0)
        fake = FakeDaemon(socket, folder).start()
        yield fake
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            hub.the_hub().close()
        fake.stop()


@pytest.fixture
def limits(daemon: FakeDaemon) -> Callable[..., None]:
    """Sets limits of this process's hub."""

    def change(**values: Any) -> None:
        hub.the_hub().limits = replace(Limits(), **values)

    return change


def run_script(code: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Runs a program that logs to the daemon of the test, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
