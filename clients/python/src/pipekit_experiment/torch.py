"""PyTorch models as operators: configuration by a factory's name, weights as safetensors."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pipekit_experiment._src.errors import InvalidArgumentError, InvalidConfigError
from pipekit_experiment._src.registry_trust import named_object, trusted_object
from pipekit_experiment.operators import Operator

try:
    import safetensors.torch
    import torch
except ImportError as error:
    raise ImportError(
        f"pipekit_experiment.torch needs {error.name}: run `pip install 'pipekit-experiment[torch]'`.",
        name=error.name,
    ) from error

_ALIASES = "aliases"
"""Entry of the safetensors metadata: a JSON object, name of a tied tensor to the name it is stored under."""


class TorchModelOp(Operator):
    """A torch module that `factory(**kwargs)` makes, with its parameters and persistent buffers as weights.

    `factory` is `package.module:callable`; `kwargs` are JSON values. Loading such a model imports the
    factory's module, which must be trusted by name: `registry.load(ref, trust=["package"])`.

    Calling the operator runs the module in evaluation mode and without gradients.
    """

    weights_format = "safetensors"

    def __init__(
        self, module: torch.nn.Module | None = None, *, factory: str, kwargs: Mapping[str, Any] | None = None
    ) -> None:
        self.factory = factory
        self.kwargs = dict(kwargs or {})
        self._names = _module_and_name(factory)
        self._module = module
        self._trusted_factory: Any = None

    @property
    def module(self) -> torch.nn.Module:
        """The module; made by the factory when it is first asked for and none was given."""
        if self._module is None:
            self._module = self._make()
        return self._module

    def get_config(self) -> dict[str, Any]:
        """{"factory", "kwargs"}."""
        return {"factory": self.factory, "kwargs": self.kwargs}

    @classmethod
    def from_state(cls: type[_TorchOp], state: Mapping[str, Any]) -> _TorchOp:
        """Makes the operator; raises UntrustedModuleError unless the factory's module is trusted."""
        config = state["config"]
        operator = cls(factory=config["factory"], kwargs=config["kwargs"])
        operator._trusted_factory = trusted_object(*operator._names)
        return operator

    def get_weights(self) -> bytes:
        """The module's state dict as safetensors; equal weights give equal bytes.

        Tied tensors are stored once; views of parts of one tensor, each by its values. Raises
        InvalidConfigError for what safetensors cannot hold: entries that are no tensors, sparse tensors."""
        tensors: dict[str, torch.Tensor] = {}
        aliases: dict[str, str] = {}
        first_names: dict[tuple[Any, ...], str] = {}
        memories: set[int] = set()
        for name, tensor in sorted(self.module.state_dict().items()):
            if not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided or tensor.is_meta:
                raise InvalidConfigError(
                    f"The state dict entry {name} is no dense tensor in memory.",
                    field=name,
                    mend="Write an operator with `get_weights` and `with_weights` of its own.",
                )
            same = (tensor.device, tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
            first = first_names.setdefault(same, name) if tensor.numel() else name
            if first != name:
                aliases[name] = first
                continue
            plain = tensor.detach().cpu().contiguous()
            memory = plain.untyped_storage().data_ptr()
            # safetensors refuses two views of one memory.
            tensors[name] = plain.clone() if memory in memories else plain
            memories.add(memory)
        metadata = {_ALIASES: json.dumps(aliases, sort_keys=True)} if aliases else None
        return safetensors.torch.save(tensors, metadata)

    def with_weights(self: _TorchOp, weights: bytes) -> _TorchOp:
        """An operator with a module fresh from the factory that has these weights.

        Raises RuntimeError when names or shapes are not those of the module.
        """
        tensors = safetensors.torch.load(weights)
        for name, stored in _read_aliases(weights).items():
            tensors[name] = tensors[stored]
        module = self._make()
        module.load_state_dict(tensors)
        operator = copy.copy(self)
        operator._module = module
        return operator

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The module's output."""
        modes = [(module, module.training) for module in self.module.modules()]
        self.module.eval()
        try:
            with torch.no_grad():
                return self.module(*args, **kwargs)
        finally:
            for module, was_training in modes:
                module.training = was_training

    def _make(self) -> torch.nn.Module:
        # A factory that came with a stored state was checked by from_state; any other was named by code at
        # hand.
        make = self._trusted_factory or named_object(*self._names)
        module = make(**self.kwargs)
        if not isinstance(module, torch.nn.Module):
            raise InvalidArgumentError(
                f"{self.factory} made a {type(module).__name__}, not a torch.nn.Module.",
                field="factory",
                mend="Name a callable that returns the module.",
            )
        return module


_TorchOp = TypeVar("_TorchOp", bound=TorchModelOp)


def _module_and_name(factory: str) -> tuple[str, str]:
    module, colon, name = factory.partition(":")
    if not (module and colon and name):
        raise InvalidArgumentError(
            f"The factory {factory!r} is not of the form package.module:callable.",
            field="factory",
            mend="Name the callable that makes the module, such as my_models:build_unet.",
        )
    return module, name


def _read_aliases(weights: bytes) -> dict[str, str]:
    """The tied tensors named in the header: 8 bytes of length, little endian, then JSON."""
    length = int.from_bytes(weights[:8], "little")
    header: dict[str, dict[str, str]] = json.loads(weights[8 : 8 + length])
    return json.loads(header.get("__metadata__", {}).get(_ALIASES, "{}"))
