"""The optimizer's config: `{"name": "adam", "lr": 1e-3}` and what else the optimizer takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipekit_experiment._src.errors import InvalidArgumentError

_DEFAULT: dict[str, Any] = {"name": "adam", "lr": 1e-3}


def check_optimizer(config: Mapping[str, Any] | None) -> None:
    """Raises InvalidArgumentError unless there is a name and a rate."""
    if config is None:
        return
    if not isinstance(config.get("name"), str):
        raise InvalidArgumentError(
            "`optimizer_config` has no name.",
            field="optimizer_config.name",
            mend='Give it as {"name": "adam", "lr": 0.001}.',
        )
    rate = config.get("lr")
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < float("inf"):
        raise InvalidArgumentError(
            f"The learning rate `lr` is {rate!r}.",
            field="optimizer_config.lr",
            mend="Give a positive number.",
        )


def make_optimizer(
    config: Mapping[str, Any] | None, known: Mapping[str, Callable[..., Any]], backend: str
) -> Any:
    """What `known[name](lr=..., **others)` gives. Raises InvalidArgumentError that names the entry at
    fault."""
    entries = dict(_DEFAULT if config is None else config)
    name = entries.pop("name")
    if name not in known:
        raise InvalidArgumentError(
            f"The backend {backend} has no optimizer {name!r}.",
            field="optimizer_config.name",
            mend=f"Choose of {', '.join(known)}.",
        )
    try:
        return known[name](**entries)
    except (TypeError, ValueError) as error:
        raise InvalidArgumentError(
            f"The optimizer {name} does not take its config: {error}.",
            field="optimizer_config",
            mend=f"See what {name} takes in the backend {backend}.",
        ) from error


def refuse_optimizer(config: Mapping[str, Any] | None, backend: str) -> None:
    """For a backend whose models train themselves. Raises InvalidArgumentError."""
    if config is not None:
        raise InvalidArgumentError(
            f"The backend {backend} has no optimizer of its own.",
            field="optimizer_config",
            mend="Leave `optimizer_config` out.",
        )
