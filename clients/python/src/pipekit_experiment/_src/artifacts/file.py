"""The file of an artifact: JSON for people, sealed by a digest over all of its bytes.

Bytes, UTF-8, written as JSON with two spaces of indent; docs/artifacts.md specifies them for other languages:

    {
      "format": "pipekit-training-artifact",
      "version": 1,
      "digest": "sha256:<64 digits>",
      "body": {...}
    }

The digest is the SHA-256 of the whole file in which the 64 digits on the fourth line are zeros. These four
lines stay as they are in every later version, so that damage and a newer version can be told apart."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from pipekit_experiment._src.errors import (
    ArtifactUnreadableError,
    CorruptArtifactError,
    FormatTooNewError,
    InvalidArgumentError,
    StorageFullError,
)

VERSION = 1

_ZEROS = "0" * 64
_HEAD = re.compile(
    rb'\A\{\n  "format": "([a-z0-9-]{1,64})",\n  "version": ([1-9][0-9]{0,8}),\n'
    rb'  "digest": "sha256:([0-9a-f]{64})",\n'
)
_RESTORE = "Restore the file from a backup."


def write_artifact(path: str | os.PathLike[str], format: str, body: Mapping[str, Any]) -> None:
    """Writes the file durably, in one step: readers see the old one or the new one, whole.

    Raises StorageFullError, and OSError as open() does."""
    document = {"format": format, "version": VERSION, "digest": f"sha256:{_ZEROS}", "body": body}
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    _write_durably(Path(os.path.realpath(os.fsdecode(path))), text.replace(_ZEROS, digest, 1).encode())


def read_artifact(path: str | os.PathLike[str], format: str) -> Mapping[str, Any]:
    """The body of a file of this format, verified. Raises ArtifactUnreadableError, CorruptArtifactError,
    FormatTooNewError, InvalidArgumentError for an artifact of another kind."""
    name = os.fsdecode(path)
    try:
        data = Path(name).read_bytes()
    except OSError as error:
        raise ArtifactUnreadableError(
            f"The artifact {name} cannot be read: {error.strerror}.", field=name, mend="Check the path."
        ) from error
    return artifact_in(data, name, format)


def artifact_in(data: bytes, name: str, format: str) -> Mapping[str, Any]:
    """The body in the bytes of a file that is called `name`. Raises what `read_artifact` does."""
    head = _HEAD.match(data)
    if head is None:
        raise _damaged(name, data, "it does not begin as an artifact does")
    found, version, digest = (part.decode() for part in head.groups())
    unsealed = data[: head.start(3)] + _ZEROS.encode() + data[head.end(3) :]
    if hashlib.sha256(unsealed).hexdigest() != digest:
        raise _damaged(name, data, "its bytes do not have the digest that stands in it")
    if found != format:
        raise InvalidArgumentError(
            f"{name} is a {found}, not a {format}.", field=name, mend="Load it with the class of its kind."
        )
    if int(version) > VERSION:
        raise FormatTooNewError(
            f"The artifact {name} has version {version} of its format; this version reads up to {VERSION}.",
            field=name,
            mend="Update pipekit-experiment.",
        )
    return _body(name, data)


def _body(name: str, data: bytes) -> Mapping[str, Any]:
    try:
        body: Any = json.loads(data.decode())["body"]
    except (ValueError, KeyError, RecursionError) as error:
        raise _damaged(name, data, "it is no JSON") from error
    if not isinstance(body, dict):
        raise _damaged(name, data, "its body is no JSON object")
    return cast("Mapping[str, Any]", body)


def _damaged(name: str, data: bytes, why: str) -> CorruptArtifactError:
    # What git and mail programs do to text files.
    mend = f"Its line ends were changed: keep it as it is. {_RESTORE}" if b"\r\n" in data else _RESTORE
    return CorruptArtifactError(f"{name} is damaged, or no artifact: {why}.", field=name, mend=mend)


def _write_durably(target: Path, data: bytes) -> None:
    part = target.parent / f".{target.name[:200]}.{secrets.token_hex(6)}.part"
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except OSError as error:
        part.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError(
                f"The disk of {target.parent} is full.", field=str(target.parent), mend="Free disk space."
            ) from error
        raise
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
