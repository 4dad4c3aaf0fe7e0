"""What an artifact records by itself. What is merely absent is recorded as absent; nothing fails for it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, cast

from pipekit_experiment._src.artifacts.data import recorded_data
from pipekit_experiment._src.artifacts.environment import environment_now
from pipekit_experiment._src.artifacts.environment_git import git_state
from pipekit_experiment._src.artifacts.environment_secrets import without_secrets
from pipekit_experiment._src.artifacts.lock_file import find_lock
from pipekit_experiment._src.artifacts.loop import loop_yaml, seed_of
from pipekit_experiment._src.artifacts.models import known_model, registry_given
from pipekit_experiment._src.errors import PipekitError
from pipekit_experiment._src.registry import DaemonRegistry
from pipekit_experiment._src.registry_types import ModelInfo
from pipekit_experiment._src.training.identity import training_config_of


def captured_surroundings(path: str | os.PathLike[str], backend: Any) -> dict[str, Any]:
    """`backend_info`, `deps_lock` and the beginning of `metadata`."""
    lock = find_lock(path)
    return {
        "backend_info": environment_now(backend if isinstance(backend, str) else None),
        "deps_lock": lock.text,
        "metadata": {
            "captured_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "lock": lock.about,
            "git": git_state(path),
            "command": without_secrets(sys.argv),
        },
    }


def captured_training(
    loop: Any,
    registry: Any,
    run: Any,
    model: Any,
    tracker_run_id: str | None,
    path: str | os.PathLike[str],
) -> dict[str, Any]:
    """The fields of a TrainingArtifact."""
    opened = registry_given(_registry_of(loop) if registry is None else registry)
    fields = captured_surroundings(path, getattr(loop, "backend", None))
    text = loop_yaml(loop)
    dataset_hash, about_data = recorded_data(getattr(loop, "dataset", None))
    run = _run_of(loop) if run is None else run
    trained = getattr(loop, "trained_op", None) if model is None else model
    info = _model(trained, loop, opened, run, dataset_hash)
    tracker = _tracker(run)
    fields["metadata"].update(
        loop={"module": type(loop).__module__, "class": type(loop).__qualname__},
        seed=seed_of(loop),
        dataset=about_data,
        model={"absent": "no trained model was given"} if info is None else about_model(info),
        tracker=tracker,
    )
    return {
        "training_pipeline_yaml": text,
        "dataset_hash": dataset_hash,
        "trained_model_hash": "" if info is None else info.hash,
        "tracker_run_id": tracker.get("run_id") if tracker_run_id is None else tracker_run_id,
        "model_registry_uri": opened.spec,
        **fields,
    }


def _model(model: Any, loop: Any, registry: DaemonRegistry, run: Any, dataset_hash: str) -> ModelInfo | None:
    if model is None:
        return None
    if isinstance(model, str):
        return registry.stat(model)
    known = known_model(model, registry, "model")
    if known is not None:
        return known
    config = training_config_of(loop)
    return registry.stat(registry.store(model, run=run, training_config=config, dataset_hash=dataset_hash))


def about_model(info: ModelInfo) -> dict[str, Any]:
    """What makes the identity beside the operator and its weights, so that a model trained again can be
    compared without the registry."""
    return {
        "manifest": info.manifest,
        "training_config": info.training_config,
        "dataset_hash": info.dataset_hash,
        "names": list(info.names),
    }


def _run_of(loop: Any) -> Any:
    """The run of the first callback that has one."""
    runs = (getattr(callback, "run", None) for callback in _callbacks(loop))
    return next((run for run in runs if isinstance(getattr(run, "run_id", None), str)), None)


def _registry_of(loop: Any) -> Any:
    """The registry that the first callback which has one stores into."""
    registries = (getattr(callback, "registry", None) for callback in _callbacks(loop))
    return next((registry for registry in registries if isinstance(registry, DaemonRegistry)), None)


def _callbacks(loop: Any) -> list[Any]:
    callbacks: Any = getattr(loop, "callbacks", None)
    return list(cast("Iterable[Any]", callbacks)) if isinstance(callbacks, (list, tuple)) else []


def _tracker(run: Any) -> dict[str, Any]:
    """The run's id, and its ids in the tools that it was logged to, as far as they are known by now."""
    run_id = run if isinstance(run, str) else getattr(run, "run_id", None)
    if not isinstance(run_id, str):
        return {"absent": "no run was given"}
    told: dict[str, Any] = {"run_id": run_id}
    sinks = getattr(run, "sinks", None)
    if callable(sinks):
        try:
            found: Any = sinks()
        except PipekitError as error:
            return {**told, "sinks_absent": str(error)}
        told["sinks"] = [
            {"spec": sink.spec, "remote_id": sink.remote_id, "remote_url": sink.remote_url} for sink in found
        ]
    return told


def merged(captured: Mapping[str, Any], own: Mapping[str, Any] | None) -> dict[str, Any]:
    """Captured metadata, and the caller's own over them."""
    return {**captured, **(own or {})}
