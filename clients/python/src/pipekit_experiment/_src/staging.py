"""Copies what is attached to a run into the staging folder, so that the caller may change or delete it at
once."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path, PurePosixPath

from pipekit_experiment._src.errors import ArtifactUnreadableError, InvalidArgumentError, StorageFullError
from pipekit_experiment._src.folders import make_in_state_folder
from pipekit_experiment._src.ulid import new_ulid

_MAX_NAME = 512
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def is_uri(source: str | os.PathLike[str]) -> bool:
    """Whether `source` names content kept elsewhere, such as `s3://bucket/key`."""
    return isinstance(source, str) and _URI.match(source) is not None


def check_artifact_name(name: str) -> str:
    """Returns the name; raises InvalidArgumentError unless it is a plain relative path with forward
    slashes."""
    parts = name.split("/")
    if (
        len(name) > _MAX_NAME
        or "\\" in name
        or "\0" in name
        or any(part in ("", ".", "..") for part in parts)
    ):
        raise InvalidArgumentError(
            f"The artifact name {name[:80]!r} is not a plain relative path.",
            field="name",
            mend="Use a name such as plots/loss.png.",
        )
    return name


def default_name(source: str | os.PathLike[str]) -> str:
    """The last part of a path or URI."""
    text = os.fspath(source)
    if is_uri(text):
        return PurePosixPath(text.split("?")[0].split("#")[0]).name
    return Path(os.path.abspath(text)).name


def stage(source: str | os.PathLike[str], staging_folder: Path) -> Path:
    """Copies a file or folder to `<staging>/<ulid>`; shares blocks where the file system can.

    Symbolic links are followed. Raises ArtifactUnreadableError, StorageFullError.
    """
    path = Path(os.path.abspath(source))
    if not path.exists():
        raise ArtifactUnreadableError(
            f"There is no file or folder {path} to attach.", field=str(path), mend="Check the path."
        )
    target = staging_folder / new_ulid()
    try:
        make_in_state_folder(staging_folder)
        if path.is_dir():
            shutil.copytree(path, target, copy_function=_copy)
        else:
            _copy(str(path), str(target))
    except (OSError, shutil.Error) as error:
        _remove(target)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError(
                f"The disk of {staging_folder} is full.", field=str(staging_folder), mend="Free disk space."
            ) from error
        raise ArtifactUnreadableError(
            f"{path} cannot be copied: {error}.", field=str(path), mend="Make it readable."
        ) from error
    return target


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _copy(source: str, target: str) -> str:
    with open(source, "rb") as reading, open(target, "xb") as writing:
        left = os.fstat(reading.fileno()).st_size
        try:
            while left > 0:
                copied = os.copy_file_range(reading.fileno(), writing.fileno(), left)
                if copied == 0:
                    break
                left -= copied
        except (AttributeError, OSError):
            # Not Linux, or two file systems that do not know each other.
            reading.seek(0)
            writing.seek(0)
            writing.truncate()
        shutil.copyfileobj(reading, writing, 1024 * 1024)
    return target
