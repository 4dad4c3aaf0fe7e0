"""What may be logged: keys, steps and values, checked where the call can still be mended."""

from __future__ import annotations

import math
import operator
import re
import sys
from collections.abc import Mapping
from typing import Any, cast

from pipekit_experiment._src.device_values import kept_on_device
from pipekit_experiment._src.errors import InvalidMetricError

MAX_KEY_BYTES = 1024
MAX_STEP = 2**53 - 1

_CONTROL = re.compile("[\x00-\x1f\x7f]")

PLAIN_TYPES: set[type] = {float, int, bool}
"""Types of values that need no look: immutable, and turned into a float by the packer without a device sync.

Numpy scalars and subclasses of float and int join when they are first seen.
"""

# Types that were looked at before: arrays of other libraries, read by the flusher, and PyTorch's tensors.
_ARRAY_TYPES: set[type] = set()
_TENSOR_TYPES: set[type] = set()


class KeySet:
    """The checked, ordered keys of a row. Compared by identity.

    `latest` is the last row logged with them: packed, or as time in nanoseconds and values; None before.
    """

    __slots__ = ("encoded_bytes", "keys", "latest")

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.keys = keys
        self.latest: bytes | tuple[int, tuple[Any, ...]] | None = None
        self.encoded_bytes = sum(check_key(key) for key in keys)


def check_key(key: object) -> int:
    """Returns the bytes that the key takes in a frame. Raises InvalidMetricError unless it is a metric
    key."""
    if not isinstance(key, str):
        raise InvalidMetricError(
            f"A metric key is of type {type(key).__name__}, not a str.",
            field=repr(key)[:80],
            mend="Name it by a str.",
        )
    shown = key if len(key) <= 80 else f"{key[:77]}..."
    if not key:
        raise InvalidMetricError("A metric key is empty.", field="key", mend="Give the metric a name.")
    if _CONTROL.search(key):
        raise InvalidMetricError(
            f"The metric key {shown!r} holds a control character.",
            field=shown,
            mend="Use printable characters.",
        )
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise InvalidMetricError(
            f"The metric key {shown!r} holds half of a surrogate pair.",
            field=ascii(shown),
            mend="Use valid Unicode.",
        ) from None
    if size > MAX_KEY_BYTES:
        raise InvalidMetricError(
            f"The metric key {shown!r} has {size} bytes; at most {MAX_KEY_BYTES} are allowed.",
            field=shown,
            mend="Shorten the key.",
        )
    return size + 3


def check_step(step: Any) -> int:
    """The step as an int. Raises InvalidMetricError unless it is an integer within +-(2^53 - 1)."""
    kind = cast("type[object]", type(step))
    if kind is not int:
        try:
            # A bool as a step is a slip (`step=training`); numpy's and torch's refuse or pass as integers.
            number = None if kind is bool or kind.__name__ == "bool_" else operator.index(step)
        except (TypeError, ValueError, RuntimeError):
            number = None
        if number is None:
            raise InvalidMetricError(
                f"The step {step!r} is of type {kind.__name__}, not an integer."[:200],
                field="step",
                mend="Pass an int, such as the number of optimizer steps so far.",
            )
        step = number
    if not -MAX_STEP <= step <= MAX_STEP:
        raise InvalidMetricError(
            f"The step {step} lies beyond 2^53 - 1."[:200], field="step", mend="Pass a smaller step."
        )
    return step


def check_metrics(metrics: object) -> None:
    """Raises InvalidMetricError unless `metrics` is a mapping."""
    if not isinstance(metrics, Mapping):
        raise InvalidMetricError(
            f"The metrics are of type {type(metrics).__name__}, not a mapping of names to numbers.",
            field="metrics",
            mend='Pass a dict, such as {"loss": 0.3}.',
        )


def accept_values(keys: tuple[str, ...], values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Values as they are kept until the flusher packs them. Raises InvalidMetricError that names the key."""
    accepted = [
        value if type(value) in PLAIN_TYPES else _accept(key, value)
        for key, value in zip(keys, values, strict=True)
    ]
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        on_device = [i for i, value in enumerate(accepted) if isinstance(value, torch.Tensor)]
        if on_device:
            kept = kept_on_device([accepted[i] for i in on_device], torch)
            for i, value in zip(on_device, kept, strict=True):
                accepted[i] = value
    return tuple(accepted)


def _accept(key: str, value: Any) -> Any:
    kind = cast("type[object]", type(value))
    if kind in _TENSOR_TYPES:
        return _accept_tensor(key, value)
    if kind in _ARRAY_TYPES:
        _check_single(key, value)
        return value
    if isinstance(value, (float, int)):
        PLAIN_TYPES.add(kind)
        return value
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        if isinstance(value, numpy.generic):
            if value.dtype.kind not in "biuf":
                raise _not_a_number(key, value)
            PLAIN_TYPES.add(kind)
            return value
        if isinstance(value, numpy.ndarray):
            _check_single(key, value)
            if value.dtype.kind not in "biuf":
                raise _not_a_number(key, value)
            # An array in host memory may be written to before the flusher comes; reading it waits for
            # nothing.
            return float(value.item())
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        _TENSOR_TYPES.add(kind)
        return _accept_tensor(key, value)
    if hasattr(kind, "__array__") or hasattr(kind, "__dlpack__") or hasattr(value, "dtype"):
        _check_single(key, value)
        _ARRAY_TYPES.add(kind)
        return value
    if hasattr(kind, "__float__"):
        try:
            return float(value)
        except Exception as error:
            raise _not_a_number(key, value) from error
    raise _not_a_number(key, value)


def _accept_tensor(key: str, value: Any) -> Any:
    """A float, or, on a device, the tensor as it is."""
    if value.numel() != 1:
        _check_single(key, value)
    if value.is_complex() or value.is_meta:
        raise _not_a_number(key, value)
    return float(value.detach()) if value.is_cpu else value


def _check_single(key: str, value: Any) -> None:
    shape = getattr(value, "shape", ())
    if shape == ():
        return
    shape = tuple(shape)
    if math.prod(shape) != 1:
        raise InvalidMetricError(
            f'The metric "{key}" is an array of shape {shape}, not a single number.',
            field=key,
            mend="Log a single number, such as the array's mean.",
        )


def _not_a_number(key: str, value: Any) -> InvalidMetricError:
    kind = type(value).__name__
    mend = "Pass a float or int, or an array with a single number."
    if isinstance(value, Mapping):
        mend = "Flatten it, such as train/loss for {'train': {'loss': ...}}."
    elif isinstance(value, str):
        mend = "Use log_params or set_tags for text."
    return InvalidMetricError(
        f'The metric "{key}" is of type {kind}, which is no number.', field=key, mend=mend
    )


def to_float(value: Any) -> float:
    """The value as a float; waits for the device that computes it. Raises whatever the conversion raises."""
    try:
        return float(value)
    except TypeError:
        # Some arrays that hold a single number refuse float().
        if hasattr(value, "item"):
            return float(value.item())
        if hasattr(value, "__array__"):
            return float(value.__array__().item())
        raise
