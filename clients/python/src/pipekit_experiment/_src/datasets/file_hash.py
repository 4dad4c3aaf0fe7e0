"""DVC's hash of a file or folder, and its SHA-256."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from pipekit_experiment._src.errors import ArtifactUnreadableError, DaemonUnavailableError

_CHUNK_BYTES = 1024 * 1024

_known: dict[tuple[object, ...], tuple[str, str]] = {}
"""Hashes of files by path, device, inode, size and times."""


def file_hashes(path: Path, repo: str | None) -> tuple[str, str]:
    """DVC's hash (MD5; of a folder, with `.dir`) and SHA-256 of what lies at `path`.

    The daemon computes them, and remembers those of files that have not changed; without a daemon, a single
    file is read here. Raises ArtifactUnreadableError, and DaemonUnavailableError for a folder."""
    try:
        stat = path.stat()
    except OSError as error:
        raise ArtifactUnreadableError(
            f"There is no file or folder {path}.", field="path", mend="Check the path."
        ) from error
    if path.is_dir():
        return _told(path, repo)
    key = (os.path.realpath(path), stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    if key not in _known:
        try:
            _known[key] = _told(path, repo)
        except DaemonUnavailableError:
            _known[key] = _read(path)
    return _known[key]


def _told(path: Path, repo: str | None) -> tuple[str, str]:
    from pipekit_experiment._generated.dataset_pb2 import HashDatasetRequest
    from pipekit_experiment._src.datasets.calls import ask_long

    request = HashDatasetRequest(repo=os.path.abspath(repo) if repo else "", path=str(path.absolute()))
    found = ask_long("HashDataset", request, "dataset", None, "hash")
    return found.hash, found.sha256


def _read(path: Path) -> tuple[str, str]:
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(_CHUNK_BYTES):
            md5.update(piece)
            sha256.update(piece)
    return md5.hexdigest(), sha256.hexdigest()
