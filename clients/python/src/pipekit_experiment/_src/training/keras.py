"""The backend `keras`: `Model.fit` of Keras 3, on each of its backends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.extras import optional_module
from pipekit_experiment._src.training.losses import CLASSIFYING, LOSSES, loss_function
from pipekit_experiment._src.training.optimizer import make_optimizer
from pipekit_experiment._src.training.seed import seeded
from pipekit_experiment._src.training.start import begun

keras = optional_module("keras", "keras", "The backend keras")


def train(loop: Any, start: Any, data: Any, eval_data: Any, course: Any) -> Any:
    """Compiles and fits the operator's model."""
    with seeded(loop.seed):
        keras.utils.set_random_seed(loop.seed)
        operator = begun(loop, start)
        model: Any = getattr(operator, "model", None)
        if not isinstance(model, keras.Model):
            raise InvalidArgumentError(
                f"The backend keras trains no {type(operator).__name__}.",
                field="model_op",
                mend="Give a KerasModelOp.",
            )
        model.compile(
            optimizer=make_optimizer(loop.optimizer_config, _OPTIMIZERS, "keras"),
            loss=_loss(loop),
            metrics=_metrics(loop),
            **loop.backend_options,
        )
        course.begin(lambda: operator)
        if course.first_epoch < loop.n_epochs:
            model.fit(
                _Batches(loop, data, course),
                epochs=loop.n_epochs,
                initial_epoch=course.first_epoch,
                validation_data=None if eval_data is None else _Batches(loop, eval_data, None),
                callbacks=[_Told(loop, data, course)],
                shuffle=False,
                verbose=0,
            )
        return operator


class _Batches(keras.utils.PyDataset):
    """Batches, in the order of the course's epoch."""

    def __init__(self, loop: Any, data: Any, course: Any) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self._loop, self._data, self._course = loop, data, course
        self._x, self._y = data.single
        self._epoch: int | None = None
        self._order: list[Any] = []

    def __len__(self) -> int:
        return self._data.steps(self._loop.batch_size)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        epoch = 0 if self._course is None else self._course.state.epoch
        if epoch != self._epoch:
            shuffle = None if self._course is None else self._course.shuffle
            self._epoch, self._order = epoch, list(self._data.batches(self._loop.batch_size, shuffle))
        chosen = self._order[index]
        return self._x[chosen], self._y[chosen]


class _Told(keras.callbacks.Callback):
    """Tells the course how the fit goes. Of a batch Keras knows the means since the epoch began."""

    def __init__(self, loop: Any, data: Any, course: Any) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self._size, self._count, self._course = loop.batch_size, data.count, course

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Tells the loss."""
        size = min(self._size, self._count - batch * self._size)
        self._course.step({"loss": (logs or {})["loss"]}, size)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Tells the epoch, and its validation."""
        given = logs or {}
        trained = {name: value for name, value in given.items() if not name.startswith("val_")}
        held = {name[4:]: value for name, value in given.items() if name.startswith("val_")}
        if self._course.epoch(trained, held or None):
            cast("Any", self).model.stop_training = True


def _loss(loop: Any) -> Any:
    if loop.trusted_loss is None and loop.loss in LOSSES:
        kind, options = {
            "mse": ("MeanSquaredError", {}),
            "mae": ("MeanAbsoluteError", {}),
            "cross_entropy": ("SparseCategoricalCrossentropy", {"from_logits": True}),
            "binary_cross_entropy": ("BinaryCrossentropy", {"from_logits": True}),
        }[loop.loss]
        return getattr(keras.losses, kind)(**options)
    given = loss_function(loop, {}, "keras")

    def turned(target: Any, prediction: Any) -> Any:
        return given(prediction, target)

    return turned


def _metrics(loop: Any) -> list[Any]:
    if loop.loss == CLASSIFYING[0]:
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
    if loop.loss == CLASSIFYING[1]:
        return [keras.metrics.BinaryAccuracy(name="accuracy", threshold=0.0)]
    return []


def _maker(kind: Any) -> Any:
    def make(lr: float, **entries: Any) -> Any:
        return kind(learning_rate=lr, **entries)

    return make


_OPTIMIZERS: dict[str, Any] = {
    name: _maker(getattr(keras.optimizers, kind))
    for name, kind in {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD", "rmsprop": "RMSprop"}.items()
}
