"""The operators in an operator."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidArgumentError, NotAnOperatorError
from pipekit_experiment._src.registry_operator import is_state, rebuild, state_of
from pipekit_experiment._src.registry_trust import trusting


def walk(op: Any) -> Iterator[tuple[str, Any]]:
    """The operator and all in it, each with its path: '', `steps/0`, `nodes/encoder`, `nodes/encoder/model`.

    An operator that has a method `nested_operators()` tells which there are, by path. For any other, such as
    one of pipekit's, they are found by the states in its config: the path is where the state stands, and the
    operator is the attribute of that name, or made of its state (then it has no weights) when there is none.

    Raises NotAnOperatorError when `op` is none, InvalidArgumentError for one that holds itself."""
    yield from _walk(op, "", [])


def nested_states(config: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """The outermost states of operators in a config, each with the keys and indices that lead to it."""
    pending: list[tuple[tuple[str, ...], Any]] = [((), config)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, Mapping):
            entries = cast("Mapping[str, Any]", value)
            if path and is_state(entries):
                yield path, entries
            else:
                pending.extend(((*path, str(key)), entries[key]) for key in reversed(list(entries)))
        elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
            items = list(enumerate(cast("Sequence[Any]", value)))
            pending.extend(((*path, str(index)), inner) for index, inner in reversed(items))


def _walk(op: Any, path: str, above: list[Any]) -> Iterator[tuple[str, Any]]:
    if any(op is one for one in above):
        raise InvalidArgumentError(
            f"The operator at {path} holds itself.", field=path, mend="Take it out of itself."
        )
    yield path, op
    for step, inner in _nested(op).items():
        yield from _walk(inner, f"{path}/{step}" if path else step, [*above, op])


def _nested(op: Any) -> dict[str, Any]:
    told = getattr(op, "nested_operators", None)
    if callable(told):
        return dict(cast("Mapping[str, Any]", told()))
    states = nested_states(state_of(op)["config"])
    return {"/".join(path): _live(op, path, state) for path, state in states}


def _live(op: Any, path: tuple[str, ...], state: Mapping[str, Any]) -> Any:
    found: Any = getattr(op, path[0], None)
    for step in path[1:]:
        is_list = isinstance(found, (list, tuple))
        try:
            found = found[int(step) if is_list else step]
        except (TypeError, KeyError, IndexError, ValueError):
            found = None
    try:
        if state_of(found) == state:
            return found
    except NotAnOperatorError:
        pass
    # Its classes are at hand, if it is what it seems; a config may also be data of whoever stored the
    # operator. So nothing else that it names, such as a factory, is trusted.
    with trusting(module for module in _modules_in(state) if module in sys.modules):
        return rebuild(state, None)


def _modules_in(state: Mapping[str, Any]) -> Iterator[str]:
    yield state["module"]
    for _, inner in nested_states(state["config"]):
        yield from _modules_in(inner)
