"""The backend `plain`: a loop in Python over an operator that trains itself, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.training.losses import loss_function, numpy_losses
from pipekit_experiment._src.training.optimizer import refuse_optimizer
from pipekit_experiment._src.training.seed import seed_epoch, seeded
from pipekit_experiment._src.training.start import begun


def train(loop: Any, start: Any, data: Any, eval_data: Any, course: Any) -> Any:
    """Calls the operator's `train_step(batch, state)` with each batch, a dict of arrays; it changes itself
    and returns metrics. An evaluation calls `eval_step(batch, state)`, if there is one, else the operator
    with x, for the loss."""
    refuse_optimizer(loop.optimizer_config, "plain")
    with seeded(loop.seed):
        operator = begun(loop, start)
        if not callable(getattr(operator, "train_step", None)):
            raise InvalidArgumentError(
                f"A {type(operator).__name__} has no `train_step(batch, state)`.",
                field="model_op",
                mend="Give it one, or choose the backend of its library.",
            )
        course.begin(lambda: operator)
        done = course.first_epoch >= loop.n_epochs
        while not done:
            seed_epoch(loop.seed, course.state.epoch)
            for chosen in data.batches(loop.batch_size, course.shuffle):
                metrics = operator.train_step(_batch(data, chosen), course.state)
                course.step(_checked(metrics, "train_step"), len(chosen))
            done = course.epoch(evaluated=_evaluated(loop, operator, eval_data, course.state))
        return operator


def _batch(data: Any, chosen: Any) -> dict[str, Any]:
    return {name: array[chosen] for name, array in data.arrays.items()}


def _evaluated(loop: Any, operator: Any, data: Any, state: Any) -> dict[str, float] | None:
    if data is None:
        return None
    if callable(getattr(operator, "eval_step", None)):
        sums: dict[str, float] = {}
        for chosen in data.batches(loop.batch_size):
            for name, value in _checked(operator.eval_step(_batch(data, chosen), state), "eval_step").items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(chosen)
        return {name: total / data.count for name, total in sums.items()}
    loss = loss_function(loop, numpy_losses(), "plain")
    return {"loss": float(loss(operator(data.x), data.y))}


def _checked(metrics: object, method: str) -> Mapping[str, Any]:
    if isinstance(metrics, Mapping):
        return cast("Mapping[str, Any]", metrics)
    raise InvalidArgumentError(
        f"`{method}` gave a {type(metrics).__name__}, no metrics.",
        field="model_op",
        mend='Let it return a dict such as {"loss": 0.1}.',
    )
