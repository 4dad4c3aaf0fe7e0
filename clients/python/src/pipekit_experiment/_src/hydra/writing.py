"""Operators as Hydra configs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidConfigError, NotAnOperatorError
from pipekit_experiment._src.hydra.values import FROM_STATE, as_node, is_plain_key
from pipekit_experiment._src.registry_operator import is_state, rebuild, state_of
from pipekit_experiment._src.registry_trust import trusting
from pipekit_experiment._src.strict_json import plain_json

_NAMES = re.compile(r"[^\W\d]\w*(?=[.:\w]*\Z)")
"""The first part of what may be a module's name, or a callable's."""


def config_of(operator: object) -> dict[str, Any]:
    """The config, as dicts and lists, from which Hydra makes an equal operator.

    Raises NotAnOperatorError, InvalidConfigError that names the path of a value that is not JSON."""
    state = plain_state(operator)
    with trusting_names_in(state):
        return _Writing().operator(state)[0]


def plain_state(operator: object) -> dict[str, Any]:
    """The operator's state as JSON values. Raises NotAnOperatorError, InvalidConfigError."""
    try:
        state = dict(state_of(operator))
    except RecursionError as error:
        raise InvalidConfigError(
            f"The {type(operator).__name__} holds itself.",
            field="config",
            mend="Take it out of its own parts.",
        ) from error
    config = plain_json(state.pop("config"), "config")
    return {**plain_json(state, "state"), "config": config}


@contextmanager
def trusting_names_in(state: Mapping[str, Any]) -> Generator[None]:
    """Within the block, trusts the packages that the state names, which is of the caller's own making."""
    with trusting({name for text in _texts(state) if (name := _first_name(text))}):
        yield


class _Writing:
    """Each method gives a node and the value that comes of it, made to see whether it is the same again."""

    def operator(self, state: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        kind = _loaded_class(state)
        config, wanted = state["config"], _canonical(state)
        if kind is not None and all(map(is_plain_key, config)):
            entries, arguments = self.mapping(config)
            made = _constructed(kind, arguments, wanted)
            if made is None:
                # The class may want the states of its nested operators. What it gets is its own to change.
                entries = as_node(config)
                made = _constructed(kind, json.loads(json.dumps(config)), wanted)
            if made is not None:
                return {
                    "_target_": f"{state['module']}.{state['class']}",
                    "_convert_": "all",
                    **entries,
                }, made
        made = _from_state(state, wanted)
        return {"_target_": FROM_STATE, "_convert_": "all", "state": as_node(state)}, made

    def value(self, value: Any) -> tuple[Any, Any]:
        if isinstance(value, list):
            pairs = [self.value(item) for item in cast("list[Any]", value)]
            return [node for node, _ in pairs], [made for _, made in pairs]
        if not isinstance(value, dict):
            return as_node(value), value
        entries = cast("dict[str, Any]", value)
        if is_state(entries) and _loaded_class(entries) is not None:
            # What has the form of a state and gives no operator is data.
            with suppress(Exception):
                return self.operator(entries)
        return self.mapping(entries) if all(map(is_plain_key, entries)) else (as_node(entries), entries)

    def mapping(self, entries: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        pairs = {key: self.value(item) for key, item in entries.items()}
        return {key: node for key, (node, _) in pairs.items()}, {
            key: made for key, (_, made) in pairs.items()
        }


def _loaded_class(state: Mapping[str, Any]) -> Any:
    """The class that a state names, if it is an operator's and its module is there already.

    Nothing is imported: what is in an operator has been; another state in a config is data."""
    found: Any = sys.modules.get(state["module"])
    for part in str(state["class"]).split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) and callable(getattr(found, "from_state", None)) else None


def _constructed(kind: Any, arguments: dict[str, Any], wanted: str) -> Any:
    try:
        made = kind(**arguments)
        return made if _canonical(plain_state(made)) == wanted else None
    except Exception:
        # Whatever a constructor raises of arguments that it was not made for.
        return None


def _from_state(state: dict[str, Any], wanted: str) -> Any:
    made = rebuild(state, None)
    if _canonical(plain_state(made)) != wanted:
        name = f"{state['module']}.{state['class']}"
        raise NotAnOperatorError(
            f"{name}.from_state gives an operator of another state than the one it was given.",
            field=name,
            mend="Let `from_state` and `.state` be each other's inverse.",
        )
    return made


def _canonical(state: dict[str, Any]) -> str:
    return json.dumps(state, sort_keys=True)


def _texts(value: Any) -> Generator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in cast("Mapping[str, Any]", value).values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in cast("list[Any]", value):
            yield from _texts(item)


def _first_name(text: str) -> str | None:
    found = _NAMES.match(text)
    return found[0] if found else None
