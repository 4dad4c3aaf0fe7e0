"""The config of a Keras model: names that count anew, and whether it holds code.

Keras names a layer that has no name of its own after its class and a counter of the process (`dense_7`), and
objects that are shared by their address. Neither is a property of the model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

_REFERENCES = ("keras_history", "input_layers", "output_layers")
"""Entries of a model's config that name its layers."""


def holds_code(value: Any) -> bool:
    """Whether a config holds a Python function as bytes, as `keras.layers.Lambda` writes one."""
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, Any]", value)
        return entries.get("class_name") == "__lambda__" or any(map(holds_code, entries.values()))
    return isinstance(value, list) and any(map(holds_code, cast("list[Any]", value)))


def without_counters(config: Any) -> Any:
    """The config with automatic names and object numbers counted in the order of the config."""
    return _renamed(config, {}, {}, "")


def _renamed(value: Any, names: Mapping[str, str], numbers: dict[int, int], key: str) -> Any:
    """`names` are the layers of the model around, old name to new; `key` is the entry that has the value."""
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, Any]", value)
        if (layer := _kind_and_name(entries)) is not None:
            return _layer(entries, _alone(*layer), names, numbers)
        return {name: _renamed(inner, names, numbers, name) for name, inner in entries.items()}
    if isinstance(value, list):
        inside = key if key in _REFERENCES else ""
        return [_renamed(inner, names, numbers, inside) for inner in cast("list[Any]", value)]
    if key == "shared_object_id" and isinstance(value, int):
        return numbers.setdefault(value, len(numbers) + 1)
    return names.get(value, value) if isinstance(value, str) and key in _REFERENCES else value


def _layer(entries: Mapping[str, Any], name: str, names: Mapping[str, str], numbers: dict[int, int]) -> Any:
    made = {key: _renamed(inner, names, numbers, key) for key, inner in entries.items() if key != "config"}
    config = cast("Mapping[str, Any]", entries["config"])
    layers = config.get("layers")
    inner_names = _names_within(cast("list[Any]", layers)) if isinstance(layers, list) else names
    made["config"] = {key: _renamed(inner, inner_names, numbers, key) for key, inner in config.items()}
    if isinstance(layers, list):
        made["config"]["layers"] = [
            _layer(layer, inner_names[found[1]], inner_names, numbers)
            if (found := _kind_and_name(layer)) is not None
            else _renamed(layer, inner_names, numbers, "")
            for layer in cast("list[Any]", layers)
        ]
    for holder in (made, made["config"]):
        if "name" in holder:
            holder["name"] = name
    return made


def _names_within(layers: list[Any]) -> dict[str, str]:
    """Old to new names of a model's layers, unique as the old ones."""
    found = [layer for layer in map(_kind_and_name, layers) if layer is not None]
    names = {name: name for kind, name in found if not re.fullmatch(rf"{_base(kind)}(_\d+)?", name)}
    taken = set(names)
    for kind, name in found:
        if name not in names:
            names[name] = next(text for text in _numbered(_base(kind)) if text not in taken)
            taken.add(names[name])
    return names


def _alone(kind: str, name: str) -> str:
    """The name of a layer that stands in no model's list, such as the one that a wrapper holds."""
    counted = re.fullmatch(rf"((?:.*_)?{_base(kind)})_\d+", name)
    return counted[1] if counted else name


def _kind_and_name(value: Any) -> tuple[str, str] | None:
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, Any]", value)
        kind, config = entries.get("class_name"), entries.get("config")
        if isinstance(kind, str) and isinstance(config, Mapping):
            name = cast("Mapping[str, Any]", config).get("name")
            if isinstance(name, str):
                return kind, name
    return None


def _base(kind: str) -> str:
    """The name that Keras makes of a class's name."""
    words = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", kind))
    return re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()


def _numbered(base: str) -> Iterator[str]:
    yield base
    number = 0
    while True:
        number += 1
        yield f"{base}_{number}"
