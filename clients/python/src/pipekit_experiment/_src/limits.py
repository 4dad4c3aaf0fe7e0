"""Bounds of the tracking half, in one place so that tests can shrink them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """How much waits where."""

    tick_s: float = 0.025
    """Longest time that a row waits before it is packed, seconds."""
    ring_bytes: int = 8 * 1024 * 1024
    """Size of the shared-memory ring of a run in a process; `$PKX_RING_MB` goes before it, 0 is none."""
    wake_rows: int = 1024
    """Rows (calls of log) of a run outside the ring that wake the flusher before its tick."""
    buffer_rows: int = 1_000_000
    """Rows of a run outside the ring that may wait to be packed; beyond it the oldest are dropped."""
    frame_points: int = 32_768
    """Most points in a frame; a frame of this size is about 0.4 MiB."""
    frame_bytes: int = 1024 * 1024
    """Size at which a frame is closed; well under the 4 MiB that the daemon accepts."""
    key_set_bytes: int = 64 * 1024
    """Most bytes of keys in one row, so that it fits a block of the smallest ring; a call with more is logged
    as several rows of the same step."""
    window_bytes: int = 64 * 1024 * 1024
    """Frames of this process kept in memory until they are acknowledged; beyond it they go to the spool."""
    in_flight_bytes: int = 16 * 1024 * 1024
    """Frames sent and not yet acknowledged."""
    spool_bytes: int = 8 * 1024 * 1024 * 1024
    """Largest spool file of a writer; beyond it the oldest frames in memory are dropped."""
    down_s: float = 1.0
    """How long the daemon may be gone before frames in memory go to the spool, seconds."""


DEFAULT_LIMITS = Limits()
