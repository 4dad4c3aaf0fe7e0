"""Plays pages: each line of the standard input is a page, each line of the standard output says how it went.

Heavy packages are imported once, here; each page is a fork of this process, with an environment and a folder
of its own, so that no page sees what another has done.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import linecache
import os
import re
import runpy
import selectors
import subprocess
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import Any

PROGRAM = re.compile(r"python (\S+\.py)")

os.environ["KERAS_BACKEND"] = "jax"
# Threads that a framework starts at its import would not be there after a fork.
os.environ["OMP_NUM_THREADS"] = "1"


def import_what_is_slow() -> None:
    """Imports the frameworks without using them: nothing of them has begun when a page forks."""
    import equinox  # noqa: F401
    import jax  # noqa: F401
    import keras  # noqa: F401
    import pytorch_lightning  # noqa: F401
    import sklearn.datasets
    import sklearn.linear_model  # noqa: F401
    import torch

    torch.set_num_threads(1)


def capture(work: Any, printed: list[str]) -> None:
    """Adds what `work` prints, itself or by its processes; also where it fails."""
    with tempfile.TemporaryFile() as file:
        sys.stdout.flush()
        kept = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            work()
        finally:
            sys.stdout.flush()
            os.dup2(kept, 1)
            os.close(kept)
            file.seek(0)
            printed.append(file.read().decode())


def run_program(path: str) -> None:
    """Runs a script as `python PATH` does, in a fork that has the frameworks already."""
    pid = os.fork()
    if pid:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code:
            raise RuntimeError(f"python {path} ended with {code}.")
        return
    try:
        sys.argv = [path]
        runpy.run_path(path, run_name="__main__")
        ended = 0
    except SystemExit as error:
        ended = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
        ended = 1
    leave(ended)


def leave(code: int) -> None:
    """Ends a fork as an interpreter ends: with what is registered for its exit."""
    with contextlib.suppress(BaseException):
        atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run_shell(script: str) -> None:
    """Runs a script of bash; a line that is a Python program alone is run by a fork, with what was set."""
    kept = dict(os.environ)
    try:
        for part in re.split(r"^(python \S+\.py)\n", script, flags=re.MULTILINE):
            program = PROGRAM.fullmatch(part)
            if program:
                run_program(program[1])
            elif part.strip():
                os.environ.update(run_bash(part))
    finally:
        os.environ.clear()
        os.environ.update(kept)


def run_bash(script: str) -> dict[str, str]:
    """Runs a script to its end; the environment that it leaves."""
    with tempfile.NamedTemporaryFile() as file:
        ended = f"trap 'env -0 > {file.name}' EXIT\n{script}"
        subprocess.run(["bash", "-euo", "pipefail", "-c", ended], check=True, stdin=subprocess.DEVNULL)
        entries = Path(file.name).read_text().split("\0")
        return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def play(page: dict[str, Any]) -> dict[str, Any]:
    """Runs the steps of a page in their order; tells what each printed, and stops where one fails."""
    os.environ.clear()
    os.environ.update(page["env"])
    os.chdir(page["folder"])
    sys.path[:0] = [page["folder"], *page["modules"]]
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed: list[str] = []
    for step in page["steps"]:
        kind, code, line = step["kind"], step["code"], step["line"]
        try:
            if kind == "file":
                path = Path(step["file"])
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(code)
                printed.append("")
            elif kind == "python":
                # As many lines before it as in the page: a traceback tells the page's own.
                source = "\n" * (line - 1) + code
                name = f"<{step['page']}:{line}>"
                linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
                compiled = compile(source, name, "exec")
                capture(lambda run=compiled: exec(run, namespace), printed)
            else:
                capture(lambda script=code: run_shell(script), printed)
        except BaseException:
            return {"printed": printed, "failed": line, "why": traceback.format_exc()}
    return {"printed": printed, "failed": 0, "why": ""}


def answer_in_fork(page: dict[str, Any], end: int) -> None:
    """In the fork of a page: plays it, and writes the answer into the pipe `end`."""
    warnings.simplefilter("ignore")
    log = os.open(page["log"], os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(log, 2)
    answer = play(page)
    with os.fdopen(end, "w") as pipe:
        json.dump(answer, pipe)
    leave(0)


def main() -> None:
    """Forks a page for each line, and passes the answers on as they come."""
    import_what_is_slow()
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    warnings.filterwarnings("ignore", message=".*fork.*")
    waiting = selectors.DefaultSelector()
    waiting.register(sys.stdin, selectors.EVENT_READ, None)
    answers: dict[int, bytes] = {}
    reading = True
    while reading or answers:
        for key, _ in waiting.select():
            if key.data is None:
                line = sys.stdin.readline()
                if not line:
                    reading = False
                    waiting.unregister(sys.stdin)
                    continue
                page = json.loads(line)
                mine, its = os.pipe()
                if os.fork() == 0:
                    os.close(mine)
                    answer_in_fork(page, its)
                os.close(its)
                answers[mine] = b""
                waiting.register(mine, selectors.EVENT_READ, page["id"])
                continue
            chunk = os.read(key.fd, 1 << 16)
            answers[key.fd] += chunk
            if not chunk:
                waiting.unregister(key.fd)
                os.close(key.fd)
                said = (
                    answers.pop(key.fd)
                    or b'{"printed": [], "failed": 1, "why": "The process of the page died."}'
                )
                out.write(json.dumps({"id": key.data, **json.loads(said)}) + "\n")
                out.flush()
                os.waitpid(-1, os.WNOHANG)


if __name__ == "__main__":
    main()
