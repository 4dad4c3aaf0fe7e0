"""The state of the source code: commit, branch, and what is not committed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

from pipekit_experiment._src.artifacts.environment_secrets import without_credentials

MAX_DIFF_BYTES = 256 * 1024
_MAX_UNTRACKED = 100
_WAIT_S = 10.0


def git_state(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Commit, branch, remote, whether something is not committed, and the diff (cut at 256 KiB, which
    `diff_cut` tells). `{"absent": <why>}` when there is none; never raises."""
    try:
        top = _git(folder, "rev-parse", "--show-toplevel").strip()
        status = _git(folder, "status", "--porcelain", "--untracked-files=normal", "-z").split("\0")
        untracked = sorted(entry[3:] for entry in status if entry.startswith("?? "))
        return {
            "root": top,
            "commit": _line(folder, "rev-parse", "--verify", "HEAD"),
            "branch": _line(folder, "symbolic-ref", "--short", "HEAD"),
            "remote": _line(folder, "remote", "get-url", "origin"),
            "dirty": any(entry for entry in status),
            "untracked": untracked[:_MAX_UNTRACKED],
            "untracked_count": len(untracked),
            **_diff(folder),
        }
    except _Failed as failure:
        return {"absent": str(failure)}


def git_root(folder: Path) -> Path | None:
    """The folder of the working tree that this folder lies in; without calling git."""
    return next((above for above in (folder, *folder.parents) if (above / ".git").exists()), None)


class _Failed(Exception):
    pass


def _diff(folder: str | os.PathLike[str]) -> dict[str, Any]:
    # Against an empty repository's HEAD there is nothing to compare.
    try:
        data = _git(folder, "diff", "HEAD", "--no-ext-diff", "--no-textconv", "--no-color").encode()
    except _Failed:
        data = b""
    kept = data[:MAX_DIFF_BYTES].decode(errors="ignore")
    return {"diff": without_credentials(kept), "diff_cut": len(data) > MAX_DIFF_BYTES}


def _line(folder: str | os.PathLike[str], *arguments: str) -> str | None:
    """What git prints; None when it fails, as without a commit, a branch or a remote."""
    try:
        return without_credentials(_git(folder, *arguments).strip())
    except _Failed:
        return None


def _git(folder: str | os.PathLike[str], *arguments: str) -> str:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    # No program that a repository's config names is started.
    command = ["git", "-c", "core.fsmonitor=false", "-C", os.fspath(folder), *arguments]
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_WAIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _Failed("git cannot be run, or takes too long") from error
    if done.returncode != 0:
        raise _Failed(done.stderr.decode(errors="replace").strip().partition("\n")[0] or "git failed")
    return done.stdout.decode(errors="replace")
