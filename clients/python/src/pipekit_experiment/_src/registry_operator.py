"""Operators are duck-typed: what the registry asks of one, and how it makes one again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pipekit_experiment._src.errors import NotAnOperatorError
from pipekit_experiment._src.registry_trust import require_trusted_state, trusted_object

OPERATOR_MEND = "An Operator has `.state`, `from_state` and `with_weights`; see pipekit_experiment.operators."


def state_of(operator: object) -> Mapping[str, Any]:
    """The operator's `.state`, an attribute or a method. Raises NotAnOperatorError unless it is one."""
    kind = type(operator).__name__
    state: Any = getattr(operator, "state", None)
    if isinstance(operator, type):
        raise NotAnOperatorError(
            f"The class {operator.__name__} is not an Operator; an instance of it may be.",
            field="model_op",
            mend=OPERATOR_MEND,
        )
    if callable(state):
        state = state()
    if not isinstance(state, Mapping):
        raise NotAnOperatorError(
            f"A value of type {kind} is not an Operator: it has no `.state` mapping.",
            field="model_op",
            mend=OPERATOR_MEND,
        )
    return checked_state(cast("object", state), f"A value of type {kind}")


def checked_state(state: object, whose: str) -> Mapping[str, Any]:
    """A state, if it has module, class and config. Raises NotAnOperatorError that says `whose` it is."""
    entries = cast("Mapping[str, Any]", state if isinstance(state, Mapping) else {})
    for name in ("module", "class", "config"):
        expected = Mapping if name == "config" else str
        if not isinstance(entries.get(name), expected):
            raise NotAnOperatorError(
                f"{whose} is not an Operator: its `.state` has no `{name}`.",
                field=name,
                mend=OPERATOR_MEND,
            )
    return entries


def is_state(value: object) -> bool:
    """Whether the value has the form of an operator's state."""
    entries = cast("Mapping[str, Any]", value if isinstance(value, Mapping) else {})
    named = all(isinstance(entries.get(name), str) for name in ("module", "class"))
    return named and isinstance(entries.get("config"), Mapping)


def weights_of(operator: Any) -> Any:
    """What the operator's `get_weights()` returns; None when it has no such method."""
    hook = getattr(operator, "get_weights", None)
    return hook() if callable(hook) else None


def rebuild(state: Mapping[str, Any], weights: bytes | None) -> Any:
    """`Class.from_state(state)`, then `.with_weights(weights)` when there are weights.

    Raises UntrustedModuleError before anything is imported, NotAnOperatorError when the class lacks a method.
    """
    require_trusted_state(state)
    name = f"{state['module']}.{state['class']}"
    found = trusted_object(state["module"], state["class"])
    if not isinstance(found, type) or not callable(getattr(found, "from_state", None)):
        raise NotAnOperatorError(
            f"{name} is not an Operator class: it has no `from_state`.", field=name, mend=OPERATOR_MEND
        )
    operator: Any = cast("Any", found).from_state(state)
    if weights is None:
        return operator
    if not callable(getattr(operator, "with_weights", None)):
        raise NotAnOperatorError(
            f"{name} is not an Operator that takes weights: it has no `with_weights`.",
            field=name,
            mend=OPERATOR_MEND,
        )
    operator = operator.with_weights(weights)
    if operator is None:
        raise NotAnOperatorError(
            f"{name}.with_weights returned None.",
            field=name,
            mend="Return the operator that has the weights.",
        )
    return operator
