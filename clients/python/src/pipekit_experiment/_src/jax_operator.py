"""JAX pytrees and Equinox modules as operators."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from pipekit_experiment._src.errors import InvalidArgumentError, InvalidConfigError
from pipekit_experiment._src.extras import optional_module
from pipekit_experiment._src.factory_operator import FactoryOperator, module_and_name
from pipekit_experiment._src.pytree_weights import tree_bytes, tree_with
from pipekit_experiment._src.registry_trust import named_object, trusted_factory


class JaxModelOp(FactoryOperator):
    """A pytree that `factory(**kwargs)` makes, with its arrays and numbers as weights.

    Args:
        tree: The pytree: parameters in dicts and lists, or any class that JAX knows as a pytree.
        factory: `package.module:callable` that makes a tree of the same structure; leaves that are no arrays
            or numbers (functions, None) are taken from it.
        kwargs: Its arguments, JSON values.
        apply: `package.module:callable` that computes: `apply(tree, *inputs)`. Without it the tree is called.

    Weights are safetensors whose names are the paths in the tree. Dtypes come back as they were, also
    bfloat16, complex numbers and typed PRNG keys. Loading imports the modules of `factory` and `apply`, which
    must be trusted by name."""

    # Its name in stored models: where users import it from, wherever the code lies.
    __module__ = "pipekit_experiment.jax"

    _formats: ClassVar[tuple[str, ...]] = ("safetensors",)
    _optional: ClassVar[dict[str, type]] = {"apply": str}

    def __init__(
        self, tree: Any = None, *, factory: str, kwargs: Mapping[str, Any] | None = None, apply: str = ""
    ) -> None:
        super().__init__(tree, factory=factory, kwargs=kwargs, weights_format="")
        self.apply = apply
        self._apply_name = module_and_name(apply, "apply") if apply else None
        self._trusted_apply: Callable[..., Any] | None = None

    @property
    def tree(self) -> Any:
        """The tree; made by the factory when it is first asked for and none was given."""
        return self._made()

    def get_config(self) -> dict[str, Any]:
        """{"factory", "kwargs"}, and "apply" when it was given."""
        return {**super().get_config(), **({"apply": self.apply} if self.apply else {})}

    @classmethod
    def from_state(cls: type[_JaxOp], state: Mapping[str, Any]) -> _JaxOp:
        """Makes the operator; raises UntrustedModuleError unless both modules are trusted."""
        operator = super().from_state(state)
        if operator._apply_name:
            operator._trusted_apply = trusted_factory(*operator._apply_name)
        return operator

    def get_weights(self) -> bytes:
        """The tree's arrays and numbers; equal ones give equal bytes.

        Raises InvalidConfigError that names the leaf which cannot be stored."""
        return tree_bytes(self.tree)

    def with_weights(self: _JaxOp, weights: bytes) -> _JaxOp:
        """An operator with a tree fresh from the factory that has these weights.

        Raises InvalidArgumentError that names the first leaf which does not fit."""
        return self.with_model(tree_with(weights, self._make()))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What `apply`, or the tree itself, computes."""
        return self.compute(self.tree, *args, **kwargs)

    def compute(self, tree: Any, *args: Any, **kwargs: Any) -> Any:
        """What `apply`, or `tree` itself, computes, for a tree like the operator's."""
        if self._apply_name:
            return (self._trusted_apply or named_object(*self._apply_name))(tree, *args, **kwargs)
        if not callable(tree):
            raise InvalidArgumentError(
                f"A {type(tree).__name__} cannot be called.",
                field="apply",
                mend="Name the callable that computes: apply='my_models:apply'.",
            )
        return tree(*args, **kwargs)


class EquinoxModelOp(JaxModelOp):
    """An Equinox module that `factory(**kwargs)` makes; its weights are the file of `tree_serialise_leaves`.

    The arguments are those of JaxModelOp. Leaves are stored by their order, without names: a model whose
    fields were moved is better kept by JaxModelOp, which takes Equinox modules too, and typed PRNG keys.
    Calling the operator runs the module in inference mode."""

    __module__ = "pipekit_experiment.jax"

    _formats: ClassVar[tuple[str, ...]] = ("eqx",)

    def get_weights(self) -> bytes:
        """The module's arrays and numbers; equal ones give equal bytes. Raises InvalidConfigError."""
        buffer = io.BytesIO()
        try:
            _equinox().tree_serialise_leaves(buffer, self.tree)
        except Exception as error:
            # Equinox wraps whatever a leaf raises.
            raise InvalidConfigError(
                f"Equinox cannot store the module: {error}.", field="tree", mend="Store it by JaxModelOp."
            ) from error
        return buffer.getvalue()

    def with_weights(self: _EquinoxOp, weights: bytes) -> _EquinoxOp:
        """An operator with a module fresh from the factory that has these weights.

        Raises InvalidArgumentError when they do not fit, or hold pickled objects."""
        made, buffer = self._make(), io.BytesIO(weights)
        fault: str | Exception = "there is more than its leaves take up"
        try:
            # Reads by numpy.load, whose allow_pickle is False.
            module = _equinox().tree_deserialise_leaves(buffer, made)
        except Exception as error:
            module, fault = None, error
        if module is None or buffer.read(1):
            raise InvalidArgumentError(
                f"The weights are not those of the module that {self.factory} makes: {fault}.",
                field="weights",
                mend="Use the factory and the kwargs that the model was trained with.",
            ) from (fault if isinstance(fault, Exception) else None)
        return self.with_model(module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes in inference mode."""
        return self.compute(_equinox().nn.inference_mode(self.tree), *args, **kwargs)


_JaxOp = TypeVar("_JaxOp", bound=JaxModelOp)
_EquinoxOp = TypeVar("_EquinoxOp", bound=EquinoxModelOp)


def _equinox() -> Any:
    return optional_module("equinox", "equinox", "EquinoxModelOp")
