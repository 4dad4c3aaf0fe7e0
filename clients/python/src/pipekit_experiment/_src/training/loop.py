"""TrainingLoop: trains an operator on a data set by one of several libraries."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pipekit_experiment._src.errors import InvalidArgumentError, NotAnOperatorError, PipekitError
from pipekit_experiment._src.operators.yaml import state_in_yaml
from pipekit_experiment._src.registry_operator import state_of
from pipekit_experiment._src.registry_trust import names_to_trust, require_trusted_state, trusting
from pipekit_experiment._src.training.config import arguments_of, config_of
from pipekit_experiment._src.training.course import Course, TrainingResult
from pipekit_experiment._src.training.data import TrainingData
from pipekit_experiment._src.training.losses import check_loss
from pipekit_experiment._src.training.optimizer import check_optimizer
from pipekit_experiment._src.training.start import resumed

_NOT_IN_IDENTITY = ("dataset", "eval_dataset", "callbacks")

BACKENDS = ("lightning", "jax", "keras", "sklearn", "plain")


class TrainingLoop:
    """Trains `model_op` on `dataset`. Same arguments, data and machine: the same weights, bit by bit.

    Args:
        model_op: The operator to train; it stays as it is. TorchModelOp for `lightning`, JaxModelOp or
            EquinoxModelOp for `jax`, KerasModelOp, SklearnModelOp; for `plain` any operator that has
            `train_step(batch, state)`. A ModelRef stands for the model in its registry, which is trained on.
        dataset: See pipekit_experiment.datasets.Dataset; `x` goes in, `y` shall come out.
        loss: `mse`, `mae`, `cross_entropy` or `binary_cross_entropy` (of logits), `package.module:callable`,
            a function or an operator, called with prediction and target.
        optimizer_config: {"name", "lr"} and what else the backend's optimizer takes; by default Adam, 1e-3.
        n_epochs: How many times the data are gone through.
        backend: The library that trains.
        callbacks: Objects with some of the methods on_train_begin(loop, state), on_train_end(loop, state),
            on_step_end, on_epoch_end and on_eval_end(loop, state, metrics), on_exception(loop, state, error).
            They are called in their order; what one raises ends the training.
        seed: What all random numbers of the training come from.
        batch_size: Examples in a batch.
        eval_dataset: Data that are evaluated after each epoch, and not trained on.
        shuffle: Whether each epoch has an order of its own.
        backend_options: JSON values for the library: keyword arguments of Lightning's Trainer, or of Keras's
            `compile`.

    Raises InvalidArgumentError, NotAnOperatorError, ImportError that names the extra."""

    # Its name for users: where they import it from, wherever the code lies.
    __module__ = "pipekit_experiment.training"

    def __init__(
        self,
        model_op: Any,
        dataset: Any,
        *,
        loss: Any = None,
        optimizer_config: Mapping[str, Any] | None = None,
        n_epochs: int = 1,
        backend: str = "lightning",
        callbacks: Iterable[Any] = (),
        seed: int = 0,
        batch_size: int = 32,
        eval_dataset: Any = None,
        shuffle: bool = True,
        backend_options: Mapping[str, Any] | None = None,
    ) -> None:
        state_of(model_op)
        check_loss(loss)
        check_optimizer(optimizer_config)
        for field, value, least in (
            ("n_epochs", n_epochs, 1),
            ("batch_size", batch_size, 1),
            ("seed", seed, 0),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**32:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InvalidArgumentError(
                    f"`{field}` is {value!r}.", field=field, mend=f"Give a whole number from {least} on."
                )
        if backend not in BACKENDS:
            raise InvalidArgumentError(
                f"There is no backend {backend!r}.", field="backend", mend=f"Choose of {', '.join(BACKENDS)}."
            )
        self.model_op = model_op
        self.dataset = dataset
        self.loss = loss
        self.optimizer_config = None if optimizer_config is None else dict(optimizer_config)
        self.n_epochs = n_epochs
        self.backend = backend
        self.callbacks = list(callbacks)
        self.seed = seed
        self.batch_size = batch_size
        self.eval_dataset = eval_dataset
        self.shuffle = bool(shuffle)
        self.backend_options = dict(backend_options or {})
        self.result: TrainingResult | None = None
        """What came of the last `run`, also of one that broke off; None before."""
        self.trained_op: Any = None
        """The operator that the last `run` gave; None before, and when it broke off."""
        self.trusted_loss: Callable[..., Any] | None = None
        """The function that the loss of a stored loop names."""
        self.initial_weights = ""
        """SHA-256 of the weights that a stored loop began with, where its model was given some."""
        self.callbacks_left_out: list[str] = []
        """Callbacks that a stored loop had and that cannot be made again."""

    def run(self, *, resume_from: Any = None, registry: Any = None) -> Any:
        """Trains, and gives a new operator with the trained weights.

        Args:
            resume_from: A checkpoint to go on from: a ref in `registry`, or an operator. Weights are taken
                from it, and the epoch, if Checkpoint stored it; the state of the optimizer is not kept, it
                begins anew.
            registry: By default the one of the loop's Checkpoint, else LocalModelRegistry().

        What the data set, the library or a callback raises ends the training, KeyboardInterrupt too; the
        callbacks hear of it by `on_exception`."""
        self.result = self.trained_op = None
        backend: Any = importlib.import_module(f"pipekit_experiment._src.training.{self.backend}")
        data = TrainingData(self.dataset, "dataset")
        eval_data = None if self.eval_dataset is None else TrainingData(self.eval_dataset, "eval_dataset")
        start, first_epoch = None, 0
        if resume_from is not None:
            start, first_epoch = resumed(self.model_op, resume_from, registry or self._registry())
        course = Course(self, first_epoch, data.steps(self.batch_size))
        try:
            trained = backend.train(self, start, data, eval_data, course)
            self.result, self.trained_op = course.end(), trained
            return trained
        except BaseException as error:
            self.result = course.result()
            course.failed(error)
            raise

    def get_config(self) -> dict[str, Any]:
        """The arguments by name, as JSON values; what cannot be said in JSON is its text. `to_yaml` refuses
        such."""
        return config_of(self, strict=False)

    @property
    def training_config(self) -> dict[str, Any] | None:
        """What shapes the weights besides the data: part of a trained model's identity in a registry. These
        are the arguments without data sets and callbacks, so that neither where data lie nor who watches
        changes it. None when some of them cannot be said in JSON, such as a function of the script as
        `loss`."""
        try:
            return config_of(self, strict=True, without=_NOT_IN_IDENTITY)
        except PipekitError:
            return None

    @property
    def state(self) -> dict[str, Any]:
        """{"module", "class", "config"}. Raises InvalidConfigError that names what cannot be said in JSON."""
        kind = type(self)
        return {"module": kind.__module__, "class": kind.__qualname__, "config": config_of(self, strict=True)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> TrainingLoop:
        """Makes the loop. Raises UntrustedModuleError before anything is imported."""
        require_trusted_state(state)
        arguments, kept = arguments_of(state["config"])
        loop = cls(**arguments)
        for name, value in kept.items():
            setattr(loop, name, value)
        return loop

    def to_yaml(self) -> str:
        """The loop's state as YAML. Data, weights and secrets are not in it: data sets are named by their
        hash, trackers by their spec. Callbacks without a `state` are left out, and named."""
        from pipekit_experiment._src.operators.strict_yaml import yaml_text

        return yaml_text(self.state, "state")

    @classmethod
    def from_yaml(cls, text: str, *, trust: Iterable[str] = ()) -> TrainingLoop:
        """The loop that YAML describes; see pipekit_experiment.operators.from_yaml for trust and errors."""
        names = names_to_trust(trust)
        state = state_in_yaml(text)
        if (state["module"], state["class"]) != (cls.__module__, cls.__qualname__):
            raise NotAnOperatorError(
                f"The YAML describes a {state['module']}.{state['class']}, no {cls.__qualname__}.",
                field="class",
                mend="Read it by pipekit_experiment.operators.from_yaml.",
            )
        with trusting(names):
            return cls.from_state(state)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TrainingLoop) and self.state == other.state

    __hash__ = object.__hash__

    def _registry(self) -> Any:
        for callback in self.callbacks:
            found = getattr(callback, "registry", None)
            if found is not None:
                return found
        from pipekit_experiment._src.registry import LocalModelRegistry

        return LocalModelRegistry()
