"""What the targets of a config name: imported, as Hydra does it, and looked at before anything is called."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from pipekit_experiment._src.errors import InvalidConfigError, NotAnOperatorError
from pipekit_experiment._src.hydra.importing import missing_hydra_zen
from pipekit_experiment._src.hydra.walk import Target
from pipekit_experiment._src.registry_operator import OPERATOR_MEND

ZEN_PROCESSING = "hydra_zen.funcs.zen_processing"


def check_targets(targets: Iterable[Target]) -> None:
    """Imports what Hydra will call. Raises InvalidConfigError for a name that leads to nothing callable."""
    for target in targets:
        if not target.is_called:
            continue
        found = [(target.at("_target_"), target.name)]
        if target.name == ZEN_PROCESSING:
            found.append((target.at("_zen_target"), str(target.node.get("_zen_target"))))
        for path, name in found:
            value = located(name, path)
            if not callable(value):
                raise InvalidConfigError(
                    f"`{path}` names {name}, a {type(value).__name__}, which cannot be called.",
                    field=path,
                    mend="Name a class or function.",
                )


def check_root(root: Target) -> None:
    """Raises NotAnOperatorError for a root of which it is plain that it gives no operator."""
    name = root.name
    if root.node.get("_partial_") is True or (
        name == ZEN_PROCESSING and root.node.get("_zen_partial") is True
    ):
        raise NotAnOperatorError(
            f"The config gives a functools.partial of {called_name(root)}, not an Operator.",
            field=root.at("_partial_" if name != ZEN_PROCESSING else "_zen_partial"),
            mend="Take it out.",
        )
    if name == ZEN_PROCESSING and root.node.get("_zen_wrappers"):
        # A wrapper may make something else of it.
        return
    name = called_name(root)
    found = located(name, root.at("_target_"))
    if isinstance(found, type) and not hasattr(found, "from_state"):
        raise NotAnOperatorError(
            f"`{root.at('_target_')}` names {name}, a class that is no Operator.",
            field=name,
            mend=OPERATOR_MEND,
        )


def called_name(target: Target) -> str:
    """The callable that a target comes to."""
    return str(target.node.get("_zen_target")) if target.name == ZEN_PROCESSING else target.name


def located(name: str, path: str) -> Any:
    """What a dotted name leads to. `path` is where it stands.

    Raises InvalidConfigError; ImportError as it is when the module is there and one that it needs is not."""
    first, *parts = name.split(".")
    found: Any = _module(first, name, path)
    so_far = first
    for part in parts:
        so_far = f"{so_far}.{part}"
        try:
            found = getattr(found, part)
        except AttributeError as error:
            if not isinstance(found, ModuleType):
                raise _leads_nowhere(name, path, so_far) from error
            found = _module(so_far, name, path)
    return found


def _module(module: str, name: str, path: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        if module == "hydra_zen":
            raise missing_hydra_zen(path, error) from error
        raise _leads_nowhere(name, path, module) from error


def _leads_nowhere(name: str, path: str, part: str) -> InvalidConfigError:
    what = f"there is no {part}" if "." in part else f"there is no module {part}"
    return InvalidConfigError(
        f"`{path}` names {name}, and {what}.", field=path, mend="Check the spelling, or install it."
    )
