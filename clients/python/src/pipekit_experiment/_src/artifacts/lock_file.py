"""The lock file of a project: found, recorded without credentials, and read for the versions it pins."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pipekit_experiment._src.artifacts.environment import installed_packages, normal_name
from pipekit_experiment._src.artifacts.environment_git import git_root
from pipekit_experiment._src.artifacts.environment_secrets import without_credentials

INSTALLED = "installed"
"""In place of a file's name: the versions that were installed, for want of a lock file."""

_NAMES = ("uv.lock", "poetry.lock", "pylock.toml", "pylock.*.toml", "Pipfile.lock", "conda-lock.yml")
_REQUIREMENTS = ("requirements.txt", "requirements*.txt")
_MAX_BYTES = 32 * 1024 * 1024

# What each format has for one package. TOML is not read as such: Python 3.10 has no reader.
_TOML = re.compile(r'^\[\[packages?\]\]\s*\nname = "([^"]+)"\s*\nversion = "([^"]+)"', re.MULTILINE)
_CONDA = re.compile(r"^ *- name: (\S+)\n +version: ['\"]?([^\s'\"]+)", re.MULTILINE)
_PINNED = re.compile(r"^\s*([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?\s*===?\s*([^\s;#\\]+)", re.MULTILINE)


@dataclass(frozen=True)
class Lock:
    """`text` is the file's, without credentials; `about` tells where it is from, as JSON values."""

    text: str
    about: dict[str, Any]


def find_lock(path: str | os.PathLike[str]) -> Lock:
    """The nearest lock file, in the folder `path` or above it up to the root of its git repository; of
    several in one folder the first of uv.lock, poetry.lock, pylock.toml, Pipfile.lock, conda-lock.yml,
    requirements*.txt. Without one, what is installed, as `name==version` lines."""
    for file in _candidates(Path(os.path.abspath(path))):
        try:
            data = file.read_bytes()[: _MAX_BYTES + 1]
            text = data.decode()
        except (OSError, UnicodeDecodeError):
            continue
        if len(data) > _MAX_BYTES:
            continue
        shown = without_credentials(text)
        about: dict[str, Any] = {
            "file": file.name,
            "path": str(file),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        return Lock(shown, about if shown == text else {**about, "credentials": "taken out"})
    lines = [f"{name}=={version}" for name, version in installed_packages().items()]
    return Lock("\n".join(lines) + "\n", {"file": INSTALLED, "why": "no lock file was found"})


def pinned_versions(text: str) -> dict[str, frozenset[str]]:
    """The versions that a lock file's text pins, by name; several where they depend on the platform."""
    pins: dict[str, set[str]] = {}
    for name, version in _pins(text):
        pins.setdefault(normal_name(name), set()).add(version)
    return {name: frozenset(versions) for name, versions in pins.items()}


def _pins(text: str) -> Iterator[tuple[str, str]]:
    if text.lstrip().startswith("{"):
        yield from _pipfile_pins(text)
    elif "[[package" in text:
        yield from _TOML.findall(text)
    elif re.search(r"^package:", text, re.MULTILINE):
        yield from _CONDA.findall(text)
    else:
        yield from _PINNED.findall(text)


def _pipfile_pins(text: str) -> Iterator[tuple[str, str]]:
    try:
        document: Any = json.loads(text)
    except ValueError:
        return
    for group in ("default", "develop"):
        packages: Any = cast("dict[str, Any]", document).get(group) if isinstance(document, dict) else None
        for name, entry in cast("dict[str, Any]", packages if isinstance(packages, dict) else {}).items():
            version = cast("dict[str, Any]", entry).get("version") if isinstance(entry, dict) else None
            if isinstance(version, str) and version.startswith("=="):
                yield name, version.removeprefix("==")


def _candidates(folder: Path) -> Iterator[Path]:
    top = git_root(folder)
    for above in (folder, *folder.parents):
        for pattern in (*_NAMES, *_REQUIREMENTS):
            yield from sorted(file for file in above.glob(pattern) if file.is_file())
        if above == top:
            return
