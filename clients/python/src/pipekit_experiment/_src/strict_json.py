"""JSON text of what users pass in, refusing what would not come back as it went."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidConfigError

_MAX_INTEGER = 2**53
_MAX_DEPTH = 100


def strict_json(value: Any, root: str) -> str:
    """JSON text of `value`: mappings with str keys, sequences, text, finite numbers, booleans and None.

    NumPy scalars count as the numbers they are. Raises InvalidConfigError whose `field` is the path of what
    is at fault, beginning with `root`, such as `config.layers[2].rate`."""
    return json.dumps(plain_json(value, root), allow_nan=False, ensure_ascii=False, separators=(",", ":"))


def plain_json(value: Any, root: str) -> Any:
    """`value` in Python's own types; refuses what `strict_json` does."""
    return _plain(value, root, 0)


def _plain(value: Any, path: str, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, numbers.Integral):
        number = int(value)
        if abs(number) > _MAX_INTEGER:
            raise _refused(path, "is an integer beyond 2^53", "Give it as text.")
        return number
    if isinstance(value, numbers.Real):
        real = float(value)
        if not math.isfinite(real):
            raise _refused(path, f"is {real}, which JSON cannot say", "Give it as text or None.")
        return real
    if depth >= _MAX_DEPTH:
        raise _refused(path, f"lies more than {_MAX_DEPTH} levels deep", "Is something inside itself?")
    if isinstance(value, Mapping):
        return _plain_mapping(cast("Mapping[Any, Any]", value), path, depth)
    kind = type(value).__name__
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
        items = cast("Sequence[Any]", value)
        return [_plain(item, f"{path}[{index}]", depth + 1) for index, item in enumerate(items)]
    raise _refused(
        path,
        f"is a {kind}, which JSON cannot say",
        "Give it as numbers, text, lists and dicts.",
    )


def _plain_mapping(value: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, item in value.items():
        if not isinstance(key, str):
            raise _refused(path, f"has the key {key!r}, a {type(key).__name__}", "Use keys that are str.")
        plain[_text(key, path)] = _plain(item, f"{path}.{key}", depth + 1)
    return plain


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _refused(path, "holds half of a surrogate pair", "Use valid Unicode.") from None
    # A subclass such as an enum member is stored as the text that it is.
    return str.__str__(value)


def _refused(path: str, fault: str, mend: str) -> InvalidConfigError:
    return InvalidConfigError(f"`{path}` {fault}.", field=path, mend=mend)
