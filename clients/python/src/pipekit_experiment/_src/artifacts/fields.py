"""The fields of an artifact: checked before they are written, and when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pipekit_experiment._src.artifacts.environment_secrets import credentials_in
from pipekit_experiment._src.errors import CorruptArtifactError, InvalidArgumentError, PipekitError
from pipekit_experiment._src.strict_json import plain_json

_LINE, _OPTIONAL_LINE, _LINES, _OBJECT, _TEXTS = "line", "line or null", "lines", "object", "texts"

TRAINING: Mapping[str, str] = {
    "training_pipeline_yaml": _LINES,
    "dataset_hash": _LINE,
    "trained_model_hash": _LINE,
    "tracker_run_id": _OPTIONAL_LINE,
    "model_registry_uri": _LINE,
    "backend_info": _OBJECT,
    "deps_lock": _LINES,
    "metadata": _OBJECT,
}
"""Fields of a TrainingArtifact, in the order of its file. `lines` are a text, in the file a list of lines."""

INFERENCE: Mapping[str, str] = {
    "pipeline_yaml": _LINES,
    "pinned_model_hashes": _TEXTS,
    "model_registry_uri": _LINE,
    "backend_info": _OBJECT,
    "deps_lock": _LINES,
    "metadata": _OBJECT,
}
"""Fields of an InferenceArtifact."""


def body_of(artifact: object, fields: Mapping[str, str]) -> dict[str, Any]:
    """The fields as they stand in the file. Raises InvalidArgumentError and InvalidConfigError that name the
    field, also for an address that holds credentials."""
    body: dict[str, Any] = {}
    for name, kind in fields.items():
        value: Any = getattr(artifact, name)
        if kind in (_OBJECT, _TEXTS):
            body[name] = _object(value, name, kind)
        elif value is None and kind == _OPTIONAL_LINE:
            body[name] = None
        else:
            text = _text(value, name)
            body[name] = text.split("\n") if kind == _LINES else text
    for name in ("model_registry_uri", "tracker_run_id"):
        if credentials_in(body.get(name) or ""):
            raise InvalidArgumentError(
                f"`{name}` holds credentials, which would stand in the file for all to read.",
                field=name,
                mend="Give the address without them; the daemon finds them in its environment.",
            )
    return body


def fields_in(body: Mapping[str, Any], fields: Mapping[str, str], path: str) -> dict[str, Any]:
    """The values of the fields in a file's body. Raises CorruptArtifactError that names the field."""
    values: dict[str, Any] = {}
    for name, kind in fields.items():
        value: Any = body.get(name)
        if kind == _LINES and _is_texts(value):
            value = "\n".join(cast("list[str]", value))
        elif not _fits(value, kind):
            raise CorruptArtifactError(
                f"{path} is no artifact of this kind: its `{name}` is missing or malformed.",
                field=name,
                mend="It was not written by pipekit-experiment; write it anew.",
            )
        values[name] = value
    return values


def plain_object(value: Any) -> Any:
    """The mapping as it would come back from the file, so that it is equal to itself then; anything else, and
    what cannot be written, as it is: saving says what is wrong."""
    if not isinstance(value, Mapping):
        return value
    try:
        return plain_json(value, "value")
    except PipekitError:
        return cast("Any", value)


def _object(value: Any, name: str, kind: str) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong(name, value, "a dict")
    if kind == _TEXTS:
        for key, item in cast("Mapping[Any, Any]", value).items():
            _text(item, f"{name}.{key}")
    return plain_json(value, name)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise _wrong(name, value, "a str")
    plain_json(value, name)
    return str(value)


def _wrong(name: str, value: Any, wanted: str) -> InvalidArgumentError:
    return InvalidArgumentError(f"`{name}` is a {type(value).__name__}.", field=name, mend=f"Give {wanted}.")


def _fits(value: Any, kind: str) -> bool:
    if kind == _OBJECT:
        return isinstance(value, dict)
    if kind == _TEXTS:
        return isinstance(value, dict) and _is_texts(list(cast("dict[str, Any]", value).values()))
    return (isinstance(value, str) and kind != _LINES) or (value is None and kind == _OPTIONAL_LINE)


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in cast("list[Any]", value))
