"""Losses: by name, by `package.module:callable`, as a function or as an operator."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidArgumentError, InvalidConfigError
from pipekit_experiment._src.factory_operator import module_and_name
from pipekit_experiment._src.registry_operator import rebuild, state_of
from pipekit_experiment._src.registry_trust import named_object, trusted_factory

LOSSES = ("mse", "mae", "cross_entropy", "binary_cross_entropy")
"""Means over the examples. The two entropies take logits; `cross_entropy` takes class numbers as target."""

CLASSIFYING = ("cross_entropy", "binary_cross_entropy")
"""With these an evaluation tells the accuracy too."""


def check_loss(loss: Any) -> None:
    """Raises InvalidArgumentError for what is no loss."""
    if isinstance(loss, str):
        if loss not in LOSSES:
            _named(loss)
    elif loss is not None and not callable(loss):
        raise InvalidArgumentError(
            f"The loss is a {type(loss).__name__}.",
            field="loss",
            mend="Give a name, a function or an operator.",
        )


def loss_config(loss: Any) -> Any:
    """The loss as JSON. Raises InvalidConfigError for a function that nobody can import by name."""
    if loss is None or isinstance(loss, str):
        return loss
    if hasattr(loss, "state"):
        return dict(state_of(loss))
    module, name = getattr(loss, "__module__", None), getattr(loss, "__qualname__", "")
    if not module or module == "__main__" or not name or "<" in name:
        raise InvalidConfigError(
            f"The loss {name or loss!r} cannot be imported by its name.",
            field="loss",
            mend="Put the function into a module.",
        )
    return f"{module}:{name}"


def loss_of_config(config: Any) -> tuple[Any, Callable[..., Any] | None]:
    """The loss of a stored config, and the function that it names if it names one of a user's.

    Raises UntrustedModuleError before anything is imported."""
    if isinstance(config, Mapping):
        return rebuild(cast("Mapping[str, Any]", config), None), None
    if isinstance(config, str) and config not in LOSSES:
        return config, trusted_factory(*_named(config))
    return config, None


def loss_function(loop: Any, named: Mapping[str, Callable[..., Any]], backend: str) -> Callable[..., Any]:
    """The loop's function `loss(prediction, target)`; of one of LOSSES, the one in `named`."""
    loss: Any = loop.trusted_loss or loop.loss
    if loss is None:
        raise InvalidArgumentError(
            f"The backend {backend} needs a loss.", field="loss", mend=f"Choose of {', '.join(LOSSES)}."
        )
    if not isinstance(loss, str):
        return loss
    return named[loss] if loss in LOSSES else named_object(*_named(loss))


def _named(loss: str) -> tuple[str, str]:
    if ":" not in loss:
        raise InvalidArgumentError(
            f"There is no loss {loss!r}.",
            field="loss",
            mend=f"Choose of {', '.join(LOSSES)}, or name a function: package.module:callable.",
        )
    return module_and_name(loss, "loss")


def numpy_losses() -> dict[str, Callable[[Any, Any], float]]:
    """The named losses on NumPy arrays."""
    # Its published types leave too much open for a strict checker.
    np: Any = importlib.import_module("numpy")

    def cross_entropy(prediction: Any, target: Any) -> float:
        shifted = prediction - prediction.max(axis=1, keepdims=True)
        chosen = shifted[np.arange(len(shifted)), target]
        return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - chosen))

    def binary_cross_entropy(prediction: Any, target: Any) -> float:
        return float(np.mean(np.logaddexp(0.0, prediction) - prediction * _as(target, prediction)))

    def mse(prediction: Any, target: Any) -> float:
        return float(np.mean((prediction - _as(target, prediction)) ** 2))

    def mae(prediction: Any, target: Any) -> float:
        return float(np.mean(np.abs(prediction - _as(target, prediction))))

    named = (mse, mae, cross_entropy, binary_cross_entropy)
    return dict(zip(LOSSES, named, strict=True))


def _as(target: Any, prediction: Any) -> Any:
    # (n, 1) against (n,) would be broadcast to (n, n), without a word.
    return target.reshape(prediction.shape)
