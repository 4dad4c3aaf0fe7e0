"""Repositories of DVC's for tests, and the real tool in them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

_RUN = """
import json, sys
from dvc.cli import main
for command in json.loads(sys.argv[1]):
    code = main(command)
    if code:
        sys.exit(f"dvc {' '.join(command)} ended with {code}")
"""


def new_repo(folder: Path, config: str = "") -> Path:
    """As `dvc init --no-scm` makes one."""
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc/config").write_text(f"[core]\n    no_scm = true\n{config}")
    (folder / ".dvcignore").write_text("")
    return folder


def remote(name: str, url: object, *more: str) -> str:
    """A remote for `.dvc/config`, the default one."""
    lines = [f"    remote = {name}", f"['remote \"{name}\"']", f"    url = {url}"]
    return "\n".join(lines + [f"    {line}" for line in more]) + "\n"


def clone(repo: Path, folder: Path) -> Path:
    """What Git would bring to another host: settings and records, no data and no cache."""
    new_repo(folder)
    shutil.copy(repo / ".dvc/config", folder / ".dvc/config")
    for record in repo.rglob("*.dvc"):
        if record.is_file():
            (folder / record.relative_to(repo)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(record, folder / record.relative_to(repo))
    return folder


def dvc(repo: Path, *commands: list[str]) -> str:
    """Runs commands of the real DVC in one process, which is slow to start; returns what they print."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(repo),
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(repo / ".site-cache"),
        "DVC_GLOBAL_CONFIG_DIR": str(repo / ".none"),
        "DVC_SYSTEM_CONFIG_DIR": str(repo / ".none"),
    }
    command = [sys.executable, "-c", _RUN, json.dumps(commands)]
    done = subprocess.run(command, cwd=repo, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
