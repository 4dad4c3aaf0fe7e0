"""`.keras` archives: one form for equal models, and what is vetted before anything of one is read.

Such an archive is a zip of metadata.json, config.json and model.weights.h5, in which Keras also writes the
time, addresses of objects, counters of the process, and the state of the training."""

from __future__ import annotations

import importlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipekit_experiment._src.errors import InvalidArgumentError, InvalidConfigError, UntrustedModuleError
from pipekit_experiment._src.keras_config import holds_code, without_counters

WEIGHTS = "model.weights.h5"
_CONFIG = "config.json"
_METADATA = "metadata.json"
_NEVER = (1980, 1, 1, 0, 0, 0)
"""The time of every entry: the first that a zip can say."""

_TRAINING = ("optimizer", "metrics", "_loss_tracker", "_compile_metrics", "_compile_loss")
"""Groups of the weights file that are no weights of the model."""


def canonical_archive(saved: Path) -> bytes:
    """The archive that `model.save` wrote, without what differs between equal models; Keras reads it as well.

    Left out are optimizer, losses and metrics. Raises InvalidConfigError for what cannot be kept so: a layer
    with marshalled code, or with a file of its own such as a vocabulary."""
    with zipfile.ZipFile(saved) as archive:
        assets = [name for name in archive.namelist() if name not in (WEIGHTS, _CONFIG, _METADATA)]
        if assets:
            raise InvalidConfigError(
                f"The model keeps files of its own: {assets[0]}.",
                field="model",
                mend="Give what they hold, such as a vocabulary, in the factory's kwargs.",
            )
        config = json.loads(archive.read(_CONFIG))
        version = json.loads(archive.read(_METADATA)).get("keras_version", "")
        tensors = io.BytesIO(archive.read(WEIGHTS))
    if holds_code(config):
        raise InvalidConfigError(
            "The model has a Lambda layer, which would be stored as marshalled code.",
            field="model",
            mend="Write the layer as a class, or name its function.",
        )
    config.pop("compile_config", None)
    metadata = {"keras_version": version, "date_saved": "1980-01-01@00:00:00"}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in (
            (_METADATA, json.dumps(metadata).encode()),
            (_CONFIG, json.dumps(without_counters(config)).encode()),
            (WEIGHTS, _canonical_weights(tensors)),
        ):
            archive.writestr(zipfile.ZipInfo(name, _NEVER), data)
    return target.getvalue()


def vetted_weights(weights: bytes) -> bytes:
    """The weights file in an archive, after the archive was looked through.

    Raises InvalidArgumentError for what is no such archive or leads outside of it, UntrustedModuleError for
    one that holds marshalled code."""
    try:
        with zipfile.ZipFile(io.BytesIO(weights)) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise _refused("its entries are compressed")
            config = json.loads(archive.read(_CONFIG)) if _CONFIG in archive.namelist() else None
            data = archive.read(WEIGHTS)
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError, NotImplementedError) as error:
        if isinstance(error, InvalidArgumentError):
            raise
        raise _refused(str(error)) from error
    if holds_code(config):
        raise UntrustedModuleError(
            "The .keras archive holds marshalled code, as a Lambda layer does.",
            field="weights",
            mend="Write the layer as a class, or name its function, and store the model again.",
        )
    h5py = _h5py()
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            for path, dataset in _datasets(file):
                _vet(h5py, path, dataset)
    except (OSError, RuntimeError, RecursionError) as error:
        raise _refused(str(error)) from error
    return data


def tensor_paths(data: bytes) -> set[str]:
    """Paths of the tensors in a weights file, without the state of the training."""
    with _h5py().File(io.BytesIO(data), "r") as file:
        return {path for path, _ in _datasets(file)}


def _canonical_weights(source: io.BytesIO) -> bytes:
    h5py, target = _h5py(), io.BytesIO()
    with h5py.File(source, "r") as saved, h5py.File(target, "w") as file:
        for path, dataset in sorted(_datasets(saved)):
            made = file.create_dataset(path, data=dataset[()])
            for name in sorted(dataset.attrs):
                made.attrs[name] = dataset.attrs[name]
        # Where a layer has no tensors Keras looks for its group all the same.
        for path in sorted(_groups(saved)):
            file.require_group(path)
    return target.getvalue()


def _datasets(group: Any, path: str = "", seen: set[int] | None = None) -> Iterator[tuple[str, Any]]:
    """All but groups; refuses links that lead out of the file, or again to the same group."""
    h5py = _h5py()
    seen = set[int]() if seen is None else seen
    address = h5py.h5o.get_info(group.id).addr
    if address in seen:
        raise _refused(f"{path or '/'} is linked twice")
    seen.add(address)
    for name in group:
        inner = f"{path}{name}"
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise _refused(f"{inner} is a link")
        if not path and name in _TRAINING:
            continue
        found = group[name]
        if isinstance(found, h5py.Group):
            yield from _datasets(found, f"{inner}/", seen)
        else:
            yield inner, found


def _groups(group: Any, path: str = "") -> Iterator[str]:
    for name in group:
        if isinstance(group[name], _h5py().Group) and (path or name not in _TRAINING):
            yield f"{path}{name}"
            yield from _groups(group[name], f"{path}{name}/")


def _vet(h5py: Any, path: str, dataset: Any) -> None:
    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
        raise _refused(f"{path} is not kept in the file itself")
    # Of a compressed or unwritten dataset the size in memory is whatever the file claims.
    if dataset.id.get_storage_size() < dataset.nbytes:
        raise _refused(f"{path} claims {dataset.nbytes} bytes and has {dataset.id.get_storage_size()}")


def _refused(fault: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"The weights are no sound .keras archive: {fault}.",
        field="weights",
        mend="Give what `model.save('model.keras')` wrote.",
    )


def _h5py() -> Any:
    return importlib.import_module("h5py")
