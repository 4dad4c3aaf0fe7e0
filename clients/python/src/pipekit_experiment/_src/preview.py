"""Previews: what a model gives for some inputs, captured when it is stored and compared when it is loaded.

The document is {"format", "inputs", "output", "rtol", "atol"}; values are encoded as preview_values tells."""

from __future__ import annotations

import json
import math
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidArgumentError
from pipekit_experiment._src.preview_comparison import Comparison
from pipekit_experiment._src.preview_values import Tensor, as_given, decoded, encoded

_FORMAT = "pipekit-preview-1"

_MAX_BYTES = 1024 * 1024

_TOLERANCES = {
    **{
        "float64": (1e-6, 1e-9),
        "complex128": (1e-6, 1e-9),
        "float32": (1e-4, 1e-6),
        "complex64": (1e-4, 1e-6),
    },
    **{"float16": (1e-2, 1e-3), "bfloat16": (3e-2, 1e-2)},
    **{"float8_e4m3fn": (1e-1, 1e-1), "float8_e5m2": (2e-1, 2e-1)},
}
"""Dtype to rtol and atol: what another machine or number of threads may change, and a wrong weight seldom."""


def captured(operator: Any, inputs: Any, rtol: float | None, atol: float | None) -> dict[str, Any]:
    """Calls `operator(*inputs)`, or `operator(inputs)` unless they are a tuple, and makes the document of it.

    Without a tolerance, that of the output's coarsest dtype is taken. Raises InvalidArgumentError for an
    operator that cannot be called, values that JSON cannot say, and a document of more than 1 MiB."""
    if not callable(operator):
        raise InvalidArgumentError(
            f"A {type(operator).__name__} cannot be called, so it has no output to capture.",
            field="preview_inputs",
            mend="Give its class a `__call__`, or pass `preview` with examples of your own.",
        )
    arguments = cast("tuple[Any, ...]", inputs) if isinstance(inputs, tuple) else (inputs,)
    # Before the call, which may change them.
    given = [encoded(value, f"preview_inputs[{index}]") for index, value in enumerate(arguments)]
    output = encoded(operator(*arguments), "output")
    usual = _usual_tolerance(decoded(output))
    document = {
        "format": _FORMAT,
        "inputs": given,
        "output": output,
        "rtol": _tolerance("preview_rtol", usual[0] if rtol is None else rtol),
        "atol": _tolerance("preview_atol", usual[1] if atol is None else atol),
    }
    size = len(json.dumps(document))
    if size > _MAX_BYTES:
        raise InvalidArgumentError(
            f"The preview takes {size} bytes; at most {_MAX_BYTES} are kept.",
            field="preview_inputs",
            mend="Take fewer or smaller examples.",
        )
    return document


def check(operator: Any, preview: Any, rtol: float | None, atol: float | None, model: str) -> None:
    """Calls the operator with the inputs of a preview and compares its output.

    Raises PreviewMismatchError that names the output which differs, by how much, and the tolerance;
    InvalidArgumentError for a model without a preview that can be run."""
    document: dict[str, Any] = cast("dict[str, Any]", preview) if isinstance(preview, dict) else {}
    if document.get("format") != _FORMAT:
        raise InvalidArgumentError(
            f"The model {model} has no preview that can be run again.",
            field="check_preview",
            mend="Store it with `preview_inputs`, or load it without `check_preview`.",
        )
    try:
        inputs: list[Any] = list(decoded(document["inputs"]))
        expected = decoded(document["output"])
        relative = _tolerance("rtol", document["rtol"] if rtol is None else rtol)
        absolute = _tolerance("atol", document["atol"] if atol is None else atol)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InvalidArgumentError):
            raise
        raise InvalidArgumentError(
            f"The preview of the model {model} cannot be read: {error}.",
            field="check_preview",
            mend="Load it without `check_preview`.",
        ) from error
    output = operator(*as_given(inputs))
    Comparison(relative, absolute, model).compare(expected, output, "output")


def _usual_tolerance(output: Any) -> tuple[float, float]:
    """The widest of those of the dtypes in an output."""
    if isinstance(output, Tensor):
        return _TOLERANCES.get(output.dtype, (0.0, 0.0))
    if isinstance(output, float):
        return _TOLERANCES["float64"]
    inner = cast("dict[str, Any]", output).values() if isinstance(output, dict) else output
    if not isinstance(output, (dict, list, tuple)):
        return (0.0, 0.0)
    return max(map(_usual_tolerance, inner), default=(0.0, 0.0))


def _tolerance(field: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise InvalidArgumentError(
            f"`{field}` is {value!r}.", field=field, mend="Give a number that is not negative."
        )
    return float(value)
