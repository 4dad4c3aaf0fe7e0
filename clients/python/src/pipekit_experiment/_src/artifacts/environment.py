"""The environment that a training or inference runs in: Python, packages, machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pipekit_experiment import __version__
from pipekit_experiment._src.artifacts.environment_hardware import gpus, processor

BACKEND_MODULES = {
    "lightning": ("lightning", "pytorch_lightning"),
    "jax": ("jax",),
    "equinox": ("equinox",),
    "keras": ("keras",),
    "sklearn": ("sklearn",),
}
"""The modules that a training loop's backend may stand for; any of them serves."""


def environment_now(backend: str | None) -> dict[str, Any]:
    """`backend_info` of an artifact: JSON values."""
    return {"backend": backend, **machine_now(), "packages": imported_packages()}


def machine_now() -> dict[str, Any]:
    """Python and the machine, without packages."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": f"{platform.system()} {platform.machine()}",
        "platform": platform.platform(),
        "cpu": processor(),
        "cpu_count": os.cpu_count(),
        "gpus": gpus(),
        "pipekit_experiment": __version__,
    }


def imported_packages() -> dict[str, str]:
    """Name and version of each installed distribution of which this process has imported something."""
    tops = {name.partition(".")[0] for name in list(sys.modules)}
    names = {
        normal_name(distribution)
        for top, distributions in _distributions().items()
        if top in tops
        for distribution in distributions
    }
    return versions_of(sorted(names))


@cache
def _distributions() -> Mapping[str, list[str]]:
    """By importable name. Looking through all installed files takes half a second: once is enough."""
    return importlib.metadata.packages_distributions()


def versions_of(names: Iterable[str]) -> dict[str, str]:
    """Installed versions by the names given; names of what is not installed are left out."""
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def installed_packages() -> dict[str, str]:
    """Name and version of every installed distribution, by name."""
    # The metadata of a broken installation may have no name.
    pairs = ((dist.metadata["Name"], dist.version) for dist in importlib.metadata.distributions())
    return dict(sorted((normal_name(name), version) for name, version in pairs if name))


def normal_name(name: str) -> str:
    """A distribution's name as indexes compare it (PEP 503): `scikit_learn` is `scikit-learn`."""
    return re.sub(r"[-_.]+", "-", name).lower()
