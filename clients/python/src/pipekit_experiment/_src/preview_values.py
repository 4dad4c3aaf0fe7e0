"""Inputs and outputs of a model as JSON: arrays with dtype and shape, in lists, tuples and dicts.

An array is {"$array": {"kind", "dtype", "shape", "values" or "base64"}}: few numbers as a list in C order,
for people; many, or such that JSON cannot say, as little-endian bytes. A tuple is {"$tuple": [...]}; nan and
the infinities are {"$float": "nan"}. NumPy is imported here, so only where there is a preview."""

from __future__ import annotations

import base64
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy

from pipekit_experiment._src.errors import InvalidArgumentError

np: Any = numpy

_FEW = 256
"""At most so many numbers are written as numbers."""

_MAX_NUMBER = 2**53
"""Beyond it not all integers can be said in JSON."""

_DTYPES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)
_SHORT_FLOATS = ("bfloat16", "float8_e4m3fn", "float8_e5m2")
"""Of torch and JAX; NumPy has none of them, float32 has all their values."""

_TEXTS = ("str", "object")
"""Arrays of text, whose values are written as text."""


@dataclass(frozen=True)
class Tensor:
    """An array of any framework."""

    kind: str
    """numpy, torch or jax."""
    dtype: str
    """Its dtype in that framework."""
    values: Any
    """A NumPy array; of float32 where NumPy does not know the dtype."""


def encoded(value: Any, path: str) -> Any:
    """A value as JSON. Raises InvalidArgumentError that names the path of what cannot be said."""
    if value is None or isinstance(value, (bool, str)) or type(value) is int:
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"$float": str(value)}
    if isinstance(value, Mapping):
        entries = cast("Mapping[Any, Any]", value)
        for key in entries:
            if not isinstance(key, str) or key.startswith("$"):
                raise _refused(path, f"has the key {key!r}", "Use keys that are str and begin without $.")
        return {key: encoded(inner, f"{path}[{key!r}]") for key, inner in entries.items()}
    if isinstance(value, (list, tuple)):
        items = [encoded(inner, f"{path}[{i}]") for i, inner in enumerate(cast("list[Any]", value))]
        return items if isinstance(value, list) else {"$tuple": items}
    return {"$array": _array_document(tensor(value, path))}


def decoded(value: Any) -> Any:
    """The value that `encoded` wrote, with arrays as Tensor. Raises KeyError, TypeError, ValueError."""
    if isinstance(value, list):
        return [decoded(inner) for inner in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    entries = cast("dict[str, Any]", value)
    if "$tuple" in entries:
        return tuple(decoded(inner) for inner in entries["$tuple"])
    if "$float" in entries:
        return float(entries["$float"])
    if "$array" in entries:
        return _tensor_of(entries["$array"])
    return {key: decoded(inner) for key, inner in entries.items()}


def as_given(value: Any) -> Any:
    """A decoded value with arrays of their own frameworks, which must have been imported already.

    A preview comes with a model, and no more than the model's operator makes anything be imported."""
    if isinstance(value, (list, tuple)):
        items = [as_given(inner) for inner in cast("list[Any]", value)]
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, dict):
        return {key: as_given(inner) for key, inner in cast("dict[str, Any]", value).items()}
    if not isinstance(value, Tensor):
        return value
    if value.kind == "numpy" and value.dtype not in _SHORT_FLOATS:
        return value.values
    name = "ml_dtypes" if value.kind == "numpy" else value.kind
    framework: Any = sys.modules.get(name)
    if framework is None:
        raise _refused("preview", f"has inputs of {name}", f"Import {name} before you load.")
    if value.kind == "torch":
        return framework.from_numpy(value.values).to(getattr(framework, value.dtype))
    if value.kind == "jax":
        return framework.numpy.asarray(value.values).astype(value.dtype)
    return value.values.astype(getattr(framework, value.dtype))


def tensor(value: Any, path: str) -> Tensor:
    """An array, or a scalar of NumPy, as Tensor. Raises InvalidArgumentError for anything else."""
    kind = type(value).__module__.partition(".")[0]
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        kind, dtype, values = "numpy", cast(Any, value).dtype.name, np.asarray(value)
        if values.dtype.kind == "U":
            dtype = "str"
    elif hasattr(value, "detach") and hasattr(value, "cpu"):
        plain = value.detach().cpu()
        kind, dtype = "torch", str(plain.dtype).removeprefix("torch.")
        values = (plain.float() if dtype in _SHORT_FLOATS else plain).resolve_conj().numpy()
    elif kind in ("jax", "jaxlib") and hasattr(value, "dtype"):
        kind, dtype, values = "jax", str(value.dtype), np.asarray(value)
    elif hasattr(value, "numpy") and hasattr(value, "dtype"):
        # TensorFlow and others; they take NumPy's arrays as inputs.
        kind, values = "numpy", np.asarray(value.numpy())
        dtype = values.dtype.name
    else:
        raise _refused(
            path, f"is a {type(value).__name__}", "Use arrays, numbers, text, lists, tuples and dicts."
        )
    known = dtype in (*_DTYPES, *_SHORT_FLOATS) or (
        dtype in _TEXTS and all(isinstance(item, str) for item in values.flat)
    )
    if not known:
        raise _refused(path, f"is an array of dtype {dtype}", "Use numbers or text.")
    return Tensor(kind, dtype, values.astype("float32") if dtype in _SHORT_FLOATS else values)


def _array_document(given: Tensor) -> dict[str, Any]:
    values = given.values
    document = {"kind": given.kind, "dtype": given.dtype, "shape": list(values.shape)}
    if given.dtype in _TEXTS:
        return {**document, "values": [str(item) for item in values.flat]}
    if values.dtype.kind in "biuf" and values.size <= _FEW:
        numbers: list[Any] = values.ravel().tolist()
        if all(math.isfinite(number) and abs(number) <= _MAX_NUMBER for number in numbers):
            return {**document, "values": numbers}
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return {**document, "base64": base64.b64encode(little.tobytes()).decode()}


def _tensor_of(document: Any) -> Tensor:
    kind, dtype, shape = document["kind"], document["dtype"], document["shape"]
    if kind not in ("numpy", "torch", "jax") or dtype not in (*_DTYPES, *_SHORT_FLOATS, *_TEXTS):
        raise ValueError(f"There are no arrays of {kind} and {dtype}.")
    held = {"str": "U", "object": "O"}.get(dtype, "float32" if dtype in _SHORT_FLOATS else dtype)
    if "base64" in document and dtype not in _TEXTS:
        data = bytearray(base64.b64decode(document["base64"], validate=True))
        values = np.frombuffer(data, np.dtype(held).newbyteorder("<")).astype(held, copy=False)
    else:
        values = np.array(document["values"], held)
    return Tensor(kind, dtype, values.reshape(shape))


def _refused(path: str, fault: str, mend: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"`{path}` {fault}.", field=path, mend=mend)
