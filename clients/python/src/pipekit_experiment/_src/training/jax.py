"""The backend `jax`: jitted steps over the real arrays of a pytree. The optimizers are written here: there is
no other package for them to ask for."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.extras import missing_extra, optional_module
from pipekit_experiment._src.training.losses import CLASSIFYING, loss_function
from pipekit_experiment._src.training.optimizer import make_optimizer
from pipekit_experiment._src.training.seed import seeded
from pipekit_experiment._src.training.start import begun

try:
    # Before what imports it unguarded.
    jax: Any = importlib.import_module("jax")
    jnp: Any = importlib.import_module("jax.numpy")
except ImportError as error:
    raise missing_extra(error, "jax", "The backend jax") from error

from pipekit_experiment._src.jax_operator import EquinoxModelOp, JaxModelOp
from pipekit_experiment._src.training.jax_optimizers import OPTIMIZERS


def train(loop: Any, start: Any, data: Any, eval_data: Any, course: Any) -> Any:
    """Trains the real arrays of the operator's tree; other leaves stay as they are."""
    with seeded(loop.seed):
        operator = begun(loop, start)
        if not isinstance(operator, JaxModelOp):
            raise InvalidArgumentError(
                f"The backend jax trains no {type(operator).__name__}.",
                field="model_op",
                mend="Give a JaxModelOp or an EquinoxModelOp.",
            )
        split = _Split(operator.tree)
        optimizer = make_optimizer(loop.optimizer_config, OPTIMIZERS, "jax")
        loss = loss_function(loop, _LOSSES, "jax")
        step, judge = _step(operator, split, loss, optimizer), _judge(loop, operator, split, loss)
        trained, memory = split.arrays, optimizer.begin(split.arrays)
        course.begin(lambda: operator.with_model(split.joined(trained)))
        x, y = data.single
        key, done = jax.random.key(loop.seed), course.first_epoch >= loop.n_epochs
        while not done:
            for chosen in data.batches(loop.batch_size, course.shuffle):
                now = jax.random.fold_in(key, course.state.step)
                trained, memory, value = step(trained, memory, x[chosen], y[chosen], now)
                course.step({"loss": value}, len(chosen))
            done = course.epoch(evaluated=_evaluated(loop, judge, trained, eval_data))
        return operator.with_model(split.joined(trained))


class _Split:
    """A tree as its real arrays, which are trained, and the rest."""

    def __init__(self, tree: Any) -> None:
        leaves, self._structure = jax.tree.flatten(tree)
        # No Python numbers: a factory's constants are configuration.
        self._is_trained = [
            hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves
        ]
        pairs = list(zip(leaves, self._is_trained, strict=True))
        self.arrays = [jnp.asarray(leaf) for leaf, trained in pairs if trained]
        self._rest = [None if trained else leaf for leaf, trained in pairs]
        if not self.arrays:
            raise InvalidArgumentError(
                "The tree has no arrays of real numbers.", field="model_op", mend="Give it parameters."
            )

    def joined(self, arrays: list[Any]) -> Any:
        """The tree with these arrays."""
        given = iter(arrays)
        pairs = zip(self._rest, self._is_trained, strict=True)
        return jax.tree.unflatten(
            self._structure, [next(given) if trained else leaf for leaf, trained in pairs]
        )


def _step(operator: Any, split: _Split, loss: Callable[..., Any], optimizer: Any) -> Callable[..., Any]:
    def value_of(arrays: list[Any], x: Any, y: Any, key: Any) -> Any:
        return loss(_predicted(operator, split.joined(arrays), x, key), y)

    def step(arrays: list[Any], memory: Any, x: Any, y: Any, key: Any) -> Any:
        value, gradients = jax.value_and_grad(value_of)(arrays, x, y, key)
        arrays, memory = optimizer.update(arrays, gradients, memory)
        return arrays, memory, value

    return jax.jit(step)


def _predicted(operator: Any, tree: Any, x: Any, key: Any) -> Any:
    """What the tree computes for a batch. An Equinox module without `apply` takes one example."""
    if not isinstance(operator, EquinoxModelOp) or operator.apply:
        return operator.compute(tree, x)
    if "key" not in inspect.signature(tree).parameters or key is None:
        return jax.vmap(tree)(x)
    # Dropout and the like take a key for each example.

    def one(example: Any, its_key: Any) -> Any:
        return tree(example, key=its_key)

    return jax.vmap(one)(x, jax.random.split(key, len(x)))


def _judge(loop: Any, operator: Any, split: _Split, loss: Callable[..., Any]) -> Callable[..., Any]:
    def judge(arrays: list[Any], x: Any, y: Any) -> dict[str, Any]:
        tree = split.joined(arrays)
        if isinstance(operator, EquinoxModelOp):
            equinox = optional_module("equinox", "equinox", "EquinoxModelOp")
            tree = equinox.nn.inference_mode(tree)
        prediction = _predicted(operator, tree, x, None)
        found = {"loss": loss(prediction, y)}
        if loop.loss == CLASSIFYING[0]:
            found["accuracy"] = jnp.mean(prediction.argmax(axis=1) == y)
        elif loop.loss == CLASSIFYING[1]:
            found["accuracy"] = jnp.mean((prediction > 0) == (_as(y, prediction) > 0.5))
        return found

    return jax.jit(judge)


def _evaluated(loop: Any, judge: Callable[..., Any], arrays: list[Any], data: Any) -> dict[str, float] | None:
    if data is None:
        return None
    x, y = data.single
    sums: dict[str, float] = {}
    for chosen in data.batches(loop.batch_size):
        for name, value in judge(arrays, x[chosen], y[chosen]).items():
            sums[name] = sums.get(name, 0.0) + float(value) * len(chosen)
    return {name: total / data.count for name, total in sums.items()}


def _cross_entropy(prediction: Any, target: Any) -> Any:
    chosen = jnp.take_along_axis(jax.nn.log_softmax(prediction), target[:, None], axis=1)
    return -jnp.mean(chosen)


def _binary_cross_entropy(prediction: Any, target: Any) -> Any:
    return jnp.mean(jnp.logaddexp(0.0, prediction) - prediction * _as(target, prediction))


def _mse(prediction: Any, target: Any) -> Any:
    return jnp.mean((prediction - _as(target, prediction)) ** 2)


def _mae(prediction: Any, target: Any) -> Any:
    return jnp.mean(jnp.abs(prediction - _as(target, prediction)))


def _as(target: Any, prediction: Any) -> Any:
    # (n, 1) against (n,) would be broadcast to (n, n), without a word.
    return target.reshape(prediction.shape)


_LOSSES: dict[str, Callable[..., Any]] = {
    "mse": _mse,
    "mae": _mae,
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
}
