"""The ring: a file in shared memory that keeps what log() took, so that the death of this process costs
nothing.

One file a writer, `<runtime folder>/<id>.rings/<writer_id>.ring`; docs/ring.md has its format. log() writes
rows to blocks (ring_blocks.py); the flusher packs them into frames, puts each frame here before it may be
sent, and then moves the watermark, which says up to where rows are in frames. A block whose rows are in
frames, and the place of frames that are acknowledged or spooled, are used again.
"""

from __future__ import annotations

import mmap
import os
import stat
import struct
import sys
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from zlib import crc32

from pipekit_experiment._src.ring_blocks import BLOCK_HEADER_BYTES, RingBlock
from pipekit_experiment._src.ring_owner import this_process
from pipekit_experiment._src.spool import encode_entry

MAGIC = b"PKXRNG1\n"
HEADER_BYTES = mmap.ALLOCATIONGRANULARITY
WATERMARK_AT = 256
WATERMARK_STRIDE = 64

_GEOMETRY = struct.Struct("<IIII")
_WATERMARK = struct.Struct("<QQQQ")
_TOUCH_BYTES = 64 * 1024
_SMALLEST_BLOCK, _LARGEST_BLOCK = 256 * 1024, 1024 * 1024
_NO_FD: dict[str, Any] = {"trackfd": False} if sys.version_info >= (3, 13) else {}
"""Python 3.13 maps without keeping a file descriptor."""


class Ring:
    """The open ring file of one writer. Blocks are handled by whoever packs, the rest with the hub's lock
    held; they meet only when the ring is closed."""

    def __init__(self, path: Path, descriptor: int, block_bytes: int, blocks: int, area_bytes: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._block_bytes = block_bytes
        self._area_bytes = area_bytes
        self._blocks_at = HEADER_BYTES + 2 * area_bytes
        self._control = _map(descriptor, self._blocks_at, 0)
        self._free = deque(range(blocks))
        self._mapped: dict[int, RingBlock] = {}
        self._lock = threading.Lock()
        self._turn = 0
        self._area = 0
        self._used = [0, 0]
        self._last_seq = [0, 0]

    @classmethod
    def create(cls, folder: Path, writer_id: str, run_id: str, size: int) -> Ring:
        """Makes a file of about `size` bytes (at least 1 MiB): half for rows, half for frames.

        All its pages are allocated, for touching one that a full tmpfs has not would be a SIGBUS. Raises
        OSError.
        """
        if sys.byteorder != "little":
            raise OSError(0, "a ring needs a little-endian machine")
        _make_private(folder)
        half = max(size // 2, 2 * _SMALLEST_BLOCK)
        block_bytes = min(max(half // 4, _SMALLEST_BLOCK), _LARGEST_BLOCK) // 65536 * 65536
        blocks = half // block_bytes
        area_bytes = half // 2 // 65536 * 65536
        total = HEADER_BYTES + 2 * area_bytes + blocks * block_bytes
        room = os.statvfs(folder)
        if room.f_bavail * room.f_frsize < 2 * total:
            # To fill the last of a tmpfs would hurt others.
            raise OSError(28, f"its file system has less than {2 * total} bytes left")
        path = folder / f"{writer_id}.ring"
        # The final name comes last, so that nobody reads a header that is not whole.
        making = folder / f"{writer_id}.making"
        descriptor = os.open(making, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, total)
            geometry = _GEOMETRY.pack(HEADER_BYTES, area_bytes, block_bytes, blocks)
            header = MAGIC + geometry + this_process() + writer_id.encode() + run_id.encode()
            os.pwrite(descriptor, header + crc32(header).to_bytes(4, "little"), 0)
            os.rename(making, path)
            return cls(path, descriptor, block_bytes, blocks, area_bytes)
        except BaseException:
            os.close(descriptor)
            for made in (making, path):
                made.unlink(missing_ok=True)
            raise

    def prepare(self) -> RingBlock | None:
        """A block of zeros for log() to write to; None when all are in use. Raises OSError."""
        with self._lock:
            if not self._free or self._descriptor < 0:
                return None
            index = self._free[0]
            memory = _map(self._descriptor, self._block_bytes, self._blocks_at + index * self._block_bytes)
            # The header first: a block with an ordinal counts. Each page is touched here, and not in log().
            # In pieces, because the copy holds the GIL.
            memory[:BLOCK_HEADER_BYTES] = bytes(BLOCK_HEADER_BYTES)
            zeros = bytes(_TOUCH_BYTES)
            while memory.tell() < self._block_bytes:
                memory.write(zeros)
            self._free.popleft()
            block = self._mapped[index] = RingBlock(memory, index)
            return block

    def recycle(self, block: RingBlock) -> None:
        """The block's rows are all in frames, and it is sealed."""
        with self._lock:
            block.close()
            del self._mapped[block.index]
            self._free.append(block.index)

    def keep(self, frames: Sequence[tuple[int, int, bytes]]) -> bool:
        """Copies frames (seq, points, frame); False when there is no room for all of them. They count from
        the next watermark on."""
        entries = b"".join([encode_entry(*frame) for frame in frames])
        if self._used[self._area] + len(entries) > self._area_bytes:
            if self._used[1 - self._area] or len(entries) > self._area_bytes:
                return False
            self._area = 1 - self._area
        start = HEADER_BYTES + self._area * self._area_bytes + self._used[self._area]
        # What follows are entries of an earlier turn, whose numbers tell that they are old.
        self._control[start : start + len(entries)] = entries
        self._used[self._area] += len(entries)
        self._last_seq[self._area] = frames[-1][0]
        return True

    def mark(self, ordinal: int, offset: int, last_seq: int) -> None:
        """Moves the watermark: rows before `offset` of block `ordinal` are in frames up to `last_seq`."""
        self._turn += 1
        packed = _WATERMARK.pack(self._turn, ordinal, offset, last_seq)
        # Two slots in turn: a torn one leaves the other.
        at = WATERMARK_AT + WATERMARK_STRIDE * (self._turn & 1)
        packed += crc32(packed).to_bytes(8, "little")
        self._control[at : at + len(packed)] = packed

    def release(self, seq: int) -> None:
        """Frames up to `seq` are acknowledged, or in the spool."""
        for area in (0, 1):
            if self._last_seq[area] <= seq:
                self._used[area] = 0

    def delete(self) -> None:
        """Removes the file: all that it held is acknowledged or in the spool."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Lets go of the file and its memory; what it holds is for the daemon."""
        with self._lock:
            self._close()

    def abandon(self) -> None:
        """In a forked child, where nobody gives the lock back: lets go of what is the parent's."""
        self._close()

    def _close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._control.close()
            for block in self._mapped.values():
                block.close()


def _map(descriptor: int, length: int, offset: int) -> mmap.mmap:
    try:
        return mmap.mmap(descriptor, length, offset=offset, **_NO_FD)
    except ValueError as error:
        raise OSError(0, str(error)) from error


def _make_private(folder: Path) -> None:
    """Makes a folder of mode 0700, or checks that it is one of ours. Raises OSError."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise OSError(1, f"{folder} is not a folder of yours alone")
