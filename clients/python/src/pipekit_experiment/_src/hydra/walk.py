"""Looks through a config as Hydra will: what is wrong with it, and which targets it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipekit_experiment._src.errors import InvalidConfigError
from pipekit_experiment._src.hydra.importing import omegaconf
from pipekit_experiment._src.hydra.values import is_misspelt_target

MAX_COPIES = 100_000
"""How many values interpolations or aliases may repeat; without a limit, a small text could be endless."""

_CONVERSIONS = ("none", "partial", "object", "all")
_KINDS = {
    "_partial_": "true or false",
    "_recursive_": "true or false",
    "_convert_": "none, partial, object or all",
    "_args_": "a list",
}
"""What Hydra's own keys can have for values, in words."""


@dataclass(frozen=True)
class Target:
    """A node with a `_target_`."""

    path: str
    """Where the node stands; empty for the root."""
    name: str
    node: Any
    is_called: bool
    """Whether Hydra calls it; it does not below `_recursive_: false`."""

    def at(self, key: str) -> str:
        """The path of an entry of the node."""
        return f"{self.path}.{key}" if self.path else key


def targets_in(config: Any, path: str) -> list[Target]:
    """The targets of a DictConfig, the root's first. Raises InvalidConfigError with the path of a fault."""
    walk = _Walk()
    walk.mapping(config, path, True, False)
    return walk.found


class _Walk:
    def __init__(self) -> None:
        self.omegaconf = omegaconf()
        self.found: list[Target] = []
        self._around: list[int] = []
        """Identities of the containers around the one that is looked at."""
        self._copies = 0

    def mapping(self, node: Any, path: str, is_called: bool, is_copy: bool) -> None:
        OmegaConf = self.omegaconf.OmegaConf
        entries = {
            key: self.entry(node, key, f"{path}.{key}" if path else str(key)) for key in list(node.keys())
        }
        if is_called:
            _check_flags(entries, path, OmegaConf)
        name = entries.get("_target_")
        if "_target_" in entries:
            self.found.append(Target(path, _target_name(name, path), node, is_called))
        may_miss = "_target_" in entries and entries.get("_partial_") is True
        inside = is_called and entries.get("_recursive_", True) is not False
        for key, value in entries.items():
            where = f"{path}.{key}" if path else str(key)
            if value is MISSING:
                if is_called and not may_miss:
                    raise _is_missing(where)
                continue
            if is_called and "_target_" not in entries and is_misspelt_target(str(key)):
                raise InvalidConfigError(
                    f"`{where}` looks as if `_target_` was meant.",
                    field=where,
                    mend="Write `_target_`; if the key is data, put the mapping in a from_json node.",
                )
            self.value(value, where, inside, is_copy or OmegaConf.is_interpolation(node, key))

    def value(self, value: Any, path: str, is_called: bool, is_copy: bool) -> None:
        OmegaConf = self.omegaconf.OmegaConf
        self._copies += is_copy
        if self._copies > MAX_COPIES:
            raise InvalidConfigError(
                f"The interpolations of the config repeat more than {MAX_COPIES} values.",
                field=path,
                mend="Write it with fewer.",
            )
        if not OmegaConf.is_config(value):
            return
        if id(value) in self._around:
            raise InvalidConfigError(
                f"`{path}` holds itself, by an interpolation.", field=path, mend="Point it elsewhere."
            )
        self._around.append(id(value))
        if OmegaConf.is_dict(value):
            self.mapping(value, path, is_called, is_copy)
        else:
            for index in range(len(value)):
                where = f"{path}[{index}]"
                item = self.entry(value, index, where)
                if item is not MISSING:
                    self.value(item, where, is_called, is_copy or OmegaConf.is_interpolation(value, index))
                elif is_called:
                    raise _is_missing(where)
        self._around.pop()

    def entry(self, node: Any, key: Any, path: str) -> Any:
        """The value of an entry, resolved; MISSING for `???` and for what points to one."""
        errors = self.omegaconf.errors
        if self.omegaconf.OmegaConf.is_missing(node, key):
            return MISSING
        try:
            return node[key]
        except (errors.MissingMandatoryValue, errors.InterpolationToMissingValueError):
            return MISSING
        except (errors.OmegaConfBaseException, RecursionError) as error:
            raw = _raw(node, key, self.omegaconf)
            raise InvalidConfigError(
                f"`{path}` is {raw!r}, which cannot be resolved: {first_line(error)}.",
                field=path,
                mend="Point it to a value that is there.",
            ) from error


class _Missing:
    """The type of MISSING."""


MISSING = _Missing()


def first_line(error: BaseException) -> str:
    """What an error says, without the lines in which OmegaConf and Hydra tell types."""
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__


def _raw(node: Any, key: Any, module: Any) -> Any:
    """The text of an entry that cannot be resolved."""
    plain = module.OmegaConf.to_container(node, resolve=False)
    return plain[key]


def _is_missing(path: str) -> InvalidConfigError:
    return InvalidConfigError(f"`{path}` is `???`, which must be given.", field=path, mend=f"Set {path}=...")


def _target_name(name: Any, path: str) -> str:
    if callable(name):
        return f"{name.__module__}.{name.__qualname__}"
    if (
        not isinstance(name, str)
        or not all(part.isidentifier() for part in name.split("."))
        or "." not in name
    ):
        where = f"{path}._target_" if path else "_target_"
        said = "`???`" if name is MISSING else repr(name)
        raise InvalidConfigError(
            f"`{where}` is {said}, which is no dotted name of a class or function.",
            field=where,
            mend="Write it as package.module.Name.",
        )
    return name


def _check_flags(entries: Mapping[Any, Any], path: str, OmegaConf: Any) -> None:
    """Raises InvalidConfigError for a value that Hydra's own keys cannot have."""
    for key, kind in _KINDS.items():
        value = entries.get(key, MISSING)
        if key == "_args_":
            is_right = OmegaConf.is_list(value) or isinstance(value, (list, tuple))
        elif key == "_convert_":
            is_right = getattr(value, "value", value) in _CONVERSIONS
        else:
            is_right = isinstance(value, bool)
        if not is_right and value is not MISSING:
            where = f"{path}.{key}" if path else key
            raise InvalidConfigError(
                f"`{where}` is {value!r}, not {kind}.", field=where, mend=f"Make it {kind}."
            )
