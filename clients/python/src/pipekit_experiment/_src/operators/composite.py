"""What Sequential and Graph share: operators in an operator."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

from pipekit_experiment._src.errors import InvalidArgumentError, NotAnOperatorError, PipekitError
from pipekit_experiment._src.operators.base import Operator
from pipekit_experiment._src.operators.weights import WEIGHTS_FORMAT, packed, unpacked
from pipekit_experiment._src.registry_operator import checked_state, rebuild, state_of, weights_of

_Op = TypeVar("_Op", bound="Composite")


class Composite(Operator):
    """An operator made of others, by path: `steps/0`, `nodes/encoder`.

    Its weights are those of its parts in one ZIP, see _src/operators/weights.py; it has none when they have
    none."""

    weights_format = WEIGHTS_FORMAT

    def nested_operators(self) -> dict[str, Any]:
        """The operators in this one, by path."""
        raise NotImplementedError

    def with_nested(self: _Op, replaced: Mapping[str, Any]) -> _Op:
        """A composition with other operators at these paths. Raises InvalidArgumentError for another path."""
        mine = self.nested_operators()
        for path, operator in replaced.items():
            if path not in mine:
                raise InvalidArgumentError(
                    f"This {type(self).__name__} has no operator {path}.",
                    field=path,
                    mend=f"It has: {', '.join(mine) or 'none'}.",
                )
            checked_operator(operator, path)
        made = copy.copy(self)
        made._place({**mine, **replaced})
        return made

    def _place(self, operators: Mapping[str, Any]) -> None:
        """Puts operators, one for each path, in place of those that are there."""
        raise NotImplementedError

    def get_weights(self) -> bytes | None:
        """The weights of the operators that have any; None when none has."""
        found = {path: weights_of(operator) for path, operator in self.nested_operators().items()}
        return packed({path: weights for path, weights in found.items() if weights is not None})

    def with_weights(self: _Op, weights: bytes) -> _Op:
        """A composition whose operators have these weights; one that had none stored stays as it is.

        Raises InvalidArgumentError, NotAnOperatorError for an operator that takes none."""
        mine, made = self.nested_operators(), dict[str, Any]()
        for path, data in unpacked(weights).items():
            operator = mine.get(path)
            if operator is None:
                raise InvalidArgumentError(
                    f"The weights hold some for {path}, which this {type(self).__name__} does not have.",
                    field=path,
                    mend="Use the operator that the weights were stored with.",
                )
            if not callable(getattr(operator, "with_weights", None)):
                raise NotAnOperatorError(
                    f"The operator {path}, a {type(operator).__name__}, has no `with_weights`.",
                    field=path,
                    mend="Give it one; see pipekit_experiment.operators.",
                )
            made[path] = operator.with_weights(data)
        return self.with_nested(made)


def checked_operator(operator: Any, path: str) -> Any:
    """The operator itself. Raises NotAnOperatorError that names the path, for anything else."""
    if not isinstance(operator, type) and inspect.getattr_static(operator, "state", None) is not None:
        # Without making the state: that of a deep composition would be made at each level.
        return operator
    try:
        state_of(operator)
    except NotAnOperatorError as error:
        raise NotAnOperatorError(f"At {path}: {error.message}", field=path, mend=error.mend) from error
    return operator


def rebuilt(state: object, path: str) -> Any:
    """The operator of a nested state, without weights; what is wrong with it is told with its path."""
    try:
        return rebuild(checked_state(state, "The state"), None)
    except PipekitError as error:
        error.message = f"At {path}: {error.message}"
        raise
