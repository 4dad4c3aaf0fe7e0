"""An unfitted scikit-learn estimator as JSON: {"module", "class", "config"} with its parameters.

Values that JSON cannot say stand as objects with one entry: {"tuple": [...]}, {"dict": [[key, value], ...]},
{"float": "nan"}, {"numpy": ["float64", 0.5]}, {"callable": "package.module:name"}."""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Mapping
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidConfigError
from pipekit_experiment._src.factory_operator import module_and_name
from pipekit_experiment._src.registry_operator import is_state
from pipekit_experiment._src.registry_trust import trusted_factory, trusted_object


def estimator_config(estimator: Any, path: str = "estimator") -> dict[str, Any]:
    """The estimator's class and parameters. What fitting has found is not in it.

    Raises InvalidConfigError that names the parameter which cannot be said."""
    kind = cast("Any", type(estimator))
    defaults = inspect.signature(kind.__init__).parameters
    config: dict[str, Any] = {}
    for name, value in estimator.get_params(deep=False).items():
        default: Any = defaults[name].default if name in defaults else inspect.Parameter.empty
        # A default such as the type float64 need not be named, and so asks for no trust.
        if not (callable(value) and value is default):
            config[name] = _said(value, f"{path}.{name}")
    return {"module": kind.__module__, "class": kind.__qualname__, "config": config}


def estimator_of(config: Any, path: str = "config.estimator") -> Any:
    """The estimator, unfitted. Raises UntrustedModuleError before anything is imported."""
    if not is_state(config):
        raise InvalidConfigError(
            f"`{path}` describes no estimator.", field=path, mend="Write it as module, class and config."
        )
    kind: Any = trusted_object(config["module"], config["class"])
    if not isinstance(kind, type) or not callable(getattr(kind, "get_params", None)):
        raise InvalidConfigError(
            f"{config['module']}.{config['class']} is no class of estimators.", field=path, mend="Name one."
        )
    found = {name: _meant(value, f"{path}.{name}") for name, value in config["config"].items()}
    try:
        return cast("Any", kind)(**found)
    except TypeError as error:
        raise InvalidConfigError(
            f"{config['class']} does not take its parameters: {error}.",
            field=path,
            mend="Use the version of scikit-learn that it was written with.",
        ) from error


def _said(value: Any, path: str) -> Any:
    if value is None or isinstance(value, (bool, str)):
        return value
    if type(value).__module__ == "numpy" and isinstance(value, (numbers.Integral, numbers.Real)):
        # Not as a plain number: the weights of a fitted estimator tell the difference.
        return {"numpy": [type(value).__name__, _said(cast("Any", value).item(), path)]}
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        real = float(value)
        return real if math.isfinite(real) else {"float": str(real)}
    if isinstance(value, list):
        return [_said(item, f"{path}[{index}]") for index, item in enumerate(cast("list[Any]", value))]
    if isinstance(value, tuple):
        items = cast("tuple[Any, ...]", value)
        return {"tuple": [_said(item, f"{path}[{index}]") for index, item in enumerate(items)]}
    if isinstance(value, Mapping):
        pairs = cast("Mapping[Any, Any]", value)
        return {"dict": [[_said(key, path), _said(pairs[key], f"{path}.{key}")] for key in pairs]}
    if callable(getattr(value, "get_params", None)) and not isinstance(value, type):
        return estimator_config(value, path)
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", "<none>")
    if module and module != "__main__" and callable(value) and "<" not in name:
        return {"callable": f"{module}:{name}"}
    raise InvalidConfigError(
        f"The parameter `{path}`, a {type(value).__name__}, cannot be written.",
        field=path,
        mend="Use numbers, text, lists, estimators, and functions of a module.",
    )


def _meant(value: Any, path: str) -> Any:
    if isinstance(value, list):
        return [_meant(item, f"{path}[{index}]") for index, item in enumerate(cast("list[Any]", value))]
    if not isinstance(value, Mapping):
        return value
    entries = cast("Mapping[str, Any]", value)
    if is_state(entries):
        return estimator_of(entries, path)
    try:
        ((kind, inner),) = entries.items()
        if kind == "tuple":
            return tuple(_meant(inner, path))
        if kind == "dict":
            return {_meant(key, path): _meant(item, path) for key, item in inner}
        if kind == "float":
            return float(inner)
        if kind == "numpy":
            import numpy as np

            return np.dtype(str(inner[0])).type(_meant(inner[1], path))
        if kind == "callable":
            return trusted_factory(*module_and_name(inner, path))
    except (ValueError, TypeError) as error:
        if isinstance(error, InvalidConfigError):
            raise
    raise InvalidConfigError(
        f"`{path}` is nothing that a parameter is written as.", field=path, mend="See docs/training.md."
    )
