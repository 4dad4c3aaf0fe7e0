"""Packages that an extra of this one brings: each failing import names the extra."""

from __future__ import annotations

import importlib
from typing import Any


def missing_extra(error: ImportError, extra: str, needed_by: str, package: str | None = None) -> ImportError:
    """The ImportError to raise `from error`: its sentence names what is missing and the extra that has it.

    `needed_by` starts the sentence; `package` is the name to show where `error` does not tell it."""
    shown = package or error.name or "a package"
    return ImportError(
        f"{needed_by} needs {shown}: run `pip install 'pipekit-experiment[{extra}]'`.", name=error.name
    )


def optional_module(name: str, extra: str, needed_by: str, package: str | None = None) -> Any:
    """Imports a module that `extra` brings. Raises ImportError that names the extra."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise missing_extra(error, extra, needed_by, package) from error
