"""Moves weights to the daemon and back: through a file on the same host, else in chunks."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from pipekit_experiment._generated import registry_pb2 as pb
from pipekit_experiment._src.errors import (
    ArtifactUnreadableError,
    CorruptModelError,
    InvalidArgumentError,
    StorageFullError,
)

CHUNK_BYTES = 1024 * 1024

Weights = bytes | bytearray | memoryview | Path
"""Bytes, or the path of a file that holds them."""


def checked_weights(given: object) -> Weights | None:
    """A `weights` argument. Raises ArtifactUnreadableError, InvalidArgumentError for another type."""
    if given is None or isinstance(given, (bytes, bytearray)):
        return given
    if isinstance(given, memoryview):
        return given.cast("B")
    if not isinstance(given, (str, os.PathLike)):
        raise InvalidArgumentError(
            f"The weights are a {type(given).__name__}.",
            field="weights",
            mend="Give bytes, or the path of a file.",
        )
    path = Path(os.path.abspath(os.fsdecode(cast("str | os.PathLike[str]", given))))
    if not path.is_file():
        raise ArtifactUnreadableError(
            f"There is no file {path} with weights.", field="weights", mend="Check the path."
        )
    return path


@contextmanager
def handed_over(weights: Weights, staging_folder: str) -> Generator[tuple[str, bool] | None]:
    """Yields the path under which the daemon finds the weights, and whether it may take the file away.

    Bytes are written to the staging folder; a file of the user's stays where it is. None when the staging
    folder is not within reach, as when the daemon runs in another container."""
    folder = Path(staging_folder)
    if not (staging_folder and folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)):
        yield None
        return
    if isinstance(weights, Path):
        yield str(weights), False
        return
    path = folder / f"{os.getpid()}-{secrets.token_hex(8)}.weights"
    try:
        _write(path, weights)
        yield str(path), True
    finally:
        path.unlink(missing_ok=True)


def chunks(weights: Weights) -> Iterator[bytes]:
    """The weights in pieces that fit a message."""
    if isinstance(weights, Path):
        with open(weights, "rb", buffering=0) as file:
            while piece := file.read(CHUNK_BYTES):
                yield piece
        return
    view = memoryview(weights)
    for offset in range(0, len(view), CHUNK_BYTES):
        yield bytes(view[offset : offset + CHUNK_BYTES])


def read_file(path: str, size: int) -> bytes | None:
    """The verified file that the daemon names; None when it is not within reach from here."""
    try:
        with open(path, "rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size != size:
                return None
            data = file.read()
    except OSError:
        return None
    return data if len(data) == size else None


def joined(pieces: Iterable[pb.LoadResponse], model: pb.Model) -> bytes:
    """The weights that arrive in chunks. The daemon has verified them when the stream ends without error."""
    data = bytearray(model.weights_size)
    offset = 0
    for piece in pieces:
        end = offset + len(piece.weights_chunk)
        if end > len(data):
            break
        data[offset:end] = piece.weights_chunk
        offset = end
    if offset != len(data):
        raise CorruptModelError(
            f"The weights of {model.hash} did not arrive whole.", field=model.hash, mend="Load it again."
        )
    return bytes(data)


def _write(path: Path, data: bytes | bytearray | memoryview) -> None:
    view = memoryview(data)
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0) as file:
            while view:
                view = view[file.write(view) :]
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError(
                f"The disk of {path.parent} is full.", field=str(path.parent), mend="Free disk space."
            ) from error
        raise
