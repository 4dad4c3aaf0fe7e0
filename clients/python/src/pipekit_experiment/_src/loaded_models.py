"""Which model an operator is: what was loaded or stored in this process is remembered while it lives."""

from __future__ import annotations

import weakref
from typing import Any

_known: dict[int, tuple[weakref.ref[Any], str]] = {}


def remember(operator: Any, hash: str) -> None:
    """Notes that the operator is the model of this hash. One that takes no weak references is not noted."""
    key = id(operator)

    def forget(gone: weakref.ref[Any]) -> None:
        # The id may have a new owner already.
        kept = _known.get(key)
        if kept is not None and kept[0] is gone:
            _known.pop(key, None)

    try:
        reference = weakref.ref(operator, forget)
    except TypeError:
        return
    _known[key] = (reference, hash)


def remembered(operator: Any) -> str | None:
    """The hash of the model that the operator was loaded from or stored as last; None for another."""
    kept = _known.get(id(operator))
    return kept[1] if kept is not None and kept[0]() is operator else None
