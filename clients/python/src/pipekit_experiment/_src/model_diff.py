"""In what two models differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipekit_experiment._src.sizes import counted

if TYPE_CHECKING:
    from pipekit_experiment._generated import registry_pb2

_LINES = 40
"""Most differences that str() lists."""
_LONGEST = 60


@dataclass(frozen=True)
class DiffEntry:
    """One difference of a document."""

    document: str
    """`operator`, `training_config`, `dataset_hash`, `metadata`, `preview` or `weights_format`."""
    path: str
    """Where, such as `config.layers[2]`; empty for the whole document."""
    a: str
    """JSON text in the one; empty when it is not there."""
    b: str
    """JSON text in the other; empty when it is not there."""

    def __str__(self) -> str:
        where = f"{self.document} {self.path}" if self.path else self.document
        return f"{where}: {_short(self.a)} -> {_short(self.b)}"


@dataclass(frozen=True)
class TensorDiff:
    """One tensor that differs."""

    name: str
    a: str
    """Its type in the one, such as `F32 [64, 3]`; empty when it is not there."""
    b: str
    """Its type in the other; empty when it is not there."""
    max_difference: float | None
    """Largest absolute difference of two values; None when the types differ or cannot be subtracted."""

    def __str__(self) -> str:
        if self.a != self.b:
            return f"tensor {self.name}: {_short(self.a)} -> {_short(self.b)}"
        how = (
            "other values" if self.max_difference is None else f"differs by {self.max_difference:.6g} at most"
        )
        return f"tensor {self.name}: {self.a}, {how}"


@dataclass(frozen=True)
class ModelDiff:
    """In what two models differ. `str()` makes it readable."""

    hash_a: str
    hash_b: str
    entries: tuple[DiffEntry, ...]
    tensors: tuple[TensorDiff, ...]
    """Tensors that differ; only where `tensors_compared`."""
    tensors_compared: bool
    """Whether both weights are in a format whose tensors can be told apart."""
    same_weights: bool
    """Whether the weights' bytes are the same."""
    same_tensors: int
    """Tensors that are the same in both."""

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return self.same_weights and not self.entries

    def __str__(self) -> str:
        first = f"{self.hash_a[:12]} and {self.hash_b[:12]}"
        if self.same:
            return f"{first} differ in nothing."
        lines = [f"  {difference}" for difference in (*self.entries, *self.tensors)]
        more = len(lines) - _LINES
        if more > 0:
            lines[_LINES:] = [f"  and {counted(more, 'difference')} more"]
        return "\n".join([f"{first} differ:", *lines, f"  {self._about_weights()}"])

    def _about_weights(self) -> str:
        if self.same_weights:
            return "weights: the same"
        if self.tensors_compared:
            return f"weights: {counted(self.same_tensors, 'tensor')} the same, {len(self.tensors):,} not"
        return "weights: not the same, in a format whose tensors cannot be told apart"


def model_diff(message: registry_pb2.DiffResponse) -> ModelDiff:
    """Reads a DiffResponse message."""
    return ModelDiff(
        hash_a=message.hash_a,
        hash_b=message.hash_b,
        entries=tuple(
            DiffEntry(entry.document, entry.path, entry.a_json, entry.b_json) for entry in message.entries
        ),
        tensors=tuple(
            TensorDiff(
                tensor.name,
                tensor.a_type,
                tensor.b_type,
                tensor.max_difference if tensor.HasField("max_difference") else None,
            )
            for tensor in message.tensors
        ),
        tensors_compared=message.tensors_compared,
        same_weights=message.same_weights,
        same_tensors=message.same_tensors,
    )


def _short(text: str) -> str:
    if not text:
        return "absent"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
