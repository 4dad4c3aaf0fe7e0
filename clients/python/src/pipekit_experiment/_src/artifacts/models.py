"""The models of a registry that operators at hand are."""

from __future__ import annotations

from typing import Any

from pipekit_experiment._src.errors import InvalidArgumentError, RefNotFoundError
from pipekit_experiment._src.loaded_models import remembered
from pipekit_experiment._src.registry import DaemonRegistry, LocalModelRegistry
from pipekit_experiment._src.registry_open import open_registry
from pipekit_experiment._src.registry_operator import weights_of
from pipekit_experiment._src.registry_types import ModelInfo


def registry_given(registry: Any) -> DaemonRegistry:
    """A registry, one that a spec names, or for None the one in the daemon's state folder."""
    if registry is None:
        return LocalModelRegistry()
    if isinstance(registry, str):
        return open_registry(registry)
    if isinstance(registry, DaemonRegistry):
        return registry
    raise InvalidArgumentError(
        f"The registry is a {type(registry).__name__}, whose models cannot be named in a file.",
        field="registry",
        mend="Give a registry of this package, or the spec of one.",
    )


def known_model(operator: Any, registry: DaemonRegistry, path: str) -> ModelInfo | None:
    """The model that the operator was loaded from or stored as in this process; None when there is none, or
    not in this registry.

    Raises InvalidArgumentError that names the path when the operator has been changed since."""
    hash = remembered(operator)
    if hash is None:
        return None
    try:
        info = registry.stat(hash)
    except RefNotFoundError:
        return None
    weights = weights_of(operator)
    # Weights may have been stored from a file: then the operator does not hold them.
    if info.has_weights and weights is None:
        return info
    now = registry.hash(
        operator,
        weights=weights,
        training_config=info.training_config,
        dataset_hash=info.dataset_hash,
    )
    if now == hash:
        return info
    raise InvalidArgumentError(
        f"The operator {path or 'itself'} is not the model {hash} any more: it was changed since.",
        field=path or "op",
        mend="Store it as it is now: registry.store(operator).",
    )
