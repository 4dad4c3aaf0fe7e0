"""Sizes, durations and counts as people read them."""

from __future__ import annotations


def size_text(size: float) -> str:
    """Bytes, such as `1.4 GiB`."""
    if size < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if size < 1000:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TiB"


def duration_text(seconds: float) -> str:
    """Such as `1:05:09`, `2:07` or `12 s`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def counted(count: int, noun: str) -> str:
    """Such as `1 model` or `1,200 models`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
