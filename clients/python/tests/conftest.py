"""Fixtures that several test files share."""

from real_daemon import real_daemon, tracking
from tracking_daemon import daemon, limits

__all__ = ["daemon", "limits", "real_daemon", "tracking"]
