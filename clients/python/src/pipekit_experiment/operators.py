"""A base class for operators, for those who have no pipekit. The registry asks for none: it is duck-typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pipekit_experiment._src.errors import NotAnOperatorError

_Op = TypeVar("_Op", bound="Operator")


class Operator:
    """A node of a pipeline whose configuration is JSON and whose weights, if any, are bytes.

    A subclass overrides `get_config` when its constructor takes arguments, and the two methods about weights
    when it has any."""

    weights_format: str = ""
    """How the weights are encoded, such as `safetensors`; recorded with the model."""

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments by name: JSON values."""
        return {}

    @property
    def state(self) -> dict[str, Any]:
        """{"module", "class", "config"}: from this, `from_state` makes an equal operator without weights."""
        kind = type(self)
        return {"module": kind.__module__, "class": kind.__qualname__, "config": self.get_config()}

    @classmethod
    def from_state(cls: type[_Op], state: Mapping[str, Any]) -> _Op:
        """Makes an operator from its state."""
        return cls(**state["config"])

    def get_weights(self) -> bytes | None:
        """The weights; None when the operator has none. Equal weights give equal bytes."""
        return None

    def with_weights(self: _Op, weights: bytes) -> _Op:
        """An operator of the same state that has these weights."""
        raise NotAnOperatorError(
            f"A {type(self).__name__} takes no weights ({len(weights)} bytes were given).",
            mend="Override `with_weights`.",
        )
