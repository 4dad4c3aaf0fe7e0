"""PyTorch models as operators: configuration by a factory's name, weights as safetensors or `.pt`."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar, cast

from pipekit_experiment._src.errors import InvalidArgumentError, InvalidConfigError, UntrustedModuleError
from pipekit_experiment._src.extras import missing_extra
from pipekit_experiment._src.factory_operator import FactoryOperator

try:
    import safetensors.torch
    import torch
except ImportError as error:
    raise missing_extra(error, "torch", "pipekit_experiment.torch") from error

_ALIASES = "aliases"
"""Entry of the safetensors metadata: a JSON object, name of a tied tensor to the name it is stored under."""


class TorchModelOp(FactoryOperator):
    """A torch module that `factory(**kwargs)` makes, with its parameters and persistent buffers as weights.

    `factory` is `package.module:callable`; `kwargs` are JSON values. Loading such a model imports the
    factory's module, which must be trusted by name: `registry.load(ref, trust=["package"])`.

    `weights_format` is `safetensors`, or `pt` for weights that others read by `torch.load`; those are read
    here with `weights_only=True`, by torch 2.6 or newer, and a pickle that would run code is refused.

    Calling the operator runs the module in evaluation mode and without gradients.
    """

    _formats: ClassVar[tuple[str, ...]] = ("safetensors", "pt")

    def __init__(
        self,
        module: torch.nn.Module | None = None,
        *,
        factory: str,
        kwargs: Mapping[str, Any] | None = None,
        weights_format: str = "safetensors",
    ) -> None:
        super().__init__(module, factory=factory, kwargs=kwargs, weights_format=weights_format)

    @property
    def module(self) -> torch.nn.Module:
        """The module; made by the factory when it is first asked for and none was given."""
        return self._made()

    def get_weights(self) -> bytes:
        """The module's state dict in the weights format; equal weights give equal bytes.

        Tied tensors are stored once; views of parts of one tensor, each by its values. Raises
        InvalidConfigError for entries that are no tensors, and sparse tensors."""
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
        if self.weights_format == "pt":
            return _as_pt({name: tensors[aliases.get(name, name)] for name in sorted({*tensors, *aliases})})
        metadata = {_ALIASES: json.dumps(aliases, sort_keys=True)} if aliases else None
        return safetensors.torch.save(tensors, metadata)

    def with_weights(self: _TorchOp, weights: bytes) -> _TorchOp:
        """An operator with a module fresh from the factory that has these weights.

        A module that was cast since the factory made it comes back as it was cast. Raises RuntimeError when
        names or shapes are not those of the module."""
        if self.weights_format == "pt":
            tensors = _read_pt(weights)
        else:
            tensors = safetensors.torch.load(weights)
            for name, stored in _read_aliases(weights).items():
                tensors[name] = tensors[stored]
        module = self._make()
        for name, tensor in module.state_dict(keep_vars=True).items():
            if isinstance(tensor, torch.Tensor) and name in tensors and tensor.dtype != tensors[name].dtype:
                tensor.data = tensor.data.to(tensors[name].dtype)
        module.load_state_dict(tensors)
        return self.with_model(module)

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
        module = super()._make()
        if not isinstance(module, torch.nn.Module):
            raise InvalidArgumentError(
                f"{self.factory} made a {type(module).__name__}, not a torch.nn.Module.",
                field="factory",
                mend="Name a callable that returns the module.",
            )
        return module


_TorchOp = TypeVar("_TorchOp", bound=TorchModelOp)


def _as_pt(tensors: Mapping[str, torch.Tensor]) -> bytes:
    # torch.save writes no times, and a plain dict in one order has none of a module's accidents.
    buffer = io.BytesIO()
    torch.save(dict(tensors), buffer)
    return buffer.getvalue()


def _read_pt(weights: bytes) -> dict[str, torch.Tensor]:
    # Before 2.6 a crafted file ran code in spite of weights_only (CVE-2025-32434).
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 6):
        raise InvalidArgumentError(
            f"torch {torch.__version__} cannot read a .pt file safely.",
            field="weights_format",
            mend="Use torch 2.6 or newer, or store as safetensors.",
        )
    try:
        found: Any = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UntrustedModuleError(
            "The .pt weights hold more than tensors; reading them would run code.",
            field="weights",
            mend="Store the module's state dict, from where you trust it, as safetensors.",
        ) from error
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        raise _no_state_dict() from error
    entries = cast("dict[object, object]", found) if isinstance(found, dict) else None
    if entries is None or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in entries.items()
    ):
        raise _no_state_dict()
    return cast("dict[str, torch.Tensor]", entries)


def _no_state_dict() -> InvalidArgumentError:
    return InvalidArgumentError(
        "The weights are no .pt file that holds a state dict.",
        field="weights",
        mend="Give what `torch.save(module.state_dict(), file)` wrote.",
    )


def _read_aliases(weights: bytes) -> dict[str, str]:
    """The tied tensors named in the header: 8 bytes of length, little endian, then JSON."""
    length = int.from_bytes(weights[:8], "little")
    header: dict[str, dict[str, str]] = json.loads(weights[8 : 8 + length])
    return json.loads(header.get("__metadata__", {}).get(_ALIASES, "{}"))
