"""What Lightning does to the process while it trains, undone."""

from __future__ import annotations

import logging
import signal
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interruptible() -> Generator[None]:
    """At Ctrl-C Lightning ignores further ones and leaves the process; here it is raised as it came."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise error.__context__ from None


@contextmanager
def quiet(torch: Any) -> Generator[None]:
    """Without Lightning's advice on loaders and hardware; its switch to deterministic kernels is undone."""
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    advice = [
        logging.getLogger(f"{name}.utilities.rank_zero")
        for name in ("pytorch_lightning", "lightning.pytorch")
    ]
    levels = [logger.level for logger in advice]
    for logger in advice:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning)\.")
            yield
    finally:
        for logger, level in zip(advice, levels, strict=True):
            logger.setLevel(level)
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
