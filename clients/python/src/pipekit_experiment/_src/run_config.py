"""A run's config as JSON text. Trackers show it to people, so what JSON cannot say becomes text rather than
an error."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidConfigError

_MAX_INT = 2**53 - 1
_MAX_DEPTH = 64
_MAX_BYTES = 4 * 1024 * 1024
"""The daemon takes no message above 16 MiB, and one that it cannot take would hold up all that follows."""


def config_json(config: Mapping[str, Any], field: str = "config") -> str:
    """The config as a JSON object.

    NaN and infinities become `"NaN"`, `"Infinity"`, `"-Infinity"`; integers beyond 2^53 and objects of other
    types become their `str()`; tuples and sets become arrays. Raises InvalidConfigError when it is no
    mapping, when two keys are one as text, when it is nested without end, or when it has more than 4 MiB.
    """
    # Any mapping is meant, also argparse's and omegaconf's, which are no dict.
    if not isinstance(config, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidConfigError(
            f"The {field} is of type {type(config).__name__}, not a mapping.",
            field=field,
            mend="Pass a dict.",
        )
    text = json.dumps(_plain(config, field, 0), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    size = len(text.encode())
    if size > _MAX_BYTES:
        raise InvalidConfigError(
            f"The {field} take {size} bytes as JSON; at most {_MAX_BYTES} are allowed.",
            field=field,
            mend="Attach large values as a file, by log_artifact.",
        )
    return text


def text_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    """Labels as text. Raises InvalidConfigError unless `tags` is a mapping."""
    config_json(tags, "tags")
    return {
        str(key).encode(errors="replace").decode(): str(value).encode(errors="replace").decode()
        for key, value in tags.items()
    }


def _plain(value: Any, where: str, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        raise InvalidConfigError(
            f"The value at {where[:120]} is nested more than {_MAX_DEPTH} deep.",
            field=where[:120],
            mend="Flatten it.",
        )
    if value is None or isinstance(value, (bool, str)):
        return value if not isinstance(value, str) else value.encode(errors="replace").decode()
    if isinstance(value, int):
        number = int(value)
        return number if -_MAX_INT <= number <= _MAX_INT else str(number)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _non_finite(value)
    if isinstance(value, Mapping):
        return _plain_object(cast("Mapping[Any, Any]", value), where, depth)
    if isinstance(value, (list, tuple, set, frozenset)):
        items = cast("Iterable[Any]", value)
        return [_plain(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(items)]
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic) and value.dtype.kind in "biuf":
        return _plain(value.item(), where, depth)
    if isinstance(value, os.PathLike):
        return os.fsdecode(cast("os.PathLike[str]", value))
    return str(value).encode(errors="replace").decode()


def _plain_object(value: Mapping[Any, Any], where: str, depth: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, item in value.items():
        name = str(key)
        if name in out:
            raise InvalidConfigError(
                f"Two keys of {where} are {name!r} as text.", field=f"{where}.{name}", mend="Rename one."
            )
        out[name] = _plain(item, f"{where}.{name}", depth + 1)
    return out


def _non_finite(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
