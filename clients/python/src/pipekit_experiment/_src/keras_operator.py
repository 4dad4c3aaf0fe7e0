"""Keras models as operators, on each of Keras's backends."""

from __future__ import annotations

import importlib
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pipekit_experiment._src.errors import InvalidArgumentError, InvalidConfigError
from pipekit_experiment._src.factory_operator import FactoryOperator
from pipekit_experiment._src.keras_archive import WEIGHTS, canonical_archive, tensor_paths, vetted_weights


class KerasModelOp(FactoryOperator):
    """A Keras model that `factory(**kwargs)` makes, with a `.keras` archive as weights.

    `factory` is `package.module:callable`; `kwargs` are JSON values. Loading imports the factory's module,
    which must be trusted by name, and takes nothing but tensors from the archive: its config, which can name
    code, is for others who read the file, and is not built from.

    The archive has no optimizer and no state of the training; the names that Keras has counted up (`dense_7`)
    are counted anew. Calling the operator runs the model with `training=False`."""

    # Its name in stored models: where users import it from, wherever the code lies.
    __module__ = "pipekit_experiment.keras"

    _formats: ClassVar[tuple[str, ...]] = ("keras",)
    _optional: ClassVar[dict[str, type]] = {}

    def __init__(self, model: Any = None, *, factory: str, kwargs: Mapping[str, Any] | None = None) -> None:
        super().__init__(model, factory=factory, kwargs=kwargs, weights_format="")

    @property
    def model(self) -> Any:
        """The model; made by the factory when it is first asked for and none was given."""
        return self._made()

    def get_weights(self) -> bytes:
        """The model as a `.keras` archive; equal models of one version of Keras give equal bytes.

        Raises InvalidConfigError for a model that is not built, has a Lambda layer with a Python function, or
        layers that keep files of their own."""
        self._check_built(self.model)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.keras")
            self.model.save(path)
            return canonical_archive(path)

    def with_weights(self: _KerasOp, weights: bytes) -> _KerasOp:
        """An operator with a model fresh from the factory that has these weights.

        Raises InvalidArgumentError when they are not those of the model, UntrustedModuleError when they hold
        marshalled code."""
        data = vetted_weights(weights)
        model = self._make()
        self._check_built(model)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, WEIGHTS)
            path.write_bytes(data)
            try:
                with warnings.catch_warnings():
                    # A factory that compiles the model makes an optimizer, of which nothing is stored.
                    warnings.filterwarnings("ignore", message=".*optimizer.*")
                    model.load_weights(path)
            except (ValueError, KeyError) as error:
                raise self._not_its(str(error)) from error
            # Keras leaves out what the model has no place for.
            stored = tensor_paths(data)
            if len(stored) != len(model.weights):
                model.save_weights(path)
                for name in sorted(stored ^ tensor_paths(path.read_bytes())):
                    raise self._not_its(f"{name} is in one of them only")
        return self.with_model(model)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The model's output."""
        return self.model(*args, training=False, **kwargs)

    def _make(self) -> Any:
        model = super()._make()
        keras: Any = importlib.import_module("keras")
        if not isinstance(model, keras.Model):
            raise InvalidArgumentError(
                f"{self.factory} made a {type(model).__name__}, not a keras.Model.",
                field="factory",
                mend="Name a callable that returns the model.",
            )
        return model

    def _check_built(self, model: Any) -> None:
        if not model.built:
            raise InvalidConfigError(
                "The model is not built: it has no weights yet.",
                field="factory",
                mend="Let the factory call `model.build(shape)`, or give the model an Input.",
            )

    def _not_its(self, fault: str) -> InvalidArgumentError:
        return InvalidArgumentError(
            f"The weights are not those of the model that {self.factory} makes: {fault}",
            field="weights",
            mend="Use the factory and the kwargs that the model was trained with.",
        )


_KerasOp = TypeVar("_KerasOp", bound=KerasModelOp)
