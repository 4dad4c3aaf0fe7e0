"""The model that an operator would be, without storing it."""

from __future__ import annotations

from typing import Any

from pipekit_experiment._generated import registry_pb2 as pb
from pipekit_experiment._src.progress_line import OnProgress, telling
from pipekit_experiment._src.registry_calls import ask, store
from pipekit_experiment._src.registry_header import header_of
from pipekit_experiment._src.registry_operator import weights_of
from pipekit_experiment._src.registry_weights import checked_weights


def hash_model(
    spec: str,
    model_op: Any,
    weights: Any,
    training_config: Any,
    dataset_hash: str,
    progress: bool | OnProgress | None = None,
) -> pb.Model:
    """Describes the model that a store in the registry `spec` would make. Raises what DaemonRegistry.store
    raises of these arguments."""
    header = header_of(spec, model_op, training_config, dataset_hash)
    given = checked_weights(weights if weights is not None else weights_of(model_op))
    header.has_weights, header.hash_only = given is not None, True
    with telling(progress, "hash") as tell:
        return ask(lambda stub, connection: store(stub, connection, header, given, tell)).model
