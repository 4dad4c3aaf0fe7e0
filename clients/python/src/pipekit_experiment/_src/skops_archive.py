"""skops archives: one form for equal estimators.

Such an archive is a zip of schema.json and the arrays that it names, in which skops also writes the time,
addresses of objects, as numbers (`__id__`) and as names of files, and what lies between a record's fields."""

from __future__ import annotations

import importlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any, cast

_NEVER = (1980, 1, 1, 0, 0, 0)
"""The time of every entry: the first that a zip can say."""

_SCHEMA = "schema.json"

_ADDRESSES = ("_stop_words_id",)
"""Attributes in which scikit-learn itself keeps an address; a wrong one costs it one check."""

_VALUES = ("JsonNode", "TypeNode", "FunctionNode")
"""Nodes of values that cannot change: whether two places share one is an accident."""


def canonical_archive(dumped: bytes) -> bytes:
    """What skops.io.dumps gave, without what differs between equal estimators."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(dumped)) as old, zipfile.ZipFile(target, "w") as new:
        counted = _Counted()
        schema = counted.node(json.loads(old.read(_SCHEMA)))
        for name, given in counted.files.items():
            new.writestr(zipfile.ZipInfo(given, _NEVER), _without_padding(given, old.read(name)))
        new.writestr(zipfile.ZipInfo(_SCHEMA, _NEVER), json.dumps(schema))
    return target.getvalue()


class _Counted:
    """Numbers objects and files in the order of the schema."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}
        """Name of a file in the old archive to that in the new."""
        self._numbers: dict[int, int] = {}
        self._last = 0

    def node(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.node(inner) for inner in cast("list[Any]", value)]
        if not isinstance(value, Mapping):
            return value
        entries = dict(cast("Mapping[str, Any]", value))
        if "__loader__" not in entries:
            return {key: self.node(inner) for key, inner in entries.items()}
        if "__id__" in entries:
            entries["__id__"] = self._number(entries["__id__"], entries["__loader__"])
        file = entries.get("file")
        if isinstance(file, str):
            suffix = file.rpartition(".")[2]
            entries["file"] = self.files.setdefault(file, f"{len(self.files)}.{suffix}")
        if entries["__loader__"] == "SetNode":
            # The order of a set of texts is another in each process.
            entries["content"] = sorted(entries["content"], key=_without_numbers)
        for name in _ADDRESSES:
            if isinstance(content := entries.get("content"), dict) and name in content:
                content[name]["content"] = "0"
        return {key: self.node(inner) if key != "file" else inner for key, inner in entries.items()}

    def _number(self, address: int, loader: str) -> int:
        if loader not in _VALUES and address in self._numbers:
            return self._numbers[address]
        self._last += 1
        self._numbers[address] = self._last
        return self._last


def _without_padding(name: str, data: bytes) -> bytes:
    """An array file whose records, such as the nodes of a tree, have zeros between their fields."""
    np: Any = importlib.import_module("numpy")
    if not name.endswith(".npy"):
        return data
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.names is None:
        return data
    clean = np.zeros(array.shape, array.dtype)
    for field in array.dtype.names:
        clean[field] = array[field]
    target = io.BytesIO()
    np.save(target, clean, allow_pickle=False)
    return target.getvalue()


def _without_numbers(node: Any) -> str:
    if isinstance(node, Mapping):
        entries = cast("Mapping[str, Any]", node)
        return "".join(
            f"{key}={_without_numbers(entries[key])}" for key in entries if key not in ("__id__", "file")
        )
    if isinstance(node, list):
        return ",".join(map(_without_numbers, cast("list[Any]", node)))
    return repr(node)
