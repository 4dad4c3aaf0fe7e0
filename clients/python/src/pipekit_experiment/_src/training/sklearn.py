"""The backend `sklearn`: one epoch is `fit`; several are `partial_fit`, batch by batch."""

from __future__ import annotations

import copy
import inspect
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.extras import optional_module
from pipekit_experiment._src.operators.ref import ModelRef
from pipekit_experiment._src.training.losses import loss_function, numpy_losses
from pipekit_experiment._src.training.optimizer import refuse_optimizer
from pipekit_experiment._src.training.seed import seed_epoch, seeded


def train(loop: Any, start: Any, data: Any, eval_data: Any, course: Any) -> Any:
    """Fits a clone of the estimator; tells `score`, and the loss if one is named."""
    base: Any = optional_module("sklearn.base", "sklearn", "The backend sklearn", "scikit-learn")
    refuse_optimizer(loop.optimizer_config, "sklearn")
    given = loop.model_op.operator if isinstance(loop.model_op, ModelRef) else loop.model_op
    if not hasattr(cast("Any", type(given)), "estimator"):
        raise InvalidArgumentError(
            f"The backend sklearn trains no {type(given).__name__}.",
            field="model_op",
            mend="Give a SklearnModelOp.",
        )
    estimator = base.clone(given.estimator) if start is None else copy.deepcopy(start.estimator)
    operator = type(given)(estimator, method=given.method, weights_format=given.weights_format)
    steps = loop.n_epochs > 1 or course.first_epoch > 0
    if steps and not callable(getattr(estimator, "partial_fit", None)):
        raise InvalidArgumentError(
            f"A {type(estimator).__name__} has no `partial_fit`: it is fitted at once.",
            field="n_epochs",
            mend="Set n_epochs=1.",
        )
    # An estimator whose random_state is None takes NumPy's own random numbers.
    with seeded(loop.seed):
        course.begin(lambda: operator)
        done = course.first_epoch >= loop.n_epochs
        while not done:
            seed_epoch(loop.seed, course.state.epoch)
            if steps:
                _partial_fits(loop, estimator, data, course)
            else:
                _fit(estimator, data)
                course.step({}, data.count)
            evaluated = None if eval_data is None else _metrics(loop, operator, eval_data)
            done = course.epoch(_metrics(loop, operator, data), evaluated)
    return operator


def _fit(estimator: Any, data: Any) -> None:
    if "y" in data.arrays:
        estimator.fit(data.x, data.y)
    else:
        estimator.fit(data.x)


def _partial_fits(loop: Any, estimator: Any, data: Any, course: Any) -> None:
    import numpy as np

    others: dict[str, Any] = {}
    if "classes" in inspect.signature(estimator.partial_fit).parameters:
        others["classes"] = np.unique(data.y)
    for chosen in data.batches(loop.batch_size, course.shuffle):
        target = (data.y[chosen],) if "y" in data.arrays else ()
        estimator.partial_fit(data.x[chosen], *target, **others)
        course.step({}, len(chosen))


def _metrics(loop: Any, operator: Any, data: Any) -> dict[str, float]:
    estimator, found = operator.estimator, dict[str, float]()
    if callable(getattr(estimator, "score", None)):
        target = (data.y,) if "y" in data.arrays else ()
        found["score"] = float(estimator.score(data.x, *target))
    if loop.loss is not None:
        loss = loss_function(loop, numpy_losses(), "sklearn")
        found["loss"] = float(loss(operator(data.x), data.y))
    return found
