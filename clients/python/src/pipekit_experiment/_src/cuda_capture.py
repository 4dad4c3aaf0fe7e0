"""Reading from a CUDA device while another thread captures a CUDA graph.

A capture forbids calls that might wait to every thread, and such a call spoils the capture: a training would
fail because a value that was logged before is being read. A thread may say that its calls have nothing to do
with the capture (cudaThreadExchangeStreamCaptureMode of the CUDA runtime); PyTorch has no name for that.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

_RELAXED = 2
"""cudaStreamCaptureModeRelaxed."""


@contextmanager
def tolerating_captures() -> Generator[None]:
    """Within it, what this thread asks of a device leaves the captures of other threads alone."""
    exchange = _exchange()
    if exchange is None:
        yield
        return
    mode = ctypes.c_int(_RELAXED)
    exchange(ctypes.byref(mode))
    try:
        yield
    finally:
        exchange(ctypes.byref(mode))


@lru_cache(maxsize=1)
def _exchange() -> Any:
    """The runtime's function; None without CUDA. The library is the one that PyTorch has loaded."""
    torch: Any = sys.modules.get("torch")
    version = getattr(getattr(torch, "version", None), "cuda", None)
    if version is None or not torch.cuda.is_initialized():
        return None
    try:
        return ctypes.CDLL(f"libcudart.so.{version.split('.')[0]}").cudaThreadExchangeStreamCaptureMode
    except (OSError, AttributeError):
        return None
