"""Hydra configs as operators."""

from __future__ import annotations

import copy
import dataclasses
import re
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import Any, cast

from pipekit_experiment._src.errors import InvalidConfigError, NotAnOperatorError, PipekitError
from pipekit_experiment._src.hydra.importing import hydra_utils, omegaconf
from pipekit_experiment._src.hydra.targets import called_name, check_root, check_targets
from pipekit_experiment._src.hydra.trust import check_trust, hold_to_trust
from pipekit_experiment._src.hydra.values import is_like_target
from pipekit_experiment._src.hydra.walk import Target, first_line, targets_in
from pipekit_experiment._src.registry_operator import state_of
from pipekit_experiment._src.registry_trust import names_to_trust, trusting


def operator_of(cfg: Any, node: str, trust: Iterable[str] | None) -> Any:
    """What Hydra makes of a config, which must be an operator; called after all of it was looked at."""
    utils = hydra_utils()
    names = None if trust is None else names_to_trust(trust)
    config, path = _at(as_config(cfg), node)
    targets = targets_in(config, path)
    root = _root(targets, config, path)
    if names is not None:
        config = _resolved(config)
        targets = targets_in(config, path)
        root = _root(targets, config, path)
        check_trust(targets, names)
    check_targets(targets)
    check_root(root)
    name = called_name(root)
    if names is not None:
        _check_interpolations(targets, config, path)
        hold_to_trust(targets, names)
    with nullcontext() if names is None else trusting(names):
        made = _instantiated(config, utils)
    try:
        state_of(made)
    except NotAnOperatorError as error:
        raise NotAnOperatorError(
            f"`{root.at('_target_')}` names {name}, which gives no Operator. {error.message}",
            field=name,
            mend=error.mend,
        ) from error
    return made


def as_config(cfg: Any) -> Any:
    """The DictConfig of what a user has for a config. Raises InvalidConfigError."""
    module = omegaconf()
    OmegaConf = module.OmegaConf
    if OmegaConf.is_dict(cfg):
        return cfg
    is_structured = dataclasses.is_dataclass(cfg) or hasattr(cfg, "__attrs_attrs__")
    if not isinstance(cfg, dict) and not is_structured:
        raise InvalidConfigError(
            f"The config is a {type(cfg).__name__}, not a mapping.",
            field="config",
            mend="Pass a DictConfig, a dict or what hydra_zen.builds gives; from_yaml reads a text.",
        )
    value = cast("object", cfg)
    plain = value if is_structured else _with_names(value, "", [])
    try:
        # As hydra.utils.instantiate does with what is no DictConfig.
        return OmegaConf.structured(plain, flags={"allow_objects": True})
    except module.errors.OmegaConfBaseException as error:
        path = str(error.full_key or "config")
        raise InvalidConfigError(
            f"`{path}` is not what OmegaConf allows: {first_line(error)}.", field=path, mend="Correct it."
        ) from error


def _with_names(value: object, path: str, around: list[int]) -> Any:
    """A copy in which each target is a name, as Hydra makes one. Raises InvalidConfigError for a cycle."""
    if not isinstance(value, (dict, list)):
        return value
    if id(cast("object", value)) in around:
        raise InvalidConfigError(f"`{path}` holds itself.", field=path, mend="Take it out of its own parts.")
    inside = [*around, id(cast("object", value))]
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return [_with_names(item, f"{path}[{index}]", inside) for index, item in enumerate(items)]
    entries = cast("dict[Any, Any]", value)
    return {
        key: _dotted(item)
        if key == "_target_"
        else _with_names(item, f"{path}.{key}" if path else str(key), inside)
        for key, item in entries.items()
    }


def _dotted(target: Any) -> Any:
    return f"{target.__module__}.{target.__qualname__}" if hasattr(target, "__qualname__") else target


def _at(config: Any, node: str) -> tuple[Any, str]:
    """The node that is asked for, and its path."""
    module = omegaconf()
    if node:
        try:
            found = module.OmegaConf.select(config, node, throw_on_missing=True)
        except module.errors.OmegaConfBaseException as error:
            raise InvalidConfigError(
                f"`{node}` cannot be read: {first_line(error)}.", field=node, mend="Check the config."
            ) from error
        if not module.OmegaConf.is_dict(found):
            raise InvalidConfigError(
                f"The config has no mapping `{node}`.", field=node, mend="Name a node with a `_target_`."
            )
        config = found
    return config, config._get_full_key(None)


def _root(targets: Sequence[Target], config: Any, path: str) -> Target:
    if targets and targets[0].node is config:
        return targets[0]
    where = f"`{path}`" if path else "The config"
    misspelt = [str(key) for key in config if is_like_target(str(key))]
    if misspelt:
        mend = f"It has `{misspelt[0]}`: was `_target_` meant?"
    else:
        nodes = [target.path for target in targets[:3]]
        mend = f"Those below have: {', '.join(nodes)}; pass node={nodes[0]!r}." if nodes else "Give it one."
    raise InvalidConfigError(f"{where} has no `_target_`.", field=path or "_target_", mend=mend)


def _resolved(config: Any) -> Any:
    """A copy with its interpolations resolved for good, so that what was looked at is what is called."""
    OmegaConf = omegaconf().OmegaConf
    config = copy.deepcopy(config)
    OmegaConf.set_readonly(config, False)
    OmegaConf.set_struct(config, False)
    OmegaConf.resolve(config)
    return config


def _check_interpolations(targets: Sequence[Target], config: Any, path: str) -> None:
    """Raises InvalidConfigError for a text that Hydra would resolve once more."""
    OmegaConf = omegaconf().OmegaConf
    pending: list[tuple[Any, str]] = [(config, path)]
    while pending:
        node, where = pending.pop()
        is_list = OmegaConf.is_list(node)
        for key in range(len(node)) if is_list else list(node.keys()):
            inner = f"{where}[{key}]" if is_list else f"{where}.{key}" if where else str(key)
            if OmegaConf.is_interpolation(node, key):
                raise InvalidConfigError(
                    f"`{inner}` holds an escaped interpolation, which Hydra would resolve after all.",
                    field=inner,
                    mend="Write the text as to_hydra_cfg does, by a from_json node.",
                )
            value = None if OmegaConf.is_missing(node, key) else node[key]
            if OmegaConf.is_config(value):
                pending.append((value, inner))


def _instantiated(config: Any, utils: Any) -> Any:
    from hydra.errors import InstantiationException

    try:
        return utils.instantiate(config)
    except InstantiationException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, PipekitError):
            cause = cause.__cause__
        if cause is not None:
            raise cause from error
        told = " ".join(str(error).split())
        key = re.search(r"full_key: (\S+)$", told)
        raise InvalidConfigError(
            told, field=key[1] if key else "_target_", mend="See the exception that caused this one."
        ) from error
