"""Which operators of a pipeline are models of a registry, and the pipeline with those models in place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from pipekit_experiment._src.artifacts.models import known_model
from pipekit_experiment._src.errors import RefNotFoundError
from pipekit_experiment._src.loaded_models import remembered
from pipekit_experiment._src.operators.ref import ModelRef
from pipekit_experiment._src.operators.walk import nested_states, walk
from pipekit_experiment._src.registry import DaemonRegistry
from pipekit_experiment._src.registry_operator import weights_of


def pinned_models(op: Any, registry: DaemonRegistry) -> dict[str, str]:
    """The hash of each operator that is a model, by its path: references, whose names are resolved now;
    operators that were loaded from a registry or stored in one; and others that have weights, which are
    stored. Below a pinned operator nothing else is pinned.

    Raises RefNotFoundError that names the path and the hash of a model that is not in the registry."""
    pins: dict[str, str] = {}
    nodes = dict(walk(op))
    for path, node in nodes.items():
        if any(path != above and _is_below(path, above) for above in pins):
            continue
        hash = _model_of(node, registry, path)
        has_parts = any(_is_below(other, path) for other in nodes if other != path)
        if hash is None and not has_parts and (weights := weights_of(node)) is not None:
            hash = registry.store(node, weights=weights)
        if hash is not None:
            pins[path] = hash
    return pins


def missing_model(path: str, hash: str, where: str) -> RefNotFoundError:
    """The failure for a pinned model that is not there."""
    return RefNotFoundError(
        f"The model {hash} of the operator {path or 'itself'} is not in {where or 'the default registry'}.",
        field=path,
        mend="Copy it there (`copy_to`), or give the registry that has it.",
    )


def with_references(state: Mapping[str, Any], pins: Mapping[str, str], spec: str, above: str = "") -> Any:
    """The state, with a reference to a hash for each pinned operator in it."""
    if above in pins:
        return ModelRef(pins[above], spec).state
    replaced: dict[tuple[str, ...], Any] = {}
    for steps, inner in nested_states(state["config"]):
        path = "/".join((above, *steps) if above else steps)
        replaced[steps] = with_references(inner, pins, spec, path)
    return {**state, "config": _replaced(state["config"], replaced, ())}


def with_models(op: Any, models: Mapping[str, Any], state: Mapping[str, Any]) -> Any:
    """The pipeline of the recorded `state`, whose pinned operators are references so far, with the models in
    place.

    A model stands there itself, or inside of its reference: where it was a reference in the first place, and
    in an operator that has no `with_nested`."""
    for path, node in walk(op):
        if path in models and isinstance(node, ModelRef):
            node.hold(models[path])
    references = set(_references(state, ""))
    own = {path: model for path, model in models.items() if path not in references}
    return own[""] if "" in own else _placed(op, own)


def _references(state: Mapping[str, Any], above: str) -> Iterator[str]:
    if (state["module"], state["class"]) == (ModelRef.__module__, ModelRef.__qualname__):
        yield above
    for steps, inner in nested_states(state["config"]):
        yield from _references(inner, "/".join((above, *steps) if above else steps))


def _placed(op: Any, models: Mapping[str, Any]) -> Any:
    if not models or not callable(getattr(op, "with_nested", None)):
        return op
    replaced: dict[str, Any] = {}
    for step, inner in op.nested_operators().items():
        below = {path[len(step) + 1 :]: model for path, model in models.items() if _is_below(path, step)}
        if "" in below:
            replaced[step] = below[""]
        elif below:
            replaced[step] = _placed(inner, below)
    return op.with_nested(replaced)


def _model_of(node: Any, registry: DaemonRegistry, path: str) -> str | None:
    hash = _named_model(node, registry)
    if hash is None:
        known = known_model(node, registry, path)
        return None if known is None else known.hash
    try:
        return registry.stat(hash).hash
    except RefNotFoundError as error:
        raise missing_model(path, hash, registry.spec) from error


def _named_model(node: Any, registry: DaemonRegistry) -> str | None:
    """The hash that a reference stands for, or would be loaded as; None for what is no reference."""
    if isinstance(node, ModelRef):
        # A reference that has been called keeps the model that it found then.
        return remembered(node.held) or _resolved(node.registry, node.ref)
    for name in ("model_hash", "model_ref"):
        told: Any = getattr(node, name, None)
        if isinstance(told, str) and told:
            return told if name == "model_hash" else _resolved(registry, told)
    return None


def _resolved(registry: Any, ref: str) -> str:
    resolve: Any = getattr(registry, "resolve_tag", None)
    return str(resolve(ref)) if callable(resolve) else ref


def _is_below(path: str, above: str) -> bool:
    return not above or path == above or path.startswith(f"{above}/")


def _replaced(value: Any, replaced: Mapping[tuple[str, ...], Any], at: tuple[str, ...]) -> Any:
    if at in replaced:
        return replaced[at]
    if isinstance(value, Mapping):
        entries = cast("Mapping[str, Any]", value)
        return {key: _replaced(inner, replaced, (*at, str(key))) for key, inner in entries.items()}
    if isinstance(value, list):
        items = enumerate(cast("list[Any]", value))
        return [_replaced(inner, replaced, (*at, str(index))) for index, inner in items]
    return value
