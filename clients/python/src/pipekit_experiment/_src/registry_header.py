"""What a store tells of a model before its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipekit_experiment._generated import registry_pb2 as pb
from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.registry_base import actor
from pipekit_experiment._src.registry_operator import state_of
from pipekit_experiment._src.strict_json import strict_json
from pipekit_experiment._src.ulid import new_ulid

if TYPE_CHECKING:
    from pipekit_experiment._src.run import Run


def header_of(registry: str, model_op: Any, training_config: Any, dataset_hash: str) -> pb.StoreHeader:
    """What makes a model's identity, but for the weights. Raises NotAnOperatorError, InvalidConfigError."""
    return pb.StoreHeader(
        registry=registry,
        operator_json=strict_json(state_of(model_op), "state"),
        training_config_json=""
        if training_config is None
        else strict_json(training_config, "training_config"),
        dataset_hash=dataset_hash,
        weights_format=str(getattr(model_op, "weights_format", "")),
        actor=actor(),
    )


def add_notes(
    header: pb.StoreHeader,
    *,
    name: str | None,
    force: bool,
    tags: Mapping[str, Any] | None,
    preview: Any,
    run: Run | str | None,
) -> None:
    """Adds what is no part of the identity. Raises InvalidConfigError, InvalidArgumentError for the run."""
    header.name = name or ""
    header.force = force
    header.move_id = new_ulid()
    header.metadata_json = "" if tags is None else strict_json(tags, "tags")
    header.preview_json = "" if preview is None else strict_json(preview, "preview")
    header.run_id = run_id_of(run)


def preview_of(model_op: Any, preview: Any, inputs: Any, rtol: float | None, atol: float | None) -> Any:
    """The preview that was given, or one that is made by calling the operator with `inputs`.

    Raises InvalidArgumentError when both are given, NotAnOperatorError before anything is called."""
    if inputs is None:
        return preview
    if preview is not None:
        raise InvalidArgumentError(
            "Both `preview` and `preview_inputs` are given.",
            field="preview",
            mend="Give one of them.",
        )
    state_of(model_op)
    # Only those who ask for it pay for the import of NumPy.
    from pipekit_experiment._src.preview import captured

    return captured(model_op, inputs, rtol, atol)


def run_id_of(run: Run | str | None) -> str:
    """The id of a run; empty for none. Raises InvalidArgumentError for another thing."""
    found: Any = getattr(run, "run_id", run) or ""
    if not isinstance(found, str):
        raise InvalidArgumentError(
            f"`run` is a {type(run).__name__}.", field="run", mend="Give a Run, or the id of one."
        )
    return found
