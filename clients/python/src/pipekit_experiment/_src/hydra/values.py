"""JSON values in a Hydra config, so that they come back as they went.

OmegaConf reads `${` in a text as an interpolation and `???` as a value that must be given; Hydra takes keys
such as `_target_` for its own. OmegaConf's escape, a backslash, does not help: `hydra.utils.instantiate`
resolves a text twice. Such values stand as JSON text for the target `from_json`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any, cast

FROM_JSON = "pipekit_experiment.adapters.hydra.from_json"
FROM_STATE = "pipekit_experiment.adapters.hydra.from_state"

SPECIAL_KEYS = frozenset(("_target_", "_args_", "_partial_", "_recursive_", "_convert_"))

_UNKEPT = re.compile("[\x7f-\x9f\u2028\u2029\ufeff]")
"""Characters that PyYAML writes and reads as something else, or as a line's end."""

_UNSAID = re.compile(r"\$(?=\{)|[\x7f-\x9f\u2028\u2029\ufeff]")


def as_node(value: Any) -> Any:
    """What gives the JSON value `value` when Hydra instantiates it with `_convert_: all`."""
    if isinstance(value, str):
        return value if _is_plain(value) else as_json_node(value)
    if isinstance(value, list):
        return [as_node(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        entries = cast("dict[str, Any]", value)
        if not all(map(is_plain_key, entries)):
            return as_json_node(entries)
        return {key: as_node(item) for key, item in entries.items()}
    return value


def as_json_node(value: Any) -> dict[str, Any]:
    """A node that gives `value`, whatever is in it."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return {"_target_": FROM_JSON, "text": _UNSAID.sub(lambda found: f"\\u{ord(found[0]):04x}", text)}


def data_of(value: Any) -> Any:
    """The inverse of `as_node`, which instantiates nothing. Other nodes with a target stay as they are."""
    if isinstance(value, list):
        return [data_of(item) for item in cast("list[Any]", value)]
    if not isinstance(value, Mapping):
        return value
    entries = cast("Mapping[str, Any]", value)
    if entries.get("_target_") == FROM_JSON and isinstance(entries.get("text"), str):
        return json.loads(entries["text"])
    return {key: data_of(item) for key, item in entries.items()}


def is_plain_key(key: str) -> bool:
    """Whether a mapping of data may have this key."""
    return key not in SPECIAL_KEYS and not is_misspelt_target(key) and not _UNKEPT.search(key)


def is_misspelt_target(key: str) -> bool:
    """Whether the key looks as if `_target_` was meant, such as `_traget_`."""
    return key != "_target_" and re.fullmatch(r"_\w+_", key) is not None and is_like_target(key)


def is_like_target(key: str) -> bool:
    """Whether the key is `_target_` or close to it, such as `target`."""
    return SequenceMatcher(None, key.lower().strip("_"), "target").ratio() >= 0.8


def _is_plain(text: str) -> bool:
    return "${" not in text and text != "???" and not _UNKEPT.search(text)
