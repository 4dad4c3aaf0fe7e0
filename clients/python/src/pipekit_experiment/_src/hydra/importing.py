"""Imports of hydra-core and what comes with it, put off until a config is read or written."""

from __future__ import annotations

from typing import Any

from pipekit_experiment._src.extras import missing_extra


def omegaconf() -> Any:
    """The module omegaconf. Raises ImportError that names the extra."""
    try:
        import omegaconf
    except ImportError as error:
        raise _missing(error) from error
    return omegaconf


def hydra_utils() -> Any:
    """The module hydra.utils. Raises ImportError that names the extra."""
    try:
        import hydra.utils
    except ImportError as error:
        raise _missing(error) from error
    return hydra.utils


def _missing(error: ImportError) -> ImportError:
    package = (
        "hydra-core" if error.name in ("hydra", "omegaconf") else f"hydra-core, which needs {error.name}"
    )
    return missing_extra(error, "hydra", "HydraConfigLoader", package)


def missing_hydra_zen(path: str, error: ImportError) -> ImportError:
    """The failure of a config, made by hydra-zen, where hydra-zen is not."""
    return ImportError(
        f"`{path}` was made by hydra-zen, and hydra-zen is not installed: run "
        "`pip install 'pipekit-experiment[hydra]'`.",
        name=error.name,
    )
