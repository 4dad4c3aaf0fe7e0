"""An operator that is a reference into a registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pipekit_experiment._src.artifacts.places import require_known_place
from pipekit_experiment._src.errors import InvalidArgumentError, InvalidConfigError
from pipekit_experiment._src.factory_operator import checked_config
from pipekit_experiment._src.operators.base import Operator
from pipekit_experiment._src.registry_trust import names_to_trust, trusted_names


class ModelRef(Operator):
    """The model that a registry has under a ref, such as `production`; loaded when it is first called.

    Args:
        ref: A hash, a name, `name@7`, `name~1`; see DaemonRegistry. A name is resolved once, at the first
            call: an operator in use does not change when the name moves.
        registry: Spec such as `s3://bucket/prefix`, or a registry. By default the one in the daemon's state
            folder. A registry without a `spec` works, and cannot be written as YAML.
        trust: Modules whose code loading may run. Not part of the state: whoever reads YAML says anew what
            is trusted.

    It has no weights of its own: in a stored graph it is its ref."""

    __module__ = "pipekit_experiment.operators"

    def __init__(self, ref: str, registry: Any = "", *, trust: Iterable[str] = ()) -> None:
        if not isinstance(ref, str) or not ref:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidArgumentError(
                f"The ref is {ref!r}.", field="ref", mend="Give a hash or the name of a model."
            )
        if not isinstance(registry, str) and not callable(getattr(registry, "load", None)):
            raise InvalidArgumentError(
                f"The registry is a {type(registry).__name__}.",
                field="registry",
                mend="Give a spec such as s3://bucket/prefix, or a registry.",
            )
        self.ref = ref
        self._registry = registry
        self._trust = names_to_trust(trust)
        self._operator: Any = None

    def get_config(self) -> dict[str, Any]:
        """{"ref", "registry"}. Raises InvalidConfigError when the registry has no spec."""
        spec = self._registry if isinstance(self._registry, str) else getattr(self._registry, "spec", None)
        if not isinstance(spec, str):
            raise InvalidConfigError(
                f"The registry of the model {self.ref!r}, a {type(self._registry).__name__}, has no spec.",
                field="registry",
                mend="Use a registry of this package.",
            )
        return {"ref": self.ref, "registry": spec}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ModelRef:
        """Makes the reference; loads nothing yet. What is trusted now is trusted then.

        Raises InvalidArgumentError for a registry that would be sent credentials and is not trusted."""
        config = checked_config(cls, state.get("config"), {"ref": str}, {"registry": str})
        require_known_place(config.get("registry", ""), trusted_names())
        return cls(**config, trust=trusted_names())

    @property
    def registry(self) -> Any:
        """The registry."""
        if isinstance(self._registry, str):
            from pipekit_experiment._src.registry import DaemonRegistry

            self._registry = DaemonRegistry(self._registry)
        return self._registry

    @property
    def operator(self) -> Any:
        """The model; loaded when it is first asked for. Raises RefNotFoundError, UntrustedModuleError."""
        if self._operator is None:
            from pipekit_experiment._src.registry_open import load_from

            self._operator = load_from(self.registry, self.ref, self._trust)
        return self._operator

    @property
    def held(self) -> Any:
        """The model, if it was loaded already; None before."""
        return self._operator

    def hold(self, operator: Any) -> None:
        """Takes a model that was loaded for this reference elsewhere."""
        self._operator = operator

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the model computes."""
        return self.operator(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_operator": None}
