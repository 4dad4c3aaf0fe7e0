"""An operator as YAML: its `.state`, written for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from pipekit_experiment._src.errors import FormatTooNewError, NotAnOperatorError
from pipekit_experiment._src.registry_operator import rebuild, state_of
from pipekit_experiment._src.registry_trust import names_to_trust, trusting

_VERSION = 1
"""What an entry `format` beside module, class and config may say; without it this version is meant."""


def to_yaml(op: Any) -> str:
    """The operator's state as YAML; weights are not in it.

    Raises NotAnOperatorError, and InvalidConfigError that names the path of what JSON cannot say."""
    from pipekit_experiment._src.operators.strict_yaml import yaml_text

    state = state_of(op)
    return yaml_text({name: state[name] for name in ("module", "class", "config")}, "state")


def from_yaml(text: str, *, trust: Iterable[str] = ()) -> Any:
    """The operator that YAML (or JSON) describes, without weights.

    Imports only modules named in `trust` and pipekit's own packages; a name stands for the module and all
    below it. Raises UntrustedModuleError before anything is imported; NotAnOperatorError for a class that is
    no operator; InvalidConfigError that names line or path: no YAML, an alias, a tag, a key that is there
    twice, a value that JSON cannot say; FormatTooNewError."""
    names = names_to_trust(trust)
    state = state_in_yaml(text)
    with trusting(names):
        return rebuild(state, None)


def state_in_yaml(text: str) -> Mapping[str, Any]:
    """The state that YAML describes. Raises InvalidConfigError, NotAnOperatorError, FormatTooNewError."""
    from pipekit_experiment._src.operators.strict_yaml import read_yaml

    value = read_yaml(text, "state")
    entries = cast("Mapping[str, Any]", value if isinstance(value, Mapping) else {})
    version = entries.get("format", _VERSION)
    if isinstance(version, int) and version > _VERSION:
        raise FormatTooNewError(
            f"The YAML has format {version}; this version reads up to {_VERSION}.",
            field="format",
            mend="Update pipekit-experiment.",
        )
    for name, kind in (("module", str), ("class", str), ("config", Mapping)):
        if not isinstance(entries.get(name), kind):
            raise NotAnOperatorError(
                f"The YAML describes no Operator: its `{name}` is missing or malformed.",
                field=name,
                mend="An operator is written as module, class and config; see pipekit_experiment.operators.",
            )
    for name in entries:
        if name not in ("module", "class", "config", "format"):
            raise NotAnOperatorError(
                f"The YAML has an entry `{name}` beside module, class and config.",
                field=name,
                mend="Put it into `config`, or take it out.",
            )
    return {name: entries[name] for name in ("module", "class", "config")}
