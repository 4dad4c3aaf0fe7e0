"""Pytrees of arrays as safetensors: one tensor a leaf, named by its path, such as `['layers'][0].weight`.

Stored are JAX and NumPy arrays and scalars of every dtype, typed PRNG keys, and Python's bool, int, float and
complex. What else a tree holds (functions, text, None) is structure and comes with the tree."""

from __future__ import annotations

import importlib
import json
from typing import Any

from pipekit_experiment._src.errors import InvalidArgumentError, InvalidConfigError
from pipekit_experiment._src.extras import optional_module

# Their published types leave too much open for a strict checker.
jax: Any = importlib.import_module("jax")
jnp: Any = importlib.import_module("jax.numpy")
np: Any = importlib.import_module("numpy")

_NOTES = "pytree"
"""The one entry of the safetensors metadata (several come in no fixed order): a JSON object of `_Notes`."""

_NATIVE = {
    **{"BOOL": "bool", "BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64"},
    **{"U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64"},
    **{"I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64"},
}
"""Names of dtypes in safetensors, of every version, to those of NumPy. Other dtypes are stored as bytes: U8
with one more axis, and their name in the notes."""

_SCALARS = {"bool": bool, "int": int, "float": float, "complex": complex}


def tree_bytes(tree: Any) -> bytes:
    """The tree's leaves as safetensors; equal leaves give equal bytes.

    Raises InvalidConfigError that names the leaf which cannot be stored."""
    safetensors = _safetensors()
    arrays: dict[str, Any] = {}
    notes: dict[str, dict[str, str]] = {"scalars": {}, "dtypes": {}, "keys": {}}
    for name, leaf in _named_leaves(tree):
        if type(leaf) in _SCALARS.values():
            notes["scalars"][name] = type(leaf).__name__
        elif _is_key(leaf):
            notes["keys"][name] = str(jax.random.key_impl(leaf))
            leaf = jax.random.key_data(leaf)
        try:
            array = np.ascontiguousarray(leaf)
        except (OverflowError, TypeError, ValueError, RuntimeError) as error:
            raise _refused(name, f"cannot be read: {error}") from error
        array = array.reshape(np.shape(leaf))  # ascontiguousarray gives a scalar an axis
        if array.dtype.name not in _NATIVE.values():
            _dtype(name, array.dtype.name)
            notes["dtypes"][name] = array.dtype.name
            array = np.frombuffer(array.tobytes(), np.uint8).reshape(*array.shape, array.dtype.itemsize)
        arrays[name] = array
    kept = {kind: names for kind, names in notes.items() if names}
    return safetensors.numpy.save(arrays, {_NOTES: json.dumps(kept, sort_keys=True)} if kept else None)


def tree_with(weights: bytes, like: Any) -> Any:
    """The tree `like` with the stored leaves. Dtypes are those stored, whatever `like` has.

    Raises InvalidArgumentError when names or shapes are not those of `like`."""
    stored = _stored(weights)
    named, structure = jax.tree_util.tree_flatten_with_path(like)
    wanted = dict(_named_leaves(like))
    for name in sorted(stored.keys() ^ wanted.keys()):
        where = "the weights" if name in stored else "the tree of the factory"
        raise _mismatch(name, f"The leaf {name} is in {where} only.")
    leaves: list[Any] = []
    for path, leaf in named:
        name = _name(path)
        leaves.append(_restored(name, *stored[name], leaf) if name in wanted else leaf)
    return jax.tree_util.tree_unflatten(structure, leaves)


def _stored(weights: bytes) -> dict[str, tuple[Any, str, str]]:
    """Name to array, type of a Python scalar, and implementation of a PRNG key."""
    safetensors = _safetensors()
    found: dict[str, tuple[Any, str, str]] = {}
    try:
        length = int.from_bytes(weights[:8], "little")
        tensors = safetensors.deserialize(weights)
        header = json.loads(weights[8 : 8 + length])
        notes = json.loads(header.get("__metadata__", {}).get(_NOTES, "{}"))
        for name, tensor in tensors:
            shape, dtype = tensor["shape"], _dtype(name, _NATIVE.get(tensor["dtype"], ""))
            if name in notes.get("dtypes", {}):
                dtype, shape = _dtype(name, notes["dtypes"][name]), shape[:-1]
            array = np.frombuffer(bytearray(tensor["data"]), dtype).reshape(shape)
            found[name] = (
                array,
                notes.get("scalars", {}).get(name, ""),
                notes.get("keys", {}).get(name, ""),
            )
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _mismatch("weights", f"The weights are no safetensors of a pytree: {error}") from error
    return found


def _restored(name: str, array: Any, scalar: str, key: str, like: Any) -> Any:
    shape = np.shape(jax.random.key_data(like) if _is_key(like) else like)
    if array.shape != shape:
        raise _mismatch(name, f"The leaf {name} has the shape {array.shape} in the weights, not {shape}.")
    if scalar:
        return _SCALARS[scalar](array.item())
    if isinstance(like, (np.ndarray, np.generic)):
        return array if isinstance(like, np.ndarray) else array[()]
    given = jnp.asarray(array)
    if given.dtype != array.dtype:
        raise InvalidArgumentError(
            f"The leaf {name} is of dtype {array.dtype}, which JAX would make {given.dtype}.",
            field=name,
            mend='Call jax.config.update("jax_enable_x64", True) before you load.',
        )
    return jax.random.wrap_key_data(given, impl=key) if key else given


def _named_leaves(tree: Any) -> list[tuple[str, Any]]:
    """The leaves that are stored. Raises InvalidConfigError when two have one name."""
    found: dict[str, Any] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        if isinstance(leaf, (jax.Array, np.ndarray, np.generic, bool, int, float, complex)):
            if _name(path) in found:
                raise _refused(_name(path), "has the name of another leaf")
            found[_name(path)] = leaf
    return list(found.items())


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path) or "."


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _dtype(name: str, dtype: str) -> Any:
    """The dtype of this name. Only plain numbers: no objects, which are pickles, no records, no text."""
    try:
        found = jnp.dtype(dtype)
    except TypeError:
        raise _refused(name, f"is of dtype {dtype!r}, which is unknown here") from None
    if found.hasobject or not (jnp.issubdtype(found, np.number) or found == np.bool_):
        raise _refused(name, f"is of dtype {dtype}, which is no number")
    return found


def _refused(name: str, fault: str) -> InvalidConfigError:
    return InvalidConfigError(
        f"The leaf {name} {fault}.",
        field=name,
        mend="Keep arrays of numbers in the tree; what is no weight belongs into the factory's kwargs.",
    )


def _mismatch(name: str, fault: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        fault, field=name, mend="Use the factory and the kwargs that the model was trained with."
    )


def _safetensors() -> Any:
    optional_module("safetensors.numpy", "jax", "A JaxModelOp")
    return importlib.import_module("safetensors")
