"""The two seams between pipekit pipelines and the tools around them. Both are satisfied structurally."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pipekit_experiment._src.run import Run


@runtime_checkable
class ExperimentTracker(Protocol):
    """Takes metrics, parameters and artifacts of a run. No base class is needed: these four methods are."""

    def start_run(self, name: str, config: dict[str, Any]) -> Run:
        """Starts a run with its parameters."""
        ...

    def log_metrics(self, run: Run, metrics: Mapping[str, Any], step: int) -> None:
        """Logs one value a metric, at a step."""
        ...

    def log_artifact(self, run: Run, path: str, name: str) -> None:
        """Attaches a file or folder under a name."""
        ...

    def end_run(self, run: Run, status: str) -> None:
        """Ends a run as `completed` or `failed`."""
        ...


@runtime_checkable
class ModelRegistry(Protocol):
    """Keeps trained models by the hash of their content. No base class is needed."""

    def store(
        self,
        model_op: Any,
        *,
        name: str | None = None,
        tags: dict[str, Any] | None = None,
        weights: bytes | None = None,
    ) -> str:
        """Stores an operator and its weights; returns the hash. `name` is a tag to point to it."""
        ...

    def load(self, ref: str) -> Any:
        """The operator that a hash or a name stands for."""
        ...

    def list(self, *, tags: dict[str, Any] | None = None) -> builtins.list[str]:
        """Hashes of the models, of those that carry all of `tags` when given."""
        ...

    def tag(self, hash: str, name: str, *, force: bool = False) -> None:
        """Points a name to a hash; `force` lets it move."""
        ...

    def history(self, name: str) -> Sequence[Any]:
        """The moves of a name, newest first."""
        ...

    def gc(self, *, apply: bool = False) -> Any:
        """What nothing keeps; with `apply` it is deleted."""
        ...
