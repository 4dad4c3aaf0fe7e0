"""Found on the path before anything else: shifts the time of day as shifted-clock.mjs does."""

import os
import time

_FILE = os.environ.get("PKX_TEST_CLOCK", "")
_LOOK_S = 0.01
_real_ns = time.time_ns
_looked_at, _shift_ns = float("-inf"), 0


def _now_ns() -> int:
    global _looked_at, _shift_ns
    at = time.monotonic()
    if at - _looked_at > _LOOK_S:
        _looked_at = at
        try:
            with open(_FILE) as file:
                _shift_ns = int(float(file.read() or 0) * 1e6)
        except OSError:
            pass
    return _real_ns() + _shift_ns


if _FILE:
    time.time_ns = _now_ns
    time.time = lambda: _now_ns() / 1e9
