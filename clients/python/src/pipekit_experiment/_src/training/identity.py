"""What a training adds to the identity of the model it makes: its config, and the hash of its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast


def training_config_of(loop: Any) -> dict[str, Any] | None:
    """The loop's `training_config`: what shaped the weights, as JSON values. None for a loop that has none,
    such as one of another package."""
    config: Any = getattr(loop, "training_config", None)
    return dict(cast("Mapping[str, Any]", config)) if isinstance(config, Mapping) else None


def dataset_hash_of(loop: Any) -> str:
    """The `content_hash()` of the loop's data set; empty when it has none. Raises what that raises."""
    content_hash = getattr(getattr(loop, "dataset", None), "content_hash", None)
    return str(content_hash()) if callable(content_hash) else ""


def identity_of(loop: Any) -> dict[str, Any]:
    """{"training_config", "dataset_hash"}, as `registry.store` takes them. Reads all data."""
    return {"training_config": training_config_of(loop), "dataset_hash": dataset_hash_of(loop)}


def store_trained(
    registry: Any, trained: Any, run_id: str, identity: Mapping[str, Any], tags: Mapping[str, Any]
) -> str:
    """Stores what a training made, and returns its hash. Raises what the registry's `store` raises."""
    from pipekit_experiment._src.registry import DaemonRegistry

    if isinstance(registry, DaemonRegistry):
        return registry.store(trained, tags=tags, run=run_id, **identity)
    # A registry of the user's own takes what the protocol says; the rest can only be told.
    told = {**tags, "training_run_id": run_id, "training_dataset_hash": identity["dataset_hash"]}
    return registry.store(trained, tags={key: value for key, value in told.items() if value != ""})
