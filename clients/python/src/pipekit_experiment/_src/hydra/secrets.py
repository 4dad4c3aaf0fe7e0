"""Values of a config that must not leave this process."""

from __future__ import annotations

import os
import re
from typing import Any, cast

from pipekit_experiment._src.hydra.importing import omegaconf

_SECRET = re.compile("KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.IGNORECASE)
"""The daemon's pattern, in adapters/hydra."""

_CALL = re.compile(r"\$\{\s*(?P<resolver>[^\s:{}$]+)\s*:(?=(?P<arguments>[^}]*))")
"""A call of a resolver, with its arguments up to the first brace; calls in arguments are found, too."""

_LEAST_CHARACTERS = 6
"""Shorter values of secret variables are looked for in no text: they would be found by chance."""

_UNRESOLVABLE = "${pipekit_experiment.not_logged:}"
"""No resolver has this name, so that nothing that leads here can be resolved either."""


def is_secret_name(name: str) -> bool:
    """Whether the value of an environment variable of this name is secret."""
    return _SECRET.search(name) is not None


def holds_secret(value: Any) -> bool:
    """Whether the value of a secret environment variable stands in it."""
    text = str(value)
    return any(
        len(secret) >= _LEAST_CHARACTERS and secret in text
        for name, secret in os.environ.items()
        if is_secret_name(name)
    )


def without_secrets(config: Any) -> Any:
    """A copy in which neither what a resolver takes from a secret can be resolved, nor `${now:...}`, whose
    time is over."""
    OmegaConf = omegaconf().OmegaConf
    return OmegaConf.create(_held_back(OmegaConf.to_container(config, resolve=False)))


def _held_back(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _held_back(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_held_back(item) for item in cast("list[Any]", value)]
    if isinstance(value, str) and _is_held_back(value):
        return _UNRESOLVABLE
    return value


def _is_held_back(text: str) -> bool:
    for call in _CALL.finditer(text):
        resolver, arguments = call["resolver"], call["arguments"]
        is_env = resolver == "oc.env"
        # The app's own resolvers may know secrets by name, too; Hydra's and OmegaConf's others do not.
        if resolver == "hydra" or (resolver.startswith("oc.") and not is_env):
            continue
        # A name that an interpolation makes up could be any.
        if resolver == "now" or is_secret_name(arguments) or (is_env and "${" in arguments):
            return True
    return False
