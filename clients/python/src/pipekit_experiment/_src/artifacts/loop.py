"""A training loop as text, and a training loop again. Any class does that has `from_state` or `from_yaml`,
and `run`."""

from __future__ import annotations

import inspect
import random
import sys
from collections.abc import Mapping
from typing import Any, cast

from pipekit_experiment._src.errors import (
    InvalidArgumentError,
    InvalidConfigError,
    NotAnOperatorError,
)
from pipekit_experiment._src.operators.yaml import state_in_yaml
from pipekit_experiment._src.registry_trust import require_trusted_state, trusted_object


def loop_yaml(loop: Any) -> str:
    """What the loop's `to_yaml` gives; else its state. Raises InvalidArgumentError for what has neither."""
    written = getattr(loop, "to_yaml", None)
    if callable(written):
        return str(written())
    if not hasattr(loop, "state"):
        raise InvalidArgumentError(
            f"A {type(loop).__name__} has neither `to_yaml` nor `state`.",
            field="loop",
            mend="Give a training loop; see pipekit_experiment.training.",
        )
    from pipekit_experiment.operators import to_yaml

    return to_yaml(loop)


def loop_again(text: str, recorded: Mapping[str, Any]) -> Any:
    """The loop, made by its class. Call it in a `trusting` block.

    The class is named by the YAML, if that is a state; else by what was `recorded`: {"module", "class"}.
    Raises UntrustedModuleError before anything is imported; InvalidConfigError, NotAnOperatorError."""
    try:
        state = state_in_yaml(text)
    except (NotAnOperatorError, InvalidConfigError):
        if not all(isinstance(recorded.get(name), str) for name in ("module", "class")):
            raise
        state = None
    named = recorded if state is None else state
    name = f"{named['module']}.{named['class']}"
    if state is not None:
        require_trusted_state(state)
    found: Any = trusted_object(named["module"], named["class"])
    loop: Any = None
    is_class = inspect.isclass(cast("object", found))
    if not is_class or not callable(getattr(found, "run", None)):
        # Else any `from_yaml` could be called with the text, such as one that trusts whatever a config names.
        pass
    elif state is not None and callable(getattr(found, "from_state", None)):
        loop = found.from_state(state)
    elif callable(getattr(found, "from_yaml", None)):
        loop = found.from_yaml(text)
    if not callable(getattr(loop, "run", None)):
        raise NotAnOperatorError(
            f"{name} is no training loop: it lacks `from_state`, `from_yaml` or `run`.",
            field=name,
            mend="Name a class like pipekit_experiment.training.TrainingLoop.",
        )
    return loop


def seed_of(loop: Any) -> int | str | None:
    """The loop's seed; as text when JSON cannot say it."""
    seed: Any = loop.seed if hasattr(loop, "seed") else _config_of(loop).get("seed")
    if isinstance(seed, bool) or not isinstance(seed, int):
        return None
    return seed if abs(seed) < 2**53 else str(seed)


def _config_of(loop: Any) -> Mapping[str, Any]:
    told: Any = getattr(loop, "get_config", None)
    config: Any = told() if callable(told) else None
    return cast("Mapping[str, Any]", config) if isinstance(config, Mapping) else {}


def restore_seed(seed: Any) -> None:
    """Seeds the generators of Python, and of NumPy and PyTorch where they are loaded: for loops that do not
    do so themselves."""
    try:
        number = int(seed)
    except (TypeError, ValueError):
        return
    random.seed(number)
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(number % 2**32)
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(number if -(2**63) <= number < 2**64 else number % 2**64)
