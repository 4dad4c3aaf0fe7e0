"""The `pkx` command: the daemon's own command line, run by the Node.js that came with the package."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from pipekit_experiment._src.daemon_process import daemon_command
from pipekit_experiment._src.errors import PipekitError


def main() -> NoReturn:
    """Replaces this process by `node pkx.mjs` with the same arguments."""
    try:
        command = [*daemon_command(), *sys.argv[1:]]
    except PipekitError as error:
        sys.exit(f"pkx: {error}")
    os.execv(command[0], command)
