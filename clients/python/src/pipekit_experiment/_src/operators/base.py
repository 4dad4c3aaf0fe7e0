"""The base class of operators, for those who have no pipekit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pipekit_experiment._src.errors import NotAnOperatorError

_Op = TypeVar("_Op", bound="Operator")


class Operator:
    """A node of a pipeline whose configuration is JSON and whose weights, if any, are bytes.

    A subclass overrides `get_config` when its constructor takes arguments, and the two methods about weights
    when it has any."""

    # Its name for users: where they import it from, wherever the code lies.
    __module__ = "pipekit_experiment.operators"

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


class BytesModelOp(Operator):
    """A model that is bytes, such as an ONNX or GGUF file, which the registry keeps without reading it.

    `weights_format` says what the bytes are; `config` is free: JSON values, part of the model's identity. A
    file of any size is stored without being read here: `store(BytesModelOp(...), weights=path)`."""

    __module__ = "pipekit_experiment.operators"

    def __init__(
        self, data: bytes | None = None, *, weights_format: str = "", config: Mapping[str, Any] | None = None
    ) -> None:
        self.data = data
        self.weights_format = weights_format
        self.config = dict(config or {})

    def get_config(self) -> dict[str, Any]:
        """{"weights_format", "config"}."""
        return {"weights_format": self.weights_format, "config": self.config}

    def nested_operators(self) -> dict[str, Any]:
        """None: what `config` holds is data, whatever it looks like."""
        return {}

    def get_weights(self) -> bytes | None:
        """The bytes as they were given."""
        return self.data

    def with_weights(self, weights: bytes) -> BytesModelOp:
        """An operator of the same configuration with these bytes."""
        return BytesModelOp(bytes(weights), weights_format=self.weights_format, config=self.config)
