"""SGD, Adam and AdamW over lists of arrays, with the formulas and the defaults of torch.optim."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipekit_experiment._src.extras import optional_module

jnp = optional_module("jax.numpy", "jax", "The backend jax")


@dataclass(frozen=True)
class Sgd:
    """Gradient descent; `momentum` keeps a share of the step before, `weight_decay` is added to the
    gradient."""

    lr: float
    momentum: float = 0.0
    weight_decay: float = 0.0

    def begin(self, arrays: Sequence[Any]) -> Any:
        """The velocities."""
        return [jnp.zeros_like(array) for array in arrays] if self.momentum else []

    def update(self, arrays: Sequence[Any], gradients: Sequence[Any], memory: Any) -> tuple[list[Any], Any]:
        """Arrays and memory after a step."""
        slopes = _decayed(arrays, gradients, self.weight_decay)
        if self.momentum:
            pairs = zip(memory, slopes, strict=True)
            memory = slopes = [self.momentum * speed + slope for speed, slope in pairs]
        return [array - self.lr * slope for array, slope in zip(arrays, slopes, strict=True)], memory


@dataclass(frozen=True)
class Adam:
    """Adam; `weight_decay` is added to the gradient, or with `decoupled` taken off the arrays (AdamW)."""

    lr: float
    betas: Sequence[float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    decoupled: bool = False

    def begin(self, arrays: Sequence[Any]) -> Any:
        """The number of steps, and both moments of each array."""
        zeros = [jnp.zeros_like(array) for array in arrays]
        return jnp.zeros((), jnp.int32), zeros, zeros

    def update(self, arrays: Sequence[Any], gradients: Sequence[Any], memory: Any) -> tuple[list[Any], Any]:
        """Arrays and memory after a step."""
        count, firsts, seconds = memory
        count, (b1, b2) = count + 1, self.betas
        slopes = _decayed(arrays, gradients, 0.0 if self.decoupled else self.weight_decay)
        firsts = [b1 * first + (1 - b1) * slope for first, slope in zip(firsts, slopes, strict=True)]
        seconds = [b2 * second + (1 - b2) * slope**2 for second, slope in zip(seconds, slopes, strict=True)]
        shrink = 1 - self.lr * self.weight_decay if self.decoupled else 1.0
        moved: list[Any] = []
        for array, first, second in zip(arrays, firsts, seconds, strict=True):
            denominator = jnp.sqrt(second / (1 - b2**count)) + self.eps
            step = self.lr * (first / (1 - b1**count)) / denominator
            moved.append((array * shrink - step).astype(array.dtype))
        return moved, (count, firsts, seconds)


def _adamw(
    lr: float, betas: Sequence[float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.01
) -> Adam:
    return Adam(lr, betas, eps, weight_decay, decoupled=True)


def _adam(
    lr: float, betas: Sequence[float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0
) -> Adam:
    return Adam(lr, betas, eps, weight_decay)


OPTIMIZERS = {"adam": _adam, "adamw": _adamw, "sgd": Sgd}


def _decayed(arrays: Sequence[Any], gradients: Sequence[Any], decay: float) -> list[Any]:
    if not decay:
        return list(gradients)
    return [slope + decay * array for array, slope in zip(arrays, gradients, strict=True)]
