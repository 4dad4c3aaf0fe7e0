"""Reads the arrays of a data file."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.extras import optional_module

FORMATS = ("npz", "csv", "parquet")


def read_arrays(path: Path, format: str, target: str | None) -> dict[str, Any]:
    """The arrays by name. Of a table: its columns; with a `target`, that column as `y`, and the others, in
    their order, as the columns of `x`. Raises InvalidArgumentError."""
    if format == "npz":
        return _npz(path)
    columns = _csv(path) if format == "csv" else _parquet(path)
    return columns if target is None else _split(columns, target, path)


def call_reader(reader: Callable[..., Any], name: str, path: Path) -> dict[str, Any]:
    """What a user's own reader gives for the path. Raises InvalidArgumentError unless that is arrays."""
    found = reader(str(path))
    if not isinstance(found, Mapping):
        raise InvalidArgumentError(
            f"{name} gave a {type(found).__name__}, no arrays by name.",
            field="format",
            mend='Let it return a dict such as {"x": ..., "y": ...}.',
        )
    return dict(cast("Mapping[str, Any]", found))


def _npz(path: Path) -> dict[str, Any]:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, AttributeError, TypeError) as error:
        raise _unreadable(path, "npz", error) from error


def _csv(path: Path) -> dict[str, Any]:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except (csv.Error, UnicodeDecodeError) as error:
        raise _unreadable(path, "csv", error) from error
    names = rows[0] if rows else []
    for number, row in enumerate(rows, 1):
        if len(row) != len(names) or len(set(names)) != len(names):
            fault = f"line {number} has {len(row)} columns, not {len(names)}"
            raise _unreadable(path, "csv", fault if len(row) != len(names) else "two columns have one name")
    return {name: _typed([row[index] for row in rows[1:]]) for index, name in enumerate(names)}


def _typed(texts: list[str]) -> Any:
    """A column as int64 if all are whole numbers, else as float64, else as text."""
    import numpy as np

    for kind in (np.int64, np.float64):
        try:
            return np.array([kind(text) for text in texts], dtype=kind)
        except (ValueError, OverflowError):
            continue
    return np.array(texts, dtype=str)


def _parquet(path: Path) -> dict[str, Any]:
    parquet = optional_module("pyarrow.parquet", "dataframe", "Reading parquet", "pyarrow")
    try:
        table = parquet.read_table(path)
    except (ValueError, OSError) as error:
        raise _unreadable(path, "parquet", error) from error
    return {name: table.column(name).to_numpy() for name in table.column_names}


def _split(columns: dict[str, Any], target: str, path: Path) -> dict[str, Any]:
    import numpy as np

    if target not in columns:
        raise InvalidArgumentError(
            f"{path} has no column {target!r}.", field="target", mend=f"It has: {', '.join(columns)}."
        )
    y = columns.pop(target)
    for name, column in columns.items():
        if column.dtype.kind not in "biuf":
            raise InvalidArgumentError(
                f"The column {name!r} of {path} holds no numbers.",
                field=name,
                mend="Leave it out, or read the file by a function of your own.",
            )
    return {"x": np.stack(list(columns.values()), axis=1), "y": y}


def _unreadable(path: Path, format: str, fault: object) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{path} cannot be read as {format}: {fault}.",
        field="format",
        mend=f"Choose of {', '.join(FORMATS)}.",
    )
