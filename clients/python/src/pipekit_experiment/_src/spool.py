"""The spool: frames on disk that no daemon has acknowledged yet.

One file a writer, `<state folder>/spool/<writer_id>.frames`, mode 0600: the 8 bytes `PKXSPL2\\n`, the 40
bytes of its owner (ring_owner.py) and the CRC-32 of both as a uint64, then one entry a frame: uint32 length,
uint32 CRC-32, uint64 seq, uint32 points (all little endian), then `length` bytes of a Frame message. The CRC
is that of seq, points and frame. A torn last entry, left by a crash, ends the file. In a file of the older
clients that began it with `PKXSPL1\\n` the entries follow at once.

Whoever has a file open holds `flock` on it. A file that can be locked belongs to nobody: its writer has died,
and any process may send what it holds and then delete it. The daemon does the same, and sees by the owner
that the writer has died; what both send is taken once, by its numbers.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pipekit_experiment._src.folders import make_in_state_folder
from pipekit_experiment._src.ring_owner import OWNER_BYTES, this_process
from pipekit_experiment._src.ulid import is_ulid

_MAGIC = b"PKXSPL2\n"
_FIRST_ENTRY = {b"PKXSPL1\n": len(_MAGIC), _MAGIC: len(_MAGIC) + OWNER_BYTES + 8}
_HEADER = struct.Struct("<IIQI")
_CHECKED = struct.Struct("<QI")
_MAX_FRAME_BYTES = 16 * 1024 * 1024
_SUFFIX = ".frames"


class Entry(NamedTuple):
    """A frame in the spool. `end` is the offset behind it."""

    seq: int
    points: int
    frame: bytes
    end: int


class SpoolFile:
    """The open, locked spool file of one writer."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    @classmethod
    def create(cls, folder: Path, writer_id: str) -> SpoolFile:
        """Makes the file. Raises OSError."""
        make_in_state_folder(folder)
        path = folder / f"{writer_id}{_SUFFIX}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            header = _MAGIC + this_process()
            _write_all(descriptor, header + zlib.crc32(header).to_bytes(8, "little"), 0)
            return cls(path, descriptor)
        except BaseException:
            path.unlink(missing_ok=True)
            os.close(descriptor)
            raise

    @classmethod
    def adopt(cls, path: Path) -> SpoolFile | None:
        """Opens and locks a file that a dead writer left; None when it lives, the file is gone, or a client
        of another age made it."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last owner may have deleted it between our open and our lock.
            is_there = os.stat(path).st_ino == os.fstat(descriptor).st_ino
            magic = os.pread(descriptor, len(_MAGIC), 0)
            # One that was cut short holds nothing; one that begins otherwise may, for whoever can read it.
            if is_there and (len(magic) < len(_MAGIC) or magic in _FIRST_ENTRY):
                return cls(path, descriptor)
        except OSError:
            pass
        os.close(descriptor)
        return None

    @property
    def writer_id(self) -> str:
        return self.path.name.removesuffix(_SUFFIX)

    def append(self, frames: Sequence[tuple[int, int, bytes]], *, sync: bool = True) -> None:
        """Appends frames (seq, points, frame); with `sync` they outlive the machine, without it this process.
        Raises OSError; then the file is as it was before."""
        data = b"".join([encode_entry(*frame) for frame in frames])
        try:
            _write_all(self._descriptor, data, self.size)
            if sync:
                os.fsync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(data)

    def read(self, offset: int) -> Entry | None:
        """The entry at `offset` (0 for the first); None at the end and where the file is torn."""
        if offset == 0:
            first = _FIRST_ENTRY.get(os.pread(self._descriptor, len(_MAGIC), 0))
            if first is None:
                return None
            offset = first
        header = os.pread(self._descriptor, _HEADER.size, offset)
        if len(header) < _HEADER.size:
            return None
        length, crc, seq, points = _HEADER.unpack(header)
        if length > _MAX_FRAME_BYTES:
            return None
        frame = os.pread(self._descriptor, length, offset + _HEADER.size)
        if len(frame) < length or zlib.crc32(frame, zlib.crc32(_CHECKED.pack(seq, points))) != crc:
            return None
        return Entry(seq, points, frame, offset + _HEADER.size + length)

    def entries(self) -> Iterator[Entry]:
        """All whole entries."""
        offset = 0
        while (entry := self.read(offset)) is not None:
            yield entry
            offset = entry.end

    def delete(self) -> None:
        """Removes the file, which still is locked, and closes it."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Lets go of the file without deleting it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def spool_files(folder: Path) -> list[Path]:
    """The spool files in a folder, oldest writer first."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    return [folder / name for name in names if name.endswith(_SUFFIX) and is_ulid(name.removesuffix(_SUFFIX))]


def encode_entry(seq: int, points: int, frame: bytes) -> bytes:
    """A frame as it stands in a spool file and in a ring."""
    crc = zlib.crc32(frame, zlib.crc32(_CHECKED.pack(seq, points)))
    return _HEADER.pack(len(frame), crc, seq, points) + frame


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written
