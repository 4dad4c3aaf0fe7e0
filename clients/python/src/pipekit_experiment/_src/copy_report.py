"""What a copy, an export or an import has brought over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipekit_experiment._src.sizes import counted, size_text

if TYPE_CHECKING:
    from pipekit_experiment._generated import registry_pb2


@dataclass(frozen=True)
class CopiedModel:
    """A model that the target has now."""

    hash: str
    created: bool
    """False when the target had it before."""
    bytes: int
    """Of its files."""


@dataclass(frozen=True)
class CopiedTag:
    """A tag with its history."""

    name: str
    moves: int
    """Moves that were added."""
    problem: str
    """Why the tag was left as it is, one sentence; empty otherwise."""


@dataclass(frozen=True)
class CopyReport:
    """What was brought over. `str()` makes it readable."""

    models: tuple[CopiedModel, ...]
    tags: tuple[CopiedTag, ...]
    bytes: int
    """Bytes brought over."""

    @property
    def created(self) -> tuple[str, ...]:
        """Hashes of the models that the target did not have."""
        return tuple(model.hash for model in self.models if model.created)

    @property
    def problems(self) -> dict[str, str]:
        """Tags that were left as they are, each with why."""
        return {tag.name: tag.problem for tag in self.tags if tag.problem}

    def __str__(self) -> str:
        agreeing = len(self.tags) - len(self.problems)
        lines = [
            f"{counted(len(self.models), 'model')}, {len(self.created):,} of them new, "
            f"{size_text(self.bytes)}; {counted(agreeing, 'tag')}."
        ]
        lines += [f"Tag {name} was left as it is: {problem}" for name, problem in self.problems.items()]
        return "\n".join(lines)


def copied_model(message: registry_pb2.CopiedModel) -> CopiedModel:
    """Reads a CopiedModel message."""
    return CopiedModel(hash=message.hash, created=message.created, bytes=message.bytes)


def copied_tag(message: registry_pb2.CopiedTag) -> CopiedTag:
    """Reads a CopiedTag message."""
    return CopiedTag(name=message.name, moves=message.moves, problem=message.problem)
