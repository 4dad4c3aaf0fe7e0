"""Hyperparameters as frameworks hold them: namespaces, dataclasses and OmegaConf nodes, nested in any way."""

from __future__ import annotations

import dataclasses
import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import Any, cast

_MAX_DEPTH = 32


def plain_hyperparams(params: Any) -> dict[str, Any]:
    """The hyperparameters as nested dicts and lists; values of other types are left to log_params.

    Raises TypeError for what has no names, such as a list.
    """
    plain = _plain(params, 0)
    if not isinstance(plain, Mapping):
        raise TypeError(f"Hyperparameters of type {type(params).__name__} have no names.")
    return {str(key): value for key, value in cast("Mapping[Any, Any]", plain).items()}


def _plain(value: Any, depth: int) -> Any:
    if depth > _MAX_DEPTH:
        # What is nested deeper (or in itself) is refused by log_params, which names it.
        return value
    omegaconf: Any = sys.modules.get("omegaconf")
    if omegaconf is not None and omegaconf.OmegaConf.is_config(value):
        return _plain(_of_omegaconf(omegaconf.OmegaConf, value), depth)
    if isinstance(value, Namespace):
        value = vars(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        # Not asdict: it deep-copies, which not every value can bear.
        value = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        pairs = cast("Mapping[Any, Any]", value)
        return {key: _plain(pairs[key], depth + 1) for key in pairs}
    if isinstance(value, (list, tuple)):
        return [_plain(item, depth + 1) for item in cast("list[Any]", value)]
    return value


def _of_omegaconf(config_class: Any, value: Any) -> Any:
    """Values with their interpolations resolved; as they are written when one of them cannot be."""
    try:
        return config_class.to_container(value, resolve=True)
    except Exception:
        return config_class.to_container(value, resolve=False)
