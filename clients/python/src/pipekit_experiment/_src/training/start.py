"""The operator that a training begins with: a copy of the given one, never itself."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

from pipekit_experiment._src.errors import InvalidArgumentError, InvalidConfigError
from pipekit_experiment._src.factory_operator import FactoryOperator
from pipekit_experiment._src.operators.ref import ModelRef
from pipekit_experiment._src.registry_operator import state_of, weights_of


def given_weights(operator: Any) -> bytes | None:
    """The weights that an operator was given, and that its state does not tell: a training that is begun
    from the state would not begin with them. None when the factory or the registry gives them."""
    if isinstance(operator, ModelRef) or (isinstance(operator, FactoryOperator) and not operator.has_model):
        return None
    return weights_of(operator)


def digest(weights: bytes | None) -> str:
    """SHA-256 of weights; empty for none."""
    return "" if weights is None else hashlib.sha256(weights).hexdigest()


def begun(loop: Any, start: Any) -> Any:
    """The operator that a loop trains: `start`, if it resumes, else a copy of its own. Raises
    InvalidConfigError."""
    return start if start is not None else _own_copy(loop.model_op, loop.initial_weights)


def _own_copy(operator: Any, recorded: str) -> Any:
    """An operator of the same state and weights that shares no model with the given one.

    Weights that nobody gave are made anew by the factory: the caller has set the seed. `recorded` is the
    digest of the weights that the training in a YAML began with; raises InvalidConfigError for others."""
    if isinstance(operator, ModelRef):
        operator = operator.operator
    weights = given_weights(operator)
    if isinstance(operator, FactoryOperator) and weights is None:
        made = operator.with_model(None)
    elif weights is None or not hasattr(operator, "with_weights"):
        made = copy.deepcopy(operator)
    else:
        made = operator.with_weights(weights)
    if recorded and digest(weights_of(made)) != recorded:
        raise InvalidConfigError(
            f"The training began with weights (SHA-256 {recorded[:12]}...) that the YAML does not hold.",
            field="config.initial_weights",
            mend="Resume from the model in the registry that it began with: run(resume_from=ref).",
        )
    return made


def resumed(operator: Any, ref: Any, registry: Any) -> tuple[Any, int]:
    """The operator with the weights of `ref`, and the epoch after which Checkpoint stored them, else 0.

    `ref` is a ref of the registry, or an operator with weights. Raises InvalidArgumentError when it is
    another operator than the loop's."""
    base = operator.operator if isinstance(operator, ModelRef) else operator
    if not isinstance(ref, str):
        weights, state, epoch = weights_of(ref), state_of(ref), 0
    else:
        found = registry.stat(ref)
        weights, state = registry.load_weights(found.hash), found.state
        told: Any = found.tags.get("epoch", 0)
        epoch = told if isinstance(told, int) else 0
    if state != state_of(base) or weights is None:
        raise InvalidArgumentError(
            f"The model to resume from is another one, a {state['class']}, or has no weights.",
            field="resume_from",
            mend="Give a checkpoint of this loop's `model_op`.",
        )
    return base.with_weights(weights), epoch
