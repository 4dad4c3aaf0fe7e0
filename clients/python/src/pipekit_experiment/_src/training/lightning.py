"""The backend `lightning`: a Trainer of PyTorch Lightning, on one device."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.extras import optional_module
from pipekit_experiment._src.training.lightning_quiet import interruptible, quiet
from pipekit_experiment._src.training.losses import CLASSIFYING, loss_function
from pipekit_experiment._src.training.optimizer import make_optimizer
from pipekit_experiment._src.training.seed import seed_epoch, seeded
from pipekit_experiment._src.training.start import begun

torch = optional_module("torch", "lightning", "The backend lightning")
pl = optional_module(
    "lightning.pytorch" if "lightning.pytorch" in sys.modules else "pytorch_lightning",
    "lightning",
    "The backend lightning",
    "PyTorch Lightning",
)

_DEFAULTS: dict[str, Any] = {
    "accelerator": "auto",
    "devices": 1,
    "deterministic": "warn",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
}


def train(loop: Any, start: Any, data: Any, eval_data: Any, course: Any) -> Any:
    """Fits the operator's torch module."""
    with seeded(loop.seed), torch.random.fork_rng(), quiet(torch):
        torch.manual_seed(loop.seed)
        operator = begun(loop, start)
        module: Any = getattr(operator, "module", None)
        if not isinstance(module, torch.nn.Module):
            raise InvalidArgumentError(
                f"The backend lightning trains no {type(operator).__name__}.",
                field="model_op",
                mend="Give a TorchModelOp.",
            )
        wrapped = _Wrapped(loop, module, eval_data is not None, course)
        options = {**_DEFAULTS, **loop.backend_options}
        trainer = pl.Trainer(**options, max_epochs=loop.n_epochs - course.first_epoch)
        course.begin(lambda: operator)
        if course.first_epoch < loop.n_epochs:
            batches = _Batches(loop, data, course)
            held = None if eval_data is None else _Batches(loop, eval_data, None)
            with interruptible():
                trainer.fit(wrapped, batches, held)
        module.train(False)
        return operator


class _Batches:
    """Batches of tensors; Lightning takes anything that can be iterated."""

    def __init__(self, loop: Any, data: Any, course: Any) -> None:
        self._loop, self._data, self._course = loop, data, course
        self._x, self._y = (torch.as_tensor(array) for array in data.single)

    def __len__(self) -> int:
        return self._data.steps(self._loop.batch_size)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        shuffle = None if self._course is None else self._course.shuffle
        for chosen in self._data.batches(self._loop.batch_size, shuffle):
            index = torch.as_tensor(chosen)
            yield self._x[index], self._y[index]


class _Wrapped(pl.LightningModule):
    """The module with its loss and optimizer, and with the course that is told how it goes."""

    def __init__(self, loop: Any, module: Any, evaluates: bool, course: Any) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self.module = module
        self._loss = loss_function(loop, _LOSSES, "lightning")
        self._optimizer = make_optimizer(loop.optimizer_config, _optimizers(module), "lightning")
        self._classifies = loop.loss if loop.loss in CLASSIFYING else ""
        self._course = course
        self._sums: dict[str, Any] = {}
        self._seen = 0
        if not evaluates:
            # Lightning asks for a loader of whoever has this method.
            cast("Any", self).validation_step = None

    def configure_optimizers(self) -> Any:
        """The optimizer."""
        return self._optimizer

    def on_train_epoch_start(self) -> None:
        """Draws the epoch's random numbers, such as those of Dropout, from seed and epoch."""
        torch.manual_seed(seed_epoch(self._course.loop.seed, self._course.state.epoch))

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        """The loss of a batch."""
        x, y = batch
        return self._loss(self.module(x), y)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Tells the loss."""
        loss: Any = cast("Any", outputs)["loss"] if isinstance(outputs, Mapping) else outputs
        self._course.step({"loss": loss.detach()}, len(batch[0]))

    def on_train_epoch_end(self) -> None:
        """Tells the epoch; validation comes before this."""
        evaluated = {name: float(total) / self._seen for name, total in self._sums.items()}
        self._sums, seen, self._seen = {}, self._seen, 0
        if self._course.epoch(evaluated=evaluated if seen else None):
            cast("Any", self).trainer.should_stop = True

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Adds up the metrics of a batch."""
        x, y = batch
        prediction = self.module(x)
        found = {"loss": self._loss(prediction, y)}
        if self._classifies == "cross_entropy":
            found["accuracy"] = (prediction.argmax(1) == y).float().mean()
        elif self._classifies:
            found["accuracy"] = ((prediction > 0) == (_as(y, prediction) > 0.5)).float().mean()
        for name, value in found.items():
            self._sums[name] = self._sums.get(name, 0.0) + value.detach() * len(x)
        self._seen += len(x)


def _as(target: Any, prediction: Any) -> Any:
    # (n, 1) against (n,) would be broadcast to (n, n), without a word.
    return target.reshape(prediction.shape).to(prediction.dtype)


def _shaped(loss: Any) -> Any:
    def of_one_shape(prediction: Any, target: Any) -> Any:
        return loss(prediction, _as(target, prediction))

    return of_one_shape


_LOSSES: dict[str, Any] = {
    "mse": _shaped(torch.nn.functional.mse_loss),
    "mae": _shaped(torch.nn.functional.l1_loss),
    "cross_entropy": torch.nn.functional.cross_entropy,
    "binary_cross_entropy": _shaped(torch.nn.functional.binary_cross_entropy_with_logits),
}


def _optimizers(module: Any) -> dict[str, Any]:
    kinds = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD", "rmsprop": "RMSprop"}

    parameters = list(module.parameters())
    return {name: partial(getattr(torch.optim, kind), parameters) for name, kind in kinds.items()}
