"""Arrays as one file of NumPy's `.npz` form, the same bytes for equal arrays under every version of NumPy.

A ZIP of stored entries `<name>.npy`, sorted by name, dated 1980-01-01; each an array in C order and little
endian behind a header of version 1.0, as numpy.lib.format describes."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from pipekit_experiment._src.errors import InvalidArgumentError

_NEVER = (1980, 1, 1, 0, 0, 0)
_KINDS = "biufcSUmM"
"""Kinds of dtypes whose bytes say all: no Python objects, no records."""


def plain_arrays(given: Mapping[str, Any]) -> dict[str, Any]:
    """The arrays as NumPy's. Raises InvalidArgumentError that names one whose dtype cannot be kept."""
    import numpy as np

    arrays: dict[str, Any] = {name: np.asarray(given[name]) for name in sorted(given)}
    for name, array in arrays.items():
        if array.dtype.kind not in _KINDS:
            raise InvalidArgumentError(
                f"The array {name!r} has dtype {array.dtype}.",
                field=name,
                mend="Give numbers, booleans, text or times.",
            )
    return arrays


def npz_hash(arrays: Mapping[str, Any], algorithm: Literal["md5", "sha256"]) -> str:
    """Hash of the file that `save_npz` writes, in hex."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    _write(arrays, digest.update)
    return digest.hexdigest()


def save_npz(arrays: Mapping[str, Any], path: Path) -> None:
    """Writes the file."""
    with open(path, "wb") as file:
        _write(arrays, file.write)


class _Sink:
    """A file that can only be written. zipfile writes other bytes where it can go back."""

    def __init__(self, take: Callable[[Any], Any]) -> None:
        self._take = take

    def write(self, data: Any) -> int:
        self._take(data)
        return memoryview(data).nbytes

    def flush(self) -> None:
        """Nothing is held back."""


def _write(arrays: Mapping[str, Any], take: Callable[[Any], Any]) -> None:
    sink: Any = _Sink(take)
    with zipfile.ZipFile(sink, "w") as archive:
        for name, array in arrays.items():
            header, data = _npy(array)
            entry = zipfile.ZipInfo(f"{name}.npy", _NEVER)
            # By default it is the system's that writes.
            entry.create_system = 3
            entry.file_size = len(header) + data.nbytes
            with archive.open(entry, "w") as file:
                file.write(header)
                file.write(data)


def _npy(array: Any) -> tuple[bytes, memoryview]:
    import numpy as np

    little: Any = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
    about = f"{{'descr': {little.dtype.str!r}, 'fortran_order': False, 'shape': {_shape(little.shape)}, }}"
    # Magic and length take 10 bytes; data begins at a multiple of 64.
    padded = about + " " * (-(len(about) + 11) % 64) + "\n"
    header = b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded.encode("latin-1")
    data = little.reshape(-1).view(np.uint8) if little.nbytes else np.empty(0, np.uint8)
    return header, data.data


def _shape(shape: tuple[int, ...]) -> str:
    return repr(tuple(int(size) for size in shape))
