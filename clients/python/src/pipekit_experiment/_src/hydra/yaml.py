"""YAML texts of Hydra configs."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from pipekit_experiment._src.errors import ArtifactUnreadableError, InvalidConfigError
from pipekit_experiment._src.hydra.importing import omegaconf
from pipekit_experiment._src.hydra.walk import MAX_COPIES, first_line

_MAX_CHARACTERS = 4 * 1024 * 1024


def parsed(text_or_path: str | os.PathLike[str]) -> Any:
    """The DictConfig of a YAML text, or of a file: a path object, or a str that ends with .yaml or .yml.

    Raises ArtifactUnreadableError, InvalidConfigError that names the line."""
    module = omegaconf()
    text = _text(text_or_path)
    # It came with omegaconf.
    yaml: Any = importlib.import_module("yaml")
    try:
        _check_size(yaml.compose(text, Loader=yaml.SafeLoader), yaml)
        return module.OmegaConf.create(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise InvalidConfigError(
            f"Line {line} of the config is not YAML for OmegaConf: {error.problem or error.context}.",
            field=f"line {line}",
            mend="Correct it.",
        ) from error
    except yaml.YAMLError as error:
        raise InvalidConfigError(
            f"The config is no YAML: {first_line(error)}.", field="config", mend="Correct it."
        ) from error
    except module.errors.OmegaConfBaseException as error:
        path = str(error.full_key or "config")
        raise InvalidConfigError(
            f"`{path}` is not what OmegaConf allows: {first_line(error)}.", field=path, mend="Correct it."
        ) from error
    except RecursionError as error:
        raise InvalidConfigError(
            "The config is nested too deep.", field="config", mend="Flatten it."
        ) from error


def _text(text_or_path: str | os.PathLike[str]) -> str:
    if isinstance(text_or_path, str) and not _is_path(text_or_path):
        text = text_or_path
    else:
        try:
            text = Path(text_or_path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ArtifactUnreadableError(
                f"The config {os.fspath(text_or_path)} cannot be read: {error}.",
                field=os.fspath(text_or_path),
                mend="Check the path.",
            ) from error
    if len(text) > _MAX_CHARACTERS:
        raise InvalidConfigError(
            f"The config has {len(text)} characters; at most {_MAX_CHARACTERS} are read.",
            field="config",
            mend="Keep large data in files of its own.",
        )
    return text


def _is_path(text: str) -> bool:
    return text.endswith((".yaml", ".yml")) and "\n" not in text and "_target_" not in text


def _check_size(root: Any, yaml: Any) -> None:
    """Raises InvalidConfigError for what is no mapping, holds itself, or is huge without its aliases."""
    if not isinstance(root, yaml.MappingNode):
        raise InvalidConfigError("The config is no mapping.", field="config", mend="Write `_target_: ...`.")
    sizes: dict[int, int] = {}

    def size(node: Any) -> int:
        known = sizes.get(id(node))
        if known == 0:
            line = node.start_mark.line + 1
            raise InvalidConfigError(
                f"The value at line {line} of the config holds itself, by an alias.",
                field=f"line {line}",
                mend="Take the alias out.",
            )
        if known is not None:
            return known
        if isinstance(node, yaml.ScalarNode):
            sizes[id(node)] = 1
            return 1
        sizes[id(node)] = 0
        is_mapping = isinstance(node, yaml.MappingNode)
        below: list[Any] = [part for pair in node.value for part in pair] if is_mapping else node.value
        sizes[id(node)] = 1 + sum(size(part) for part in below)
        return sizes[id(node)]

    if size(root) - len(sizes) > MAX_COPIES:
        raise InvalidConfigError(
            f"The aliases of the config repeat more than {MAX_COPIES} values.",
            field="config",
            mend="Write it with fewer.",
        )
