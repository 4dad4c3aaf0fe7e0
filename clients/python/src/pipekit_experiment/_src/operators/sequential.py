"""Operators one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.factory_operator import checked_config
from pipekit_experiment._src.operators.composite import Composite, checked_operator, rebuilt
from pipekit_experiment._src.registry_operator import state_of


class Sequential(Composite):
    """Calls operators in turn, each with what the one before gave; the first with the arguments.

    Without steps it gives back its one argument. Raises NotAnOperatorError that names the step."""

    __module__ = "pipekit_experiment.operators"

    def __init__(self, steps: Iterable[Any]) -> None:
        self.steps = tuple(checked_operator(step, f"steps/{index}") for index, step in enumerate(steps))

    def get_config(self) -> dict[str, Any]:
        """{"steps"}: the states of the operators."""
        return {"steps": [dict(state_of(step)) for step in self.steps]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Sequential:
        """Makes the operators, then the sequence. Raises UntrustedModuleError, NotAnOperatorError."""
        steps = checked_config(cls, state.get("config"), {"steps": list}, {})["steps"]
        return cls(rebuilt(step, f"steps/{index}") for index, step in enumerate(steps))

    def nested_operators(self) -> dict[str, Any]:
        """The steps as `steps/0`, `steps/1` and so on."""
        return {f"steps/{index}": step for index, step in enumerate(self.steps)}

    def _place(self, operators: Mapping[str, Any]) -> None:
        self.steps = tuple(operators.values())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the last step gives."""
        if not self.steps:
            if len(args) != 1 or kwargs:
                raise InvalidArgumentError(
                    "A sequence without steps takes one argument.", field="steps", mend="Give it steps."
                )
            return args[0]
        first, *others = self.steps
        value = first(*args, **kwargs)
        for step in others:
            value = step(value)
        return value
