"""scikit-learn estimators as operators: weights as skops archives, or as pickles for those who trust them."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Mapping
from typing import Any, TypeVar

from pipekit_experiment._src.errors import (
    InvalidArgumentError,
    InvalidConfigError,
    PipekitError,
    UntrustedModuleError,
)
from pipekit_experiment._src.extras import optional_module
from pipekit_experiment._src.factory_operator import checked_config
from pipekit_experiment._src.registry_trust import require_trusted, trusted_factory
from pipekit_experiment._src.skops_archive import canonical_archive
from pipekit_experiment.operators import Operator

_FORMATS = ("skops", "pickle")
_METHODS = (
    "predict",
    "predict_proba",
    "predict_log_proba",
    "decision_function",
    "score_samples",
    "transform",
)
_PICKLE_PROTOCOL = 5
"""One for all, so that equal estimators give equal bytes; read since Python 3.8."""


class SklearnModelOp(Operator):
    """A fitted estimator, such as a pipeline.

    Args:
        estimator: The estimator; its class and its parameters are part of the weights.
        method: What calling the operator calls: one of predict, predict_proba, predict_log_proba,
            decision_function, score_samples and transform.
        weights_format: `skops`, or `pickle` for estimators that skops cannot store.

    Reading a skops archive makes objects of scikit-learn, NumPy and SciPy that skops deems safe; of every
    other type the module must be trusted by name: `registry.load(ref, trust=["my_transformers"])`. A pickle
    runs whatever code it holds; it is read only with `trust=["pickle"]`."""

    def __init__(
        self, estimator: Any = None, *, method: str = "predict", weights_format: str = "skops"
    ) -> None:
        for field, value, choices in (
            ("method", method, _METHODS),
            ("weights_format", weights_format, _FORMATS),
        ):
            if value not in choices:
                raise InvalidArgumentError(
                    f"`{field}` is {value!r}.", field=field, mend=f"Choose one of: {', '.join(choices)}."
                )
        self.method = method
        self.weights_format = weights_format
        self._estimator = estimator

    @property
    def estimator(self) -> Any:
        """The estimator. Raises InvalidConfigError when none was given."""
        if self._estimator is None:
            raise InvalidConfigError(
                "The operator has no estimator.", field="estimator", mend="Give it one that is fitted."
            )
        return self._estimator

    def get_config(self) -> dict[str, Any]:
        """{"method", "weights_format"}."""
        return {"method": self.method, "weights_format": self.weights_format}

    @classmethod
    def from_state(cls: type[_SklearnOp], state: Mapping[str, Any]) -> _SklearnOp:
        """Makes the operator; its estimator comes with the weights."""
        return cls(**checked_config(cls, state.get("config"), {"method": str, "weights_format": str}, {}))

    def get_weights(self) -> bytes:
        """The estimator in the weights format. Equal estimators give equal skops archives; of pickles that is
        not promised.

        Raises InvalidConfigError for what the format cannot hold."""
        estimator, skops = self.estimator, None if self.weights_format == "pickle" else _skops()
        try:
            if skops is None:
                return pickle.dumps(estimator, protocol=_PICKLE_PROTOCOL)
            return canonical_archive(skops.dumps(estimator))
        except Exception as error:
            # Any object of a user's may stand in an estimator, and raise anything.
            other = "pickle" if self.weights_format == "skops" else "skops"
            raise InvalidConfigError(
                f"The estimator cannot be stored as {self.weights_format}: {error}.",
                field="estimator",
                mend=f"Use functions and classes of a module, or weights_format={other!r}.",
            ) from error

    def with_weights(self: _SklearnOp, weights: bytes) -> _SklearnOp:
        """An operator with the estimator of these weights.

        Raises UntrustedModuleError before anything of an untrusted module is imported or run."""
        read = _read_pickle if self.weights_format == "pickle" else _read_skops
        estimator = read(weights)
        return type(self)(estimator, method=self.method, weights_format=self.weights_format)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the estimator's `method` gives."""
        return getattr(self.estimator, self.method)(*args, **kwargs)


_SklearnOp = TypeVar("_SklearnOp", bound=SklearnModelOp)


def _read_pickle(weights: bytes) -> Any:
    try:
        require_trusted("pickle")
    except UntrustedModuleError as error:
        raise UntrustedModuleError(
            "Reading these weights by the module pickle would run any code that they hold.",
            field="pickle",
            mend='If you trust whoever stored them, pass trust=["pickle"].',
        ) from error
    return pickle.loads(weights)


def _read_skops(weights: bytes) -> Any:
    skops = _skops()
    try:
        named: list[str] = skops.get_untrusted_types(data=weights)
        for name in named:
            _vet(name)
        return skops.loads(weights, trusted=named)
    except PipekitError:
        raise
    except Exception as error:
        raise InvalidArgumentError(
            f"The weights are no sound skops archive: {error}.",
            field="weights",
            mend="Give what `skops.io.dumps(estimator)` gave, and read it with the same versions.",
        ) from error


def _vet(name: str) -> None:
    """Raises UntrustedModuleError unless a type, function or method is of a trusted module.

    skops would also take what such a module has imported from elsewhere, and call it; and functions of this
    package, to which a stored FunctionTransformer could give any arguments."""
    module, _, last = name.rpartition(".")
    require_trusted(module)
    try:
        importlib.import_module(module)
    except ModuleNotFoundError:
        # A method: module.Class.method.
        module, _, kind = module.rpartition(".")
        last = f"{kind}.{last}"
    trusted_factory(module, last)


def _skops() -> Any:
    return optional_module("skops.io", "sklearn", "The weights format `skops`")
