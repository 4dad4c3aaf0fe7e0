"""Fixtures that several test files share."""

from tracking_daemon import daemon, limits

__all__ = ["daemon", "limits"]
