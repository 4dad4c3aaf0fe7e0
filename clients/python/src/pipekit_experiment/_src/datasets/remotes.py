"""Remotes as a DVC repository's shared settings name them, without what may be secret."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pipekit_experiment._src.datasets.dvc_repo import repo_root


def shown_remotes(repo: str) -> list[dict[str, str]]:
    """Name and address of each remote of `.dvc/config`, the default one first; none when it cannot be read.

    `config.local` is of one host and may hold keys: it is not looked at. Users and passwords in addresses
    are left out.
    """
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(Path(repo_root(repo), ".dvc/config").read_text("utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return []
    default = parser.get("core", "remote", fallback="").strip("\"'").lower()
    remotes: list[dict[str, str]] = []
    for section in parser.sections():
        named = re.fullmatch(r"""(['"]?)\s*remote\s*"(.*)"\s*\1""", section)
        if named is not None:
            url = _shown(parser.get(section, "url", fallback="").strip("\"'"))
            remotes.append({"name": named.group(2), "url": url})
    return sorted(remotes, key=lambda remote: remote["name"].lower() != default)


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
