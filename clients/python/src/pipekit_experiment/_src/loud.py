"""Says what goes wrong in the background: once at first, then at most every ten seconds with a count."""

from __future__ import annotations

import logging
import threading
import time
import warnings

logger = logging.getLogger("pipekit_experiment")

_INTERVAL_S = 10.0


class Loud:
    """Counts faults of a kind, and reports them by a warning and the logger `pipekit_experiment`."""

    def __init__(self, interval_s: float = _INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._last: dict[str, float] = {}
        self._held: dict[str, int] = {}

    def say(self, kind: str, message: str, count: int = 1) -> None:
        """Reports `count` faults of `kind`. What comes too soon after the last report is added to the next
        one."""
        now = time.monotonic()
        with self._lock:
            last = self._last.get(kind)
            if last is not None and now - last < self._interval_s:
                self._held[kind] = self._held.get(kind, 0) + count
                return
            self._last[kind] = now
            held = self._held.pop(kind, 0)
        text = f"{message} ({held} more since the last report)" if held else message
        logger.warning(text)
        try:
            warnings.warn(text, RuntimeWarning, stacklevel=3)
        except RuntimeWarning:
            # The user turned warnings into errors; a background thread or a log() call must not die of it.
            logger.debug("the warning above was turned into an error and is not raised")
