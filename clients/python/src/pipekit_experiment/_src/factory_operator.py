"""Operators whose model is made by a callable that is named in their configuration."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar, cast

from pipekit_experiment._src.errors import InvalidArgumentError, NotAnOperatorError
from pipekit_experiment._src.operators.base import Operator
from pipekit_experiment._src.registry_trust import named_object, trusted_factory

_Op = TypeVar("_Op", bound="FactoryOperator")


class FactoryOperator(Operator):
    """Holds a model that `factory(**kwargs)` makes, and that training has changed since.

    `factory` is `package.module:callable`; `kwargs` are JSON values. The name comes either from code at hand
    or from a stored state; of the latter, `from_state` asks for trust before anything is imported."""

    _formats: ClassVar[tuple[str, ...]] = ()
    """What `weights_format` may be; the first is the default, and does not show in the configuration, so
    that a choice added later changes no model's hash."""

    _optional: ClassVar[dict[str, type]] = {"weights_format": str}
    """Entries of the configuration besides `factory` and `kwargs`."""

    def __init__(
        self, model: Any, *, factory: str, kwargs: Mapping[str, Any] | None, weights_format: str
    ) -> None:
        self.factory = factory
        self.kwargs = dict(kwargs or {})
        self.weights_format = weights_format or self._formats[0]
        self._factory_name = module_and_name(factory, "factory")
        self._trusted_factory: Callable[..., Any] | None = None
        self._model = model
        if self.weights_format not in self._formats:
            raise InvalidArgumentError(
                f"A {type(self).__name__} has no weights format {self.weights_format!r}.",
                field="weights_format",
                mend=f"Choose one of: {', '.join(self._formats)}.",
            )

    def get_config(self) -> dict[str, Any]:
        """{"factory", "kwargs"}, and "weights_format" when it is not the default."""
        config: dict[str, Any] = {"factory": self.factory, "kwargs": self.kwargs}
        if self.weights_format != self._formats[0]:
            config["weights_format"] = self.weights_format
        return config

    @classmethod
    def from_state(cls: type[_Op], state: Mapping[str, Any]) -> _Op:
        """Makes the operator; raises UntrustedModuleError unless the factory's module is trusted."""
        needed = {"factory": str, "kwargs": Mapping}
        operator = cls(**checked_config(cls, state.get("config"), needed, cls._optional))
        operator._trusted_factory = trusted_factory(*operator._factory_name)
        return operator

    def _made(self) -> Any:
        """The model; made by the factory when it is first asked for and none was given."""
        if self._model is None:
            self._model = self._make()
        return self._model

    def _make(self) -> Any:
        # A factory that came with a stored state was checked by from_state; any other was named by code at
        # hand.
        make = self._trusted_factory or named_object(*self._factory_name)
        return make(**self.kwargs)

    @property
    def has_model(self) -> bool:
        """Whether a model was given or made; else the factory makes it when it is first asked for."""
        return self._model is not None

    def with_model(self: _Op, model: Any) -> _Op:
        """An operator of the same configuration that holds `model`; None: one that the factory is still to
        make."""
        operator = copy.copy(self)
        operator._model = model
        return operator


def module_and_name(given: str, field: str) -> tuple[str, str]:
    """Splits `package.module:callable`. Raises InvalidArgumentError that names `field`."""
    module, colon, name = given.partition(":")
    if not (module and colon and name):
        raise InvalidArgumentError(
            f"The {field} {given!r} is not of the form package.module:callable.",
            field=field,
            mend="Name the callable, such as my_models:build_unet.",
        )
    return module, name


def checked_config(
    kind: type, config: object, needed: Mapping[str, type], optional: Mapping[str, type]
) -> dict[str, Any]:
    """A stored configuration as keyword arguments. Raises NotAnOperatorError unless its entries are these."""
    entries: dict[str, Any] = dict(cast("Mapping[str, Any]", config)) if isinstance(config, Mapping) else {}
    types = {**needed, **optional}
    for name in {**needed, **entries}:
        if name not in types or not isinstance(entries.get(name), types[name]):
            raise NotAnOperatorError(
                f"The `{name}` in the configuration of this {kind.__name__} is missing, unknown or no "
                f"{types[name].__name__ if name in types else 'entry of it'}.",
                field=f"config.{name}",
                mend="Use the version of the class that the model was stored with.",
            )
    return entries
