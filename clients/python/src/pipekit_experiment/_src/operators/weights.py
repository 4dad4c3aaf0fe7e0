"""The weights of a composition: a ZIP of its parts' weights.

Entries are stored, not compressed, and dated 1980-01-01. The first is `format.json`, `{"format": 1}`. Then
comes one entry for each part that has weights, named by its path in the composition (`steps/0`,
`nodes/encoder`), in the order of the names' code points. The weights of a part that is itself a composition
are again such a ZIP. Equal parts give equal bytes."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

from pipekit_experiment._src.errors import FormatTooNewError, InvalidArgumentError, PipekitError

WEIGHTS_FORMAT = "zip"
_FORMAT = "format.json"
_VERSION = 1
_NEVER = (1980, 1, 1, 0, 0, 0)


def packed(parts: Mapping[str, bytes]) -> bytes | None:
    """The archive of these weights by path; None when there are none."""
    if not parts:
        return None
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(_entry(_FORMAT), json.dumps({"format": _VERSION}))
        for path in sorted(parts):
            archive.writestr(_entry(path), parts[path])
    return target.getvalue()


def unpacked(weights: bytes) -> dict[str, bytes]:
    """The weights in an archive, by path. Raises InvalidArgumentError, FormatTooNewError."""
    try:
        with zipfile.ZipFile(io.BytesIO(weights)) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if len(set(names)) != len(names) or any(entry.compress_type for entry in entries):
                raise _refused("an entry is compressed, or there twice")
            _check_version(archive)
            return {name: archive.read(name) for name in names if name != _FORMAT}
    except PipekitError:
        raise
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, ValueError, zlib.error) as error:
        raise _refused(str(error)) from error


def _entry(path: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path, _NEVER)
    # By default it is the system's that writes.
    entry.create_system = 3
    return entry


def _check_version(archive: zipfile.ZipFile) -> None:
    try:
        told: Any = json.loads(archive.read(_FORMAT))
        version = int(told["format"])
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise _refused(f"its {_FORMAT} is missing or malformed") from error
    if version > _VERSION:
        raise FormatTooNewError(
            f"The weights have format {version}; this version reads up to {_VERSION}.",
            field="weights",
            mend="Update pipekit-experiment.",
        )


def _refused(fault: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"The weights are no archive of a composition: {fault}.",
        field="weights",
        mend="Give what the composition's `get_weights` gave.",
    )
