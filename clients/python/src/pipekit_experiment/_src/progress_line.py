"""Progress of long calls: one line on a terminal, rewritten; now and then a plain line elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from pipekit_experiment._src.sizes import counted, duration_text, size_text

if TYPE_CHECKING:
    from pipekit_experiment._generated import registry_pb2

_QUIET_S = 0.4
"""What is done by then shows nothing."""
_EVERY_S = 0.1
_EVERY_PLAIN_S = 10.0
_BAR = 20


@dataclass(frozen=True)
class Progress:
    """How far a long call is. Each phase counts anew."""

    phase: str
    """Such as `receiving`, `sending`, `fetching`, `checking`."""
    bytes_done: int
    bytes_total: int
    """0 while it is unknown."""
    models_done: int = 0
    models_total: int = 0
    """0 where the call is about one model, or while it is unknown."""
    files_done: int = 0
    files_total: int = 0
    """0 where the call is not about a data set, or while it is unknown."""


OnProgress = Callable[[Progress], object]


@contextmanager
def telling(progress: bool | OnProgress | None, what: str) -> Generator[OnProgress | None]:
    """Yields whom to tell: a line that says `what` when `progress` is true, or None and stderr is a
    terminal; the caller's own function; or nobody, so that nothing needs to be asked for."""
    if callable(progress):
        yield progress
        return
    live = _is_terminal(sys.stderr)
    if progress is False or (progress is None and not live):
        yield None
        return
    line = ProgressLine(sys.stderr, what, live)
    try:
        yield line.show
    finally:
        line.close()


def progress_of(message: registry_pb2.Progress) -> Progress:
    """Reads a Progress message."""
    return Progress(
        phase=message.phase,
        bytes_done=message.bytes_done,
        bytes_total=message.bytes_total,
        models_done=message.models_done,
        models_total=message.models_total,
        files_done=message.files_done,
        files_total=message.files_total,
    )


class ProgressLine:
    """Shows the last progress that it was told. Writing never fails the call that tells."""

    def __init__(self, stream: TextIO, what: str, live: bool) -> None:
        self._stream = stream
        self._what = what
        self._live = live
        self._due = time.monotonic() + (_QUIET_S if live else _EVERY_PLAIN_S)
        self._phase = ""
        self._began = (0.0, 0)
        self._unshown: Progress | None = None
        self._shown = False

    def show(self, progress: Progress) -> None:
        """Takes the next progress."""
        now = time.monotonic()
        if progress.phase != self._phase:
            self._phase, self._began = progress.phase, (now, progress.bytes_done)
        if now < self._due:
            self._unshown = progress
            return
        self._due = now + (_EVERY_S if self._live else _EVERY_PLAIN_S)
        self._write(progress)

    def close(self) -> None:
        """Ends the line, so that what is printed next begins on its own."""
        if self._shown and self._unshown is not None:
            self._write(self._unshown)
        if self._shown and self._live:
            with suppress(OSError, ValueError):
                self._stream.write("\n")

    def _write(self, progress: Progress) -> None:
        self._shown, self._unshown = True, None
        text = f"{self._what}: {self._text(progress)}"
        if self._live:
            text = f"\r{text[: shutil.get_terminal_size().columns - 1]}\x1b[K"
        with suppress(OSError, ValueError):
            self._stream.write(text if self._live else f"{text}\n")
            self._stream.flush()

    def _text(self, progress: Progress) -> str:
        done, total = progress.bytes_done, progress.bytes_total
        began, first = self._began
        passed = time.monotonic() - began
        rate = (done - first) / passed if passed > 0 else 0.0
        parts = [size_text(done) if total == 0 else f"{size_text(done)} of {size_text(total)}"]
        if rate > 0:
            parts.append(f"{size_text(rate)}/s")
        if rate > 0 and total > done:
            parts.append(f"{duration_text((total - done) / rate)} left")
        if progress.models_total > 0:
            parts.append(f"{progress.models_done:,} of {counted(progress.models_total, 'model')}")
        if progress.files_total > 0:
            parts.append(f"{progress.files_done:,} of {counted(progress.files_total, 'file')}")
        filled = 0 if total == 0 else min(_BAR, _BAR * done // total)
        bar = f"[{'#' * filled}{'.' * (_BAR - filled)}] " if total > 0 else ""
        return f"{bar}{progress.phase} {', '.join(parts)}"


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False
