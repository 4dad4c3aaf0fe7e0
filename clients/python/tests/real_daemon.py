"""Starts the real daemon, by way of the client, in folders of its own."""

import os
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pipekit_experiment import connect
from pipekit_experiment._src import connection


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
        patch.setenv("PKX_DAEMON", str(Path(__file__).parents[3] / "daemon/main.ts"))
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
