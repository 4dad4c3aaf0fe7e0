"""Values that are still being computed on a device, kept so that neither the loop nor the flusher waits.

An operation on a device costs the loop a launch of tens of microseconds, and a read costs the flusher a wait
that takes turns with the loop. So the tensors of a row are copied on the device by one launch, into a page
that is used again and again, and the flusher reads the rows of a page at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from threading import Lock
from typing import Any, TypeAlias

from pipekit_experiment._src.cuda_capture import tolerating_captures

_ROWS = 32
"""Rows of a page."""

_PageKey: TypeAlias = "tuple[Any, Any, int, int]"
"""Device, type, values of a row, and the stream that they are written on."""

_lock = Lock()
_open: dict[_PageKey, _Page] = {}
_free: dict[_PageKey, list[_Page]] = {}


def _forget_pages() -> None:
    """In a forked child: the device is the parent's, and a thread that is gone may hold the lock."""
    global _lock
    _lock = Lock()
    _open.clear()
    _free.clear()


os.register_at_fork(after_in_child=_forget_pages)


class _Page:
    """Room on a device for some rows of one type and width."""

    __slots__ = ("cells", "key", "rows", "tensor", "unread")

    def __init__(self, key: _PageKey, torch: Any) -> None:
        device, dtype, width, _ = key
        self.key = key
        self.tensor: Any = torch.empty(_ROWS * width, dtype=dtype, device=device)
        self.cells: Sequence[Any] = self.tensor.unbind()
        self.rows = 0
        """Rows handed out."""
        self.unread = 0


class DeviceRow:
    """A row, or the part of it that is of one type and on one device."""

    __slots__ = ("floats", "index", "page", "ready")

    def __init__(self, page: _Page, index: int) -> None:
        self.page: _Page | None = page
        self.index = index
        self.ready: Any = None
        """The event after which the page holds the row; None where the default stream's order tells."""
        self.floats: list[float] | None = None

    def cells(self) -> Sequence[Any]:
        """Where its values go, each a tensor without dimensions."""
        page = self.page
        width = page.key[2] if page else 0
        return page.cells[self.index * width : (self.index + 1) * width] if page else ()

    def read(self) -> list[float]:
        """The values; waits for the device. Raises what the device raises."""
        page = self.page
        if self.floats is None and page is not None:
            _read_together(page, [self])
        return self.floats or []


class DeviceScalar:
    """One value of a row on a device."""

    __slots__ = ("_place", "row")

    def __init__(self, row: DeviceRow, place: int) -> None:
        self.row = row
        self._place = place

    def __float__(self) -> float:
        return self.row.read()[self._place]


class _Unrecorded:
    """What is logged while a CUDA graph is captured: there is no value, now or later."""

    def __float__(self) -> float:
        raise RuntimeError("it was logged while a CUDA graph was captured, when nothing is computed")


def kept_on_device(tensors: list[Any], torch: Any) -> list[Any]:
    """Copies of tensors with a single number each, in their order; queued on the device and not waited for,
    since the loop may write to a tensor in place."""
    groups: dict[tuple[Any, Any], list[int]] = {}
    for i, tensor in enumerate(tensors):
        groups.setdefault((tensor.device, tensor.dtype), []).append(i)
    kept: list[Any] = [None] * len(tensors)
    for (device, dtype), members in groups.items():
        cuda = device.type == "cuda"
        if cuda and torch.cuda.is_current_stream_capturing():
            for i in members:
                kept[i] = _Unrecorded()
            continue
        stream = torch.cuda.current_stream(device) if cuda else None
        width = len(members)
        row = _new_row((device, dtype, width, stream.cuda_stream if stream else 0), torch)
        scalars = [tensors[i] if tensors[i].dim() == 0 else tensors[i].reshape(()) for i in members]
        # Without gradients, else the page would keep the whole autograd graph alive.
        with torch.no_grad():
            torch._foreach_copy_(row.cells(), scalars)
        if stream is not None and stream.cuda_stream != 0:
            row.ready = stream.record_event()
        for place, i in enumerate(members):
            kept[i] = DeviceScalar(row, place)
    return kept


def read_ahead(values: Iterable[Any]) -> None:
    """Reads the rows that these values belong to, those of a page at once. What cannot be read fails later,
    by itself."""
    pages: dict[int, tuple[_Page, dict[int, DeviceRow]]] = {}
    for value in values:
        if type(value) is DeviceScalar:
            row, page = value.row, value.row.page
            if page is not None:
                pages.setdefault(id(page), (page, {}))[1][row.index] = row
        elif hasattr(value, "copy_to_host_async"):
            # JAX: the copies run beside each other, and the reads that follow find them done.
            with suppress(Exception):
                value.copy_to_host_async()
    for page, rows in pages.values():
        # One lost row must not cost the others: each is read by itself when its turn comes.
        with suppress(Exception):
            _read_together(page, list(rows.values()))


def _new_row(key: _PageKey, torch: Any) -> DeviceRow:
    """Room for a row. Pages that were read are used again, on the stream that they were made on."""
    with _lock:
        page = _open.get(key)
        if page is None or page.rows == _ROWS:
            unused = _free.get(key)
            page = _open[key] = unused.pop() if unused else _Page(key, torch)
        index = page.rows
        page.rows += 1
        page.unread += 1
    return DeviceRow(page, index)


def _read_together(page: _Page, rows: list[DeviceRow]) -> None:
    width = page.key[2]
    first, last = min(row.index for row in rows), max(row.index for row in rows)
    with tolerating_captures():
        for row in rows:
            if row.ready is not None:
                row.ready.synchronize()
        numbers = _on_host(page.tensor[first * width : (last + 1) * width]).tolist()
    for row in rows:
        start = (row.index - first) * width
        _settle(row, page, [float(number) for number in numbers[start : start + width]])


def _on_host(tensor: Any) -> Any:
    if tensor.device.type != "cuda":
        return tensor
    torch: Any = sys.modules["torch"]
    # Pinned memory and an event that sleeps: a plain copy spins on a core until the device is there.
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    with torch.cuda.device(tensor.device):
        host.copy_(tensor, non_blocking=True)
        done = torch.cuda.Event(blocking=True)
        done.record()
    done.synchronize()
    return host


def _settle(row: DeviceRow, page: _Page, floats: list[float]) -> None:
    """Notes what was read. Who comes second is too late: the page may have other rows by now."""
    with _lock:
        if row.page is None:
            return
        row.floats, row.page = floats, None
        page.unread -= 1
        if page.unread == 0 and page.rows == _ROWS:
            page.rows = 0
            _free.setdefault(page.key, []).append(page)
            if _open.get(page.key) is page:
                del _open[page.key]
