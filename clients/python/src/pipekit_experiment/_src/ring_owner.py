"""Who writes a file that outlives its process: told in the file, so that the daemon can see whether that
process lives.

40 bytes, little endian: uint64 pid, uint64 start time of the process (clock ticks since boot, field 22 of
`/proc/<pid>/stat`), uint64 inode of its pid namespace, 16 bytes boot id. What the system does not tell is 0.
"""

from __future__ import annotations

import os
import struct
import uuid
from contextlib import suppress
from pathlib import Path

_OWNER = struct.Struct("<QQQ16s")
OWNER_BYTES = _OWNER.size


def this_process() -> bytes:
    """The 40 bytes of this process."""
    ticks, namespace, boot = 0, 0, bytes(16)
    with suppress(OSError, ValueError, IndexError):
        # The command name stands in parentheses and may hold anything, parentheses too.
        ticks = int(Path("/proc/self/stat").read_text(errors="replace").rpartition(")")[2].split()[19])
    with suppress(OSError):
        namespace = os.stat("/proc/self/ns/pid").st_ino
    with suppress(OSError, ValueError):
        boot = uuid.UUID(Path("/proc/sys/kernel/random/boot_id").read_text().strip()).bytes
    return _OWNER.pack(os.getpid(), ticks, namespace, boot)
