"""Starts the real daemon, by way of the client, in folders of its own, and servers for it to talk to."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from pipekit_experiment import connect
from pipekit_experiment._generated import tracker_pb2 as pb
from pipekit_experiment._generated.tracker_pb2_grpc import TrackerServiceStub
from pipekit_experiment._src import connection, hub

ROOT = Path(__file__).parents[3]


@contextmanager
def daemon_in(folder: Path) -> Generator[connection.Connection]:
    """Points the environment to `folder`, starts a daemon there and ends it afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PKX_STATE_DIR", str(folder / "state"))
        patch.setenv("PKX_RUNTIME_DIR", str(folder / "run"))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        for name in ("PKX_CONFIG", "PKX_ENDPOINT", "PKX_NODE"):
            patch.delenv(name, raising=False)
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
        # The source, whether or not a bundle was built beside the package.
        patch.setenv("PKX_DAEMON", str(ROOT / "daemon/main.ts"))
        made = connect(timeout_s=30)
        try:
            yield made
        finally:
            end(made.hello.pid)
            for kept in list(connection._state.connections.values()):
                kept.close()


@pytest.fixture(scope="module")
def real_daemon(tmp_path_factory: pytest.TempPathFactory) -> Generator[connection.Connection]:
    """One for all tests of a file."""
    with daemon_in(tmp_path_factory.mktemp("d")) as made:
        yield made


@contextmanager
def tracking_in(folder: Path, patch: pytest.MonkeyPatch) -> Generator[connection.Connection]:
    """As `daemon_in`, with a fresh hub for this process; ends the daemons that are started later, too."""
    patch.setattr(hub, "_process", hub._Process())
    with daemon_in(folder) as made:
        try:
            yield made
        finally:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                hub.the_hub().close()
            for pid in _daemons_of(folder):
                end(pid)


@pytest.fixture
def tracking(monkeypatch: pytest.MonkeyPatch) -> Generator[connection.Connection]:
    """One for each test, for runs that are tracked there."""
    with tempfile.TemporaryDirectory(prefix="pkx") as made, tracking_in(Path(made), monkeypatch) as opened:
        yield opened


def _daemons_of(folder: Path) -> list[int]:
    pids: list[int] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if str(folder / "state").encode() in path.read_bytes():
                pids.append(int(path.parent.name))
    return pids


def read_run(run_id: str) -> pb.Run:
    """What the daemon has of a run."""
    return TrackerServiceStub(connect().channel).GetRun(pb.GetRunRequest(run_id=run_id)).run


@contextmanager
def registry_servers(*options: str) -> Generator[dict[str, Any]]:
    """Starts an S3 server and an MLflow server, or with `--s3` only that; gives their addresses and keys."""
    program = [ROOT / "node_modules/.bin/node", ROOT / "test/support/registry-servers.ts", *options]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        told = child.stdout.readline()
        assert told, "the servers did not start"
        yield json.loads(told)
        child.stdin.close()


def end(pid: int, how: signal.Signals = signal.SIGKILL) -> None:
    """Ends a process and waits until it is gone, be it a child of this one or not."""
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        return
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.005)


def is_running(pid: int) -> bool:
    """Whether a process has a thread that lives; one that only waits for its parent to ask has none."""
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if stat.read_text().rpartition(")")[2].split()[0] not in "ZX":
                return True
    return False
