"""Configs of others: only code of modules that the caller trusts by name is imported and called.

A name is looked at before it is imported, and what it led to afterwards, since a module may have imported
anything. So is the name that a callable imports by itself (`get_obj`, `zen_processing`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from pipekit_experiment._src.errors import UntrustedModuleError
from pipekit_experiment._src.hydra.importing import omegaconf
from pipekit_experiment._src.hydra.rebuilt import REBUILT, TRUSTED_STATE
from pipekit_experiment._src.hydra.targets import ZEN_PROCESSING, located
from pipekit_experiment._src.hydra.values import FROM_JSON, FROM_STATE, data_of
from pipekit_experiment._src.hydra.walk import Target
from pipekit_experiment._src.registry_operator import is_state
from pipekit_experiment._src.registry_trust import (
    ALWAYS_TRUSTED,
    require_trusted,
    require_trusted_state,
    trusting,
)

_GET_OBJ = "hydra_zen.funcs.get_obj"
_PLAIN = (FROM_JSON, FROM_STATE, "hydra_zen.funcs.partial", "hydra_zen.funcs.as_default_dict")
"""Targets that run nothing but what the nodes in them give."""

_IMPORTERS = ("hydra", "hydra_zen")
"""Packages of callables that import by a name, of which only those are known here that hydra-zen writes."""


@dataclass(frozen=True)
class _Code:
    """A dotted name of which a config makes use."""

    path: str
    name: str
    is_called: bool
    """Whether with arguments out of the config; else it is handed to what is called."""


def check_trust(targets: Iterable[Target], trust: Sequence[str]) -> None:
    """Raises UntrustedModuleError: for a name before anything is imported, then for where it was defined."""
    with trusting(trust):
        named = [code for target in targets for code in _named(target)]
        for code in named:
            _require(code.name, code.path)
        for code in named:
            found = located(code.name, code.path)
            module = _module_of(found)
            _require(module, code.path)
            if module.partition(".")[0] in _IMPORTERS:
                raise _unclear(code.path, f"names {code.name}, which may import by a name")
            is_operator_class = isinstance(found, type) and hasattr(found, "from_state")
            if _is_ours(code.name, module) and not (code.is_called and is_operator_class):
                raise UntrustedModuleError(
                    f"`{code.path}` would call {code.name} with arguments that came with the config.",
                    field=code.path,
                    mend="Of that package only operators can be made.",
                )


def hold_to_trust(targets: Iterable[Target], trust: Sequence[str]) -> None:
    """Changes targets so that what is made of them looks at names in their arguments, too.

    An operator of ours may take the name of a factory from code at hand; here it comes from the config."""
    for target in targets:
        if target.name == FROM_STATE:
            _set(target.node, {"_target_": TRUSTED_STATE, "_pkx_trust_": list(trust)})
            continue
        for code in _named(target):
            if code.is_called and _is_ours(code.name, _module_of(located(code.name, code.path))):
                key = code.path.rpartition(".")[2]
                _set(target.node, {key: REBUILT, "_pkx_target_": code.name, "_pkx_trust_": list(trust)})


def _named(target: Target) -> Iterator[_Code]:
    """The names that a target makes use of."""
    if target.name == FROM_STATE:
        _check_state(target)
    elif target.name == _GET_OBJ:
        yield _Code(*_text(target, "path"), False)
    elif target.name == ZEN_PROCESSING:
        yield _Code(*_text(target, "_zen_target"), True)
        yield from _wrappers(target)
    elif target.name not in _PLAIN:
        yield _Code(target.at("_target_"), target.name, True)


def _check_state(target: Target) -> None:
    state = data_of(omegaconf().OmegaConf.to_container(target.node)).get("state")
    if not is_state(state):
        raise _unclear(target.at("state"), "is not the state of an operator")
    require_trusted_state(cast("Mapping[str, Any]", state))


def _wrappers(target: Target) -> Iterator[_Code]:
    OmegaConf = omegaconf().OmegaConf
    given = target.node.get("_zen_wrappers")
    several: list[Any] = list(given) if OmegaConf.is_list(given) else [given]
    for wrapper in several:
        if isinstance(wrapper, str):
            yield _Code(target.at("_zen_wrappers"), wrapper, False)
        elif wrapper is not None and not (OmegaConf.is_dict(wrapper) and wrapper.get("_target_") == _GET_OBJ):
            # What another node gives may be a name.
            raise _unclear(target.at("_zen_wrappers"), "holds more than names")


def _text(target: Target, key: str) -> tuple[str, str]:
    value = target.node.get(key)
    if not isinstance(value, str):
        raise _unclear(target.at(key), "is no dotted name")
    return target.at(key), value


def _module_of(found: Any) -> str:
    module = getattr(found, "__module__", None)
    return module if isinstance(module, str) else type(found).__module__


def _is_ours(name: str, module: str) -> bool:
    return name.partition(".")[0] in ALWAYS_TRUSTED or module.partition(".")[0] in ALWAYS_TRUSTED


def _require(module: str, path: str) -> None:
    try:
        require_trusted(module)
    except UntrustedModuleError as error:
        raise UntrustedModuleError(
            f"`{path}` would run code of {module}, which is not trusted.", field=path, mend=error.mend
        ) from None


def _unclear(path: str, fault: str) -> UntrustedModuleError:
    return UntrustedModuleError(
        f"`{path}` {fault}, so that it cannot be told which code it would run.",
        field=path,
        mend="Write the name itself, or leave out `trust` if the config is your own.",
    )


def _set(node: Any, entries: Mapping[str, Any]) -> None:
    OmegaConf = omegaconf().OmegaConf
    OmegaConf.set_readonly(node, False)
    OmegaConf.set_struct(node, False)
    for key, value in entries.items():
        node[key] = value
