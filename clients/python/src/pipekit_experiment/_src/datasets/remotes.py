"""Remotes as a DVC repository's shared settings name them, without what may be secret."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit


def shown_remotes(repo: str) -> list[dict[str, str]]:
    """Name and address of each remote of `.dvc/config`, the default one first; none when it cannot be read.

    `config.local` is of one host and may hold keys: it is not looked at. Users and passwords in addresses
    are left out.
    """
    parser = configparser.RawConfigParser(strict=False)
    folder = _dvc_folder(Path(repo))
    try:
        parser.read_string("" if folder is None else (folder / "config").read_text("utf-8"))
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


def _dvc_folder(start: Path) -> Path | None:
    return next((each / ".dvc" for each in (start, *start.parents) if (each / ".dvc").is_dir()), None)


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
