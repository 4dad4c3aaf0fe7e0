"""Where the daemon keeps its state and where it listens. See ARCHITECTURE.md, "Folders and processes"."""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
from pathlib import Path

from pipekit_experiment._src.errors import InvalidArgumentError, UnsafeFolderError

_NAME = "pipekit-experiment"
_MAX_SOCKET_PATH = 107
"""Longest path of a unix socket, bytes (sun_path less its final NUL, on Linux)."""


def state_folder() -> Path:
    """Absolute real path of the daemon's state folder; it need not exist yet."""
    given = os.environ.get("PKX_STATE_DIR")
    base = _absolute("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(os.path.realpath(given or os.path.join(base, _NAME)))


def runtime_folder() -> Path:
    """Absolute path of the folder that holds the daemon's socket; it need not exist yet."""
    given = os.environ.get("PKX_RUNTIME_DIR")
    if given:
        return Path(os.path.abspath(given))
    base = _absolute("XDG_RUNTIME_DIR")
    return Path(base) / _NAME if base else Path(f"/tmp/{_NAME}-{os.getuid()}")


def _absolute(variable: str) -> str | None:
    """An XDG variable; the XDG specification has relative paths ignored."""
    value = os.environ.get(variable)
    return value if value and os.path.isabs(value) else None


def default_socket() -> Path:
    """Path of the socket on which the daemon of the state folder listens."""
    daemon_id = hashlib.sha256(os.fsencode(state_folder())).hexdigest()[:16]
    return runtime_folder() / f"{daemon_id}.sock"


def endpoint_socket() -> Path:
    """Path of the socket to connect to: `$PKX_ENDPOINT` (`unix:/path`), else the default one.

    Raises InvalidArgumentError when `$PKX_ENDPOINT` has another form, UnsafeFolderError when the path is too
    long.
    """
    given = os.environ.get("PKX_ENDPOINT")
    if not given:
        path = default_socket()
    elif given.startswith("unix:/"):
        path = Path("/" + given.removeprefix("unix:").lstrip("/"))
    else:
        raise InvalidArgumentError(
            "PKX_ENDPOINT is not of the form unix:/path.",
            field="PKX_ENDPOINT",
            mend="Set it to `unix:` and the absolute path of the daemon's socket, or unset it.",
        )
    if len(os.fsencode(path)) > _MAX_SOCKET_PATH:
        raise UnsafeFolderError(
            f"The socket path {path} is longer than the {_MAX_SOCKET_PATH} bytes that a unix socket takes.",
            field=str(path.parent),
            mend="Set PKX_RUNTIME_DIR to a folder with a shorter path.",
        )
    return path


def make_in_state_folder(folder: Path) -> None:
    """Makes a folder of the state folder, and that one with it, for their owner alone. Raises OSError.

    `Path.mkdir(parents=True)` makes parents open to others, and the daemon refuses a state folder that is.
    """
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def check_runtime_folder(folder: Path) -> None:
    """Makes the runtime folder if there is none; raises UnsafeFolderError unless it is ours alone.

    The daemon checks the same. A client that did not could hand its run to a socket that another user put
    there.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        link, found = folder.lstat(), folder.stat()
    except OSError as error:
        raise UnsafeFolderError(
            f"The folder {folder} cannot be made or read: {error.strerror}.",
            field=str(folder),
            mend="Set PKX_RUNTIME_DIR to a folder that you own.",
        ) from error
    user = os.geteuid()
    foreign_link = stat.S_ISLNK(link.st_mode) and link.st_uid not in (user, 0)
    if found.st_uid != user or foreign_link:
        raise UnsafeFolderError(
            f"The folder {folder} belongs to user {found.st_uid} and not to you (user {user}).",
            field=str(folder),
            mend="Set PKX_RUNTIME_DIR to a folder that you own.",
        )
    if found.st_mode & 0o077:
        raise UnsafeFolderError(
            f"The folder {folder} is open to other users (mode {stat.S_IMODE(found.st_mode):04o}).",
            field=str(folder),
            mend=f"Close it: chmod 700 {shlex.quote(str(folder))}",
        )
